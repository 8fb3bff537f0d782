"""Postgres goes away, refuses or breaks in the middle of a run: one clear message, exit code 3, and the next run with
the server back has all that the world has."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from aiohttp import web

from etl.errors import WarehouseUnreachable
from etl.warehouse import engine
from etl.warehouse.migrate import migrate
from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, ended, launched, run
from tests.flow.servers import Server, execute, network, own_server
from tests.flow.test_killed import until
from tests.flow.truth import assert_equals_world

SOURCES = ("lbank", "coinw", "orderly", "ztdx")
REQUESTS, PERIOD_SECONDS = 40, 0.5
MOST_SECONDS = 30


async def told_once(process: asyncio.subprocess.Process) -> str:
    """The one message of a run that the warehouse has left."""
    failed = await asyncio.wait_for(ended(process), MOST_SECONDS)
    assert failed.code == 3, failed.err
    told = [json.loads(line) for line in failed.err.splitlines()]
    [message] = [line["event"] for line in told if line["level"] != "info"]
    assert (told[-1]["event"], told[-1]["level"]) == (message, "error")
    assert message.startswith("the warehouse ")
    return str(message)


async def assert_next_run_is_whole(night: Night, config: Path, *sources: str) -> None:
    """The next run has all that the world has, in tables and coverage."""
    last = await run(config, "sync")
    assert last.code == 0, last.err
    for source in sources or (night.source,):
        await assert_equals_world(replace(night, source=source))
    status = json.loads((await run(config, "status", "--json")).out)
    assert {stream["stream"]: stream["gaps"] for stream in status["streams"] if stream["gaps"]} == {}


@asynccontextmanager
async def busy(dsn: str, folder: Path, *sources: str) -> AsyncIterator[tuple[Night, Path]]:
    """An exchange whose limit makes a run last, a night over it, and its configuration."""
    world = small_world(members=15, days=20)
    async with exchange(world, rate_requests=REQUESTS, rate_period_seconds=PERIOD_SECONDS) as sandbox:
        night = Night(sandbox, dsn)
        limits = {"requests": REQUESTS, "period_seconds": PERIOD_SECONDS}
        yield night, configured(folder, night, sources=sources or ("lbank",), **limits)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ the server is away


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that may be stopped, whose first database is a migrated template."""
    with own_server() as started:
        asyncio.run(migrate(started.dsn))
        yield started


