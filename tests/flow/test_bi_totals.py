"""What BI shows of all four exchanges equals what the sandbox's world says, view by view, digit for digit.

Everything is read as the role bi_reader. The expectations are those of bi_truth.py beside this file: none of them
comes from the warehouse or from the reading side.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from etl.sandbox.world import World
from etl.sync.plan import Asked
from tests.conftest import MakeDatabase
from tests.flow.bi_facts import FACTS, PERSON, Row, added, facts_of, restated
from tests.flow.bi_truth import Past, Views, views
from tests.flow.night import Night, exchange, small_world

DAY = timedelta(days=1)
SOURCES = ("lbank", "coinw", "orderly", "ztdx")
AS_TEXT = ("numeric", "uuid", "jsonb")
BOOKKEEPING = {"run_id", "loaded_at", "first_seen_at", "last_seen_at", "last_success"}
"""Which run wrote a row and when: nothing that the world tells. test_every_row_says_when_it_was_read looks at them."""
UNTOLD = {
    "fct_transfers": {"transfer_id"},  # made by the pipeline
    "coverage_gaps": {"partition"},
    "restatements": {"restatement_id"},
}
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"


@dataclass
class Reader:
    """A session of bi_reader, in one transaction that sees one moment."""

    connection: asyncpg.Connection
    read_at: datetime

    async def views(self) -> list[str]:
        """The names of all views of `bi`."""
        return [name for (name,) in await self.rows("SELECT viewname FROM pg_views WHERE schemaname = 'bi'")]

    async def columns(self, view: str) -> dict[str, str]:
        """The columns of a view and how to read each: what would lose digits or cannot be compared, as text."""
        records = await self.rows(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum",
            f"bi.{view}",
        )
        leave_out = BOOKKEEPING | UNTOLD.get(view, set())
        return {name: kind for name, kind in records if name not in leave_out}

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """The rows of a query as tuples."""
        return [tuple(record) for record in await self.connection.fetch(query, *arguments)]


@asynccontextmanager
async def bi_reader(dsn: str) -> AsyncIterator[Reader]:
    """A session that may do what the role may do."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET ROLE bi_reader; SET TIME ZONE 'Pacific/Kiritimati'")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield Reader(connection, await connection.fetchval("SELECT now()"))
    finally:
        await connection.close()


@dataclass
class Warehouse:
    """A warehouse that nights of all four exchanges have filled, and what is known of the nights before the last."""

    dsn: str
    nights: Sequence[Night]
    past: Past

    @property
    def world(self) -> World:
        """What the exchanges tell of."""
        return self.nights[0].sandbox.world

    async def sync(self, asked: Asked | None = None) -> None:
        """A night, or a backfill, of all accounts that leaves nothing undone."""
        first, *others = self.nights
        outcomes = await first.sync(asked, *others)
        assert [(each.account, each.totals.outcome) for each in outcomes] == [
            (f"{each}-main", "done") for each in SOURCES
        ]

    async def assert_equals_world(self) -> Views:
        """Every view has the world's rows, each once, each value as the world has it."""
        async with bi_reader(self.dsn) as reader:
            told = views(self.nights, self.past, read_at=reader.read_at)
            assert set(await reader.views()) == set(told), "each view needs an expectation"
            for view, rows in told.items():
                await assert_rows(reader, view, rows)
                await assert_totals(reader, view, rows)
            await assert_stars(reader, told)
        return told


def opened(world: World, sandbox: Any, dsn: str) -> Warehouse:
    """The warehouse before its first night."""
    return Warehouse(dsn, [Night(sandbox, dsn, source=source) for source in SOURCES], Past(world.now))


def comparable(kind: str, value: Any) -> Any:
    """A value of a view that can be counted; a jsonb as the pairs of its keys and values."""
    return tuple(sorted(json.loads(value).items())) if kind == "jsonb" else value


async def assert_rows(reader: Reader, view: str, rows: Sequence[Row]) -> None:
    """The view holds these rows and no others."""
    columns = await reader.columns(view)
    assert all(set(row) == set(columns) for row in rows), f"each column of {view} needs an expectation"
    chosen = ", ".join(f"{name}::text" if kind in AS_TEXT else name for name, kind in columns.items())
    found = Counter(
        tuple(map(comparable, columns.values(), row)) for row in await reader.rows(f"SELECT {chosen} FROM bi.{view}")
    )
    told = Counter(tuple(row[name] for name in columns) for row in rows)
    assert found - told == Counter(), f"{view} shows what the world does not: {list(columns)}"
    assert told - found == Counter(), f"{view} lacks what the world has: {list(columns)}"


