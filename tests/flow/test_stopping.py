"""SIGINT and SIGTERM end every command within 5 s, wherever it is, with exit code 130, one message and nothing lost."""

import asyncio
import fcntl
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from etl.sandbox.server import Sandbox
from tests.flow import processes
from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import Ended, configured, ended, launched, run
from tests.flow.servers import locked, network, until_one_waits_for_a_lock
from tests.flow.test_killed import until
from tests.flow.truth import assert_equals_world

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
REQUESTS, PERIOD_SECONDS = 40, 0.5
LONGEST_SECONDS = 5


async def interrupted(process: asyncio.subprocess.Process, *numbers: signal.Signals) -> Ended:
    """Sends signals to a process that is under way, and holds it to what an interruption means."""
    assert process.returncode is None, "it had ended before"
    for number in numbers:
        process.send_signal(number)
    stopped = await asyncio.wait_for(ended(process), LONGEST_SECONDS)
    assert stopped.code == 130, stopped.err
    told = [json.loads(line) for line in stopped.err.splitlines()]
    [message] = [line for line in told if line["level"] != "info"]
    assert (message["level"], message["event"].split(":")[0]) == ("warning", "interrupted")
    assert message == told[-1]
    return stopped


async def assert_next_run_is_whole(night: Night, config: Path) -> None:
    """The next run has all that the world has, in tables and coverage."""
    night.sandbox.faults.clear()
    last = await run(config, "sync")
    assert last.code == 0, last.err
    await assert_equals_world(night)
    status = json.loads((await run(config, "status", "--json")).out)
    assert {stream["stream"]: stream["gaps"] for stream in status["streams"] if stream["gaps"]} == {}


@asynccontextmanager
async def silent(sandbox: Sandbox, *, after: int = 0, waiting: int = 1) -> AsyncIterator[asyncio.Event]:
    """The exchange stops answering after so many requests; the event is set once so many wait for an answer."""
    reached, over = asyncio.Event(), asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse | None:
        if len(sandbox.requests) <= after:
            return None
        if len(sandbox.requests) >= after + waiting:
            reached.set()
        await over.wait()
        return None

    sandbox.faults.append(never)
    yield reached
    sandbox.faults.remove(never)
    over.set()


# ------------------------------------------------------------------------------------------------ a sync


@BOTH
async def test_a_run_in_full_swing_ends_in_order_and_frees_the_account(
    warehouse_dsn: str, tmp_path: Path, number: signal.Signals
) -> None:
    async with exchange(small_world(), rate_requests=REQUESTS, rate_period_seconds=PERIOD_SECONDS) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, requests=REQUESTS, period_seconds=PERIOD_SECONDS)
        process = await launched(config, "sync")
        await until(sandbox, 30, process)
        await interrupted(process, number)
        assert await night.rows("SELECT outcome FROM ops.run") == [("interrupted",)]
        await assert_next_run_is_whole(night, config)


@BOTH
async def test_a_run_whose_exchange_does_not_answer_ends_in_order(
    warehouse_dsn: str, tmp_path: Path, number: signal.Signals
) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night)
        async with silent(sandbox, after=3) as reached:
            process = await launched(config, "sync")
            await reached.wait()
            await interrupted(process, number)
        assert await night.rows("SELECT outcome FROM ops.run") == [("interrupted",)]
        await assert_next_run_is_whole(night, config)


async def test_a_run_that_waits_for_its_pace_ends_in_order(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        process = await launched(configured(tmp_path, night, requests=1, period_seconds=60), "sync")
        await until(sandbox, 1, process)
        await interrupted(process, signal.SIGTERM)
        assert await night.rows("SELECT outcome FROM ops.run") == [("interrupted",)]


@BOTH
async def test_a_run_that_waits_for_a_lock_in_the_middle_of_a_load_rolls_back(
    warehouse_dsn: str, tmp_path: Path, number: signal.Signals
) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night)
        async with locked(warehouse_dsn, "LOCK TABLE warehouse.commission_day IN ACCESS EXCLUSIVE MODE"):
            process = await launched(config, "sync")
            await until_one_waits_for_a_lock(warehouse_dsn, process)
            await interrupted(process, number)
        assert await night.rows("SELECT outcome FROM ops.run") == [("interrupted",)]
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
        assert await night.rows(f"{held} WHERE datname = current_database())") == [(0,)]
        await assert_next_run_is_whole(night, config)


