"""Reads all pages of a window, and makes sure that they belong together.

Pages of a list that moves while it is read repeat rows of the page before. Such a reading is thrown away and made
again; two readings that agree row for row are believed (the repeats are the source's own).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from etl.errors import UnstablePages
from etl.extract.client import Paid
from etl.extract.paging import first_page, next_page
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
    """The reading of a window that counts, which began at `began_at`. Every page, also those of readings that were
    thrown away, has been handed to `on_page` before."""

    began_at: datetime
    rows: list[Any]
    payloads: list[Any]


Fetch = Callable[[Draft], Awaitable[Paid]]


async def read_window(
    stream: Stream, drafter: Drafter, fetch: Fetch, *, on_page: Callable[[Page], Awaitable[None]] | None = None
) -> Reading:
    """Reads every page; raises UnstablePages when three readings neither hold together nor agree."""
    before: Counter[str] | None = None
    for reading in range(1, MOST_READINGS + 1):
        pages: list[Page] = []
        asked: Params | None = first_page(stream.paging)
        while asked is not None:
            answer = await fetch(drafter(asked))
            page = Page(reading, len(pages) + 1, answer, raw_rows(stream, answer.payload))
            pages.append(page)
            if on_page is not None:
                await on_page(page)
            asked = next_page(stream.paging, asked, page.rows)
        rows = [row for page in pages for row in page.rows]
        fingerprint = Counter(json.dumps(row, sort_keys=True, default=str) for row in rows)
        if not _repeats(stream, pages) or fingerprint == before:
            return Reading(pages[0].paid.sent_at, rows, [page.paid.payload for page in pages])
        before = fingerprint
    raise UnstablePages(f"the pages moved in each of {MOST_READINGS} readings; the window stays due")


def _repeats(stream: Stream, pages: list[Page]) -> bool:
    """Whether a row stands on two pages, told by the stream's row key."""
    seen: set[tuple[str, ...]] = set()
    for page in pages:
        keys = set(_keys(stream, page.rows))
        if seen & keys:
            return True
        seen |= keys
    return False


def _keys(stream: Stream, rows: list[Any]) -> Iterator[tuple[str, ...]]:
    return (tuple(str(row.get(name)) for name in stream.row_key) for row in rows if isinstance(row, dict))
