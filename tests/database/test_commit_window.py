"""A window is committed whole or not at all; a refused reading leaves what it may leave."""

from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from etl import schema
from etl.errors import SuspiciousRemoval, WarehouseUnreachable
from etl.load.coverage import Coverage, read_coverage
from etl.load.raw import TriedRequest
from etl.load.upsert import Counts
from etl.load.window import commit_window
from etl.warehouse.engine import require_migrated, warehouse_errors
from etl.windows import Days, Window
from tests.database.readings import (
    ACCOUNT,
    BODY,
    MOMENT,
    PAGE,
    REJECT,
    SETTLED,
    TRADES_OF_MARCH,
    TRY,
    WEEK,
    place,
    reading,
    rejected,
    rows_of,
    table_rows,
    trade,
)


async def counted(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows each table has that a commit may write, leaving out the empty ones."""
    names = ["warehouse.trade_day", "warehouse.invitee", "warehouse.transfer", "raw.page"]
    names += [f"ops.{name}" for name in ("request", "reject", "issue", "coverage", "restatement")]
    counts = {name: int(await connection.fetchval(f"SELECT count(*) FROM {name}")) for name in names}
    return {name: count for name, count in counts.items() if count}


async def test_everything_of_a_window_is_there_after_the_commit(connection: asyncpg.Connection) -> None:
    load = reading(table_rows([trade("A"), trade("B")], scope=TRADES_OF_MARCH))

    assert await commit_window(connection, load, accept_removals=False) == Counts(new=2)

    assert await counted(connection) == {
        "warehouse.trade_day": 2,
        "warehouse.invitee": 2,
        "raw.page": 1,
        "ops.request": 1,
        "ops.issue": 1,
        "ops.coverage": 1,
    }
    assert await read_coverage(connection, ACCOUNT) == {
        ("member_trades", "A/spot"): Coverage(Days((WEEK,)), SETTLED),
    }


async def test_rejects_make_final_days_due_again(connection: asyncpg.Connection) -> None:
    await commit_window(connection, reading(), accept_removals=False)
    await commit_window(connection, rejected(run_id=2), accept_removals=False)

    assert (await counted(connection))["ops.reject"] == 1
    assert await read_coverage(connection, ACCOUNT) == {("member_trades", "A/spot"): Coverage(Days((WEEK,)), Days())}


async def test_answers_are_kept_byte_for_byte_with_their_request(connection: asyncpg.Connection) -> None:
    later = replace(PAGE, number=2, body=b"")

    await commit_window(connection, reading(pages=[PAGE, later]), accept_removals=False)

    first, second = await connection.fetch("SELECT * FROM raw.page ORDER BY page_number")
    assert (first["body"], second["body"]) == (BODY, b"")
    assert (first["days"].lower, first["days"].upper) == (WEEK.start, WEEK.end)
    assert (first["account"], first["source"], first["stream"], first["partition"]) == (
        *("main", "lbank", "member_trades", "A/spot"),
    )
    assert (first["began_at"], first["received_at"], first["http_status"]) == (MOMENT, MOMENT, 200)
    path = "request ->> 'path', request -> 'params' ->> 'start', request -> 'params' ->> 'name'"
    assert await rows_of(connection, "raw.page", path) == [("/trade/user", "0", "名")] * 2


async def test_tries_are_kept_good_and_bad(connection: asyncpg.Connection) -> None:
    broken = TriedRequest(attempt=1, sent_at=MOMENT, answered_at=None, http_status=None, outcome="ConnectionBroken")

    await commit_window(connection, reading(requests=[broken, replace(TRY, attempt=2)]), accept_removals=False)

    told = await rows_of(
        connection, "ops.request", "attempt, sent_at, answered_at, http_status, outcome, rows, partition, run_id"
    )
    assert told == [
        (1, MOMENT, None, None, "ConnectionBroken", None, "A/spot", 1),
        (2, MOMENT, MOMENT, 200, "ok", 2, "A/spot", 1),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        "ALTER TABLE warehouse.trade_day ADD CHECK (volume < 100)",
        "ALTER TABLE warehouse.invitee ADD CHECK (invitee_id <> 'B')",
        "ALTER TABLE ops.reject ADD CHECK (reason = '')",
        "ALTER TABLE ops.coverage ADD CHECK (isempty(loaded))",
        "ALTER TABLE ops.issue ADD CHECK (message = '')",
    ],
    ids=lambda sql: sql.split()[2],
)
async def test_failure_at_any_table_leaves_nothing_of_the_window(connection: asyncpg.Connection, spoil: str) -> None:
    await connection.execute(spoil)
    load = rejected(table_rows([trade("A"), trade("B", volume="100")], scope=TRADES_OF_MARCH))

    with pytest.raises(asyncpg.CheckViolationError):
        await commit_window(connection, load, accept_removals=False)

    assert await counted(connection) == {}


async def test_row_without_its_key_leaves_nothing_and_the_connection_stays_good(
    connection: asyncpg.Connection,
) -> None:
    with pytest.raises(asyncpg.NotNullViolationError):
        await commit_window(
            connection, reading(table_rows([trade("A"), trade() | {"subject_id": None}])), accept_removals=False
        )
    assert await counted(connection) == {}

    assert await commit_window(connection, reading(table_rows([trade("A")])), accept_removals=False) == Counts(new=1)


async def test_killed_connection_leaves_nothing_and_is_told_as_such(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';"
        "CREATE TRIGGER kill BEFORE INSERT ON ops.coverage FOR EACH ROW EXECUTE FUNCTION kill()"
    )

    with pytest.raises(WarehouseUnreachable), warehouse_errors():
        await commit_window(connection, reading(table_rows([trade("A")])), accept_removals=False)

    assert await counted(other) == {}


async def test_a_connection_that_the_server_ends_is_told_as_such_also_before_anything_is_read(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())

    with pytest.raises(WarehouseUnreachable):
        await require_migrated(connection)


def test_what_asyncpg_says_of_a_connection_ended_within_a_statement_is_told_as_such() -> None:
    with pytest.raises(WarehouseUnreachable, match="the connection broke"), warehouse_errors():
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")


# ---------------------------------------------------------------------------------------------- refused removals


async def test_refused_removal_writes_nothing(connection: asyncpg.Connection) -> None:
    rows = [trade(f"P{number}") for number in range(10)]
    full = reading(table_rows(rows, scope=TRADES_OF_MARCH), rejects=(), note=None, final=Days())
    await commit_window(connection, full, accept_removals=False)
    before = await counted(connection)
    coverage = await read_coverage(connection, ACCOUNT)
    few = reading(table_rows([trade("P0", volume="11"), trade("new")], scope=TRADES_OF_MARCH), run_id=2)

    with pytest.raises(SuspiciousRemoval, match="9 of 10"):
        await commit_window(connection, few, accept_removals=False)

    assert await counted(connection) == before
    assert await read_coverage(connection, ACCOUNT) == coverage
    assert await rows_of(connection, "warehouse.trade_day", "DISTINCT volume, run_id, removed_at") == [(10, 1, None)]

    assert await commit_window(connection, few, accept_removals=True) == Counts(new=1, changed=1, removed=9)


async def test_refusal_for_one_table_holds_the_others_back(connection: asyncpg.Connection) -> None:
    rows = [trade(f"P{number}") for number in range(10)]
    await commit_window(connection, reading(table_rows(rows, scope=TRADES_OF_MARCH)), accept_removals=False)
    transfer = {"transfer_id": "T", "invitee_id": "A", "status": "Completed", "created_at": MOMENT}
    both = reading(
        table_rows([transfer], table=schema.transfer), table_rows([], scope=TRADES_OF_MARCH), run_id=2
    )  # fmt: skip

    with pytest.raises(SuspiciousRemoval):
        await commit_window(connection, both, accept_removals=False)

    assert "warehouse.transfer" not in await counted(connection)


# ---------------------------------------------------------------------------------------------- rejects


async def test_next_reading_replaces_the_rejects_of_its_days_only(connection: asyncpg.Connection) -> None:
    next_week = Window(WEEK.end, date(2026, 3, 15))
    for window in (WEEK, next_week):
        await commit_window(connection, rejected(window=window), accept_removals=False)
    await commit_window(connection, rejected(place=place(partition="B/spot")), accept_removals=False)

    await commit_window(
        connection, rejected(run_id=2, rejects=[replace(REJECT, reason="is not a number")]), accept_removals=False
    )
    told = await rows_of(connection, "ops.reject", "partition, lower(days), reason", order="1, 2")
    assert told == [
        ("A/spot", WEEK.start, "is not a number"),
        ("A/spot", next_week.start, "is missing"),
        ("B/spot", WEEK.start, "is missing"),
    ]

    await commit_window(connection, reading(run_id=3, rejects=()), accept_removals=False)
    told = await rows_of(connection, "ops.reject", "partition, lower(days)")
    assert told == [("A/spot", next_week.start), ("B/spot", WEEK.start)]


async def test_snapshot_replaces_all_rejects_of_its_partition(connection: asyncpg.Connection) -> None:
    first, second, third = (date(2026, 3, day) for day in (1, 2, 3))
    yesterday, today = Window(first, second), Window(second, third)
    for window in (yesterday, today):
        at = replace(place(window), is_snapshot=True)
        await commit_window(connection, rejected(place=at), accept_removals=False)

    assert await rows_of(connection, "ops.reject", "lower(days)") == [(today.start,)]
