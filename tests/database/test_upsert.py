"""What a reading changes in a table, and what it must leave alone."""

import json
from datetime import datetime
from decimal import Decimal

import asyncpg
import pytest

from etl import schema
from etl.errors import SuspiciousRemoval
from etl.load.upsert import Counts, count_missing, leave_what_is_newer, merge, stage
from etl.windows import Days, Window
from tests.database.readings import (
    DAY,
    TRADE_COLUMNS,
    TRADES_OF_MARCH,
    load,
    restatements,
    rows_of,
    stamp,
    trade,
)


async def trades(connection: asyncpg.Connection, columns: str) -> list[tuple[object, ...]]:
    return await rows_of(connection, "warehouse.trade_day", f"subject_id, {columns}", order="subject_id, day")


async def places(connection: asyncpg.Connection) -> dict[object, tuple[object, ...]]:
    """Where each trade lies and which transaction wrote it: neither changes unless the row is written."""
    return {row[0]: row for row in await trades(connection, "xmin::text, ctid::text")}


# ---------------------------------------------------------------------------------------------- new and unchanged


async def test_new_rows_are_inserted_with_where_they_come_from(connection: asyncpg.Connection) -> None:
    counts = await load(connection, [trade("A"), trade("B", fee=None)], run_id=7)

    assert counts == Counts(new=2)
    assert await trades(connection, "account, source, volume, fee, run_id, loaded_at, removed_at, is_final") == [
        ("A", "main", "lbank", Decimal(10), Decimal("0.01"), 7, stamp(7).loaded_at, None, True),
        ("B", "main", "lbank", Decimal(10), None, 7, stamp(7).loaded_at, None, True),
    ]
    assert await restatements(connection) == []


async def test_only_days_that_the_reading_makes_final_are_final(connection: asyncpg.Connection) -> None:
    later = DAY.replace(day=2)

    await load(connection, [trade("A", DAY), trade("B", later)], final=Days((Window(DAY, later),)))

    assert await trades(connection, "is_final") == [("A", True), ("B", False)]


async def test_unchanged_rows_are_neither_rewritten_nor_counted(connection: asyncpg.Connection) -> None:
    rows = [trade("A"), trade("B", volume=None, fee=None)]
    await load(connection, rows)
    before = await places(connection)

    assert await load(connection, rows, run_id=2) == Counts()
    assert await places(connection) == before


async def test_changed_value_writes_that_row_only(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A"), trade("B"), trade("C")])
    before = await places(connection)

    assert await load(connection, [trade("A"), trade("B", volume="11"), trade("C")], run_id=2) == Counts(
        changed=1, restated=1
    )

    after = await places(connection)
    assert after["B"] != before["B"]
    assert {who: after[who] for who in "AC"} == {who: before[who] for who in "AC"}
    assert await trades(connection, "volume, run_id") == [("A", 10, 1), ("B", 11, 2), ("C", 10, 1)]


@pytest.mark.parametrize(("old", "new"), [(None, "0"), ("0", None), (None, "1.5")])
async def test_null_differs_from_every_number(connection: asyncpg.Connection, old: str | None, new: str | None) -> None:
    await load(connection, [trade("A", fee=old)])

    assert await load(connection, [trade("A", fee=new)], run_id=2) == Counts(changed=1, restated=1)
    assert await trades(connection, "fee::text") == [("A", new)]
    assert await restatements(connection) == [("A", "fee", old, new)]


async def test_rows_of_another_account_are_left_alone(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A")])
    await connection.execute("UPDATE warehouse.trade_day SET account = 'second'")

    assert await load(connection, [trade("A", volume="11")], run_id=2, scope=TRADES_OF_MARCH) == Counts(new=1)
    assert await rows_of(connection, "warehouse.trade_day", "account, volume, removed_at") == [
        ("main", 11, None),
        ("second", 10, None),
    ]


# ---------------------------------------------------------------------------------------------- digits


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1E+3", "1000"),
        ("12e4", "120000"),
        ("1.50E+1", "15.0"),
        ("1e-18", "0.000000000000000001"),
        ("0." + "123456789" * 6 + "123456", "0." + "123456789" * 6 + "123456"),
        ("9" * 39, "9" * 39),
        ("9" * 39 + "." + "1" * 60, "9" * 39 + "." + "1" * 60),
        ("-0.000", "0.000"),
        ("0.0000", "0.0000"),
        ("0E-8", "0.00000000"),
        ("-102.5810", "-102.5810"),
        ("100000000", "100000000"),
    ],
)
async def test_numbers_keep_their_digits_and_scale(connection: asyncpg.Connection, sent: str, kept: str) -> None:
    await load(connection, [trade("A", volume=sent)])

    assert await trades(connection, "volume::text") == [("A", kept)]
    assert await load(connection, [trade("A", volume=sent)], run_id=2) == Counts()


