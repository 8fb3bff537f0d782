"""The role bi_reader: reads the views and nothing else; and what a migration does where the role is missing or new."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from etl import schema
from etl.errors import WarehouseUnreachable
from etl.warehouse import embedded
from etl.warehouse.engine import connect, require_migrated
from etl.warehouse.migrate import NO_READER, migrate, migration_sql
from tests.database.readings import load, trade, until_locked_out

TABLES = [*schema.metadata.tables, "ops.schema_version"]
VIEWS = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'bi'::regnamespace AND relkind = 'v'"
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def dsn_for(dsn: str, *, user: str, database: str | None = None) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{user}@", path=parts.path if database is None else f"/{database}"))


async def can_read(dsn: str) -> bool:
    """Whether bi_reader reads every view of the database."""
    connection = await connect(dsn)
    try:
        views = [record[0] for record in await connection.fetch(VIEWS)]
        assert "bi.fct_trade_days" in views
        await connection.execute("SET ROLE bi_reader")
        for view in views:
            await connection.fetch(f"SELECT * FROM {view}")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError):
        return False
    finally:
        await connection.close()
    return True


# ---------------------------------------------------------------------------------------------- what it may do


@pytest.fixture
async def reader(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A session of bi_reader in a warehouse with a row."""
    await load(connection, [trade("A")])
    await connection.execute("SET ROLE bi_reader")
    return connection


@pytest.fixture
async def tool_dsn(warehouse_dsn: str, connection: asyncpg.Connection) -> AsyncIterator[str]:
    """The DSN of a BI tool's own login."""
    await connection.execute("CREATE ROLE tool LOGIN IN ROLE bi_reader")
    yield dsn_for(warehouse_dsn, user="tool")
    await connection.execute("DROP ROLE tool")


async def test_reader_reads_every_view(warehouse_dsn: str, reader: asyncpg.Connection) -> None:
    assert await can_read(warehouse_dsn)
    assert await reader.fetchval("SELECT sum(volume) FROM bi.fct_trade_days") == 10


async def test_a_tools_login_reads_through_the_role(connection: asyncpg.Connection, tool_dsn: str) -> None:
    await load(connection, [trade("A")])

    tool = await connect(tool_dsn)
    assert await tool.fetchval("SELECT volume FROM bi.daily_performance") == 10
    await tool.close()


