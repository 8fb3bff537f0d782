"""Readings written by hand: rows as a field map gives them, loaded in the order in which a window is committed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
from sqlalchemy import Table

from etl import schema
from etl.load.coverage import Place
from etl.load.raw import RawPage, TriedRequest
from etl.load.rejects import RejectedRow
from etl.load.upsert import Connection, Counts, Scope, Stamp, count_missing, mark_missing, merge, stage
from etl.load.window import TableRows, WindowLoad
from etl.stream import Row
from etl.windows import Days, Window

ACCOUNT = "main"
DAY = date(2026, 3, 1)
ALL_FINAL = Days.between(date(2026, 1, 1), date(2027, 1, 1))
TRADE_COLUMNS = ("scope", "subject_id", "market", "day", "volume", "fee")
TRADES_OF_MARCH = Scope(
    {"account": ACCOUNT, "scope": "member", "market": "spot"}, "day", date(2026, 3, 1), date(2026, 4, 1)
)

WEEK = Window(DAY, date(2026, 3, 8))
SETTLED = Days.between(DAY, date(2026, 3, 7))
MOMENT = datetime(2026, 3, 9, 2, 30, 0, 123456, tzinfo=UTC)
BODY = b'\xef\xbb\xbf{"amount": 1.50,\x00 "name": "\xe5\x90\x8d\xff"}\r\n'
TRANSFER_COLUMNS = ("transfer_id", "invitee_id", "status", "created_at")

PAGE = RawPage(
    request={"method": "GET", "path": "/trade/user", "params": {"start": 0, "name": "名"}},
    reading=1,
    number=1,
    http_status=200,
    began_at=MOMENT,
    received_at=MOMENT,
    body=BODY,
)
TRY = TriedRequest(attempt=1, sent_at=MOMENT, answered_at=MOMENT, http_status=200, outcome="ok", rows=2)
REJECT = RejectedRow(table="trade_day", column="tradeAmt", reason="is missing", raw='{"tradeAmt":null}')


def stamp(run_id: int = 1, account: str = ACCOUNT) -> Stamp:
    """The stamp of a run; each run is an hour after the one before."""
    return Stamp(account, "lbank", run_id, datetime(2026, 4, 1, tzinfo=UTC) + timedelta(hours=run_id))


def trade(subject: str = "A", day: date = DAY, volume: str | None = "10", fee: str | None = "0.01") -> Row:
    """A row of `trade_day`."""
    amounts = {name: None if text is None else Decimal(text) for name, text in (("volume", volume), ("fee", fee))}
    return {"scope": "member", "subject_id": subject, "market": "spot", "day": day, **amounts}


async def load(
    connection: Connection,
    rows: Sequence[Row],
    *,
    table: Table = schema.trade_day,
    columns: Sequence[str] = TRADE_COLUMNS,
    run_id: int = 1,
    final: Days = ALL_FINAL,
    scope: Scope | None = None,
    accept: bool = False,
    were_final: Days = Days(),
) -> Counts:
    """Loads a reading; with a `scope`, rows there that it lacks are marked as removed."""
    async with connection.transaction():
        await stage(connection, table, rows, columns=columns, stamp=stamp(run_id), final=final)
        gone = Counts()
        if scope is not None:
            await count_missing(connection, table, scope, accept=accept)
            gone = await mark_missing(connection, table, scope, stamp(run_id))
        return gone + await merge(connection, table, columns, stamp=stamp(run_id), within="day", were_final=were_final)


def place(window: Window = WEEK, partition: str = "A/spot") -> Place:
    return Place(ACCOUNT, "member_trades", partition, window)


def table_rows(rows: Sequence[Row], *, table: Table = schema.trade_day, scope: Scope | None = None) -> TableRows:
    columns = TRADE_COLUMNS if table is schema.trade_day else TRANSFER_COLUMNS
    return TableRows(
        table=table,
        columns=columns,
        rows=rows,
        scope=scope,
        within="day" if table is schema.trade_day else "created_at",
        mentions="subject_id" if table is schema.trade_day else "invitee_id",
    )


def reading(*tables: TableRows, window: Window = WEEK, run_id: int = 1, **changes: Any) -> WindowLoad:
    load = WindowLoad(
        place=place(window),
        stamp=stamp(run_id),
        tables=tables,
        loaded=Days((window,)),
        final=SETTLED,
        pages=[PAGE],
        requests=[TRY],
        note="the source says more",
    )
    return replace(load, **changes)


def rejected(*tables: TableRows, **changes: Any) -> WindowLoad:
    """A reading with a row that had to be set aside: it makes nothing final."""
    return reading(*tables, **{"final": Days(), "rejects": [REJECT], **changes})


async def rows_of(connection: Connection, table: str, columns: str, *, order: str = "1") -> list[tuple[Any, ...]]:
    """The values of a table as plain tuples."""
    return [tuple(record) for record in await connection.fetch(f"SELECT {columns} FROM {table} ORDER BY {order}")]


async def restatements(connection: Connection) -> list[tuple[Any, ...]]:
    """Subject, column, old and new value of the restated trades, oldest first."""
    told = "key ->> 'subject_id', column_name, old_value, new_value"
    return await rows_of(connection, "ops.restatement", told, order="restatement_id")


async def insert(connection: asyncpg.Connection, table: str, *rows: Row) -> None:
    """Writes rows into a table, past the loader."""
    for row in rows:
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


async def until_locked_out(connection: asyncpg.Connection, *, count: int = 1) -> None:
    """Returns when `count` sessions of the database wait for a lock; TimeoutError if they never do."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while await connection.fetchval(waiting) < count:
        if datetime.now(UTC) > deadline:
            raise TimeoutError(f"no {count} sessions wait for a lock")
        await connection.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees one snapshot otherwise
