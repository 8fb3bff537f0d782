"""Pages of a log are loaded as they come; the warehouse tells which of its rows it has."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import asyncpg
import pytest

from etl import schema
from etl.load.coverage import Coverage, read_coverage
from etl.load.known import count_known, key_column, known_keys
from etl.load.upsert import Counts, Scope
from etl.load.window import TableRows, commit_page, commit_window
from etl.stream import Row
from etl.windows import Days, Window
from tests.database.readings import ACCOUNT, PAGE, REJECT, TRY, reading, rows_of

TODAY = Window(date(2026, 3, 9), date(2026, 3, 10))
COLUMNS = ("event_id", "action")


def event(number: int) -> Row:
    return {"event_id": UUID(int=number), "action": "bind"}


def events(*numbers: int, whole: bool = False) -> TableRows:
    scope = Scope({"account": ACCOUNT}) if whole else None
    return TableRows(
        table=schema.referral_event, columns=COLUMNS, rows=[event(number) for number in numbers], scope=scope
    )


async def ids(connection: asyncpg.Connection) -> list[int]:
    kept = "warehouse.referral_event WHERE removed_at IS NULL"
    return [row[0].int for row in await rows_of(connection, kept, "event_id")]


async def test_a_page_is_loaded_with_its_answer_and_covers_nothing(connection: asyncpg.Connection) -> None:
    load = reading(events(1, 2), window=TODAY, loaded=Days(), final=Days())

    assert await commit_page(connection, load) == Counts(new=2)

    assert await ids(connection) == [1, 2]
    assert await read_coverage(connection, ACCOUNT) == {}
    assert await connection.fetchval("SELECT count(*) FROM raw.page") == len([PAGE])
    assert await connection.fetchval("SELECT count(*) FROM ops.request") == len([TRY])


async def test_the_whole_log_covers_the_day_and_takes_what_is_gone(connection: asyncpg.Connection) -> None:
    await commit_page(connection, reading(events(1, 2, 3), window=TODAY))
    load = replace(reading(events(2, 3, 4, whole=True), window=TODAY, final=Days()), pages=[], requests=[])

    assert await commit_window(connection, load, accept_removals=False) == Counts(new=1, removed=1)

    assert await ids(connection) == [2, 3, 4]
    assert list((await read_coverage(connection, ACCOUNT)).values()) == [Coverage(loaded=Days((TODAY,)))]


async def test_what_is_new_takes_nothing(connection: asyncpg.Connection) -> None:
    await commit_page(connection, reading(events(1, 2, 3), window=TODAY))
    await commit_window(connection, reading(events(4), window=TODAY), accept_removals=False)
    assert await ids(connection) == [1, 2, 3, 4]


async def test_known_are_the_rows_of_the_account_that_are_not_removed(connection: asyncpg.Connection) -> None:
    await commit_page(connection, reading(events(1, 2, 3), window=TODAY))
    await connection.execute("UPDATE warehouse.referral_event SET removed_at = now() WHERE event_id = $1", UUID(int=2))

    asked = [UUID(int=number) for number in (1, 2, 3, 4)]
    assert await count_known(connection, schema.referral_event, ACCOUNT) == 2
    assert await known_keys(connection, schema.referral_event, ACCOUNT, [*asked, None]) == {asked[0], asked[2]}
    assert await count_known(connection, schema.referral_event, "another") == 0
    assert await known_keys(connection, schema.referral_event, "another", asked) == set()


async def test_a_page_keeps_its_rejects_once_whatever_comes_of_the_reading(connection: asyncpg.Connection) -> None:
    for _ in range(2):
        await commit_page(connection, reading(events(1), window=TODAY, rejects=[REJECT]))
    assert await connection.fetchval("SELECT count(*) FROM ops.reject") == 1
    await commit_window(connection, reading(events(1), window=TODAY, rejects=[]), accept_removals=False)
    assert await connection.fetchval("SELECT count(*) FROM ops.reject") == 0, "a good reading replaces them"


def test_the_rows_of_a_log_have_a_key_of_one_column() -> None:
    assert key_column(schema.referral_event) == "event_id"
    with pytest.raises(ValueError, match="unpack"):
        key_column(schema.trade_day)
