"""Brings the warehouse to the shape of this program, in one transaction: Alembic's tables, then the `bi` views, then
the role `bi_reader` that reads them."""

from __future__ import annotations

import io
import logging
from functools import partial
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from etl.errors import WarehouseNotMigrated, WarehouseUnreachable
from etl.warehouse.engine import NOT_OURS, connect, migrations_folder, warehouse_errors

NO_READER = (
    "there is no role bi_reader, which may read the views of schema bi and nothing else, and the user of the warehouse "
    "may not make roles: have a superuser run `CREATE ROLE bi_reader NOLOGIN`, then run `etl migrate` again"
)
# Roles belong to the whole cluster. Another database of it may have made this one long ago, or may be making it in a
# transaction that is still open: then this waits for that one's end, and takes what it finds.
_READER = """
DO $$
DECLARE
    own_view regclass;
BEGIN
    IF to_regrole('bi_reader') IS NULL THEN
        BEGIN
            CREATE ROLE bi_reader NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege OR lock_not_available THEN
            NULL;
        END;
    END IF;
    IF to_regrole('bi_reader') IS NULL THEN
        RAISE WARNING 'no role bi_reader: have a superuser make it, CREATE ROLE bi_reader NOLOGIN, and run this again';
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA bi TO bi_reader;
    FOR own_view IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'bi'::regnamespace AND relkind = 'v' AND pg_has_role(relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO bi_reader', own_view);
    END LOOP;
END
$$"""
_log = logging.getLogger("etl.warehouse")


def alembic_config() -> Config:
    """Alembic's settings for programmatic use; developers' come from pyproject.toml."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


async def migrate(dsn: str, *, to: str = "head") -> None:
    """Upgrades (or, with an older revision or `base`, downgrades) the warehouse. Warns (NO_READER) where the role
    bi_reader is missing and the user of the DSN may not make it.

    Raises WarehouseNotMigrated where the warehouse is of a newer program, WarehouseUnreachable where the server is
    away, another session is in the way, or rights are missing."""
    creator = partial(connect, dsn, is_patient=True)  # env.py says how long a statement may take
    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    try:
        with warehouse_errors():
            async with engine.begin() as connection:
                await connection.run_sync(_migrate, to)
    except DBAPIError as fault:
        state = getattr(fault.orig, "sqlstate", None) or ""
        if not fault.connection_invalidated and not state.startswith(NOT_OURS):
            raise
        raise WarehouseUnreachable(
            f"the migration could not run and changed nothing ({fault.orig}); see to it and try again"
        ) from None
    except CommandError as fault:
        raise WarehouseNotMigrated(f"{fault}: the warehouse is newer than this program; update affiliate-etl") from None
    finally:
        await engine.dispose()


def _migrate(connection: Connection, to: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))  # env.py has the other guards
    if to == "head":
        command.upgrade(config, "head")
        for statement in view_statements():
            _execute(connection, statement)
        _execute(connection, _READER)
        if connection.scalar(text("SELECT to_regrole('bi_reader') IS NULL")):
            _log.warning(NO_READER)
    else:
        connection.execute(text("DROP SCHEMA IF EXISTS bi CASCADE"))
        command.downgrade(config, to)


def _execute(connection: Connection, statement: str) -> None:
    connection.execute(text(statement.replace(":", r"\:")))


def migration_sql() -> str:
    """The SQL of the whole upgrade from nothing, for people who run it themselves."""
    out = io.StringIO()
    config = alembic_config()
    config.output_buffer = out
    command.upgrade(config, "head", sql=True)
    return out.getvalue() + ";\n".join([*view_statements(), _READER]) + ";\n"


def view_statements() -> list[str]:
    """The statements of warehouse/views/*.sql in the order of their names; each file is repeatable."""
    folder = files("etl.warehouse") / "views"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    statements: list[str] = []
    for name in names:
        parts = (folder / name).read_text(encoding="utf-8").split(";\n")
        statements += [part.strip() for part in parts if part.strip()]
    return statements
