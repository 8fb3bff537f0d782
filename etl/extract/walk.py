"""Reads all pages of a window, and makes sure that they belong together.

Pages of a list that moves while it is read repeat rows of the page before, or miss the total that the answers tell.
Such a reading is thrown away and made again. Where rows may repeat, two readings that agree row for row are believed;
where they never do, the rows of several readings are put together until they are as many as the total.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from etl.errors import UnstablePages
from etl.extract.client import Paid
from etl.extract.paging import first_page, next_page, told_total
from etl.extract.request import Drafter, raw_rows
from etl.stream import Draft, Params, Stream

MOST_READINGS = 3
RowKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it arrived, with its place in the reading."""

    reading: int
    number: int
    paid: Paid
    rows: list[Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading that counts, which began at `began_at`. Every page, also those of readings that were thrown away,
    has been handed to `on_page` before. `is_whole` says whether the rows are all there are, or only what was new."""

    began_at: datetime
    rows: list[Any]
    payloads: list[Any]
    is_whole: bool = True


Fetch = Callable[[Draft], Awaitable[Paid]]
OnPage = Callable[[Page], Awaitable[None]]


async def _let_go(page: Page) -> None:
    """Does nothing with a page."""


async def read_window(stream: Stream, drafter: Drafter, fetch: Fetch, *, on_page: OnPage = _let_go) -> Reading:
    """Reads every page; raises UnstablePages when three readings neither hold together nor agree."""
    agreed: Counter[str] | None = None
    union = _Union()
    for reading in range(1, MOST_READINGS + 1):
        pages, is_stuck = await _read_pages(stream, drafter, fetch, on_page, reading)
        rows = [row for page in pages for row in page.rows]
        told = _told_total(stream, pages)
        fingerprint = Counter(json.dumps(row, sort_keys=True, default=str) for row in rows)
        if _holds(stream, pages, told=told, is_stuck=is_stuck, agrees=fingerprint == agreed):
            return Reading(pages[0].paid.sent_at, rows, [page.paid.payload for page in pages])
        agreed = fingerprint
        union.add(stream, pages, told)
        if stream.has_unique_rows and union.is_whole:
            return Reading(union.began_at, list(union.rows.values()), [page.paid.payload for page in union.pages])
    raise UnstablePages(f"the pages moved in each of {MOST_READINGS} readings; the window stays due")


def _holds(stream: Stream, pages: list[Page], *, told: int | None, is_stuck: bool, agrees: bool) -> bool:
    """Whether the pages of a reading belong together. Repeats are the source's own where two readings agree on them,
    unless no two rows can share a key: then a list that is whole has none. One page given out twice comes from a server
    that knows no pages, whatever the count."""
    if told is not None:
        is_counted = told == sum(len(page.rows) for page in pages)
        may_repeat = agrees and not stream.has_unique_rows and not _has_one_twice(pages)
        return is_counted and (may_repeat or not _repeats(stream, pages))
    if stream.has_unique_rows:
        # A page that only repeats comes from a server that has no more, or knows no pages.
        return not _repeats(stream, pages[:-1] if is_stuck else pages) and (not is_stuck or agrees)
    return not is_stuck and (not _repeats(stream, pages) or agrees)


@dataclass(slots=True)
class _Union:
    """The rows of several readings by their keys: those that changed places between pages, in a list of no documented
    order, are put together so (FACTS.md, "Orderly": de-duplicate, check against `total`). Another total is another
    list."""

    told: int | None = None
    pages: list[Page] = field(default_factory=list)
    rows: dict[RowKey, Any] = field(default_factory=dict)

    def add(self, stream: Stream, pages: list[Page], told: int | None) -> None:
        """Adds a reading, or begins anew with it."""
        if told != self.told:
            self.told, self.pages, self.rows = told, [], {}
        self.pages += pages
        self.rows |= {row_key(stream, row): row for page in pages for row in page.rows}

    @property
    def is_whole(self) -> bool:
        """Whether there are as many rows as the total says."""
        return self.told == len(self.rows)

    @property
    def began_at(self) -> datetime:
        """When the first of the readings began: no row is older."""
        return self.pages[0].paid.sent_at


async def _read_pages(
    stream: Stream, drafter: Drafter, fetch: Fetch, on_page: OnPage, reading: int
) -> tuple[list[Page], bool]:
    """The pages of one reading, and whether it got stuck: a page that brings nothing but rows of the pages before ends
    it, since a server that takes no notice of the page would be asked for ever."""
    pages: list[Page] = []
    seen: set[RowKey] = set()
    asked: Params | None = first_page(stream.paging)
    while asked is not None:
        paid = await fetch(drafter(asked))
        page = Page(reading, len(pages) + 1, paid, raw_rows(stream, paid.payload))
        largest = max((len(each.rows) for each in pages), default=0)
        pages.append(page)
        await on_page(page)
        keys = {row_key(stream, row) for row in page.rows}
        read = sum(len(each.rows) for each in pages)
        asked = next_page(stream.paging, asked, paid.payload, page.rows, read=read, largest=largest)
        if keys and keys <= seen:
            return pages, asked is not None
        seen |= keys
    return pages, False


def row_key(stream: Stream, row: Any) -> RowKey:
    """What tells a raw row from the others of a list: the stream's row key, or all of a row that lacks a part of it."""
    parts = [row.get(name) for name in stream.row_key] if isinstance(row, dict) else []
    if not parts or any(part in (None, "") for part in parts):
        return (json.dumps(row, sort_keys=True, default=str),)
    return tuple(map(str, parts))


def _told_total(stream: Stream, pages: list[Page]) -> int | None:
    """The total that all pages tell alike; -1, which no count equals, where they differ; None where none tells one."""
    totals = {told_total(stream.paging, page.paid.payload) for page in pages}
    return totals.pop() if len(totals) == 1 else -1


def _has_one_twice(pages: list[Page]) -> bool:
    """Whether two pages hold the very same rows."""
    shown = Counter(json.dumps(page.rows, sort_keys=True, default=str) for page in pages if page.rows)
    return shown.total() > len(shown)


def _repeats(stream: Stream, pages: list[Page]) -> bool:
    """Whether a row stands on two pages."""
    seen: set[RowKey] = set()
    for page in pages:
        keys = {row_key(stream, row) for row in page.rows}
        if seen & keys:
            return True
        seen |= keys
    return False
