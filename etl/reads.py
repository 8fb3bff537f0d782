"""What is read when: the kinds of windows that endpoints have. A stream declares one of them.

Each kind tells which windows to ask for, how a request spells them, which days a reading settles, and which parts of a
reading can be loaded by themselves. Pure calendar facts; imports `windows` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from etl.windows import ONE_DAY, Days, Span, Window, final_days


@dataclass(frozen=True, slots=True)
class Daily:
    """Facts of days, asked for by windows of at most `most_days`; a day is final `settles_after` its end."""

    most_days: int
    span: Span
    settles_after: timedelta

    has_past: ClassVar[bool] = True

    def windows(self, due: Days, today: date) -> tuple[Window, ...]:
        """The fewest windows that cover what is due, newest first."""
        return due.covered_by(most=self.most_days)

    def params(self, window: Window, zone: ZoneInfo) -> Mapping[str, str | int]:
        """The window in the endpoint's own parameters."""
        return self.span(window, zone)

    def settled(self, window: Window, *, zone: ZoneInfo, read_at: datetime) -> Days:
        """The days that a reading begun at `read_at` makes final."""
        return final_days(window, zone=zone, settles_after=self.settles_after, read_at=read_at)

    def parts(self, window: Window, days: Days) -> tuple[Window, ...]:
        """What of a reading of `window` tells of `days`: facts of days stand by themselves."""
        return (Days((window,)) & days).windows


@dataclass(frozen=True, slots=True)
class Monthly:
    """Facts of calendar months, always asked for whole; a month is final, all days at once, `settles_after` its end."""

    span: Span
    settles_after: timedelta

    has_past: ClassVar[bool] = True

    def windows(self, due: Days, today: date) -> tuple[Window, ...]:
        """The months with a day that is due, newest first. They may reach before the horizon and after today."""
        return due.months()

    def params(self, window: Window, zone: ZoneInfo) -> Mapping[str, str | int]:
        """The month in the endpoint's own parameters."""
        return self.span(window, zone)

    def settled(self, window: Window, *, zone: ZoneInfo, read_at: datetime) -> Days:
        """The whole month, or nothing of it."""
        last = Window(window.last, window.end)
        ended = final_days(last, zone=zone, settles_after=self.settles_after, read_at=read_at)
        return Days((window,)) if ended else Days()

    def parts(self, window: Window, days: Days) -> tuple[Window, ...]:
        """The whole month, if it has one of the days."""
        return _whole(window, days)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The present state of everything since `since` (None: the request has no window), read in every sync."""

    since: date | None = None
    span: Span | None = None

    has_past: ClassVar[bool] = False

    def windows(self, due: Days, today: date) -> tuple[Window, ...]:
        """Today, whatever was read before."""
        return (Window(today, today + ONE_DAY),)

    def params(self, window: Window, zone: ZoneInfo) -> Mapping[str, str | int]:
        """All time from `since` to the end of the window."""
        return {} if self.span is None or self.since is None else self.span(Window(self.since, window.end), zone)

    def settled(self, window: Window, *, zone: ZoneInfo, read_at: datetime) -> Days:
        """Nothing: the next snapshot may differ."""
        return Days()

    def parts(self, window: Window, days: Days) -> tuple[Window, ...]:
        """The whole snapshot, if it was taken on one of the days."""
        return _whole(window, days)


@dataclass(frozen=True, slots=True)
class Log:
    """An append-only log that cannot be asked by time. Every sync reads what is new in it; the first one, all."""

    has_past: ClassVar[bool] = False

    def windows(self, due: Days, today: date) -> tuple[Window, ...]:
        """Today, which stands for all that the log holds now."""
        return (Window(today, today + ONE_DAY),)

    def params(self, window: Window, zone: ZoneInfo) -> Mapping[str, str | int]:
        """None: the log is asked for by pages."""
        return {}

    def settled(self, window: Window, *, zone: ZoneInfo, read_at: datetime) -> Days:
        """Nothing: days say nothing of a log."""
        return Days()

    def parts(self, window: Window, days: Days) -> tuple[Window, ...]:
        """All that was read, if it was on one of the days."""
        return _whole(window, days)


def _whole(window: Window, days: Days) -> tuple[Window, ...]:
    return (window,) if Days((window,)) & days else ()


Reads = Daily | Monthly | Snapshot | Log


@dataclass(frozen=True, slots=True)
class Revisit:
    """A reading by time of change over the last `last_days`. It writes no rows: where it shows a row that the
    warehouse has otherwise, the day in the row's `names` column becomes due again."""

    last_days: int
    span: Span
    names: str
