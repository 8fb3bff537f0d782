"""What commands show at their end: a plan, what an audit found, what a check found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl import output
from etl.check import Finding
from etl.query.restated import Restated
from etl.query.tables import duration, table
from etl.sync.plan import PlannedStream, total_seconds
from etl.sync.run import Outcome

MOST_VALUES = 50
"""The values that the report of an audit shows; bi.restatements has them all."""


def print_plan(lines: Sequence[PlannedStream]) -> None:
    """The plan as a table, and how long it takes at the least."""
    rows: list[tuple[Any, ...]] = [
        (
            line.account,
            line.stream,
            f"≥ {line.requests}" if line.at_least else line.requests,
            duration(line.seconds),
            line.limit.partition(" on ")[0],
        )
        for line in lines
    ]
    output.out.print(table(("account", "stream", "requests", "time", "limit"), rows))
    at_least = "at least " if any(line.at_least for line in lines) else ""
    requests, seconds = sum(line.requests for line in lines), total_seconds(lines)
    output.out.print(f"{at_least}{requests} requests, {at_least}{duration(seconds)}; lanes run side by side")
    binding = max(lines, key=lambda line: line.seconds, default=None)
    if binding is not None and binding.seconds:
        output.out.print(f"what binds: {binding.account} {binding.stream}, {binding.limit}")


def print_restated(outcomes: Sequence[Outcome], shown: Sequence[Restated]) -> None:
    """What has changed since it was final; `shown` are the first of the values."""
    count = sum(outcome.totals.rows.restated for outcome in outcomes)
    if not count:
        output.out.print("nothing that was final has changed (transfers never are: what differs is loaded, not listed)")
        return
    title = "What has changed since it was final"
    output.out.print(table(("account", "table", "key", "column", "old", "new"), shown, title=title))
    runs = ", ".join(str(outcome.totals.run_id) for outcome in outcomes if outcome.totals.rows.restated)
    output.out.print(f"{count} values in all; bi.restatements has them, run_id {runs}", highlight=False)


def print_findings(findings: Sequence[Finding]) -> None:
    """What a check found, a line each."""
    for finding in findings:
        mark = "[green]ok  [/]" if finding.is_good else "[red]FIX [/]"
        output.out.print(f"{mark} {finding.subject}: ", end="")
        output.out.print(finding.message, markup=False, highlight=False)
