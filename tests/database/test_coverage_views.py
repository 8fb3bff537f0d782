"""What people read of freshness and gaps: coverage written by hand, days counted by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.database.readings import insert, rows_of

ANSWERED = datetime(2026, 3, 9, 2, 30, tzinfo=UTC)


def march(day: int) -> date:
    return date(2026, 3, day)


async def configure(connection: asyncpg.Connection, zone: str = "Asia/Shanghai") -> None:
    row = {"account": "main", "source": "lbank", "day_zone": zone, "start_date": march(1), "updated_at": ANSWERED}
    await insert(connection, "ops.account", row)


async def cover(
    connection: asyncpg.Connection,
    partition: str,
    horizon: date | None,
    loaded: str,
    final: str = "{}",
    *,
    stream: str = "member_trades",
    at: datetime = ANSWERED,
) -> None:
    await connection.execute(
        "INSERT INTO ops.coverage (account, stream, partition, horizon_from, loaded, final, updated_at) "
        "VALUES ('main', $1, $2, $3, $4::text::datemultirange, $5::text::datemultirange, $6)",
        *(stream, partition, horizon, loaded, final, at),
    )


async def through(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
    return await rows_of(connection, "bi.data_freshness", "stream, partitions, loaded_through, final_through")


async def gaps(connection: asyncpg.Connection) -> tuple[date, list[tuple[Any, ...]]]:
    """Today in Shanghai, and the gaps, by one and the same clock."""
    async with connection.transaction():
        today = await connection.fetchval("SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date")
        told = await rows_of(connection, "bi.coverage_gaps", "*", order="account, stream, partition, gap_from")
    return today, told


# ---------------------------------------------------------------------------------------------- freshness


async def test_loaded_through_is_the_last_day_that_every_partition_has(connection: asyncpg.Connection) -> None:
    await cover(connection, "A/spot", march(1), "{[2026-03-01,2026-03-09)}", "{[2026-03-01,2026-03-08)}")
    await cover(connection, "B/spot", march(1), "{[2026-03-01,2026-03-07)}", "{[2026-03-01,2026-03-05)}")

    assert await through(connection) == [("member_trades", 2, march(6), march(4))]


async def test_days_before_a_partitions_horizon_do_not_hold_the_others_back(connection: asyncpg.Connection) -> None:
    await cover(connection, "A/spot", march(1), "{[2026-03-01,2026-03-09)}", "{[2026-03-01,2026-03-08)}")
    await cover(connection, "newcomer/spot", march(9), "{}")

    assert await through(connection) == [("member_trades", 2, march(8), march(7))]


async def test_partition_without_a_day_means_that_none_is_loaded_everywhere(connection: asyncpg.Connection) -> None:
    await cover(connection, "A/spot", march(1), "{[2026-03-01,2026-03-09)}", "{[2026-03-01,2026-03-08)}")
    await cover(connection, "B/spot", march(1), "{}")

    assert await through(connection) == [("member_trades", 2, None, None)]


async def test_days_loaded_before_the_horizon_are_not_what_ought_to_be_there(connection: asyncpg.Connection) -> None:
    await cover(connection, "", march(5), "{[2026-03-01,2026-03-04)}", "{[2026-03-01,2026-03-04)}")

    assert await through(connection) == [("member_trades", 1, None, None)]


async def test_snapshot_is_loaded_through_the_day_of_the_last_one(connection: asyncpg.Connection) -> None:
    loaded = "{[2026-03-01,2026-03-04),[2026-03-08,2026-03-09)}"
    await cover(connection, "", None, loaded, stream="team_members")
    await cover(connection, "X", None, "{}", stream="member_info")

    assert await through(connection) == [("member_info", 1, None, None), ("team_members", 1, march(8), None)]


async def test_partition_that_is_no_longer_asked_for_holds_nothing_back(connection: asyncpg.Connection) -> None:
    await cover(connection, "A/spot", march(1), "{[2026-03-01,2026-03-09)}", "{[2026-03-01,2026-03-08)}")
    await cover(connection, "gone/spot", None, "{[2026-03-01,2026-03-02)}")

    assert await through(connection) == [("member_trades", 2, march(8), march(7))]


async def test_freshness_tells_the_newest_reading_the_last_run_and_the_last_success(
    connection: asyncpg.Connection,
) -> None:
    await configure(connection)
    await cover(connection, "A/spot", march(1), "{}")
    await cover(connection, "B/spot", march(1), "{}", at=ANSWERED + timedelta(hours=1))
    run = {"account": "main", "source": "lbank", "command": "sync", "host": "h", "pid": 1}
    await insert(
        connection,
        "ops.run",
        run | {"started_at": ANSWERED, "finished_at": ANSWERED + timedelta(minutes=5), "outcome": "done"},
        run | {"started_at": ANSWERED, "finished_at": ANSWERED + timedelta(minutes=9), "outcome": "done"},
        run | {"started_at": ANSWERED, "finished_at": ANSWERED + timedelta(days=1), "outcome": "incomplete"},
        run | {"started_at": ANSWERED, "finished_at": ANSWERED, "outcome": "done", "account": "second"},
    )

    told = await rows_of(
        connection, "bi.data_freshness", "account, source, last_loaded_at, last_run_outcome, last_success"
    )
    reading, success = ANSWERED + timedelta(hours=1), ANSWERED + timedelta(minutes=9)
    assert told == [("main", "lbank", reading, "incomplete", success)]


# ---------------------------------------------------------------------------------------------- gaps


async def test_gap_is_a_row_per_unbroken_run_of_missing_days_through_today(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await cover(connection, "A/spot", march(1), "{[2026-02-20,2026-03-03),[2026-03-04,2026-03-06)}")

    today, told = await gaps(connection)

    assert told == [
        ("main", "member_trades", "A/spot", march(3), march(3), 1),
        ("main", "member_trades", "A/spot", march(6), today, (today - march(5)).days),
    ]


async def test_partition_that_was_never_read_is_one_gap(connection: asyncpg.Connection) -> None:
    await configure(connection)
    await cover(connection, "", march(1), "{}", stream="commissions")

    today, told = await gaps(connection)

    assert told == [("main", "commissions", "", march(1), today, (today - march(1)).days + 1)]


@pytest.mark.parametrize("horizon", [None, date(2999, 1, 1)])
async def test_snapshots_and_future_horizons_have_no_gaps(connection: asyncpg.Connection, horizon: date | None) -> None:
    await configure(connection)
    await cover(connection, "", horizon, "{[2026-03-01,2026-03-02)}", stream="team_members")

    assert (await gaps(connection))[1] == []


async def test_day_that_is_loaded_through_today_leaves_no_gap(connection: asyncpg.Connection) -> None:
    await configure(connection)
    today, _ = await gaps(connection)
    await cover(connection, "", today, f"{{[{today},{today + timedelta(days=2)})}}")

    assert (await gaps(connection))[1] == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_today_is_that_of_the_accounts_zone(connection: asyncpg.Connection, zone: str) -> None:
    """The two zones are 25 hours apart: they never have the same day."""
    await configure(connection, zone)
    await cover(connection, "", march(1), "{}")

    async with connection.transaction():
        today = await connection.fetchval("SELECT (now() AT TIME ZONE $1)::date", zone)
        assert await rows_of(connection, "bi.coverage_gaps", "gap_to") == [(today,)]
