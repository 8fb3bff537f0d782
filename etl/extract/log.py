"""Reads what is new in an append-only log by its pages, whatever their order.

The order of a log is not documented, nor is it assumed (DESIGN section 3): new rows are on the pages where they are
found. A log whose total has not grown costs one request. Reading ends when the rows known before and the new ones are
as many as the total says; where that count does not add up, rows came or changed places meanwhile, and are looked for
where they can be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from etl.errors import AnswerUnreadable, SuspiciousRemoval, UnstablePages
from etl.extract.paging import numbered_page, told_page_size, told_total
from etl.extract.request import Drafter, raw_rows
from etl.extract.walk import Fetch, OnPage, Page, Reading, RowKey, row_key
from etl.stream import PageNumber, Stream

MOST_SWEEPS = 3

Unknown = Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]
"""Those of some raw rows that the warehouse has not."""


@dataclass(slots=True)
class _Walk:
    """A reading under way: `known` rows were loaded before it began, `fresh` ones were not. `overlaps` says that a
    known one was met: without it, this is not the log that was read before."""

    stream: Stream
    paging: PageNumber
    drafter: Drafter
    fetch: Fetch
    unknown: Unknown
    on_page: OnPage
    known: int
    may_shrink: bool
    total: int = 0
    size: int = 1
    began_at: datetime | None = None
    pages: int = 0
    page: set[RowKey] = field(default_factory=set)
    overlaps: bool = False
    has_grown: bool = False
    seen: dict[RowKey, Any] = field(default_factory=dict)
    fresh: set[RowKey] = field(default_factory=set)
    places: dict[RowKey, int] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)

    @property
    def last(self) -> int:
        """The number of the last page that the total leaves room for."""
        return max(-(-self.total // self.size), 1)

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the log were seen."""
        return len(self.seen) == self.total

    @property
    def is_explained(self) -> bool:
        """Whether the rows known before and the new ones are all there are, or all were seen."""
        adds_up = self.known + len(self.fresh) == self.total
        return self.is_whole or (adds_up and (self.overlaps or self.known == 0))

    @property
    def has_shrunk(self) -> bool:
        """Whether the log tells fewer rows than it ought to have."""
        return self.total < self.known or (self.is_whole and self.known + len(self.fresh) > self.total)

    async def read(self, number: int) -> bool:
        """Reads a page; tells whether it brought anything new."""
        paid = await self.fetch(self.drafter(numbered_page(self.paging, number)))
        page = Page(1, self.pages + 1, paid, raw_rows(self.stream, paid.payload))
        self._measure(number, page)
        before = len(self.fresh)
        unknown = {row_key(self.stream, row) for row in await self.unknown(page.rows)}
        for row in page.rows:
            self._meet(row_key(self.stream, row), row, number, unknown)
        self.pages, self.page = page.number, {row_key(self.stream, row) for row in page.rows}
        await self.on_page(page)
        if self.has_shrunk and not self.may_shrink:
            raise SuspiciousRemoval(
                f"the log tells {self.total} rows and lacks some of the {self.known} that were loaded before; perhaps "
                "it is another account's. New ones were loaded, none was removed; if that is right, run the same "
                "command with --accept-removals"
            )
        return len(self.fresh) > before

    def _measure(self, number: int, page: Page) -> None:
        """Takes from a page how long the log is and how long its pages are."""
        total, size = told_total(self.paging, page.paid.payload), told_page_size(self.paging, page.paid.payload)
        if total is None or total < 0:
            raise AnswerUnreadable(f"the answer of {self.stream.path} tells no total, which reading a log depends on")
        self.has_grown |= self.pages > 0 and total != self.total
        self.total = total
        if size is not None or number == 1:
            self.size = size or max(len(page.rows), 1)
        self.began_at = self.began_at or page.paid.sent_at

    def _meet(self, key: RowKey, row: Any, number: int, unknown: set[RowKey]) -> None:
        """Accounts for a row of the page of that number."""
        if key not in self.seen:
            if key in unknown:
                self.fresh.add(key)
            else:
                self.overlaps = True
        self.seen[key] = row
        if self.places.setdefault(key, number) != number:
            self.moved |= {number, self.places[key]}

    async def sweep(self) -> bool:
        """Reads forward as long as pages bring news, then from the end back to there; tells whether all is explained.

        A page before the last one that is empty, or that only repeats other pages of the sweep, belies the total and
        ends it."""
        number, met = 1, set[RowKey]()
        while await self.read(number) and not self.is_explained and number < self.last:
            met |= self.page
            number += 1
        for back in range(self.last, number, -1):
            if self.is_explained:
                break
            met |= self.page
            await self.read(back)
            if self.page <= met and back < self.last:
                break
        return self.is_explained

    async def mend(self) -> bool:
        """Looks for the rows that a sweep missed, and tells whether all is explained. Where the log has grown meanwhile
        they are on the first page, and else on the pages that share a row: another has changed places with it."""
        numbers = [1] if self.has_grown else sorted(self.moved)
        self.has_grown = False
        self.moved.clear()
        self.places.clear()
        for number in numbers:
            if self.is_explained:
                break
            await self.read(number)
        return self.is_explained


async def read_log(
    stream: Stream,
    drafter: Drafter,
    fetch: Fetch,
    *,
    known: int,
    unknown: Unknown,
    on_page: OnPage,
    may_shrink: bool = False,
) -> Reading:
    """The rows of the pages that had to be read: all that are new, and some that were `known` before (a count). The
    pages themselves are handed to `on_page` and not kept: a log can be long.

    Raises SuspiciousRemoval when the log lacks known rows, unless it `may_shrink`, and UnstablePages when its total is
    not explained: at once where nothing moved, as another reading would bring the same, else after three sweeps."""
    if not isinstance(stream.paging, PageNumber):
        raise TypeError(f"{stream.name} is a log and must be paged by number")
    walk = _Walk(stream, stream.paging, drafter, fetch, unknown, on_page, known, may_shrink)
    for _ in range(MOST_SWEEPS):
        is_explained = await walk.sweep()
        if not is_explained and not walk.has_grown and not walk.moved:
            break
        if (is_explained or await walk.mend()) and walk.began_at is not None:
            return Reading(walk.began_at, list(walk.seen.values()), payloads=[], is_whole=walk.is_whole)
    raise UnstablePages(
        f"the log tells {walk.total} rows, but {walk.known} known ones and {len(walk.fresh)} new ones were found"
    )
