"""Decides the next page: pure functions over a stream's declared paging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl.errors import AnswerUnreadable
from etl.stream import LargestId, Offset, OnePage, Paging, Params


def page_size(paging: Paging) -> int | None:
    """How many rows a full page holds; None where everything comes at once."""
    return None if isinstance(paging, OnePage) else paging.page_size


def first_page(paging: Paging) -> Params:
    """The parameters of the first page."""
    return {} if isinstance(paging, OnePage) else {paging.start: 0, paging.size: paging.page_size}


def next_page(paging: Paging, asked: Params, rows: Sequence[Any]) -> Params | None:
    """The parameters of the page after the one that `asked` brought, or None after the last.

    A page is the last one when it is short; a full one is always followed by another request, since these
    endpoints tell no total (lbank-affiliate.md, Notes 2)."""
    if isinstance(paging, OnePage) or len(rows) < paging.page_size:
        return None
    before = int(asked[paging.start])
    match paging:
        case Offset():
            start = before + paging.page_size
        case LargestId(id_field=id_field):
            start = max(_whole(row, id_field) for row in rows)
            if start <= before:
                raise AnswerUnreadable(f"paging stands still: no {id_field} of the page is larger than {before}")
    return {paging.start: start, paging.size: paging.page_size}


def _whole(row: Any, name: str) -> int:
    value = row.get(name) if isinstance(row, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        raise AnswerUnreadable(f"a row has no whole number in {name}, which the next page depends on")
    return value