async def assert_totals(reader: Reader, view: str, rows: Sequence[Row]) -> None:
    """What BI reckons: the number of rows and the sums of every amount, by account."""
    columns = await reader.columns(view)
    if "account" not in columns:
        return
    names = [name for name, kind in columns.items() if kind == "numeric"]
    assert await sums(reader, f"bi.{view} v", names) == reckoned(rows, names)


async def sums(reader: Reader, source: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """By account: how many rows, and the sum of each column."""
    chosen = ", ".join(["v.account", "count(*)", *(f"coalesce(sum(v.{name}), 0)::text" for name in names)])
    return {account: rest for account, *rest in await reader.rows(f"SELECT {chosen} FROM {source} GROUP BY 1")}


def reckoned(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[Any]]:
    """The same, of the world's rows."""
    accounts = {row["account"]: [each for each in rows if each["account"] == row["account"]] for row in rows}
    return {account: [len(own), *(added(own, name) for name in names)] for account, own in accounts.items()}


async def assert_stars(reader: Reader, told: Mapping[str, Sequence[Row]]) -> None:
    """Joined with its account, its day and its person, no fact loses an amount or counts it twice."""
    for table, view in FACTS.items():
        day = "period_start" if table == "activity_period" else "day"
        star = f"bi.{view} v JOIN bi.dim_accounts a USING (account) JOIN bi.dim_dates d ON d.day = v.{day}"
        if table in PERSON:
            star += f" JOIN bi.dim_invitees i ON i.account = v.account AND i.invitee_id = v.{PERSON[table]}"
        names = [name for name, kind in (await reader.columns(view)).items() if kind == "numeric"]
        assert await sums(reader, star, names) == reckoned(told[view], names), f"the star of {view}"


# ---------------------------------------------------------------------------------------------- the demo's data


@pytest.fixture(scope="module")
def demo(make_database: MakeDatabase, migrated_template: str) -> Iterator[Warehouse]:
    """The world of `etl demo`, to this moment, after its first night. Its exchanges are closed."""

    async def fill(dsn: str) -> Warehouse:
        world = World.make(members=200, days=90)
        async with exchange(world) as sandbox:
            warehouse = opened(world, sandbox, dsn)
            await warehouse.sync()
        return warehouse

    with make_database(migrated_template) as dsn:
        yield asyncio.run(fill(dsn))


async def test_every_view_equals_the_world(demo: Warehouse) -> None:
    told = await demo.assert_equals_world()
    assert told["restatements"] == []
    empty = {view for view, rows in told.items() if not rows}
    assert empty <= {"restatements", "coverage_gaps"}, "the world has nothing to compare these with"


async def test_every_row_says_when_it_was_read(demo: Warehouse) -> None:
    """The world stood still during the first night: all was read at that moment, by one run of each account."""
    async with bi_reader(demo.dsn) as reader:
        for view in [*FACTS.values(), "dim_invitees"]:
            query = f"SELECT account, min(loaded_at), max(loaded_at), count(DISTINCT run_id) FROM bi.{view} GROUP BY 1"
            for account, *rest in await reader.rows(query):
                assert rest == [demo.world.now, demo.world.now, 1], (view, account)
        query = "SELECT DISTINCT first_seen_at, last_seen_at FROM bi.dim_invitees"
        assert await reader.rows(query) == [(demo.world.now, demo.world.now)]
        assert await reader.rows("SELECT count(DISTINCT transfer_id) - count(*) FROM bi.fct_transfers") == [(0,)]
        for view in ("dim_accounts", "data_freshness"):
            assert await reader.rows(f"SELECT FROM bi.{view} WHERE last_success IS NULL") == []


async def test_days_add_up_to_people(demo: Warehouse) -> None:
    """The same money by two ways: what an account did over all days is what its people did."""
    names = ["volume", "commission_usdt", "deposits_usd", "withdrawals_usd"]
    async with bi_reader(demo.dsn) as reader:
        by_day, by_person = [
            {account: added for account, (_, *added) in (await sums(reader, f"bi.{view} v", names)).items()}
            for view in ("daily_performance", "invitee_performance")
        ]
    for account in ("lbank-main", "coinw-main"):
        assert by_day[account] == by_person[account]
    # Orderly's commission is the broker's own, which belongs to none of its people.
    assert by_day["orderly-main"][0] == by_person["orderly-main"][0]


async def test_the_reader_can_neither_read_nor_write_anything_else(demo: Warehouse) -> None:
    connection = await asyncpg.connect(demo.dsn)
    try:
        await connection.execute("SET ROLE bi_reader")
        tables = [
            (schema, str(name), str(kind))
            for schema, name, kind in await connection.fetch(
                "SELECT nspname, relname, relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname NOT IN ('bi', 'pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg_t%'"
            )
        ]
        assert {"raw", "warehouse", "ops"} <= {schema for schema, _, _ in tables}
        for schema, name, kind in tables:
            if kind in "rpvm":
                await assert_refused(connection, f'"{schema}"."{name}"')
        held = (
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace <> ALL($1) AND "
        )
        held += f"(has_table_privilege(oid, '{RIGHTS}') OR has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE'))"
        own = await connection.fetchval(
            "SELECT array_agg(oid) FROM pg_namespace WHERE nspname IN ('bi', 'pg_catalog', 'information_schema')"
        )
        assert await connection.fetch(held, own) == []
    finally:
        await connection.close()


async def assert_refused(connection: asyncpg.Connection, table: str) -> None:
    for statement in (
        f"SELECT FROM {table}",
        f"INSERT INTO {table} DEFAULT VALUES",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


# ---------------------------------------------------------------------------------------------- corrections

HUGE = Decimal("123456789012345678901234567890.123456789012345678")
"""Beyond Python's own precision of 28 digits, and far beyond that of a float."""


@asynccontextmanager
async def after_a_night(dsn: str) -> AsyncIterator[Warehouse]:
    """A smaller world on its first evening."""
    async with exchange(small_world(members=60)) as sandbox:
        warehouse = opened(sandbox.world, sandbox, dsn)
        await warehouse.sync()
        yield warehouse


def correct(world: World, day: date, *, traded: date) -> None:
    """Other trades of a day at all exchanges; at CoinW another volume, one taken back and one added; one at Orderly."""
    futures = next(one for one in world.trade_days() if one.day == traded and one.market == "futures")
    spot = next(one for one in world.trade_days() if one.day == traded and one.market == "spot")
    world.restate_trade(futures.subject_id, "futures", traded, HUGE, fee=Decimal("0.000"))
    world.restate_trade(spot.subject_id, "spot", traded, Decimal(0), fee=Decimal("-1.50"))
    other_days = Counter(one.uid for one in world.coinw.volume_days() if one.day != day)
    known = [one for one in world.coinw.volume_days() if one.day == day and other_days[one.uid]]
    world.coinw.restate_volume(known[0].uid, day, HUGE)
    world.coinw.restate_volume(known[1].uid, day, None)
    world.coinw.add_volume(known[2].uid, day, HUGE)
    account = next(one for one in world.orderly.account_days() if one.day == day)
    world.orderly.restate(day, account.account_id, Decimal("5.0"))


async def test_a_correction_that_the_next_night_reads_leaves_the_totals_equal_to_the_world(warehouse_dsn: str) -> None:
    async with after_a_night(warehouse_dsn) as warehouse:
        world = warehouse.world
        await warehouse.assert_equals_world()
        warehouse.past.balances += facts_of(warehouse.nights)["invitee_balance_day"]
        # Trades of yesterday in Shanghai may have been in the UTC day before, which Orderly has settled.
        correct(world, world.horizon.anchor_day - DAY, traded=world.horizon.anchor_day)
        world.now += DAY
        with pytest.raises(AssertionError):
            await warehouse.assert_equals_world()
        await warehouse.sync()
        told = await warehouse.assert_equals_world()
        assert told["restatements"] == [], "nothing was final yet"
        assert len({row["day"] for row in told["fct_balance_days"]}) == 2


async def test_a_correction_of_final_days_is_read_again_by_force_and_told_value_by_value(warehouse_dsn: str) -> None:
    async with after_a_night(warehouse_dsn) as warehouse:
        world = warehouse.world
        before = facts_of(warehouse.nights)
        for days in (10, 20):
            day = world.horizon.anchor_day - days * DAY
            correct(world, day, traded=day)
        warehouse.past.restatements = restated(before, facts_of(warehouse.nights), by=world.now)
        with pytest.raises(AssertionError):
            await warehouse.assert_equals_world()
        first, last = world.horizon.first_day, world.horizon.anchor_day
        await warehouse.sync(Asked(command="backfill", first=first, last=last, force=True))
        told = await warehouse.assert_equals_world()
        tables = {row["table_name"] for row in told["restatements"]}
        assert tables >= {"trade_day", "futures_turnover", "broker_day", "broker_account_day"}
        assert {"volume", "removed_at"} <= {row["column_name"] for row in told["restatements"]}
