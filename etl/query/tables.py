"""Plans, statuses and reports as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.markup import escape
from rich.table import Table

from etl.query.status import Status

_KEPT_WHOLE = 20
_STREAM_HEADINGS = ("stream", "loaded through", "final through", "due", "gaps", "rejects", "last success (UTC)")
_RUN_HEADINGS = ("run", "account", "command", "outcome", "started (UTC)", "requests", "new rows")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> Table:
    """A plain table; numbers stand right, missing values are a dash. Short values are never broken or cut."""
    rows = list(rows)
    made = Table(title=title, box=None, title_justify="left", header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(headings):
        numeric = any(isinstance(row[index], int | Decimal) or str(row[index]).startswith("≥ ") for row in rows)
        longest = max((len(_shown(row[index])) for row in rows), default=0)
        made.add_column(
            heading,
            justify="right" if numeric else "left",
            overflow="fold",
            min_width=longest if longest <= _KEPT_WHOLE else None,
        )
    for row in rows:
        made.add_row(*(_shown(value) for value in row))
    return made


def _shown(value: Any) -> str:
    """A value as text; brackets of an exchange's words are no markup."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else escape(str(value))


def status_tables(status: Status) -> list[Table]:
    """Freshness, gaps, issues and runs."""
    tables = []
    for account in dict.fromkeys(each.account for each in status.streams):
        streams = [
            (
                each.stream,
                each.loaded_through,
                each.final_through,
                each.due_days,
                len(each.gaps),
                each.rejects,
                each.last_success,
            )
            for each in status.streams
            if each.account == account
        ]
        tables.append(table(_STREAM_HEADINGS, streams, title=account))
    gaps = [(each.account, each.stream, str(first), str(last)) for each in status.streams for first, last in each.gaps]
    if gaps:
        tables.append(table(("account", "stream", "from", "to"), gaps, title="Gaps"))
    if status.issues:
        rows = [(each["account"], each["stream"], each["last_seen_at"], each["message"]) for each in status.issues]
        tables.append(table(("account", "stream", "last seen", "what"), rows, title="Issues"))
    runs = [
        tuple(each[name] for name in ("run_id", "account", "command", "outcome", "started_at", "requests", "rows_new"))
        for each in status.runs
    ]
    if runs:
        tables.append(table(_RUN_HEADINGS, runs, title="Runs"))
    return tables
