"""Rows per second into an 11-column table: first load, unchanged, and 1 % changed; and the WAL of an unchanged one."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg

from etl import schema
from etl.load.upsert import Stamp, merge, stage
from etl.stream import Row
from etl.windows import Days

ROWS = 100_000
COLUMNS = ("scope", "subject_id", "market", "day", "volume", "fee")
STAMP = Stamp("bench", "lbank", 1, datetime(2026, 1, 1, tzinfo=UTC))


def rows(*, changed_every: int = 0) -> list[Row]:
    """Trade days; every `changed_every`th has another volume."""
    return [
        {
            "scope": "member",
            "subject_id": f"LBA{n % 1000:07d}",
            "market": "spot",
            "day": date(2026, 1, 1) + timedelta(days=n // 1000),
            "volume": Decimal(n * 7 + (1 if changed_every and n % changed_every == 0 else 0)).scaleb(-6),
            "fee": Decimal(n).scaleb(-8),
        }
        for n in range(ROWS)
    ]


async def measure(dsn: str) -> list[str]:
    """Times copy, compare and write, a commit included."""
    connection = await asyncpg.connect(dsn)
    try:
        lines = []
        for name, batch in (("first load", rows()), ("unchanged", rows()), ("1 % changed", rows(changed_every=100))):
            before = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
            began = time.monotonic()
            async with connection.transaction():
                await stage(connection, schema.trade_day, batch, columns=COLUMNS, stamp=STAMP, final=Days())
                counts = await merge(connection, schema.trade_day, COLUMNS, stamp=STAMP)
            seconds = time.monotonic() - began
            wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)", before)
            lines.append(
                f"{name}: {ROWS / seconds:,.0f} rows/s, {counts.new} new, {counts.changed} changed, "
                f"{wal / ROWS:.1f} bytes of WAL a row"
            )
            await connection.execute("ANALYZE warehouse.trade_day")
        return lines
    finally:
        await connection.close()
