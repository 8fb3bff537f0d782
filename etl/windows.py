"""Days and windows: the algebra that planning and coverage are made of.

A `Window` is a half-open span of calendar days, a `Days` a set of days kept as disjoint windows.
Both are plain calendar facts; a day becomes a span of instants only through a day zone.
Anyone may import this module; it imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which `day` begins in `zone`, as an aware UTC datetime."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC of an aware datetime, without going through a float."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """The days from `start` (included) to `end` (excluded)."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a window needs start < end, got {self.start}..{self.end}")

    @property
    def last(self) -> date:
        """The last day of the window."""
        return self.end - ONE_DAY

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=n) for n in range(len(self)))

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start}..{self.last}" if len(self) > 1 else str(self.start)

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The half-open span of instants that the window covers in `zone`."""
        return midnight(self.start, zone), midnight(self.end, zone)


@dataclass(frozen=True, slots=True)
class Days:
    """A set of days, held as disjoint, non-adjacent windows in ascending order."""

    windows: tuple[Window, ...] = ()

    @classmethod
    def of(cls, windows: Iterable[Window]) -> Days:
        """The union of `windows`, which may overlap and come in any order."""
        merged: list[Window] = []
        for window in sorted(windows):
            if merged and window.start <= merged[-1].end:
                merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
            else:
                merged.append(window)
        return cls(tuple(merged))

    @classmethod
    def between(cls, start: date, end: date) -> Days:
        """The days start ≤ day < end; none when end does not lie after start."""
        return cls((Window(start, end),) if start < end else ())

    def __bool__(self) -> bool:
        return bool(self.windows)

    def __len__(self) -> int:
        return sum(len(window) for window in self.windows)

    def __iter__(self) -> Iterator[date]:
        return (day for window in self.windows for day in window)

    def __contains__(self, day: date) -> bool:
        return any(day in window for window in self.windows)

    def __or__(self, other: Days) -> Days:
        return Days.of((*self.windows, *other.windows))

    def __and__(self, other: Days) -> Days:
        both = ((max(a.start, b.start), min(a.end, b.end)) for a in self.windows for b in other.windows)
        return Days.of(Window(start, end) for start, end in both if start < end)

    def __sub__(self, other: Days) -> Days:
        left: list[Window] = []
        for window in self.windows:
            start = window.start
            for hole in other.windows:
                if hole.end <= start or hole.start >= window.end:
                    continue
                if start < hole.start:
                    left.append(Window(start, hole.start))
                start = max(start, hole.end)
            if start < window.end:
                left.append(Window(start, window.end))
        return Days(tuple(left))

    def covered_by(self, *, most: int) -> tuple[Window, ...]:
        """The fewest windows of at most `most` days that cover all days of the set, newest first.

        A window may span days outside the set when that saves a request; it begins and ends on a day of the set.
        """
        windows: list[Window] = []
        rest = self
        while rest:
            end = rest.windows[-1].end
            reach = rest & Days.between(end - timedelta(days=most), end)
            windows.append(Window(reach.windows[0].start, end))
            rest = rest - Days((windows[-1],))
        return tuple(windows)

    def months(self) -> tuple[Window, ...]:
        """The whole calendar months that hold a day of the set, newest first."""
        firsts = {day.replace(day=1) for window in self.windows for day in window}
        return tuple(Window(first, _next_month(first)) for first in sorted(firsts, reverse=True))


def _next_month(first: date) -> date:
    return (first + 31 * ONE_DAY).replace(day=1)


def final_days(window: Window, *, zone: ZoneInfo, settles_after: timedelta, read_at: datetime) -> Days:
    """The days of `window` that a reading begun at `read_at` makes final: those that ended, plus `settles_after`,
    before it (DESIGN section 1.2)."""
    settled = (day for day in window if midnight(day + ONE_DAY, zone) + settles_after < read_at)
    return Days.of(Window(day, day + ONE_DAY) for day in settled)


class Span(Protocol):
    """How an endpoint spells a window in its parameters."""

    def __call__(self, window: Window, zone: ZoneInfo) -> Mapping[str, str | int]: ...


def milliseconds(start: str, end: str, *, end_before_ms: int = 0) -> Span:
    """Spells a window as two epoch milliseconds [start, end], the end being the next window's start minus
    `end_before_ms`."""

    def spell(window: Window, zone: ZoneInfo) -> Mapping[str, str | int]:
        first, after = window.span(zone)
        return {start: epoch_ms(first), end: epoch_ms(after) - end_before_ms}

    return spell


def dates(start: str, end: str, *, at_start: str = "", at_end: str = "") -> Span:
    """Spells a window as two days YYYY-MM-DD [first, last], both included; `at_start` and `at_end` follow them where
    an endpoint wants a time of day."""

    def spell(window: Window, zone: ZoneInfo) -> Mapping[str, str | int]:
        return {start: f"{window.start}{at_start}", end: f"{window.last}{at_end}"}

    return spell
