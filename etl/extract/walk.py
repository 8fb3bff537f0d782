"""Reads all pages of a window, and makes sure that they belong together.

Pages of a list that moves while it is read repeat rows of the page before, or miss the total that the answers tell.
Such a reading is thrown away and made again; where rows repeat, two readings that agree row for row are believed (the
repeats are the source's own).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl.errors import UnstablePages
from etl.extract.client import Paid
from etl.extract.paging import first_page, next_page, told_total
from etl.extract.request import Drafter, raw_rows
from etl.stream import Draft, Params, Stream

MOST_READINGS = 3


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


async def nobody(page: Page) -> None:
    """Does nothing with a page."""


async def read_window(stream: Stream, drafter: Drafter, fetch: Fetch, *, on_page: OnPage = nobody) -> Reading:
    """Reads every page; raises UnstablePages when three readings neither hold together nor agree."""
    before: Counter[str] | None = None
    for reading in range(1, MOST_READINGS + 1):
        pages = await _read_pages(stream, drafter, fetch, on_page, reading)
        rows = [row for page in pages for row in page.rows]
        fingerprint = Counter(json.dumps(row, sort_keys=True, default=str) for row in rows)
        if _is_counted(stream, pages) and (not _repeats(stream, pages) or fingerprint == before):
            return Reading(pages[0].paid.sent_at, rows, [page.paid.payload for page in pages])
        before = fingerprint
    raise UnstablePages(f"the pages moved in each of {MOST_READINGS} readings; the window stays due")


async def _read_pages(stream: Stream, drafter: Drafter, fetch: Fetch, on_page: OnPage, reading: int) -> list[Page]:
    """The pages of one reading, up to the last, or to one that brings nothing but rows of the pages before."""
    pages: list[Page] = []
    seen: set[RowKey] = set()
    read = 0
    asked: Params | None = first_page(stream.paging)
    while asked is not None:
        paid = await fetch(drafter(asked))
        page = Page(reading, len(pages) + 1, paid, raw_rows(stream, paid.payload))
        pages.append(page)
        await on_page(page)
        keys = {row_key(stream, row) for row in page.rows}
        if keys and keys <= seen:
            break
        seen |= keys
        read += len(page.rows)
        asked = next_page(stream.paging, asked, paid.payload, page.rows, read=read)
    return pages


RowKey = tuple[str, ...]


def row_key(stream: Stream, row: Any) -> RowKey:
    """What tells a raw row from the others of a list: the stream's row key, or all of a row that has none."""
    if not isinstance(row, dict):
        return (json.dumps(row, default=str),)
    return tuple(str(row.get(name)) for name in stream.row_key or sorted(row))


def _is_counted(stream: Stream, pages: list[Page]) -> bool:
    """Whether the pages hold as many rows as each of them said there are, where they say."""
    count = sum(len(page.rows) for page in pages)
    return all(told_total(stream.paging, page.paid.payload) in (None, count) for page in pages)


def _repeats(stream: Stream, pages: list[Page]) -> bool:
    """Whether a row stands on two pages."""
    seen: set[RowKey] = set()
    for page in pages:
        keys = {row_key(stream, row) for row in page.rows}
        if seen & keys:
            return True
        seen |= keys
    return False
