"""`etl demo` and `etl sandbox`: the simulated exchanges, synced or served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from etl import commands, output
from etl.errors import ConfigurationError
from etl.query.tables import table
from etl.reports import print_plan
from etl.sandbox.faults import Fault
from etl.sandbox.server import Sandbox, serve
from etl.sandbox.world import World
from etl.schema import metadata
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate

FOLDER = Path(".etl") / "demo"
# LBank is asked once per member and market: at its real pace the demonstration would take half an hour.
LIMITS = {"lbank": (50, 1.0)}

_CONFIG = """\
# Written by `etl demo`: the simulated exchanges of that run. Look around with
#   etl --config {path} status
#   etl --config {path} db psql

[warehouse]
data_dir = "."

"""

_LAST_DAYS = """
    SELECT account, day, active_traders AS traders, round(volume, 2) AS volume, round(fees, 2) AS fees,
        round(commission_usdt, 2) AS commission, round(deposits_usd, 2) AS deposits, new_invitees AS new,
        is_final AS final
    FROM bi.daily_performance
    WHERE day > (SELECT max(day) - 4 FROM bi.daily_performance) ORDER BY account, day DESC
"""


async def run(*, members: int, days: int) -> int:
    """Syncs the sandbox into an embedded Postgres of its own and prints what is there; returns the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    dsn = await asyncio.to_thread(embedded.start, FOLDER)
    await migrate(dsn, to="base")
    await migrate(dsn)
    world = World.make(members=members, days=days)
    requests, period_seconds = LIMITS["lbank"]
    async with Sandbox(world, rate_requests=requests, rate_period_seconds=period_seconds) as sandbox:
        path = FOLDER / "etl.toml"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(_config_text(path, sandbox, days), encoding="utf-8")
        say(f"Simulated LBank, CoinW, Orderly and ZTDX: {members} members, {days} days, at {sandbox.url}")
        say(f"LBank's limit is scaled up: {requests} requests per {period_seconds:g} s, not 5 per 10 s\n")
        began = time.monotonic()
        code = exit_code(await commands.run(path, [], [], Asked()))
        say(f"\nSynced in {time.monotonic() - began:.1f} s\n")
        await _show(dsn)
        say("What the next sync will ask for:")
        print_plan(await commands.plan(path, [], [], Asked()))
    say(f"\nLook around: etl --config {path} status · etl --config {path} db psql · etl --config {path} db stop")
    return code


def say(text: str) -> None:
    """Prints a line of the demonstration."""
    output.out.print(text, markup=False, highlight=False, soft_wrap=True)


def _config_text(path: Path, sandbox: Sandbox, days: int) -> str:
    today = datetime.now(UTC).astimezone(sandbox.world.horizon.zone).date()
    accounts = sandbox.configuration(today - timedelta(days=days - 1), suffix="demo", rate_limits=LIMITS)
    return _CONFIG.format(path=path) + accounts


async def _show(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(_LAST_DAYS)
        title = "What BI sees: bi.daily_performance (rounded for this screen)"
        output.out.print(table(list(rows[0].keys()), [tuple(row) for row in rows], title=title))
        counts = []
        for each in metadata.sorted_tables:
            if each.schema == "warehouse":
                rows_loaded = await connection.fetchval(f"SELECT count(*) FROM {each.fullname}")  # noqa: S608
                counts.append((each.fullname, rows_loaded, each.comment))
        filled = [row for row in counts if row[1]]
        output.out.print(table(("table", "rows", "what a row is"), filled, title="\nWhat was loaded"))
        say("")
    finally:
        await connection.close()


def serve_sandbox(
    *,
    port: int,
    members: int,
    days: int,
    seed: int,
    now: str | None,
    rate: str | None,
    latency_ms: float,
    faults: Sequence[str] = (),
) -> None:
    """Serves until interrupted, after printing the accounts to configure. A `rate`, requests/seconds, holds for every
    exchange in place of its own; `faults` are lines as `Fault.parse` takes them."""
    try:
        moment = None if now is None else datetime.fromisoformat(now)
        requests, period_seconds = (None, None) if rate is None else _rate(rate)
    except ValueError as fault:
        raise ConfigurationError(f"--now or --rate: {fault}") from None
    if moment is not None and moment.tzinfo is None:
        raise ConfigurationError(f"--now {now}: names no time zone; end it with Z for UTC")
    world = World.make(seed=seed, members=members, days=days, end=moment, clock=_running(moment))
    sandbox = Sandbox(
        world,
        port=port,
        rate_requests=requests,
        rate_period_seconds=period_seconds,
        latency_ms=(0, latency_ms),
        clock=_running(moment),
    )
    sandbox.inject(*(_fault(spec) for spec in faults))
    serve(sandbox, announce=_announce)


def _fault(spec: str) -> Fault:
    try:
        return Fault.parse(spec)
    except ValueError as wrong:
        raise ConfigurationError(f"--fault {spec}: {wrong}") from None


def _rate(text: str) -> tuple[int, float]:
    requests, _, seconds = text.partition("/")
    return int(requests), float(seconds)


def _running(start: datetime | None) -> Callable[[], datetime]:
    first = time.monotonic()
    if start is None:
        return lambda: datetime.now(UTC)
    return lambda: start + timedelta(seconds=time.monotonic() - first)


def _announce(sandbox: Sandbox) -> None:
    say(f"LBank, CoinW, Orderly and ZTDX listen at {sandbox.url}; accounts that they know:\n")
    say(sandbox.configuration(sandbox.world.horizon.first_day))
