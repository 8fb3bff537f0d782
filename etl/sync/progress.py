"""Tells a person or a program how a run is going: bars with an ETA from the plan, or one JSON line per event."""

from __future__ import annotations

from typing import Protocol

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

from etl.load.lease import Totals
from etl.load.upsert import Counts
from etl.stream import Account, Rate


class Progress(Protocol):
    """What a run tells while it goes."""

    def started(self, account: Account, *, held_seconds: float, paced: bool = True) -> None: ...
    def expected(self, account: str, stream: str, requests: int) -> None: ...
    def answered(self, account: str, stream: str) -> None: ...
    def loaded(self, account: str, job: str, counts: Counts, *, rejects: int) -> None: ...
    def failed(self, account: str, stream: str, message: str) -> None: ...
    def left(self, account: str, job: str) -> None: ...
    def noted(self, account: str, stream: str, message: str) -> None: ...
    def finished(self, account: str, totals: Totals) -> None: ...


class JsonLines:
    """One JSON object per event, through structlog to stderr."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()

    def started(self, account: Account, *, held_seconds: float, paced: bool = True) -> None:
        """The account's lease is held; requests start after `held_seconds`. Not `paced`: there are none."""
        self._log.info("started", account=account.name, source=account.source.name, held_seconds=round(held_seconds, 3))

    def expected(self, account: str, stream: str, requests: int) -> None:
        """More requests are planned; the plan itself tells them, so no line is written."""

    def answered(self, account: str, stream: str) -> None:
        """A request was answered; the window it belongs to gets a line."""

    def loaded(self, account: str, job: str, counts: Counts, *, rejects: int) -> None:
        """A window was committed."""
        rows = {"new": counts.new, "changed": counts.changed, "removed": counts.removed, "rejects": rejects}
        self._log.info("loaded", account=account, window=job, **rows)

    def failed(self, account: str, stream: str, message: str) -> None:
        """A window, a lane or the account failed."""
        self._log.error("failed", account=account, stream=stream, message=message)

    def left(self, account: str, job: str) -> None:
        """A window is left for the next run."""
        self._log.warning("left", account=account, window=job)

    def noted(self, account: str, stream: str, message: str) -> None:
        """Something worth knowing that is no failure."""
        self._log.warning("noted", account=account, stream=stream, message=message)

    def finished(self, account: str, totals: Totals) -> None:
        """The account is through."""
        self._log.info(
            "finished",
            account=account,
            outcome=totals.outcome,
            requests=totals.requests,
            windows=totals.windows,
            new=totals.rows.new,
            changed=totals.rows.changed,
            removed=totals.rows.removed,
            restated=totals.rows.restated,
            rejects=totals.rejects,
            failures=totals.failures,
            message=totals.message,
        )


class Bars:
    """A bar per stream on the terminal. The ETA is that of the plan: the requests still expected, at their limits."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = RichProgress(
            TextColumn("{task.fields[account]} {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[eta]}"),
            console=console,
        )
        self._lines: list[str] = []
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._rates: dict[tuple[str, str], Rate] = {}

    def started(self, account: Account, *, held_seconds: float, paced: bool = True) -> None:
        """Shows the account's streams."""
        self._bars.start()
        if not paced:
            return
        if held_seconds >= 1:
            self._console.print(f"{account.name}: waiting {held_seconds:.0f} s for the limit of the run before")
        for stream in account.streams:
            self._rates[account.name, stream.name] = account.rate(stream)

    def expected(self, account: str, stream: str, requests: int) -> None:
        """Makes the stream's bar longer."""
        key = (account, stream)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(stream, total=0, account=account, eta="")
        total = self._bars.tasks[self._tasks[key]].total or 0
        self._update(key, total=total + requests)

    def answered(self, account: str, stream: str) -> None:
        """Moves the stream's bar on."""
        if (account, stream) in self._tasks:
            self._update((account, stream), advance=1)

    def _update(self, key: tuple[str, str], *, total: float | None = None, advance: float | None = None) -> None:
        task = self._bars.tasks[self._tasks[key]]
        completed = task.completed + (advance or 0)
        wanted = max(total if total is not None else (task.total or 0), completed)
        eta = self._left(key, int(wanted - completed)) if wanted > completed else "done"
        self._bars.update(self._tasks[key], total=wanted, completed=completed, eta=eta)

    def _left(self, key: tuple[str, str], requests: int) -> str:
        """How long the limit makes so many requests take; nothing where there is no limit."""
        seconds = int(self._rates[key].seconds_for(requests)) if key in self._rates else 0
        return f"{seconds // 60}:{seconds % 60:02d} left" if key in self._rates else ""

    def loaded(self, account: str, job: str, counts: Counts, *, rejects: int) -> None:
        """Says so where rows had to be set aside."""
        if rejects:
            told = f"{account} {job}: {rejects} rows set aside; see `etl status`"
            self._console.print(told, style="yellow", markup=False)

    def failed(self, account: str, stream: str, message: str) -> None:
        """Prints the failure above the bars."""
        self._console.print(f"{account}: {message}", style="red", markup=False)

    def left(self, account: str, job: str) -> None:
        """Nothing: the failure of the lane has said it."""

    def noted(self, account: str, stream: str, message: str) -> None:
        """Prints the note above the bars."""
        self._console.print(f"{account} {stream}: {message}", style="yellow", markup=False)

    def finished(self, account: str, totals: Totals) -> None:
        """Keeps the account's line for the end, below the bars."""
        rows = totals.rows
        restated = f", {rows.restated} values restated" if rows.restated else ""
        self._lines.append(
            f"{account}: {totals.outcome}, {totals.requests} requests, {totals.windows} windows, rows +{rows.new} "
            f"~{rows.changed} -{rows.removed}{restated}, {totals.rejects} set aside, {totals.failures} failed"
        )

    def close(self) -> None:
        """Leaves the terminal as it was, and prints the accounts' lines."""
        self._bars.stop()
        for line in self._lines:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
