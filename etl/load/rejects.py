"""What could not be loaded: rejected rows (`ops.reject`) and what a person should know (`ops.issue`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from etl.load.coverage import Place, range_of
from etl.load.upsert import Connection, Stamp
from etl.windows import ONE_DAY, Window


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A raw row that was set aside, as it was sent; `day` is the day it tells of, where that is known."""

    table: str
    column: str
    reason: str
    raw: str
    day: date | None = None


async def replace_rejects(connection: Connection, stamp: Stamp, place: Place, rejects: Sequence[RejectedRow]) -> None:
    """Makes `rejects` the rejects of the window: a new reading is the truth for it, here too."""
    await connection.execute(
        "DELETE FROM ops.reject WHERE account = $1 AND stream = $2 AND partition = $3 AND days && $4",
        *(*place.key, place.days_replaced),
    )
    await _insert(connection, stamp, place, rejects)


async def add_rejects(connection: Connection, stamp: Stamp, place: Place, rejects: Sequence[RejectedRow]) -> None:
    """Adds rejects to those of a partition; one that is there already, with the same raw form, is not told twice."""
    await connection.execute(
        "DELETE FROM ops.reject WHERE account = $1 AND stream = $2 AND partition = $3 AND raw = ANY($4)",
        *(*place.key, [row.raw for row in rejects]),
    )
    await _insert(connection, stamp, place, rejects)


async def count_rejects(connection: Connection, stamp: Stamp) -> int:
    """How many rejects of a run there are still."""
    count = await connection.fetchval(
        "SELECT count(*) FROM ops.reject WHERE account = $1 AND run_id = $2", stamp.account, stamp.run_id
    )
    return int(count)


async def _insert(connection: Connection, stamp: Stamp, place: Place, rejects: Sequence[RejectedRow]) -> None:
    await connection.executemany(
        """
        INSERT INTO ops.reject (run_id, account, source, stream, partition, days, table_name, column_name,
            reason, raw, rejected_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (
                *(stamp.run_id, place.account, stamp.source, place.stream, place.partition),
                place.days if row.day is None else range_of(Window(row.day, row.day + ONE_DAY)),
                *(row.table, row.column, row.reason, row.raw, stamp.loaded_at),
            )
            for row in rejects
        ],
    )


WINDOW_FAILED = "window_failed"
UPDATES_FAILED = "update_reading_failed"
ACCOUNT_FAILED = "account_failed"
NOTE = "note"
NEW_FIELD = "new_field"
"""The kinds of issues: days that could not be read, changes that could not be asked for, an account that cannot go on,
what the source itself wants known, and a field in its rows that nobody knows."""
FOR_INFORMATION = frozenset({NOTE, NEW_FIELD})
"""The kinds that are no failure."""
MOST_NEW_FIELDS = 20
LONGEST_SUBJECT = 100


async def note(connection: Connection, stamp: Stamp, place: Place, *, kind: str, message: str) -> None:
    """Notes something a person should know, once per place and kind: told again, its message and last time move and
    its days add up."""
    await connection.execute(
        """
        INSERT INTO ops.issue AS i
            (run_id, account, stream, partition, kind, message, days, first_seen_at, last_seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7::datemultirange, $8, $8)
        ON CONFLICT (account, stream, partition, kind, subject) DO UPDATE
        SET run_id = excluded.run_id, message = excluded.message, last_seen_at = excluded.last_seen_at,
            days = i.days + excluded.days,
            first_seen_at = CASE WHEN i.resolved_at IS NULL THEN i.first_seen_at ELSE excluded.first_seen_at END,
            resolved_at = NULL
        """,
        *(stamp.run_id, *place.key, kind, message, [] if place.days is None else [place.days], stamp.loaded_at),
    )


async def note_new_fields(connection: Connection, stamp: Stamp, place: Place, fields: Sequence[str]) -> None:
    """Notes fields of a stream's rows that are not known, once each and whatever the partition. Of more than
    MOST_NEW_FIELDS, the first are noted: a row whose names are data would otherwise fill the table."""
    shown = sorted({name.encode("utf-8", "replace").decode().replace("\x00", "\ufffd") for name in fields})
    await connection.executemany(
        """
        INSERT INTO ops.issue AS i
            (run_id, account, stream, partition, kind, subject, message, days, first_seen_at, last_seen_at)
        VALUES ($1, $2, $3, '', $4, $5, $6, '{}', $7, $7)
        ON CONFLICT (account, stream, partition, kind, subject) DO UPDATE
        SET run_id = excluded.run_id, first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at,
            resolved_at = NULL
        WHERE i.resolved_at IS NOT NULL
        """,
        [
            (
                *(stamp.run_id, place.account, place.stream, NEW_FIELD, name[:LONGEST_SUBJECT]),
                f"rows have a field {name[:LONGEST_SUBJECT]!r} that this version does not know; raw.page keeps it",
                stamp.loaded_at,
            )
            for name in shown[:MOST_NEW_FIELDS]
        ],
    )


async def resolve_known_fields(connection: Connection, stamp: Stamp, fields_of: Mapping[str, Sequence[str]]) -> None:
    """Resolves what was noted of fields that are known by now, by stream."""
    await connection.executemany(
        """
        UPDATE ops.issue SET resolved_at = $5
        WHERE account = $1 AND stream = $2 AND kind = $3 AND subject = ANY($4) AND resolved_at IS NULL
        """,
        [
            (stamp.account, stream, NEW_FIELD, list(fields), stamp.loaded_at)
            for stream, fields in sorted(fields_of.items())
        ],
    )


async def resolve(connection: Connection, stamp: Stamp, place: Place, *, kind: str) -> None:
    """Takes the days of a good reading out of an issue; with its last day it is resolved."""
    replaced = [] if place.days_replaced is None else [place.days_replaced]
    await connection.execute(
        """
        UPDATE ops.issue SET days = days - $5::datemultirange,
            resolved_at = CASE WHEN isempty(days - $5::datemultirange) THEN $6::timestamptz END
        WHERE account = $1 AND stream = $2 AND partition = $3 AND kind = $4 AND resolved_at IS NULL
        """,
        *(*place.key, kind, replaced, stamp.loaded_at),
    )


async def resolve_unasked(
    connection: Connection, stamp: Stamp, expected: Iterable[tuple[str, str]], *, streams: Iterable[str] | None
) -> None:
    """Resolves the issues of partitions that a sync no longer asks for, such as those of a person who left, and what
    was noted of fields of streams that it does not: no reading will ever do it. `streams` bounds this to some; None:
    all streams."""
    asked = set(expected)
    await connection.execute(
        """
        UPDATE ops.issue SET days = '{}', resolved_at = $4
        WHERE account = $1 AND resolved_at IS NULL AND stream <> '' AND ($2::text[] IS NULL OR stream = ANY($2))
            AND CASE WHEN subject = '' THEN stream || chr(31) || partition <> ALL($3) ELSE stream <> ALL($5) END
        """,
        *(stamp.account, None if streams is None else list(streams)),
        *([f"{stream}\x1f{partition}" for stream, partition in asked], stamp.loaded_at),
        list({stream for stream, _ in asked}),
    )
