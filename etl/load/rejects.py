"""What could not be loaded: rejected rows (`ops.reject`) and what a person should know (`ops.issue`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.load.coverage import Place
from etl.load.upsert import Connection, Stamp


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A raw row that was set aside, as it was sent."""

    table: str
    column: str
    reason: str
    raw: str


async def replace_rejects(connection: Connection, stamp: Stamp, place: Place, rejects: Sequence[RejectedRow]) -> None:
    """Makes `rejects` the rejects of the window: a new reading is the truth for it, here too."""
    await connection.execute(
        "DELETE FROM ops.reject WHERE account = $1 AND stream = $2 AND partition = $3 AND days && $4",
        *(*place.key, place.days),
    )
    if rejects:
        await connection.executemany(
            """
            INSERT INTO ops.reject (run_id, account, source, stream, partition, days, table_name, column_name,
                reason, raw, rejected_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            [
                (
                    *(stamp.run_id, place.account, stamp.source, place.stream, place.partition, place.days),
                    *(row.table, row.column, row.reason, row.raw, stamp.loaded_at),
                )
                for row in rejects
            ],
        )


async def note(connection: Connection, stamp: Stamp, place: Place, *, kind: str, detail: str, message: str) -> None:
    """Notes something a person should know, once: told again, only its last time moves. `kind` is window_failed
    (`detail` names the window), account_failed, or note."""
    await connection.execute(
        """
        INSERT INTO ops.issue AS i
            (run_id, account, stream, partition, kind, detail, message, first_seen_at, last_seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        ON CONFLICT (account, stream, partition, kind, detail) DO UPDATE
        SET run_id = excluded.run_id, message = excluded.message, last_seen_at = excluded.last_seen_at,
            resolved_at = NULL
        """,
        *(stamp.run_id, *place.key, kind, detail, message, stamp.loaded_at),
    )


async def resolve(connection: Connection, place: Place) -> None:
    """Marks a failed window as resolved, and any failure of the account: it just answered."""
    await connection.execute(
        """
        UPDATE ops.issue SET resolved_at = now()
        WHERE account = $1 AND resolved_at IS NULL
            AND ((stream = $2 AND partition = $3 AND kind = 'window_failed' AND detail = $4)
                OR (stream = '' AND kind = 'account_failed'))
        """,
        *(*place.key, str(place.window)),
    )
