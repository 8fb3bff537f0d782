"""What runs found to have changed since it was final: the report of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg


class Restated(NamedTuple):
    """One value; `key` names the row within its table, and values are text as Postgres spells them. A value that was
    not there before has no old one; `removed_at` tells of a whole row."""

    account: str
    table: str
    key: str
    column: str
    old_value: str | None
    new_value: str | None


async def read_restated(connection: asyncpg.Connection, run_ids: Sequence[int], *, most: int) -> list[Restated]:
    """The first `most` values that some runs restated, by account, table and key."""
    records = await connection.fetch(
        """
        SELECT r.account, r.table_name, told.key, r.column_name, r.old_value, r.new_value
        FROM ops.restatement r
        CROSS JOIN LATERAL (SELECT string_agg(value, ' ' ORDER BY position, name) AS key FROM (
            SELECT name, value, array_position(ARRAY['day', 'period_start'], name) AS position
            FROM jsonb_each_text(r.key) AS part (name, value)
        ) parts) told
        WHERE r.run_id = ANY($1)
        ORDER BY r.account, r.table_name, told.key, r.restatement_id
        LIMIT $2
        """,
        *(list(run_ids), most),
    )
    return [Restated(*record) for record in records]
