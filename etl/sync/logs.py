"""What the reading of a log needs of the warehouse: which of its rows are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from etl.load.known import count_known, key_column, known_keys
from etl.normalize.rows import Context, read_value
from etl.stream import Account, Into
from etl.warehouse.engine import acquired


@dataclass(frozen=True, slots=True)
class KnownRows:
    """The rows of an account's log that are loaded, in the one table that the log fills."""

    pool: asyncpg.Pool
    account: Account
    into: Into
    context: Context

    async def count(self) -> int:
        """How many there are."""
        async with acquired(self.pool) as connection:
            return await count_known(connection, self.into.table, self.account.name)

    async def unknown(self, rows: Sequence[Any]) -> list[Any]:
        """Those of some raw rows that are not among them; a row without a readable key is none."""
        column = key_column(self.into.table)
        keys = [read_value(self.into, column, row, self.context) if isinstance(row, dict) else None for row in rows]
        async with acquired(self.pool) as connection:
            found = await known_keys(connection, self.into.table, self.account.name, keys)
        return [row for row, key in zip(rows, keys, strict=True) if key not in found]
