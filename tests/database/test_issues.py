"""What a person should know: told once per place and kind, healed day by day."""

from dataclasses import replace
from datetime import date

import asyncpg

from etl.load.coverage import Place
from etl.load.rejects import ACCOUNT_FAILED, UPDATES_FAILED, WINDOW_FAILED, note, resolve
from etl.load.window import commit_revisit, commit_window
from etl.windows import Window
from tests.database.readings import ACCOUNT, WEEK, place, reading, rows_of, stamp

THE_ACCOUNT = Place(ACCOUNT, "", "")
OPEN = "ops.issue WHERE resolved_at IS NULL"


def march(first: int, last: int) -> Window:
    return Window(date(2026, 3, first), date(2026, 3, last + 1))


async def fail(connection: asyncpg.Connection, at: Place, *, kind: str = WINDOW_FAILED, run_id: int = 1) -> None:
    await note(connection, stamp(run_id), at, kind=kind, message=f"went wrong in run {run_id}")


async def read(connection: asyncpg.Connection, at: Place, *, run_id: int = 2, told: str | None = None) -> None:
    await commit_window(connection, reading(place=at, run_id=run_id, note=told), accept_removals=False)


async def test_failure_is_resolved_when_its_last_day_was_read(connection: asyncpg.Connection) -> None:
    await fail(connection, place(march(1, 7)))

    await read(connection, place(march(3, 9)))
    assert await rows_of(connection, OPEN, "days::text, message") == [
        ("{[2026-03-01,2026-03-03)}", "went wrong in run 1")
    ]

    await read(connection, place(march(1, 2)), run_id=3)
    assert await rows_of(connection, "ops.issue", "days::text, resolved_at") == [("{}", stamp(3).loaded_at)]


async def test_failures_of_one_partition_add_up_to_one_issue(connection: asyncpg.Connection) -> None:
    await fail(connection, place(march(1, 2)), run_id=1)
    await fail(connection, place(march(5, 6)), run_id=2)

    assert await rows_of(connection, "ops.issue", "days::text, message, run_id, first_seen_at, last_seen_at") == [
        (
            "{[2026-03-01,2026-03-03),[2026-03-05,2026-03-07)}",
            "went wrong in run 2",
            2,
            stamp(1).loaded_at,
            stamp(2).loaded_at,
        )
    ]


async def test_good_reading_heals_no_other_partition_account_or_kind(connection: asyncpg.Connection) -> None:
    await fail(connection, place())
    await fail(connection, place(partition="B/spot"))
    await fail(connection, replace(place(), account="second"))
    await fail(connection, place(), kind=UPDATES_FAILED)
    await fail(connection, THE_ACCOUNT, kind=ACCOUNT_FAILED)

    await read(connection, place())

    assert await rows_of(connection, OPEN, "account, partition, kind", order="1, 2, 3") == [
        ("main", "", ACCOUNT_FAILED),
        ("main", "A/spot", UPDATES_FAILED),
        ("main", "B/spot", WINDOW_FAILED),
        ("second", "A/spot", WINDOW_FAILED),
    ]


async def test_failure_after_it_was_resolved_is_a_new_one(connection: asyncpg.Connection) -> None:
    await fail(connection, place(march(1, 2)))
    await read(connection, place(march(1, 2)))

    await fail(connection, place(march(5, 6)), run_id=3)

    assert await rows_of(connection, "ops.issue", "days::text, first_seen_at, resolved_at") == [
        ("{[2026-03-05,2026-03-07)}", stamp(3).loaded_at, None)
    ]


async def test_snapshot_heals_all_failures_before_it(connection: asyncpg.Connection) -> None:
    await fail(connection, place(march(1, 1)))

    await read(connection, replace(place(march(9, 9)), is_snapshot=True))

    assert await rows_of(connection, OPEN, "kind") == []


async def test_failure_of_the_account_has_no_days_and_is_resolved_as_a_whole(connection: asyncpg.Connection) -> None:
    await fail(connection, THE_ACCOUNT, kind=ACCOUNT_FAILED)
    assert await rows_of(connection, OPEN, "days::text") == [("{}",)]

    await resolve(connection, stamp(2), THE_ACCOUNT, kind=ACCOUNT_FAILED)

    assert await rows_of(connection, "ops.issue", "resolved_at") == [(stamp(2).loaded_at,)]


async def test_good_reading_by_time_of_change_resolves_the_failed_one(connection: asyncpg.Connection) -> None:
    at = place(march(1, 7))
    await fail(connection, at, kind=UPDATES_FAILED)
    await fail(connection, at)

    await commit_revisit(
        connection, reading(place=at, run_id=2), tells="created_at", day_of=lambda moment: moment.date()
    )

    assert await rows_of(connection, OPEN, "kind") == [(WINDOW_FAILED,)]


async def test_word_of_the_source_stays_until_a_reading_comes_without_it(connection: asyncpg.Connection) -> None:
    for run_id in (1, 2):
        await read(connection, place(), run_id=run_id, told="this id is not in the team")
    told = "kind, message, first_seen_at, last_seen_at"
    expected = [("note", "this id is not in the team", stamp(1).loaded_at, stamp(2).loaded_at)]
    assert await rows_of(connection, OPEN, told) == expected

    await read(connection, place(WEEK), run_id=3)
    assert await rows_of(connection, OPEN, told) == []
