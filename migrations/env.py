"""Runs migrations: handed a connection by `etl migrate`, or given ETL_WAREHOUSE_DSN by `alembic` itself.

Guards: nobody waits behind a migration for long (timeouts), and two never run at once (an advisory lock).
"""

from __future__ import annotations

import asyncio
import os

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from etl.schema import metadata

OWN_SCHEMAS = {"raw", "warehouse", "ops"}
_GUARDS = (
    "SET LOCAL lock_timeout = '10s'",
    "SET LOCAL statement_timeout = '15min'",
    "SELECT pg_advisory_xact_lock(hashtextextended('affiliate-etl/migrate', 0))",
    "CREATE SCHEMA IF NOT EXISTS ops",
)


def _ours(name: str | None, kind: str, parents: object) -> bool:
    return name in OWN_SCHEMAS if kind == "schema" else name != "schema_version"


def _configure(connection: Connection | None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=metadata,
        include_schemas=True,
        include_name=_ours,
        version_table="schema_version",
        version_table_schema="ops",
        compare_type=True,
        compare_server_default=True,
        literal_binds=connection is None,
    )


def _run(connection: Connection) -> None:
    for guard in _GUARDS:
        connection.execute(text(guard))
    _configure(connection)
    with context.begin_transaction():
        context.run_migrations()


async def _run_on_own_connection() -> None:
    dsn = os.environ["ETL_WAREHOUSE_DSN"]
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


def _print_sql() -> None:
    _configure(None)
    with context.begin_transaction():
        for guard in _GUARDS:
            context.execute(guard)
        context.run_migrations()


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    _print_sql()
elif given is not None:
    _run(given)
else:
    asyncio.run(_run_on_own_connection())
