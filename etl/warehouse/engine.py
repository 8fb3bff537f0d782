"""Connections to the warehouse, and the one place where Postgres' failures become the project's errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path

import asyncpg

from etl.config import WarehouseSettings
from etl.errors import ConfigurationError, WarehouseNotMigrated, WarehouseUnreachable
from etl.warehouse import embedded

CONNECT_SECONDS = 15.0
OLDEST_POSTGRES = 15


def dsn_of(settings: WarehouseSettings) -> str:
    """The DSN to use: the configured one, or that of the embedded Postgres, which is started when it is not up."""
    if settings.dsn is not None:
        return settings.dsn.get_secret_value().replace("postgresql+asyncpg://", "postgresql://", 1)
    return embedded.start(settings.data_dir)


NOT_OURS = ("08", "53", "57", "28", "3D", "25006", "42501", "55P03")
"""SQLSTATEs that are the server's, its owner's or another session's doing: connection, resources, intervention, log-in,
a missing database, a read-only server, missing rights, a lock."""


@contextmanager
def warehouse_errors() -> Iterator[None]:
    """Turns the loss of the warehouse into WarehouseUnreachable; other database errors are programming errors."""
    try:
        yield
    except asyncpg.PostgresError as fault:
        if not (fault.sqlstate or "").startswith(NOT_OURS):
            raise
        raise _unreachable(fault) from None
    # asyncpg has an internal error for a connection that the server ended between two steps of a statement.
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as fault:
        raise _unreachable(fault) from None


def _unreachable(fault: Exception) -> WarehouseUnreachable:
    # The message names no DSN: it may hold a password.
    return WarehouseUnreachable(
        f"the warehouse does not answer ({type(fault).__name__}: {fault}); check warehouse.dsn in etl.toml and "
        "that Postgres is up. What was committed is kept; the next run goes on from there"
    )


@contextmanager
def _opening() -> Iterator[None]:
    """A DSN that cannot be understood is told without quoting it: the fault may be in the password."""
    try:
        with warehouse_errors():
            yield
    except ValueError:
        raise ConfigurationError(
            "warehouse.dsn is no valid DSN (postgresql://user:password@host/database); percent-encode special "
            "characters in the password"
        ) from None


async def connect(dsn: str) -> asyncpg.Connection:
    """One connection of its own."""
    with _opening():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": "affiliate-etl", "timezone": "UTC"},
        )


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
            await asyncio.wait_for(opened.close(), timeout=4.0)
        except (TimeoutError, asyncpg.InterfaceError, OSError):
            opened.terminate()


@asynccontextmanager
async def acquired(connections: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    """A connection of the pool; a server that goes away meanwhile is told as WarehouseUnreachable."""
    with warehouse_errors():
        async with connections.acquire() as connection:
            yield connection


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