@pytest.mark.parametrize("table", TABLES)
async def test_reader_can_neither_read_nor_write_a_table(reader: asyncpg.Connection, table: str) -> None:
    for statement in (
        f"SELECT FROM {table}",
        f"INSERT INTO {table} DEFAULT VALUES",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(statement)
    # Also if somebody lets it into the schema one day.
    held = "SELECT has_any_column_privilege('bi_reader', $1::text::regclass, 'SELECT, INSERT, UPDATE, REFERENCES')"
    await reader.execute("RESET ROLE")
    assert await reader.fetchval(held, table) is False
    rights = "SELECT has_table_privilege('bi_reader', $1::text::regclass, $2)"
    assert [right for right in RIGHTS if await reader.fetchval(rights, table, right)] == []


async def test_reader_can_change_nothing_through_a_view(connection: asyncpg.Connection) -> None:
    rights = "SELECT has_table_privilege('bi_reader', $1::text::regclass, $2)"
    views = [record[0] for record in await connection.fetch(VIEWS)]

    held = {(view, right) for view in views for right in RIGHTS if await connection.fetchval(rights, view, right)}

    assert held == {(view, "SELECT") for view in views}


@pytest.mark.parametrize("place", ["raw", "warehouse", "ops", "bi", "public"])
async def test_reader_can_make_nothing(reader: asyncpg.Connection, place: str) -> None:
    for statement in (f"CREATE TABLE {place}.mine (x int)", f"CREATE VIEW {place}.mine AS SELECT 1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(statement)


async def test_reader_cannot_migrate(warehouse_dsn: str, tool_dsn: str) -> None:
    for revision in ("head", "base"):
        with pytest.raises(WarehouseUnreachable, match=r"permission denied|must be owner"):
            await migrate(tool_dsn, to=revision)
    assert await can_read(warehouse_dsn)


async def test_reader_cannot_log_in(warehouse_dsn: str) -> None:
    with pytest.raises(WarehouseUnreachable, match="not permitted to log in"):
        await connect(dsn_for(warehouse_dsn, user="bi_reader"))


# ---------------------------------------------------------------------------------------------- migrating again


async def test_migrating_again_keeps_the_role_and_its_members_and_mends_its_rights(
    warehouse_dsn: str, connection: asyncpg.Connection, tool_dsn: str
) -> None:
    await connection.execute("REVOKE SELECT ON bi.fct_trade_days FROM bi_reader")
    assert not await can_read(warehouse_dsn)

    await migrate(warehouse_dsn)

    assert await can_read(warehouse_dsn)
    tool = await connect(tool_dsn)
    assert await tool.fetch("SELECT FROM bi.fct_trade_days") == []
    await tool.close()


async def test_downgrade_leaves_the_role_to_the_clusters_other_warehouses(warehouse_dsn: str, empty_dsn: str) -> None:
    await migrate(empty_dsn)

    await migrate(empty_dsn, to="base")

    assert await can_read(warehouse_dsn)
    await migrate(empty_dsn)
    assert await can_read(empty_dsn)


# ---------------------------------------------------------------------------------------------- making the role

MakeDatabase = Callable[[str, str], Awaitable[str]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The DSN of a server of this module's own, in which nobody has made the role."""
    with tempfile.TemporaryDirectory(prefix="etl-tests-", ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder) / "data"
        try:
            yield embedded.start(data_dir)
        finally:
            embedded.stop(data_dir)


@pytest.fixture
async def admin(cluster: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser of the server; afterwards the server is as it was."""
    connection = await connect(cluster)
    yield connection
    ours = "SELECT datname FROM pg_database WHERE datname LIKE 'of_%'"
    for record in await connection.fetch(ours):
        await connection.execute(f"DROP DATABASE {record[0]} WITH (FORCE)")
    await connection.execute("DROP ROLE IF EXISTS bi_reader; DROP ROLE IF EXISTS plain; DROP ROLE IF EXISTS builder")
    await connection.close()


@pytest.fixture
def database(cluster: str, admin: asyncpg.Connection) -> MakeDatabase:
    """Makes a database and the role that owns it, with the rights named; gives the owner's DSN."""

    async def make(owner: str, rights: str = "") -> str:
        name = f"of_{owner}"
        if owner != "postgres":
            await admin.execute(f"CREATE ROLE {owner} LOGIN {rights}")
        await admin.execute(f"CREATE DATABASE {name} OWNER {owner}")
        return dsn_for(cluster, user=owner, database=name)

    return make


def superuser(dsn: str) -> str:
    return dsn_for(dsn, user="postgres")


async def test_owner_who_may_make_roles_makes_it(database: MakeDatabase, caplog: pytest.LogCaptureFixture) -> None:
    dsn = await database("builder", "CREATEROLE")

    await migrate(dsn)

    assert await can_read(superuser(dsn))
    assert caplog.messages == []


async def test_owner_who_may_not_make_roles_migrates_and_is_told_what_to_do(
    admin: asyncpg.Connection, database: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    dsn = await database("plain", "")

    await migrate(dsn)

    assert caplog.messages == [NO_READER]
    connection = await connect(dsn)
    await require_migrated(connection)
    assert await connection.fetch("SELECT FROM bi.fct_trade_days") == []
    await connection.close()
    assert not await can_read(superuser(dsn))

    caplog.clear()
    await admin.execute("CREATE ROLE bi_reader NOLOGIN")  # as the message says
    await migrate(dsn)

    assert caplog.messages == []
    assert await can_read(superuser(dsn))


async def test_second_warehouse_of_a_server_shares_the_role(database: MakeDatabase) -> None:
    first = await database("postgres", "")
    second = await database("plain", "")

    await migrate(first)
    await migrate(second)

    assert await can_read(first)
    assert await can_read(superuser(second))


async def test_views_of_other_people_in_the_schema_are_theirs_to_grant(database: MakeDatabase) -> None:
    dsn = await database("builder", "CREATEROLE")
    await migrate(dsn)
    connection = await connect(superuser(dsn))
    await connection.execute("CREATE VIEW bi.of_another AS SELECT * FROM warehouse.trade_day")

    await migrate(dsn)

    granted = "SELECT has_table_privilege('bi_reader', $1::text, 'SELECT')"
    assert await connection.fetchval(granted, "bi.of_another") is False
    assert await connection.fetchval(granted, "bi.fct_trade_days") is True
    await connection.close()


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_migration_waits_for_another_that_makes_the_role(
    admin: asyncpg.Connection, database: MakeDatabase, end: str
) -> None:
    dsn = await database("postgres", "")
    watch = await connect(dsn)
    await admin.execute("BEGIN; CREATE ROLE bi_reader NOLOGIN")

    migration = asyncio.create_task(migrate(dsn))
    await until_locked_out(watch)
    await admin.execute(end)
    await migration

    assert await can_read(dsn)
    await watch.close()


async def test_printed_sql_makes_the_role_too(database: MakeDatabase) -> None:
    dsn = await database("postgres", "")
    connection = await connect(dsn)
    await connection.execute(migration_sql())
    await connection.close()

    assert await can_read(dsn)


async def test_printed_sql_says_where_the_role_could_not_be_made(
    admin: asyncpg.Connection, database: MakeDatabase
) -> None:
    """Nor does it wait for long behind another session that is making it."""
    dsn = await database("postgres", "")
    connection = await connect(dsn)
    told: list[str] = []
    connection.add_log_listener(lambda _, message: told.append(message.message or ""))
    await admin.execute("BEGIN; CREATE ROLE bi_reader NOLOGIN")

    await connection.execute("SET lock_timeout = '100ms'")
    await connection.execute(migration_sql())

    await admin.execute("COMMIT")
    await asyncio.sleep(0)  # listeners are called by the loop
    assert [line for line in told if "CREATE ROLE bi_reader NOLOGIN" in line]
    await connection.close()
    assert not await can_read(dsn)
    await migrate(dsn)
    assert await can_read(dsn)