@pytest.fixture
def own_dsn(server: Server, request: pytest.FixtureRequest) -> str:
    """The DSN of a migrated warehouse without rows on that server, which is up."""
    name = f"own_{abs(hash(request.node.name))}"
    parts = urlsplit(server.dsn)
    template = parts.path.removeprefix("/")
    asyncio.run(server.start())
    postgres = urlunsplit(parts._replace(path="/postgres"))
    asyncio.run(execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}"))
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, id="killed"),
        pytest.param(signal.SIGQUIT, id="shut down at once"),
        pytest.param(signal.SIGINT, id="shut down"),
    ],
)
async def test_a_server_that_ends_under_four_accounts_is_told_once(
    own_dsn: str, server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    async with busy(own_dsn, tmp_path, *SOURCES) as (night, config):
        process = await launched(config, "sync")
        await until(night.sandbox, 40, process)
        server.send(number)
        await told_once(process)
        await server.stop()
        assert "does not answer" in await told_once(await launched(config, "status"))
        await server.start()
        await assert_next_run_is_whole(night, config, *SOURCES)


async def test_a_server_that_is_restarted_under_four_accounts_is_told_once(
    own_dsn: str, server: Server, tmp_path: Path
) -> None:
    async with busy(own_dsn, tmp_path, *SOURCES) as (night, config):
        process = await launched(config, "sync")
        await until(night.sandbox, 40, process)
        await server.stop()
        await server.start()
        await told_once(process)
        await assert_next_run_is_whole(night, config, *SOURCES)


async def test_a_database_that_is_dropped_is_told_and_so_is_one_that_is_not_there(
    own_dsn: str, server: Server, tmp_path: Path
) -> None:
    async with busy(own_dsn, tmp_path) as (night, config):
        process = await launched(config, "sync")
        await until(night.sandbox, 20, process)
        await execute(server.dsn, f"DROP DATABASE {urlsplit(own_dsn).path.removeprefix('/')} WITH (FORCE)")
        await told_once(process)
        for command in ("sync", "plan", "status", "migrate"):
            assert "is not there" in await told_once(await launched(config, command))


async def test_a_network_that_breaks_is_told_once(warehouse_dsn: str, tmp_path: Path) -> None:
    async with network(warehouse_dsn) as between, busy(between.dsn, tmp_path) as (night, config):
        process = await launched(config, "sync")
        await until(night.sandbox, 20, process)
        between.cut()
        await told_once(process)
        direct = replace(night, dsn=warehouse_dsn)
        await assert_next_run_is_whole(direct, configured(tmp_path, direct))


async def test_a_server_that_falls_silent_is_given_up(warehouse_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes; in this process, with a clock of patience that runs faster."""
    async with exchange(small_world(members=5, days=5)) as sandbox, network(warehouse_dsn) as between:

        def stall(_: web.Request) -> None:
            between.is_stalled = len(sandbox.requests) > 10

        sandbox.faults.append(stall)
        monkeypatch.setattr(engine, "LONGEST_SECONDS", 1)
        with pytest.raises(WarehouseUnreachable, match="does not answer"):
            await asyncio.wait_for(Night(sandbox, between.dsn).sync(), MOST_SECONDS)
        monkeypatch.undo()
        sandbox.faults.clear()
        night = Night(sandbox, warehouse_dsn)
        between.cut()
        await night.sync()
        await assert_equals_world(night)


# ------------------------------------------------------------------------------------------------ the server refuses


@asynccontextmanager
async def user(dsn: str, *, most_connections: int) -> AsyncIterator[tuple[str, str]]:
    """A user who may read and write all tables: its name, and the DSN with it."""
    name = f"{urlsplit(dsn).path.removeprefix('/')}_user"
    await execute(
        dsn,
        f"CREATE ROLE {name} LOGIN CONNECTION LIMIT {most_connections} IN ROLE pg_read_all_data, pg_write_all_data",
    )
    yield name, dsn.replace("postgres@", f"{name}@", 1)
    await execute(dsn, f"DROP ROLE {name}")


@pytest.mark.parametrize("most", [pytest.param(0, id="at the start"), pytest.param(2, id="in the middle")])
async def test_a_server_without_a_connection_left_is_told(warehouse_dsn: str, tmp_path: Path, most: int) -> None:
    async with user(warehouse_dsn, most_connections=most) as (_, dsn), busy(dsn, tmp_path) as (night, config):
        assert "no connection left" in await told_once(await launched(config, "sync"))
        assert bool(night.sandbox.requests) is bool(most)
        direct = replace(night, dsn=warehouse_dsn)
        await assert_next_run_is_whole(direct, configured(tmp_path, direct))


async def test_rights_that_are_taken_away_are_told(warehouse_dsn: str, tmp_path: Path) -> None:
    async with user(warehouse_dsn, most_connections=-1) as (name, dsn), busy(dsn, tmp_path) as (night, config):
        process = await launched(config, "sync")
        await until(night.sandbox, 20, process)
        await execute(warehouse_dsn, f"REVOKE pg_write_all_data FROM {name}")
        assert "refuses its user a right" in await told_once(process)
        await execute(warehouse_dsn, f"GRANT pg_write_all_data TO {name}")
        await assert_next_run_is_whole(night, config)


async def test_a_warehouse_that_may_only_be_read_is_told_before_anything_is_asked(
    warehouse_dsn: str, tmp_path: Path
) -> None:
    name = urlsplit(warehouse_dsn).path.removeprefix("/")
    async with busy(warehouse_dsn, tmp_path) as (night, config):
        await execute(warehouse_dsn, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        assert "may only be read" in await told_once(await launched(config, "sync"))
        assert night.sandbox.requests == []
        await execute(
            warehouse_dsn,
            "SET default_transaction_read_only = off",
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
        )
        await assert_next_run_is_whole(night, config)


@pytest.mark.parametrize(
    ("state", "told", "table"),
    [
        pytest.param("53100", "has no room left", "raw.page", id="disk full"),
        pytest.param("53200", "is short of what it needs", "warehouse.trade_day", id="out of memory"),
        pytest.param("58030", "cannot read or write its files", "raw.page", id="an I/O error"),
        pytest.param("XX001", "cannot read or write its files", "warehouse.trade_day", id="corrupted data"),
        pytest.param("XX002", "cannot read or write its files", "ops.request", id="a corrupted index"),
    ],
)
async def test_a_server_whose_disk_fails_in_a_load_is_told(
    warehouse_dsn: str, tmp_path: Path, state: str, told: str, table: str
) -> None:
    raising = f"""
        CREATE FUNCTION ops.fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'as the server would' USING ERRCODE = '{state}'; END $$"""
    async with busy(warehouse_dsn, tmp_path) as (night, config):
        trigger = f"CREATE TRIGGER fail AFTER INSERT ON {table} EXECUTE FUNCTION ops.fail()"
        await execute(warehouse_dsn, raising, trigger)
        assert told in await told_once(await launched(config, "sync"))
        await execute(warehouse_dsn, f"DROP TRIGGER fail ON {table}", "DROP FUNCTION ops.fail()")
        await assert_next_run_is_whole(night, config)
