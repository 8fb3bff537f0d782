"""The command line: options and what is printed. What the commands do is in `commands`."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer.exceptions import TyperException

from etl import commands, output, reports
from etl import demo as demonstration
from etl.clock import process_clock
from etl.config import FIRST_DAY
from etl.errors import ConfigurationError
from etl.query.tables import status_tables
from etl.sync.plan import Asked, total_seconds
from etl.sync.run import Outcome, exit_code
from etl.warehouse import embedded
from etl.warehouse.migrate import migration_sql

app = typer.Typer(
    name="etl",
    help="Affiliate data of crypto exchanges in one Postgres warehouse: exact, nightly, aware of what is final.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
plan_app = typer.Typer(help="Requests, minutes and the limit that binds, before anything is asked.")
db_app = typer.Typer(help="The embedded Postgres, used when no warehouse.dsn is configured.", no_args_is_help=True)
app.add_typer(plan_app, name="plan", invoke_without_command=True)
app.add_typer(db_app, name="db")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="ETL_CONFIG", help="The configuration file (etl.toml).")
]
AccountOption = Annotated[list[str] | None, typer.Option("--account", help="Only this account; may be repeated.")]
StreamOption = Annotated[
    list[str] | None, typer.Option("--stream", help="Only this stream, with or without its source; may be repeated.")
]
FullOption = Annotated[bool, typer.Option("--full", help="Ask also for people who never traded.")]
AcceptOption = Annotated[
    bool, typer.Option("--accept-removals", help="Apply readings that lack most of the rows loaded before.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Read final days again.")]
FromOption = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")]
ToOption = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, included.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on stdout.")]


def main() -> None:
    """The `etl` command."""
    output.set_up()
    with commands.exit_codes():
        sys.exit(_run() or 0)


def _run() -> int | None:
    """Runs the command line. Off a terminal, wrong usage is told like every other fault: as one JSON line."""
    try:
        code: int | None = app(standalone_mode=output.err.is_terminal)
    except TyperException as fault:
        message = fault.format_message()
        if message:
            raise ConfigurationError(message) from None
        return fault.exit_code
    return code


def _show_version(wanted: bool) -> None:
    if wanted:
        output.out.print(f"affiliate-etl {version('affiliate-etl')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    config: ConfigOption = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.obj = config


def _config(context: typer.Context, own: Path | None) -> Path | None:
    """The configuration named with the command, or else before it."""
    return own or context.find_root().obj


def _print_json(document: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


# ------------------------------------------------------------------------------------------------ reading


@app.command()
def sync(
    context: typer.Context,
    account: AccountOption = None,
    stream: StreamOption = None,
    full: FullOption = False,
    accept_removals: AcceptOption = False,
    config: ConfigOption = None,
) -> None:
    """Read everything that is due, from each account's start_date to today."""
    asked = Asked(full=full, accept_removals=accept_removals, is_narrowed=bool(stream))
    raise typer.Exit(exit_code(_run_accounts(_config(context, config), account, stream, asked)))


def _run_accounts(
    config: Path | None, accounts: list[str] | None, streams: list[str] | None, asked: Asked
) -> list[Outcome]:
    return commands.run_to_end(commands.run(config, accounts or [], streams or [], asked))


@app.command()
def backfill(
    context: typer.Context,
    first: FromOption,
    last: ToOption,
    account: AccountOption = None,
    stream: StreamOption = None,
    force: ForceOption = False,
    accept_removals: AcceptOption = False,
    config: ConfigOption = None,
) -> None:
    """Read what is due of a range of days, which may lie before start_date. Snapshots and logs are left out.

    With --force also what is final: an audit, which ends with what has changed since."""
    asked = _backfill(first, last, force=force, accept_removals=accept_removals)
    outcomes = _run_accounts(_config(context, config), account, stream, asked)
    if force:
        shown = commands.restated(_config(context, config), outcomes, most=reports.MOST_VALUES)
        reports.print_restated(outcomes, commands.run_to_end(shown))
    raise typer.Exit(exit_code(outcomes))


@app.command()
def replay(
    context: typer.Context,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, included.")] = None,
    account: AccountOption = None,
    stream: StreamOption = None,
    accept_removals: AcceptOption = False,
    config: ConfigOption = None,
) -> None:
    """Normalise again what was read before, from its raw pages. Calls no exchange."""
    days = [None if day is None else day.date() for day in (first, last)]
    if first is not None and last is not None and last < first:
        raise ConfigurationError(f"--to {days[1]} lies before --from {days[0]}")
    asked = Asked(command="replay", first=days[0], last=days[1], accept_removals=accept_removals)
    raise typer.Exit(exit_code(_run_accounts(_config(context, config), account, stream, asked)))


def _backfill(first: datetime, last: datetime, *, force: bool, accept_removals: bool = False) -> Asked:
    if last < first:
        raise ConfigurationError(f"--to {last.date()} lies before --from {first.date()}")
    if first.date() < FIRST_DAY:
        raise ConfigurationError(f"--from {first.date()} lies before {FIRST_DAY}")
    return Asked(command="backfill", first=first.date(), last=last.date(), force=force, accept_removals=accept_removals)


