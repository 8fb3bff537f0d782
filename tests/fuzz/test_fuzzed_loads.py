"""What comes out of fuzzed answers goes into the warehouse: every row and every reject, digit for digit, once."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from etl.extract.client import Paid, Try
from etl.extract.request import judged
from etl.extract.walk import Page, Reading
from etl.load.upsert import Counts
from etl.load.window import WindowLoad, commit_window
from etl.normalize.rows import Batch
from etl.stream import Account, Draft, Row
from etl.sync.loading import Effort, window_load
from etl.sync.plan import Job
from etl.warehouse.engine import connect
from tests.examples import TIMES
from tests.fuzz.cases import READ_AT, Case, cases, normalised, outcome

LOADS = 300 * TIMES
TRY = Try(1, READ_AT, READ_AT, 200, "ok")


@pytest.fixture
async def connection(warehouse_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's warehouse."""
    opened = await connect(warehouse_dsn)
    yield opened
    await opened.close()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A fuzzed answer that was loaded, under the name of an account of its own."""

    account: Account
    case: Case
    load: WindowLoad
    batches: Sequence[Batch]


async def to_load(source: str) -> list[Loaded]:
    """Answers of which something can be loaded."""
    found: list[Loaded] = []
    for case in cases(source, 4 * LOADS):
        ended = await outcome(case)
        if ended.fault is None:
            account = replace(case.seed.account, name=f"{source}-{case.number}")
            load = load_of(account, case, ended.rows)
            found.append(Loaded(account, case, load, normalised(case, ended.rows)))
    return found[:LOADS]


def load_of(account: Account, case: Case, rows: Sequence[Any]) -> WindowLoad:
    """The load of a reading that is the one answer."""
    seed = case.seed
    payload = judged(case.answer, account.source)
    paid = Paid(Draft("GET", seed.stream.path, {"page": 1}), case.answer, payload, READ_AT, READ_AT)
    effort = Effort([(TRY, Page(1, 1, paid, list(rows)))])
    job = Job(seed.stream, seed.partition, seed.window)
    reading = Reading(READ_AT, list(rows), [payload])
    return window_load(account, job, reading, window=seed.window, effort=effort, run_id=1)


def stored(row: Row) -> tuple[Any, ...]:
    """A row's values as Postgres keeps them: with the scale, which is never below zero."""
    return tuple((name, *_kept(value)) for name, value in sorted(row.items()))


def _kept(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, Decimal):
        return (value,)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return value, max(-exponent, 0)


@pytest.mark.parametrize("source", ["lbank", "coinw", "orderly", "ztdx"])
async def test_what_fuzzed_answers_become_is_what_the_warehouse_holds(
    source: str, connection: asyncpg.Connection
) -> None:
    loaded = await to_load(source)
    assert len(loaded) == LOADS
    for each in loaded:
        rows = sum(len(batch.rows) for batch in each.batches)
        assert await commit_window(connection, each.load, accept_removals=False) == Counts(new=rows), str(each.case)
        assert await commit_window(connection, each.load, accept_removals=False) == Counts(), str(each.case)

    await tables_hold_the_rows(connection, loaded)
    await rejects_are_kept(connection, loaded)
    bodies = await connection.fetch("SELECT account, body FROM raw.page")
    assert Counter(map(tuple, bodies)) == Counter({(each.account.name, each.case.answer.body): 2 for each in loaded}), (
        "answers are kept byte for byte, also of the second time"
    )


async def tables_hold_the_rows(connection: asyncpg.Connection, loaded: Sequence[Loaded]) -> None:
    """Each table has the rows that were normalised for it, and there are the people whom only facts mention."""
    batches = [(each.account.name, batch) for each in loaded for batch in each.batches]
    for table, columns in {batch.into.table.name: columns_of(batch) for _, batch in batches}.items():
        wanted = Counter(
            (account, stored(row)) for account, batch in batches if batch.into.table.name == table for row in batch.rows
        )
        facts = "removed_at IS NULL" + (" AND origin <> 'inferred'" if table == "invitee" else "")
        kept = await connection.fetch(f"SELECT account, {', '.join(columns)} FROM warehouse.{table} WHERE {facts}")
        assert wanted == Counter(
            (record["account"], stored({name: _aware(record[name]) for name in columns})) for record in kept
        ), table
    mentioned = {
        (account, row[batch.into.mentions]) for account, batch in batches if batch.into.mentions for row in batch.rows
    }
    listed = {
        (account, row["invitee_id"])
        for account, batch in batches
        if batch.into.table.name == "invitee"
        for row in batch.rows
    }
    inferred = await connection.fetch("SELECT account, invitee_id FROM warehouse.invitee WHERE origin = 'inferred'")
    assert set(map(tuple, inferred)) == mentioned - listed


def columns_of(batch: Batch) -> list[str]:
    return [*batch.into.columns, *batch.into.finish_adds]


def _aware(value: Any) -> Any:
    return value.astimezone(UTC) if hasattr(value, "astimezone") else value


async def rejects_are_kept(connection: asyncpg.Connection, loaded: Sequence[Loaded]) -> None:
    """`ops.reject` has each reject once, and no day of its reading is final."""
    wanted = Counter(
        (each.account.name, reject.table, reject.column, reject.reason, reject.raw)
        for each in loaded
        for batch in each.batches
        for reject in batch.rejects
    )
    kept = await connection.fetch("SELECT account, table_name, column_name, reason, raw FROM ops.reject")
    assert Counter(map(tuple, kept)) == wanted
    assert wanted
    final = await connection.fetch("SELECT account FROM ops.coverage WHERE NOT isempty(final)")
    assert not {record["account"] for record in final} & {account for account, *_ in wanted}
    assert await connection.fetchval("SELECT count(*) FROM ops.coverage WHERE NOT final <@ loaded") == 0
