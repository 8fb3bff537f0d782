"""The facts and dimensions that BI tools join: the tables' rows as they are, days as spans of time, people who left."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from sqlalchemy import Table, Uuid

from etl import schema
from etl.stream import Row
from tests.database.readings import insert, rows_of
from tests.database.test_views import GONE, LOADED, commission, configure, cover, person, trade, transfer

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXACT = "1234567.123456789012345670"
"""25 significant digits, 18 decimals, the last of them a zero that must not go."""
FACTS = {
    "fct_trade_days": schema.trade_day,
    "fct_commission_days": schema.commission_day,
    "fct_transfers": schema.transfer,
    "fct_futures_turnover": schema.futures_turnover,
    "fct_balance_days": schema.invitee_balance_day,
    "fct_activity_periods": schema.activity_period,
    "fct_activity_days": schema.activity_day,
    "fct_broker_days": schema.broker_day,
    "fct_broker_account_days": schema.broker_account_day,
    "fct_referral_events": schema.referral_event,
}
INSTANTS = {"fct_transfers", "fct_referral_events"}


def full_row(table: Table, number: int, **changes: Any) -> Row:
    """A row with a value of its own in every column; rows of different numbers differ in their keys."""
    row: Row = {}
    for place, column in enumerate(table.columns):
        values: dict[type, Any] = {
            str: f"{column.name} {number}",
            Decimal: Decimal(EXACT) + place,
            date: DAY + timedelta(days=number),
            datetime: NOON + timedelta(minutes=place),
            bool: True,
            int: number,
        }
        row[column.name] = UUID(int=number) if isinstance(column.type, Uuid) else values[column.type.python_type]
    return row | {"account": "main", "removed_at": None} | changes


def texts(values: list[Any]) -> list[str]:
    """The digits as they are: equal Decimals may differ in scale."""
    return [str(value) for value in values]


# ---------------------------------------------------------------------------------------------- the star


async def test_every_table_of_facts_has_its_view() -> None:
    facts = {table for table in schema.metadata.tables.values() if table.schema == "warehouse"}
    assert set(FACTS.values()) == facts - {schema.invitee}


@pytest.mark.parametrize("view", FACTS)
async def test_fact_tells_the_rows_of_its_table_and_leaves_out_those_removed(
    connection: asyncpg.Connection, view: str
) -> None:
    table = FACTS[view]
    kept, gone = full_row(table, 1), full_row(table, 2, removed_at=NOON)
    await insert(connection, table.fullname, kept, gone)

    told = await connection.fetch(f"SELECT * FROM bi.{view}")

    columns = [column.name for column in table.columns if column.name != "removed_at"]
    assert len(told) == 1
    assert texts([told[0][name] for name in columns]) == texts([kept[name] for name in columns])
    added = {"day_start_utc", "day_end_utc", *(["day"] if view in INSTANTS else [])}
    assert set(told[0].keys()) - set(columns) == added


@pytest.mark.parametrize("view", FACTS)
async def test_fact_has_one_row_for_each_of_its_table(connection: asyncpg.Connection, view: str) -> None:
    await configure(connection)
    await configure(connection, "second")
    table = FACTS[view]
    rows = [full_row(table, number, account=account) for number in (1, 2, 3) for account in ("main", "second", "new")]
    await insert(connection, table.fullname, *rows)

    assert await connection.fetchval(f"SELECT count(*) FROM bi.{view}") == 9


async def test_sums_keep_every_digit(connection: asyncpg.Connection) -> None:
    one = commission("ETH", EXACT, EXACT)
    await insert(connection, "warehouse.commission_day", one, one | {"market": "futures"})

    told = await connection.fetchval("SELECT sum(amount)::text FROM bi.fct_commission_days")
    assert told == "2469134.246913578024691340"


async def test_no_view_reads_another_one(connection: asyncpg.Connection) -> None:
    """So that each can be dropped and made again by itself."""
    readers = await connection.fetch(
        """
        SELECT DISTINCT v.ev_class::regclass::text FROM pg_rewrite v
        JOIN pg_depend d ON d.objid = v.oid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_class c ON c.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass AND c.oid <> v.ev_class
        WHERE c.relnamespace = 'bi'::regnamespace
        """
    )
    assert readers == []


# ---------------------------------------------------------------------------------------------- days as spans of time


async def spans(connection: asyncpg.Connection, view: str = "fct_trade_days") -> list[tuple[Any, ...]]:
    return await rows_of(connection, f"bi.{view}", "day_start_utc, day_end_utc")


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("Asia/Shanghai", date(2026, 3, 1), utc(2026, 2, 28, 16), utc(2026, 3, 1, 16)),
        ("UTC", date(2026, 3, 1), utc(2026, 3, 1), utc(2026, 3, 2)),
        ("Europe/Berlin", date(2026, 3, 28), utc(2026, 3, 27, 23), utc(2026, 3, 28, 23)),
        ("Europe/Berlin", date(2026, 3, 29), utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("Europe/Berlin", date(2026, 10, 25), utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)),
        ("America/New_York", date(2026, 3, 8), utc(2026, 3, 8, 5), utc(2026, 3, 9, 4)),
    ],
)
async def test_day_is_a_span_of_the_accounts_zone_also_when_the_clocks_change(
    connection: asyncpg.Connection, zone: str, day: date, start: datetime, end: datetime
) -> None:
    await configure(connection, zone=zone)
    await insert(connection, "warehouse.trade_day", trade("A", "1", "1", day))
    await connection.execute("SET TIME ZONE 'Pacific/Kiritimati'")

    assert await spans(connection) == [(start, end)]
    local = ZoneInfo(zone)
    assert (start.astimezone(local).time(), end.astimezone(local).date()) == (
        datetime.min.time(),
        day + timedelta(days=1),
    )


async def test_day_of_an_account_that_nobody_knows_is_of_utc(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.trade_day", trade("A", "1", "1"))

    assert await spans(connection) == [(utc(2026, 3, 1), utc(2026, 3, 2))]


async def test_period_lasts_from_its_first_day_through_its_last(connection: asyncpg.Connection) -> None:
    await configure(connection, zone="Europe/Berlin")
    march = {"period_start": date(2026, 3, 1), "period_end": date(2026, 3, 31)}
    await insert(connection, "warehouse.activity_period", full_row(schema.activity_period, 1, **march))

    assert await spans(connection, "fct_activity_periods") == [(utc(2026, 2, 28, 23), utc(2026, 3, 31, 22))]


@pytest.mark.parametrize(
    ("instant", "day", "start"),
    [
        (utc(2026, 3, 28, 22, 59, 59), date(2026, 3, 28), utc(2026, 3, 27, 23)),
        (utc(2026, 3, 28, 23), date(2026, 3, 29), utc(2026, 3, 28, 23)),
        (utc(2026, 3, 29, 21, 59, 59), date(2026, 3, 29), utc(2026, 3, 28, 23)),
        (utc(2026, 3, 29, 22), date(2026, 3, 30), utc(2026, 3, 29, 22)),
    ],
)
async def test_instant_falls_on_the_day_that_it_lies_in(
    connection: asyncpg.Connection, instant: datetime, day: date, start: datetime
) -> None:
    await configure(connection, zone="Europe/Berlin")
    await insert(connection, "warehouse.transfer", transfer("1", "in", "5", created_at=instant))
    await insert(connection, "warehouse.referral_event", full_row(schema.referral_event, 1, occurred_at=instant))
    await insert(connection, "warehouse.invitee", person("A", instant))

    for view in INSTANTS:
        [(told, begins, ends)] = await rows_of(connection, f"bi.{view}", "day, day_start_utc, day_end_utc")
        assert (told, begins) == (day, start)
        assert begins <= instant < ends
    assert await connection.fetchval("SELECT registered_day FROM bi.dim_invitees") == day


async def test_balance_is_final_when_its_day_has_passed_in_the_accounts_zone(connection: asyncpg.Connection) -> None:
    await configure(connection, "early", zone="Etc/GMT+12")
    await configure(connection, "late", zone="Etc/GMT-14")
    async with connection.transaction():  # one clock
        now = await connection.fetchval("SELECT now()")
        today = {account: (now + timedelta(hours=hours)).date() for account, hours in (("early", -12), ("late", 14))}
        place = {"invitee_id": "A", "is_final": False} | LOADED
        for account, day in today.items():
            for each in (day - timedelta(days=1), day):
                await insert(connection, "warehouse.invitee_balance_day", place | {"account": account, "day": each})
        told = await rows_of(connection, "bi.fct_balance_days", "account, is_final", order="account, day")

    assert told == [("early", True), ("early", False), ("late", True), ("late", False)]


# ---------------------------------------------------------------------------------------------- dimensions


async def test_account_tells_its_zone_its_day_and_its_last_success(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await configure(connection, "second", zone="UTC")
    begun = {"source": "lbank", "started_at": NOON, "host": "h", "pid": 1}
    for account, command, outcome, hour in (
        ("main", "sync", "done", 1),
        ("main", "backfill", "done", 2),
        ("main", "sync", "failed", 3),
        ("main", "check", "done", 4),
    ):
        run = {"account": account, "command": command, "outcome": outcome, "finished_at": NOON.replace(hour=hour)}
        await insert(connection, "ops.run", begun | run)

    told = await rows_of(connection, "bi.dim_accounts", "account, source, day_zone, last_run_outcome, last_success")

    assert told == [
        ("main", "lbank", "Asia/Shanghai", "failed", NOON.replace(hour=2)),
        ("second", "lbank", "UTC", None, None),
    ]
    [(today, expected)] = await rows_of(
        connection, "bi.dim_accounts", "today, (now() AT TIME ZONE day_zone)::date", order="1 LIMIT 1"
    )
    assert today == expected


async def test_people_who_left_stay_so_that_their_facts_find_them(connection: asyncpg.Connection) -> None:
    await insert(connection, "warehouse.invitee", person("A", None), person("GONE", NOON, **GONE))
    await insert(connection, "warehouse.trade_day", trade("A", "1", "0"), trade("GONE", "2", "0"))

    assert await rows_of(connection, "bi.dim_invitees", "invitee_id, removed_at") == [
        ("A", None),
        ("GONE", GONE["removed_at"]),
    ]
    joined = "bi.fct_trade_days f JOIN bi.dim_invitees i ON (i.account, i.invitee_id) = (f.account, f.subject_id)"
    assert await rows_of(connection, joined, "count(*), sum(volume)") == [(2, 3)]


async def test_agents_and_the_affiliate_itself_are_marked(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await connection.execute("UPDATE ops.account SET subject_id = 'OWN'")
    people = [
        person(name, None, level=level) for name, level in (("A", 1), ("B", 21), ("C", 0), ("D", 99), ("E", None))
    ]
    await insert(connection, "warehouse.invitee", *people, person("OWN", None, level=1))
    await insert(connection, "warehouse.invitee", person("OTHER", None, origin="self", account="second"))

    told = await rows_of(connection, "bi.dim_invitees", "invitee_id, is_agent, is_self")
    assert {name for name, is_agent, _ in told if is_agent} == {"A", "B", "OWN"}
    assert {name for name, _, is_self in told if is_self} == {"OWN", "OTHER"}


async def test_people_on_the_list_were_last_seen_when_it_was_last_read(connection: asyncpg.Connection) -> None:
    before, read = NOON, NOON + timedelta(days=5)
    seen = {"last_seen_at": before}
    await insert(
        connection,
        "warehouse.invitee",
        person("A", None, **seen),
        person("GONE", None, **seen, **GONE),
        person("TOLD", None, origin="info", **seen),
        person("NEW", None, last_seen_at=read + timedelta(hours=1)),
        person("ELSEWHERE", None, account="second", **seen),
    )
    await cover(connection, "", None, "{[2026-03-06,2026-03-07)}", stream="team_members")
    await cover(connection, "", None, "{[2026-03-06,2026-03-07)}", stream="member_info")
    moved = "UPDATE ops.coverage SET updated_at = $2 WHERE stream = $1"
    await connection.execute(moved, "team_members", read)
    await connection.execute(moved, "member_info", read + timedelta(days=9))

    async def last_seen() -> dict[str, datetime]:
        records = await connection.fetch("SELECT invitee_id, last_seen_at FROM bi.dim_invitees")
        return dict(tuple(record) for record in records)

    expected = {"A": read, "GONE": before, "TOLD": before, "NEW": read + timedelta(hours=1), "ELSEWHERE": before}
    assert await last_seen() == expected

    place = {"run_id": 1, "account": "main", "source": "lbank", "stream": "team_members", "partition": ""}
    told = {"table_name": "invitee", "column_name": "level", "reason": "is odd", "raw": "{}", "rejected_at": read}
    span = asyncpg.Range(DAY, DAY + timedelta(days=1))
    await insert(connection, "ops.reject", place | told | {"days": span})
    assert (await last_seen())["A"] == before, "a person who cannot be read is not removed, and was perhaps not seen"


async def test_calendar_has_every_day_from_the_first_known_year_to_the_end_of_this_one(
    connection: asyncpg.Connection,
) -> None:
    ends = date(datetime.now(UTC).year, 12, 31)
    bounds = "min(day), max(day), count(*), max(day) - min(day) + 1"

    async def first_day() -> date:
        [(first, last, days, expected)] = await rows_of(connection, "bi.dim_dates", bounds)
        assert (last, days) == (ends, expected)
        return first  # type: ignore[no-any-return]

    assert await first_day() == date(ends.year, 1, 1)
    await configure(connection)  # starts on 2026-03-01
    await connection.execute("UPDATE ops.account SET start_date = '2024-05-05'")
    assert await first_day() == date(2024, 1, 1)
    await cover(connection, "", DAY, "{[2023-02-01,2023-02-02)}")
    assert await first_day() == date(2023, 1, 1)
    await insert(
        connection, "warehouse.referral_event", full_row(schema.referral_event, 1, occurred_at=utc(2022, 7, 1))
    )
    assert await first_day() == date(2022, 1, 1)
    await insert(connection, "warehouse.invitee", person("A", utc(2021, 1, 1, 3)))
    assert await first_day() == date(2020, 1, 1), "in New York it was still 2020"


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (date(2024, 12, 30), (2024, 4, 12, "December", date(2024, 12, 1), 2025, 1, date(2024, 12, 30), 1, "Monday")),
        (date(2026, 1, 1), (2026, 1, 1, "January", date(2026, 1, 1), 2026, 1, date(2025, 12, 29), 4, "Thursday")),
        (date(2024, 2, 29), (2024, 1, 2, "February", date(2024, 2, 1), 2024, 9, date(2024, 2, 26), 4, "Thursday")),
        (date(2026, 3, 1), (2026, 1, 3, "March", date(2026, 3, 1), 2026, 9, date(2026, 2, 23), 7, "Sunday")),
    ],
)
async def test_calendar_tells_months_quarters_and_iso_weeks(
    connection: asyncpg.Connection, day: date, told: tuple[Any, ...]
) -> None:
    await configure(connection)
    await connection.execute("UPDATE ops.account SET start_date = '2024-01-01'")
    await connection.execute("SET TIME ZONE 'Pacific/Kiritimati'")
    columns = (
        "year, quarter, month, month_name, month_start, iso_year, week, week_start, day_of_week, day_name, is_weekend, "
        "quarter_start, day_of_month"
    )

    [row] = await rows_of(connection, f"bi.dim_dates WHERE day = '{day}'", columns)

    quarter_start = date(day.year, 3 * (told[1] - 1) + 1, 1)
    assert row == (*told, day.isoweekday() > 5, quarter_start, day.day)