@plan_app.callback()
def plan(
    context: typer.Context,
    account: AccountOption = None,
    stream: StreamOption = None,
    full: FullOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Requests, minutes and the limit that binds, per account and stream. Calls no exchange."""
    if context.invoked_subcommand is None:
        _plan(_config(context, config), account, stream, Asked(full=full), as_json=as_json)


@plan_app.command("sync")
def plan_sync(
    context: typer.Context,
    account: AccountOption = None,
    stream: StreamOption = None,
    full: FullOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What the next `etl sync` costs."""
    _plan(_config(context, config), account, stream, Asked(full=full), as_json=as_json)


@plan_app.command("backfill")
def plan_backfill(
    context: typer.Context,
    first: FromOption,
    last: ToOption,
    account: AccountOption = None,
    stream: StreamOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What an `etl backfill` costs."""
    asked = _backfill(first, last, force=force)
    _plan(_config(context, config), account, stream, asked, as_json=as_json)


def _plan(
    config: Path | None, accounts: list[str] | None, streams: list[str] | None, asked: Asked, *, as_json: bool
) -> None:
    lines = commands.run_to_end(commands.plan(config, accounts or [], streams or [], asked))
    if as_json:
        requests = sum(line.requests for line in lines)
        told = [line.as_json() for line in lines]
        _print_json({"streams": told, "requests": requests, "seconds": total_seconds(lines)})
        return
    reports.print_plan(lines)


@app.command()
def status(context: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Freshness, coverage, gaps, rejects and the last runs."""
    found = commands.run_to_end(commands.status(_config(context, config)))
    if as_json:
        _print_json(found.as_json())
        return
    for each in status_tables(found):
        output.out.print(each)
        output.out.print()


@app.command()
def check(context: typer.Context, account: AccountOption = None, config: ConfigOption = None) -> None:
    """Ask each account one cheap question, look at the warehouse, and say what to fix."""
    findings = commands.run_to_end(commands.check(_config(context, config), account or []))
    reports.print_findings(findings)
    wrong = [finding.subject for finding in findings if not finding.is_good]
    raise typer.Exit(3 if "warehouse" in wrong else 1 if wrong else 0)


# ------------------------------------------------------------------------------------------------ the house


@app.command()
def init(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--config", help="The file to write.")] = None,
) -> None:
    """Write a configuration that explains itself."""
    config = _config(context, file) or commands.DEFAULT_CONFIG
    start_date = process_clock()().date() - timedelta(days=90)
    text = (files("etl") / "etl.toml.template").read_text(encoding="utf-8")
    try:
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{config} exists; it is left as it is") from None
    except OSError as fault:
        raise ConfigurationError(f"{config} cannot be written: {fault.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(text.replace("{start_date}", start_date.isoformat()))
    output.out.print(f"wrote {config}: fill in the account, then `etl check`, `etl migrate` and `etl sync`")


@app.command()
def migrate(
    context: typer.Context,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
    config: ConfigOption = None,
) -> None:
    """Bring the warehouse's tables and views to the shape of this program."""
    if sql:
        sys.stdout.write(migration_sql())
        return
    commands.run_to_end(commands.migrate(_config(context, config)))
    output.out.print("the warehouse is migrated")


@app.command()
def demo(
    members: Annotated[int, typer.Option(min=1, help="How many people the affiliate has brought.")] = 200,
    days: Annotated[int, typer.Option(min=1, help="How many days of history.")] = 90,
) -> None:
    """Sync four simulated exchanges into an embedded Postgres, and show what BI would see."""
    raise typer.Exit(commands.run_to_end(demonstration.run(members=members, days=days)))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes any free port.")] = 8765,
    members: Annotated[int, typer.Option(min=1, help="People below the affiliate.")] = 200,
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same world.")] = 1,
    now: Annotated[
        str | None, typer.Option(help="The moment it is, ISO 8601 with zone; left out: the real one.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="A limit for every endpoint, as requests/seconds; left out: each one's own.")
    ] = None,
    latency_ms: Annotated[float, typer.Option(help="Random latency of up to so much.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="What goes wrong, as http_503,exchange=lbank,share=0.05; may be repeated."),
    ] = None,
) -> None:
    """Serve the simulated exchanges, for development and tests."""
    demonstration.serve_sandbox(
        port=port,
        members=members,
        days=days,
        seed=seed,
        now=now,
        rate=rate,
        latency_ms=latency_ms,
        faults=fault or [],
    )


# ------------------------------------------------------------------------------------------------ embedded Postgres


def _data_dir(context: typer.Context, config: Path | None) -> Path:
    settings = commands.warehouse_settings(_config(context, config))
    if settings.dsn is not None:
        raise ConfigurationError("warehouse.dsn is set: the embedded Postgres is not in use")
    return settings.data_dir


@db_app.command("start")
def db_start(context: typer.Context, config: ConfigOption = None) -> None:
    """Start it, if it is not up."""
    url = embedded.start(_data_dir(context, config))
    output.out.print(f"Postgres is up: {url}", markup=False, highlight=False, soft_wrap=True)


@db_app.command("stop")
def db_stop(context: typer.Context, config: ConfigOption = None) -> None:
    """Stop it."""
    stopped = embedded.stop(_data_dir(context, config))
    output.out.print("Postgres is stopped" if stopped else "Postgres was not running")


@db_app.command("url")
def db_url(context: typer.Context, config: ConfigOption = None) -> None:
    """Print the DSN, for psql and BI tools; starts Postgres if it is not up."""
    sys.stdout.write(embedded.start(_data_dir(context, config)) + "\n")


@db_app.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def db_psql(context: typer.Context, config: ConfigOption = None) -> None:
    """Open psql on it; what follows is passed on to psql."""
    data_dir = _data_dir(context, config)
    embedded.start(data_dir)
    command = [*embedded.psql_command(data_dir), *context.args]
    os.execve(command[0], command, embedded.psql_environment())  # noqa: S606  # no shell is wanted
