"""People across readings: when they were seen, whom only facts mention, and what a reading by time of change tells."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from etl import schema
from etl.load.upsert import Counts, Scope, infer_invitees, stage, unlike_loaded
from etl.stream import Row
from tests.database.readings import ALL_FINAL, TRADE_COLUMNS, load, rows_of, stamp, trade, until_locked_out

PEOPLE_COLUMNS = ("invitee_id", "level", "first_seen_at", "last_seen_at", "origin")
TRANSFER_COLUMNS = ("transfer_id", "invitee_id", "amount", "status", "created_at")
FACTS = [name for name in TRANSFER_COLUMNS if name != "transfer_id"]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def person(invitee_id: str, *, run_id: int = 1, level: int | None = 0, origin: str = "list") -> Row:
    seen = stamp(run_id).loaded_at
    return {"invitee_id": invitee_id, "level": level, "first_seen_at": seen, "last_seen_at": seen, "origin": origin}


def transfer(number: int, *, amount: str = "5", status: str | None = "Completed") -> Row:
    at = NOON.replace(hour=number)
    return {
        "transfer_id": f"T{number}",
        "invitee_id": "A",
        "amount": Decimal(amount),
        "status": status,
        "created_at": at,
    }


async def see(connection: asyncpg.Connection, *rows: Row, run_id: int = 1, scope: Scope | None = None) -> Counts:
    return await load(
        connection, rows, table=schema.invitee, columns=PEOPLE_COLUMNS, run_id=run_id, scope=scope, accept=True
    )


async def infer(connection: asyncpg.Connection, *subjects: str, run_id: int = 1) -> None:
    """Stages trades of these people and infers them, in the transaction that is open."""
    rows = [trade(subject) for subject in subjects]
    await stage(connection, schema.trade_day, rows, columns=TRADE_COLUMNS, stamp=stamp(run_id), final=ALL_FINAL)
    await infer_invitees(connection, schema.trade_day, "subject_id")


async def people(connection: asyncpg.Connection, columns: str) -> list[tuple[object, ...]]:
    return await rows_of(connection, "warehouse.invitee", f"invitee_id, {columns}")


# ---------------------------------------------------------------------------------------------- seen


async def test_being_seen_again_is_no_change(connection: asyncpg.Connection) -> None:
    await see(connection, person("A", run_id=1))
    before = await people(connection, "xmin::text, ctid::text")

    assert await see(connection, person("A", run_id=2), run_id=2) == Counts()
    assert await people(connection, "xmin::text, ctid::text") == before


async def test_first_seen_is_kept_and_last_seen_moves_with_a_change(connection: asyncpg.Connection) -> None:
    await see(connection, person("A", run_id=1))

    assert await see(connection, person("A", run_id=3, level=2), run_id=3) == Counts(changed=1)

    expected = [("A", 2, stamp(1).loaded_at, stamp(3).loaded_at)]
    assert await people(connection, "level, first_seen_at, last_seen_at") == expected


@pytest.mark.parametrize(("old", "new"), [(None, 0), (0, None)])
async def test_unknown_level_differs_from_every_level(
    connection: asyncpg.Connection, old: int | None, new: int | None
) -> None:
    await see(connection, person("A", level=old))

    assert await see(connection, person("A", level=new), run_id=2) == Counts(changed=1)
    assert await people(connection, "level") == [("A", new)]


async def test_scope_without_a_span_speaks_for_all_its_rows(connection: asyncpg.Connection) -> None:
    await see(connection, person("A"), person("B"), person("C", origin="inferred"))

    listed = Scope({"account": "main", "origin": "list"})
    assert await see(connection, person("A"), run_id=2, scope=listed) == Counts(removed=1)

    assert await people(connection, "removed_at") == [("A", None), ("B", stamp(2).loaded_at), ("C", None)]


async def test_people_never_enter_restatements(connection: asyncpg.Connection) -> None:
    await see(connection, person("A"), person("B"))
    await see(connection, person("A", level=None), run_id=2, scope=Scope({"account": "main", "origin": "list"}))

    assert await rows_of(connection, "ops.restatement", "*") == []


# ---------------------------------------------------------------------------------------------- inferred


async def test_people_whom_only_facts_mention_are_inferred_once(connection: asyncpg.Connection) -> None:
    await see(connection, person("A", level=3))

    for run_id in (2, 3):
        async with connection.transaction():
            await infer(connection, "B", "A", "B", run_id=run_id)

    expected = [("A", "list", 3, 1, stamp(1).loaded_at), ("B", "inferred", None, 2, stamp(2).loaded_at)]
    assert await people(connection, "origin, level, run_id, first_seen_at") == expected


async def test_inferred_person_becomes_listed_and_keeps_when_first_seen(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await infer(connection, "A", run_id=1)

    assert await see(connection, person("A", run_id=2, level=1), run_id=2) == Counts(changed=1)
    assert await people(connection, "origin, level, first_seen_at") == [("A", "list", 1, stamp(1).loaded_at)]


async def test_two_processes_may_infer_the_same_people_at_once(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    async def infer_and_commit() -> None:
        async with other.transaction():
            await infer(other, "C", "B", "A", run_id=2)

    async with connection.transaction():
        await infer(connection, "A", "B", run_id=1)
        second = asyncio.create_task(infer_and_commit())
        await until_locked_out(connection)
    await second

    assert await people(connection, "run_id") == [("A", 1), ("B", 1), ("C", 2)]


# ---------------------------------------------------------------------------------------------- by time of change


@pytest.mark.parametrize(
    ("seen", "unlike"),
    [
        (transfer(1), False),
        (transfer(1, amount="5.00"), False),
        (transfer(1) | {"transfer_id": "another ordinal"}, False),
        (transfer(1, status="Failed"), True),
        (transfer(1, status=None), True),
        (transfer(1, amount="6"), True),
        (transfer(2), True),
        (transfer(3), True),
    ],
)
async def test_reading_by_time_of_change_tells_what_the_warehouse_has_otherwise(
    connection: asyncpg.Connection, seen: Row, *, unlike: bool
) -> None:
    """Loaded are T1 and T2, and T2 has been removed since; T3 is new."""
    await load(connection, [transfer(1), transfer(2)], table=schema.transfer, columns=TRANSFER_COLUMNS)
    await connection.execute("UPDATE warehouse.transfer SET removed_at = now() WHERE transfer_id = 'T2'")

    async with connection.transaction():
        await stage(
            connection, schema.transfer, [seen], columns=TRANSFER_COLUMNS, stamp=stamp(2), final=ALL_FINAL
        )  # fmt: skip
        told = await unlike_loaded(connection, schema.transfer, FACTS, "created_at")

    assert told == ([seen["created_at"]] if unlike else [])


async def test_days_told_by_several_changed_rows_come_once(connection: asyncpg.Connection) -> None:
    alike = transfer(1) | {"transfer_id": "T1b"}

    async with connection.transaction():
        await stage(
            connection, schema.transfer, [transfer(1), alike], columns=TRANSFER_COLUMNS, stamp=stamp(), final=ALL_FINAL
        )
        assert await unlike_loaded(connection, schema.transfer, FACTS, "created_at") == [transfer(1)["created_at"]]
