"""What the commands do, behind their options: wires configuration, warehouse, client and runner together."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from etl import output
from etl.check import Finding, check_accounts
from etl.clock import process_clock
from etl.config import Config, WarehouseSettings, load, load_warehouse
from etl.errors import ConfigurationError, EtlError, WarehouseNotMigrated, WarehouseUnreachable
from etl.extract.client import open_client
from etl.extract.retry import Patience
from etl.load.coverage import read_coverage
from etl.load.roster import read_members
from etl.query.density import read_density
from etl.query.status import Status, read_status
from etl.sources import SOURCES
from etl.stream import Account, Roster
from etl.sync.plan import Asked, PlannedStream, chosen, plan_account
from etl.sync.run import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, EXIT_WAREHOUSE, Runner, exit_code
from etl.warehouse.engine import connect, dsn_of, pool, require_migrated, warehouse_errors

DEFAULT_CONFIG = Path("etl.toml")
POOL_SIZE = 8
_Result = TypeVar("_Result")


def run_to_end(command: Coroutine[Any, Any, _Result]) -> _Result:
    """Runs a command. SIGINT and SIGTERM roll back what is in flight; a second one leaves at once.

    Ends the process with the exit code of DESIGN section 4 when the command fails or is interrupted."""
    try:
        return asyncio.run(_interruptible(command))
    except (KeyboardInterrupt, asyncio.CancelledError):
        output.tell("warning", "interrupted: what was in flight is rolled back, what was committed is kept")
        raise SystemExit(EXIT_INTERRUPTED) from None


@contextmanager
def exit_codes() -> Iterator[None]:
    """Ends the process with the exit code that an error stands for, after saying why."""
    try:
        yield
    except EtlError as fault:
        output.tell_error(fault)
        code = EXIT_USAGE if isinstance(fault, ConfigurationError) else EXIT_FAILED
        raise SystemExit(
            EXIT_WAREHOUSE if isinstance(fault, WarehouseUnreachable | WarehouseNotMigrated) else code
        ) from None


async def _interruptible(command: Coroutine[Any, Any, _Result]) -> _Result:
    task, loop = asyncio.ensure_future(command), asyncio.get_running_loop()

    def stop() -> None:
        if task.cancelling():
            os._exit(EXIT_INTERRUPTED)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return await task


def configuration(path: Path | None) -> Config:
    """The whole configuration, accounts and all."""
    return load(path or DEFAULT_CONFIG, SOURCES)


def warehouse_settings(path: Path | None) -> WarehouseSettings:
    """Only the `[warehouse]` table, for commands that need no account; the defaults where there is no file."""
    if path is None and not DEFAULT_CONFIG.exists():
        return WarehouseSettings()
    return load_warehouse(path or DEFAULT_CONFIG)


async def sync(path: Path | None, accounts: Sequence[str], streams: Sequence[str], asked: Asked) -> int:
    """`etl sync` and `etl backfill`: reads what is due of the chosen accounts."""
    config = configuration(path)
    picked = _accounts(config, accounts, streams)
    _say_what_is_left_out(picked, asked)
    dsn = await asyncio.to_thread(dsn_of, config.warehouse)
    connection = await connect(dsn)
    await require_migrated(connection)
    await connection.close()
    with output.progress() as progress:
        async with pool(dsn, size=POOL_SIZE) as connections, open_client(process_clock()) as client:
            runner = Runner(dsn, connections, client, progress, config.warehouse.raw_retention_days)
            return exit_code(await runner.run(picked, asked))


def _accounts(config: Config, accounts: Sequence[str], streams: Sequence[str]) -> list[Account]:
    if not config.accounts:
        raise ConfigurationError(f"{config.path.name}: accounts: none is configured; `etl init` shows how")
    return chosen(config.accounts, accounts, streams)


def _say_what_is_left_out(accounts: Sequence[Account], asked: Asked) -> None:
    left = sorted({stream.name for account in accounts for stream in account.streams if not asked.wants(stream)})
    if left:
        output.tell("warning", f"left out, since they have no past to read: {', '.join(left)}")


async def plan(path: Path | None, accounts: Sequence[str], streams: Sequence[str], asked: Asked) -> list[PlannedStream]:
    """`etl plan`: what a sync or a backfill would cost. Calls no exchange."""
    config = configuration(path)
    picked = _accounts(config, accounts, streams)
    connection = await connect(await asyncio.to_thread(dsn_of, config.warehouse))
    try:
        await require_migrated(connection)
        clock = process_clock()
        lines: list[PlannedStream] = []
        with warehouse_errors():
            for account in picked:
                lines += plan_account(
                    account,
                    asked,
                    roster=Roster(await read_members(connection, account.name), full=asked.full),
                    coverage=await read_coverage(connection, account.name),
                    density=await read_density(connection, account.name),
                    today=account.today(clock()),
                )
        return lines
    finally:
        await connection.close()


async def status(path: Path | None) -> Status:
    """`etl status`: what the warehouse has of the configured accounts."""
    config = configuration(path)
    connection = await connect(await asyncio.to_thread(dsn_of, config.warehouse))
    try:
        await require_migrated(connection)
        with warehouse_errors():
            return await read_status(connection, config.accounts, process_clock()())
    finally:
        await connection.close()


async def check(path: Path | None, accounts: Sequence[str]) -> list[Finding]:
    """`etl check`: the warehouse, then each account by one request."""
    config = configuration(path)
    picked = _accounts(config, accounts, ())
    findings: list[Finding] = []
    connections: list[asyncpg.Connection | None] = [None] * len(picked)
    try:
        dsn = await asyncio.to_thread(dsn_of, config.warehouse)
        probe = await connect(dsn)
        try:
            await require_migrated(probe)
        finally:
            await probe.close()
        connections = [await connect(dsn) for _ in picked]
        findings.append(Finding("warehouse", True, "Postgres answers and is migrated"))
    except (WarehouseUnreachable, WarehouseNotMigrated) as fault:
        findings.append(Finding("warehouse", False, str(fault)))
    async with open_client(process_clock(), patience=Patience(attempts=2), timeout_seconds=20) as client:
        findings += await check_accounts(picked, client, connections)
    for connection in connections:
        if connection is not None:
            await connection.close()
    return findings