async def test_changed_scale_is_stored_but_is_no_restatement(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A", volume="1.5")])

    assert await load(connection, [trade("A", volume="1.50")], run_id=2) == Counts(changed=1)
    assert await trades(connection, "volume::text") == [("A", "1.50")]
    assert await restatements(connection) == []


# ---------------------------------------------------------------------------------------------- final


async def test_change_of_a_final_row_is_written_down(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A", volume="10", fee="0.01"), trade("B")])

    await load(connection, [trade("A", volume="9.5", fee="0.01"), trade("B")], run_id=2)

    [told] = await connection.fetch("SELECT * FROM ops.restatement")
    assert json.loads(told["key"]) == {
        "scope": "member",
        "subject_id": "A",
        "market": "spot",
        "day": "2026-03-01",
    }
    assert [told[name] for name in ("account", "source", "table_name", "run_id")] == ["main", "lbank", "trade_day", 2]
    assert [told[name] for name in ("column_name", "old_value", "new_value")] == ["volume", "10", "9.5"]
    assert told["was_final"] is True
    assert told["restated_at"] == stamp(2).loaded_at


async def test_change_of_a_row_that_is_not_final_is_not_written_down(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A", volume="10")], final=Days())

    assert await load(connection, [trade("A", volume="9.5")], run_id=2) == Counts(changed=1)
    assert await trades(connection, "volume, is_final") == [("A", Decimal("9.5"), True)]
    assert await restatements(connection) == []


async def test_becoming_final_is_a_change_but_no_restatement(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A")], final=Days())

    assert await load(connection, [trade("A")], run_id=2) == Counts(changed=1)
    assert await trades(connection, "is_final") == [("A", True)]
    assert await restatements(connection) == []


async def test_final_rows_stay_final_when_read_as_not_final(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A")])

    assert await load(connection, [trade("A")], run_id=2, final=Days()) == Counts()
    assert await load(connection, [trade("A", volume="11")], run_id=3, final=Days()) == Counts(changed=1, restated=1)
    assert await trades(connection, "is_final") == [("A", True)]
    assert await restatements(connection) == [("A", "volume", "10", "11")]


async def test_a_row_that_appears_on_a_day_that_was_final_is_written_down(connection: asyncpg.Connection) -> None:
    later = DAY.replace(day=2)
    await load(connection, [trade("A")])

    rows = [trade("A"), trade("B", volume="3", fee=None), trade("C", later)]
    assert await load(connection, rows, run_id=2, were_final=Days.between(DAY, later)) == Counts(new=2, restated=1)

    assert await restatements(connection) == [("B", "volume", None, "3")]


async def test_a_replay_leaves_rows_alone_that_a_later_reading_wrote_or_took_back(
    connection: asyncpg.Connection,
) -> None:
    await load(connection, [trade("A", volume="1"), trade("B", volume="1"), trade("C", volume="1")], run_id=1)
    await load(connection, [trade("A", volume="2"), trade("B", volume="1")], run_id=3, scope=TRADES_OF_MARCH)

    async with connection.transaction():
        rows = [trade(who, volume="5") for who in "ABCD"]
        told = stamp(2)
        await stage(connection, schema.trade_day, rows, columns=TRADE_COLUMNS, stamp=told, final=Days())
        await leave_what_is_newer(connection, schema.trade_day)
        counts = await merge(connection, schema.trade_day, TRADE_COLUMNS, stamp=told)

    assert counts == Counts(new=1, changed=1, restated=1)
    seen = await trades(connection, "volume, removed_at IS NULL")
    assert seen == [("A", 2, True), ("B", 5, True), ("C", 1, False), ("D", 5, True)]


# ---------------------------------------------------------------------------------------------- removal


async def test_row_that_is_gone_is_marked_and_written_down(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A"), trade("B")])

    assert await load(connection, [trade("A")], run_id=2, scope=TRADES_OF_MARCH) == Counts(removed=1, restated=1)

    removed_at = stamp(2).loaded_at
    assert await trades(connection, "volume, removed_at") == [("A", 10, None), ("B", 10, removed_at)]
    [(who, column, old, new)] = await restatements(connection)
    assert (who, column, old, datetime.fromisoformat(new)) == ("B", "removed_at", None, removed_at)


async def test_row_that_returns_is_revived_with_its_new_value(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A"), trade("B")], final=Days())
    await load(connection, [trade("A")], run_id=2, scope=TRADES_OF_MARCH, final=Days())
    assert await load(connection, [trade("A")], run_id=3, scope=TRADES_OF_MARCH, final=Days()) == Counts()

    assert await load(connection, [trade("A"), trade("B", volume="12")], run_id=4, final=Days()) == Counts(changed=1)
    assert await trades(connection, "volume, removed_at, run_id") == [("A", 10, None, 1), ("B", 12, None, 4)]
    assert await restatements(connection) == []


async def test_revival_of_a_final_row_is_written_down(connection: asyncpg.Connection) -> None:
    await load(connection, [trade("A")])
    await load(connection, [], run_id=2, scope=TRADES_OF_MARCH)

    assert await load(connection, [trade("A")], run_id=3, scope=TRADES_OF_MARCH) == Counts(changed=1, restated=1)

    (_, first, _, gone_at), (_, second, was_gone_at, back) = await restatements(connection)
    assert (first, second, back) == ("removed_at", "removed_at", None)
    assert gone_at == was_gone_at is not None


async def test_only_rows_within_the_scope_are_removed(connection: asyncpg.Connection) -> None:
    inside, before, after = trade("A"), trade("A", DAY.replace(month=2)), trade("A", DAY.replace(month=4))
    futures, team = trade("B") | {"market": "futures"}, trade("C") | {"scope": "team"}
    await load(connection, [inside, before, after, futures, team])

    assert await load(connection, [], run_id=2, scope=TRADES_OF_MARCH) == Counts(removed=1, restated=1)
    removed = await rows_of(connection, "warehouse.trade_day WHERE removed_at IS NOT NULL", "subject_id, day")
    assert removed == [("A", DAY)]


@pytest.mark.parametrize(("loaded", "returned"), [(10, 4), (11, 5), (10, 0), (30, 14)])
async def test_more_than_half_of_at_least_ten_rows_may_not_vanish(
    connection: asyncpg.Connection, loaded: int, returned: int
) -> None:
    rows = [trade(f"P{number}") for number in range(loaded)]
    await load(connection, rows)

    with pytest.raises(SuspiciousRemoval, match=f"{loaded - returned} of {loaded} loaded rows of trade_day"):
        await load(connection, rows[:returned], run_id=2, scope=TRADES_OF_MARCH)

    assert await rows_of(connection, "warehouse.trade_day", "count(removed_at), max(run_id)") == [(0, 1)]


@pytest.mark.parametrize(("loaded", "returned"), [(10, 5), (11, 6), (9, 0), (30, 15)])
async def test_half_of_the_rows_or_few_rows_may_vanish(
    connection: asyncpg.Connection, loaded: int, returned: int
) -> None:
    rows = [trade(f"P{number}") for number in range(loaded)]
    await load(connection, rows)

    counts = await load(connection, rows[:returned], run_id=2, scope=TRADES_OF_MARCH)

    assert counts == Counts(removed=loaded - returned, restated=loaded - returned)


async def test_accepted_removals_pass_the_guard(connection: asyncpg.Connection) -> None:
    await load(connection, [trade(f"P{number}") for number in range(10)])

    assert await load(connection, [], run_id=2, scope=TRADES_OF_MARCH, accept=True) == Counts(removed=10, restated=10)


async def test_removed_rows_do_not_count_for_the_guard(connection: asyncpg.Connection) -> None:
    rows = [trade(f"P{number:02}") for number in range(12)]
    await load(connection, rows)
    await load(connection, rows[:9], run_id=2, scope=TRADES_OF_MARCH)

    async with connection.transaction():
        await stage(connection, schema.trade_day, [], columns=TRADE_COLUMNS, stamp=stamp(3), final=Days())
        assert await count_missing(connection, schema.trade_day, TRADES_OF_MARCH, accept=False) == 9
