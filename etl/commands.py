"""What the commands do, behind their options: wires configuration, warehouse, client and runner together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
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
from etl.interruption import Interruption
from etl.load.coverage import read_coverage
from etl.load.roster import read_members
from etl.query.density import read_density
from etl.query.restated import Restated, read_restated
from etl.query.status import Status, read_status
from etl.sources import SOURCES
from etl.stream import Account, Roster
from etl.sync.plan import Asked, PlannedStream, chosen, plan_account
from etl.sync.run import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, EXIT_WAREHOUSE, Outcome, Runner
from etl.warehouse.engine import connected, dsn_of, pool
from etl.warehouse.migrate import migrate as migrate_warehouse

DEFAULT_CONFIG = Path("etl.toml")
POOL_SIZE = 8
_Result = TypeVar("_Result")


def run_to_end(command: Coroutine[Any, Any, _Result]) -> _Result:
    """Runs a command. SIGINT and SIGTERM roll back what is in flight; a second one leaves at once.

    Ends the process with the exit code of DESIGN section 4 when the command is interrupted."""
    with Interruption(_say_interrupted, exit_code=EXIT_INTERRUPTED) as interruption:
        try:
            return interruption.run(command)
        except (KeyboardInterrupt, asyncio.CancelledError):
            interruption.tell()
            raise SystemExit(EXIT_INTERRUPTED) from None


def _say_interrupted() -> None:
    output.tell("warning", "interrupted: what was in flight is rolled back, what was committed is kept")
    output.err.show_cursor()


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


def configuration(path: Path | None) -> Config:
    """The whole configuration, accounts and all, after saying what a person should see to in it."""
    return _warned(load(path or DEFAULT_CONFIG, SOURCES))


def warehouse_settings(path: Path | None) -> WarehouseSettings:
    """Only the `[warehouse]` table, for commands that need no account; the defaults where there is no file."""
    if path is None and not DEFAULT_CONFIG.exists():
        return WarehouseSettings()
    return _warned(load_warehouse(path or DEFAULT_CONFIG)).warehouse


def _warned(config: Config) -> Config:
    for warning in config.warnings:
        output.tell("warning", warning)
    return config


async def migrate(path: Path | None) -> None:
    """`etl migrate`: brings the warehouse to the shape of this program."""
    await migrate_warehouse(await asyncio.to_thread(dsn_of, warehouse_settings(path)))


async def run(path: Path | None, accounts: Sequence[str], streams: Sequence[str], asked: Asked) -> list[Outcome]:
    """`etl sync`, `etl backfill` and `etl replay`: reads what is due of the chosen accounts, or loads again what was
    read."""
    config = configuration(path)
    picked = _accounts(config, accounts, streams)
    _say_what_is_left_out(picked, asked)
    dsn = await asyncio.to_thread(dsn_of, config.warehouse)
    async with connected(dsn):
        pass  # a warehouse that is away or not migrated is told before anything else
    with output.progress() as progress:
        async with pool(dsn, size=POOL_SIZE) as connections, open_client(process_clock()) as client:
            runner = Runner(dsn, connections, client, progress, config.warehouse.raw_retention_days)
            return await runner.run(picked, asked)


async def restated(path: Path | None, outcomes: Sequence[Outcome], *, most: int) -> list[Restated]:
    """The first `most` values that runs found to have changed since they were final."""
    settings = load_warehouse(path or DEFAULT_CONFIG).warehouse
    async with connected(await asyncio.to_thread(dsn_of, settings)) as connection:
        runs = [outcome.totals.run_id for outcome in outcomes if outcome.totals.run_id is not None]
        return await read_restated(connection, runs, most=most)


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
    clock = process_clock()
    lines: list[PlannedStream] = []
    async with connected(await asyncio.to_thread(dsn_of, config.warehouse)) as connection:
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


async def status(path: Path | None) -> Status:
    """`etl status`: what the warehouse has of the configured accounts."""
    config = configuration(path)
    async with connected(await asyncio.to_thread(dsn_of, config.warehouse)) as connection:
        return await read_status(connection, config.accounts, process_clock()())


async def check(path: Path | None, accounts: Sequence[str]) -> list[Finding]:
    """`etl check`: the warehouse, then each account by one request."""
    config = configuration(path)
    picked = _accounts(config, accounts, ())
    async with AsyncExitStack() as opened:
        client = open_client(process_clock(), patience=Patience(attempts=2), timeout_seconds=20)
        asking = await opened.enter_async_context(client)
        connections: list[asyncpg.Connection | None] = [None] * len(picked)
        try:
            dsn = await asyncio.to_thread(dsn_of, config.warehouse)
            connections = [await opened.enter_async_context(connected(dsn)) for _ in picked]
            warehouse = Finding("warehouse", True, "Postgres answers and is migrated")
        except (WarehouseUnreachable, WarehouseNotMigrated) as fault:
            warehouse = Finding("warehouse", False, str(fault))
        return [warehouse, *await check_accounts(picked, asking, connections)]
