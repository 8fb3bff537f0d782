"""Connections to the warehouse, and the one place where Postgres' failures become the project's errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import asyncpg

from etl.config import WarehouseSettings
from etl.errors import ConfigurationError, WarehouseNotMigrated, WarehouseUnreachable
from etl.warehouse import embedded

CONNECT_SECONDS = 15.0
CLOSE_SECONDS = 2.0
LONGEST_SECONDS = 600.0
"""How long the warehouse may take over one window or one question, locks of others included, until it is given up."""
OLDEST_POSTGRES = 15


def dsn_of(settings: WarehouseSettings) -> str:
    """The DSN to use: the configured one, or that of the embedded Postgres, which is started when it is not up."""
    if settings.dsn is not None:
        return settings.dsn.get_secret_value().replace("postgresql+asyncpg://", "postgresql://", 1)
    return embedded.start(settings.data_dir)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What SQLSTATEs that begin so mean for the warehouse, and what there is to do."""

    states: tuple[str, ...]
    what: str
    advice: str


_AWAY = _Trouble(("08", "57"), "does not answer", "check warehouse.dsn in etl.toml and that Postgres is up")
_TROUBLES = (
    _Trouble(("53100",), "has no room left", "make room on the disk of Postgres"),
    _Trouble(("53300",), "has no connection left", "raise max_connections of Postgres, or the limit of the user"),
    _Trouble(("53",), "is short of what it needs", "see the log of Postgres"),
    _Trouble(("28",), "refuses the log-in", "check user and password of warehouse.dsn in etl.toml"),
    _Trouble(("3D",), "is not there", "check the database's name in warehouse.dsn in etl.toml"),
    _Trouble(("25006",), "may only be read", "name a server that takes writes in warehouse.dsn in etl.toml"),
    _Trouble(("42501",), "refuses its user a right", "run as the owner of the tables, or have the rights given"),
    _Trouble(("55P03", "40P01", "25P"), "was held up by another session", "try again when that is through"),
    _Trouble(
        ("58", "XX001", "XX002"), "cannot read or write its files", "see the log of Postgres before anything else"
    ),
    _AWAY,
)
NOT_OURS = tuple(state for trouble in _TROUBLES for state in trouble.states)
"""SQLSTATEs that are the server's, its owner's or another session's doing: connection, resources, intervention, log-in,
a missing database, a read-only server, missing rights, a lock, a disk that fails."""


_BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What a connection that breaks may raise; the internal error is what asyncpg makes of one that does so in a COPY."""


@contextmanager
def warehouse_errors() -> Iterator[None]:
    """Turns the loss of the warehouse into WarehouseUnreachable; other database errors are programming errors."""
    try:
        yield
    except asyncpg.PostgresError as fault:
        state = fault.sqlstate or ""
        trouble = next((each for each in _TROUBLES if state.startswith(each.states)), None)
        if trouble is None:
            raise
        raise _unreachable(fault, trouble) from None
    except _BROKEN as fault:
        raise _unreachable(fault, _AWAY) from None


def _unreachable(fault: Exception, trouble: _Trouble) -> WarehouseUnreachable:
    # The message names no DSN, which may hold a password, and no detail, which may hold a row.
    said = ": ".join([type(fault).__name__, *str(fault).splitlines()[:1]])
    if isinstance(fault, asyncpg.InternalClientError):
        said = "the connection broke"
    return WarehouseUnreachable(
        f"the warehouse {trouble.what} ({said}); {trouble.advice}. What was committed is kept; the next run goes on "
        "from there"
    )


@contextmanager
def _opening() -> Iterator[None]:
    """A DSN that cannot be understood is told without quoting it: the fault may be in the password."""
    with warehouse_errors():
        try:
            yield
        except ValueError:
            raise ConfigurationError(
                "warehouse.dsn is no valid DSN (postgresql://user:password@host/database); percent-encode special "
                "characters in the password, and look at what follows a question mark, such as sslmode"
            ) from None


async def connect(dsn: str, *, is_patient: bool = False) -> asyncpg.Connection:
    """One connection of its own, each of whose commands may take LONGEST_SECONDS, or as long as it likes."""
    with _opening():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=None if is_patient else LONGEST_SECONDS,
            server_settings={"application_name": "affiliate-etl", "timezone": "UTC"},
        )


async def close(connection: asyncpg.Connection) -> None:
    """Ends a connection in order where the server takes part, and anyhow where it does not."""
    with suppress(*_BROKEN):
        await connection.close(timeout=CLOSE_SECONDS)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a warehouse whose tables are those of this program; a server that goes away meanwhile is told
    as WarehouseUnreachable."""
    connection = await connect(dsn)
    try:
        with warehouse_errors():
            await require_migrated(connection)
            yield connection
    finally:
        await close(connection)


@asynccontextmanager
async def pool(dsn: str, *, size: int) -> AsyncIterator[asyncpg.Pool]:
    """A pool of at most `size` connections."""
    with _opening():
        opened = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": "affiliate-etl", "timezone": "UTC"},
        )
    try:
        yield opened
    finally:
        try:
            await asyncio.wait_for(opened.close(), timeout=CLOSE_SECONDS)
        except _BROKEN:
            opened.terminate()


@asynccontextmanager
async def acquired(connections: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    """A connection of the pool; a server that goes away meanwhile is told as WarehouseUnreachable, and so is one that
    takes longer than LONGEST_SECONDS over what is done with the connection."""
    with warehouse_errors():
        async with connections.acquire(timeout=LONGEST_SECONDS) as connection:
            # Not a time-out of each command: after one, asyncpg waits without end for a server that hangs to confirm
            # that the command is cancelled. To cut the connection is what always ends it.
            limit = asyncio.get_running_loop().call_later(LONGEST_SECONDS, connection.terminate)
            try:
                yield connection
            finally:
                limit.cancel()


async def require_migrated(connection: asyncpg.Connection) -> None:
    """Raises WarehouseNotMigrated unless the tables are those of this program."""
    version = connection.get_server_version()
    if version.major < OLDEST_POSTGRES:
        raise WarehouseUnreachable(f"Postgres {version.major} is too old: {OLDEST_POSTGRES} or newer is needed")
    with warehouse_errors():
        if await connection.fetchval("SELECT to_regclass('ops.schema_version')") is None:
            raise WarehouseNotMigrated("the warehouse has no tables yet; run `etl migrate`")
        found = await connection.fetchval("SELECT version_num FROM ops.schema_version")
    if found is not None and found > head_revision():
        raise WarehouseNotMigrated(
            f"the warehouse is at revision {found}, newer than this program ({head_revision()}); update affiliate-etl"
        )
    if found != head_revision():
        raise WarehouseNotMigrated(
            f"the warehouse is at revision {found or 'none'}, this program needs {head_revision()}; run `etl migrate`"
        )


def migrations_folder() -> Path:
    """The migrations: inside the installed package, or beside it in a checkout."""
    installed = Path(str(files("etl"))) / "migrations"
    return installed if installed.is_dir() else installed.parent.parent / "migrations"


def head_revision() -> str:
    """The newest revision, told by the name of its file: revisions are numbered."""
    return max(path.name for path in (migrations_folder() / "versions").glob("[0-9]*.py")).split("_", 1)[0]