@BOTH
async def test_a_run_whose_postgres_is_silent_leaves_without_it(
    warehouse_dsn: str, tmp_path: Path, number: signal.Signals
) -> None:
    """Nothing can be rolled back by a server that takes no orders: the broken connection does it."""
    async with (
        exchange(small_world(), rate_requests=REQUESTS, rate_period_seconds=PERIOD_SECONDS) as sandbox,
        network(warehouse_dsn) as between,
    ):
        night = Night(sandbox, between.dsn)
        config = configured(tmp_path, night, requests=REQUESTS, period_seconds=PERIOD_SECONDS)
        process = await launched(config, "sync")
        await until(sandbox, 30, process)
        between.is_stalled = True
        await interrupted(process, number)
        between.cut()
        night = Night(sandbox, warehouse_dsn)
        await assert_next_run_is_whole(night, configured(tmp_path, night))
        assert await night.rows("SELECT outcome FROM ops.run ORDER BY run_id") == [("lost",), ("done",)]


async def test_a_second_signal_leaves_at_once_and_nothing_is_half_loaded(
    warehouse_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a program that would let an orderly end take an hour."""
    patient = "import etl.interruption as i; i.LONGEST_SECONDS = 3600.0; from etl.__main__ import main; main()"
    monkeypatch.setattr(processes, "ETL", [sys.executable, "-c", patient])
    async with exchange(small_world(members=5, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night)
        async with network(warehouse_dsn) as between:
            config = configured(tmp_path, Night(sandbox, between.dsn), requests=REQUESTS, period_seconds=PERIOD_SECONDS)
            process = await launched(config, "sync")
            await until(sandbox, 20, process)
            between.is_stalled = True
            await interrupted(process, signal.SIGINT, signal.SIGTERM)
        monkeypatch.undo()
        await assert_next_run_is_whole(night, configured(tmp_path, night))


async def test_a_run_that_waits_for_the_embedded_postgres_leaves_without_it(tmp_path: Path) -> None:
    """It is started in a thread, for which a loop of events waits at its end as long as it takes."""
    async with exchange(small_world(members=5, days=5)) as sandbox:
        config = configured(tmp_path, Night(sandbox, ""))
        config.write_text(config.read_text().replace('dsn = ""', 'data_dir = "data"'))
        (tmp_path / "data").mkdir(mode=0o700)
        lock = tmp_path / "data" / "postgres.start.lock"
        with lock.open("w") as held:  # as another process does that is about to start it
            fcntl.flock(held, fcntl.LOCK_EX)
            process = await launched(config, "sync")
            await until_one_waits_for(lock, process)
            await interrupted(process, signal.SIGTERM)


async def until_one_waits_for(lock: Path, process: asyncio.subprocess.Process) -> None:
    """Returns once the process waits for the lock of a file, as the kernel's list of locks shows."""
    while not is_waited_for(lock):
        assert process.returncode is None, "it ended without waiting"
        await asyncio.sleep(0.01)


def is_waited_for(lock: Path) -> bool:
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f":{lock.stat().st_ino} " in line for line in lines)


# ------------------------------------------------------------------------------------------------ the other commands


async def test_a_check_ends_in_order_and_frees_the_account(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, sources=("lbank", "coinw", "orderly", "ztdx"))
        async with silent(sandbox, waiting=4) as reached:
            process = await launched(config, "check")
            await reached.wait()
            await interrupted(process, signal.SIGINT)
        runs = await night.rows("SELECT DISTINCT command, outcome FROM ops.run")
        assert runs == [("check", "interrupted")]


@pytest.mark.parametrize(
    ("command", "lock"),
    [
        ("migrate", "SELECT pg_advisory_xact_lock(hashtextextended('affiliate-etl/migrate', 0))"),
        ("status", "LOCK TABLE ops.coverage IN ACCESS EXCLUSIVE MODE"),
        ("plan", "LOCK TABLE ops.coverage IN ACCESS EXCLUSIVE MODE"),
    ],
)
@BOTH
async def test_a_command_that_waits_for_the_warehouse_ends(
    warehouse_dsn: str, tmp_path: Path, command: str, lock: str, number: signal.Signals
) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox, locked(warehouse_dsn, lock):
        process = await launched(configured(tmp_path, Night(sandbox, warehouse_dsn)), command)
        await until_one_waits_for_a_lock(warehouse_dsn, process)
        await interrupted(process, number)


@BOTH
async def test_an_interruption_while_the_program_is_still_imported_exits_130(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "etl", "db", "url", "--config", "none.toml"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if line.rstrip().endswith(b"etl.errors"):  # one of the first of some hundred modules
            process.send_signal(number)
            break
    said = await process.stderr.read()
    assert await process.wait() == 130
    assert b"Traceback" not in said
