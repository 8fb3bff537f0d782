"""Which rows of an append-only log the warehouse has: what the reading of a log goes by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table

from etl.load.upsert import Connection, keys_of


async def count_known(connection: Connection, table: Table, account: str) -> int:
    """How many rows an account has."""
    count = await connection.fetchval(
        f"SELECT count(*) FROM {table.fullname} WHERE account = $1 AND removed_at IS NULL", account
    )
    return int(count)


async def known_keys(connection: Connection, table: Table, account: str, keys: Iterable[Any]) -> set[Any]:
    """Those of `keys` that an account has rows for. The table's key is `account` and one more column."""
    records = await connection.fetch(
        f"SELECT {key_column(table)} FROM {table.fullname} "
        f"WHERE account = $1 AND removed_at IS NULL AND {key_column(table)} = ANY($2)",
        account,
        [key for key in keys if key is not None],
    )
    return {record[0] for record in records}


def key_column(table: Table) -> str:
    """The column that, with `account`, is the table's key; ValueError where there are more."""
    _, key = keys_of(table)
    return key
