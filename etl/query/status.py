"""What the warehouse has, what is final, what is missing and what went wrong: the reader behind `etl status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import asyncpg

from etl.load.coverage import days_of
from etl.load.rejects import FOR_INFORMATION
from etl.stream import Account, Roster, Stream
from etl.windows import ONE_DAY, Days

_SHOWN_RUNS = 10


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream of an account. `loaded_through` and `final_through` are the last days that every partition has;
    `gaps` are spans [first, last] of days that a partition lacks; `due_days` counts days not final."""

    account: str
    source: str
    stream: str
    loaded_through: date | None
    final_through: date | None
    due_days: int
    gaps: list[tuple[date, date]]
    last_success: datetime | None
    last_error: str | None
    rejects: int


@dataclass(frozen=True, slots=True)
class Status:
    """The contract of `status --json` (DESIGN section 4)."""

    streams: list[StreamStatus]
    runs: list[dict[str, Any]]
    issues: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Plain values, ready to be encoded."""
        return asdict(self)


async def read_status(connection: asyncpg.Connection, accounts: Sequence[Account], now: datetime) -> Status:
    """The status of the configured accounts as of `now`."""
    names = [account.name for account in accounts]
    coverage = await connection.fetch("SELECT * FROM ops.coverage WHERE account = ANY($1)", names)
    rejects = {
        (row["account"], row["stream"]): row["count"]
        for row in await connection.fetch(
            "SELECT account, stream, count(*) FROM ops.reject WHERE account = ANY($1) GROUP BY 1, 2", names
        )
    }
    issues = await connection.fetch(
        """
        SELECT account, stream, partition, kind, message, first_seen_at, last_seen_at FROM ops.issue
        WHERE account = ANY($1) AND resolved_at IS NULL ORDER BY last_seen_at DESC, issue_id DESC
        """,
        names,
    )
    runs = await connection.fetch(
        """
        SELECT run_id, account, command, outcome, message, started_at, finished_at, requests, windows, rows_new,
            rows_changed, rows_removed, values_restated, rejects, failures
        FROM ops.run WHERE account = ANY($1) ORDER BY run_id DESC LIMIT $2
        """,
        names,
        _SHOWN_RUNS,
    )
    streams = [
        _stream_status(
            account,
            stream,
            [row for row in coverage if (row["account"], row["stream"]) == (account.name, stream.name)],
            errors=[row["message"] for row in issues if _concerns(row, account, stream)],
            rejects=rejects.get((account.name, stream.name), 0),
            today=account.today(now),
        )
        for account in accounts
        for stream in account.streams
    ]
    return Status(streams, [dict(row) for row in runs], [dict(row) for row in issues])


def _concerns(issue: asyncpg.Record, account: Account, stream: Stream) -> bool:
    is_failure = issue["kind"] not in FOR_INFORMATION
    return is_failure and issue["account"] == account.name and issue["stream"] in ("", stream.name)


def _stream_status(
    account: Account,
    stream: Stream,
    partitions: Sequence[asyncpg.Record],
    *,
    errors: Sequence[str],
    rejects: int,
    today: date,
) -> StreamStatus:
    lacking, due = Days(), Days()
    loaded_through, final_through = (_last(_anywhere(partitions, name)) for name in ("loaded", "final"))
    expected = [partition for partition in partitions if partition["horizon_from"] is not None]
    whole = Days.between(account.start_date, today + ONE_DAY)
    if not stream.reads.has_past:
        due = Days.between(today, today + ONE_DAY) - _anywhere(partitions, "loaded")
    elif expected:
        for partition in expected:
            wanted = Days.between(partition["horizon_from"], today + ONE_DAY)
            lacking |= wanted - days_of(partition["loaded"])
            due |= wanted - days_of(partition["final"])
        loaded_through, final_through = _last(whole - lacking), _last(whole - due)
    elif not stream.needs_roster and list(stream.fan_out(account, Roster())):
        lacking = due = whole
        loaded_through = final_through = None
    times = [partition["updated_at"] for partition in partitions if partition["updated_at"] is not None]
    return StreamStatus(
        account=account.name,
        source=account.source.name,
        stream=stream.name,
        loaded_through=loaded_through,
        final_through=final_through,
        due_days=len(due),
        gaps=[(gap.start, gap.last) for gap in lacking.windows],
        last_success=max(times, default=None),
        last_error=errors[0] if errors else None,
        rejects=rejects,
    )


def _anywhere(partitions: Sequence[asyncpg.Record], name: str) -> Days:
    """The days that any of some partitions has."""
    return Days.of(window for partition in partitions for window in days_of(partition[name]).windows)


def _last(days: Days) -> date | None:
    return days.windows[-1].last if days else None
