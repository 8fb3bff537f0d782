"""Decides the next page: pure functions over a stream's declared paging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl.errors import AnswerUnreadable
from etl.stream import LargestId, Offset, OnePage, PageNumber, Paging, Params


def page_size(paging: Paging) -> int | None:
    """How many rows a full page holds; None where everything comes at once."""
    return None if isinstance(paging, OnePage) else paging.page_size


def first_page(paging: Paging) -> Params:
    """The parameters of the first page."""
    match paging:
        case OnePage():
            return {}
        case PageNumber():
            return numbered_page(paging, 1)
    return {paging.start: 0, paging.size: paging.page_size}


def numbered_page(paging: PageNumber, number: int) -> Params:
    """The parameters of the page of that number, counted from 1."""
    return {paging.page: number, paging.size: paging.page_size}


def next_page(
    paging: Paging, asked: Params, payload: Any, rows: Sequence[Any], *, read: int, largest: int = 0
) -> Params | None:
    """The parameters of the page after the one that `asked` brought, or None after the last.

    `read` counts the rows of all pages so far, `largest` those of the largest page before this one. Where a total is
    told, the page that reaches it is the last; elsewhere a short page is, and a full one is always followed by another
    request (lbank-affiliate.md, Notes 2)."""
    match paging:
        case OnePage():
            return None
        case PageNumber():
            return (
                None
                if _is_last(paging, payload, len(rows), read=read, largest=largest)
                else numbered_page(paging, int(asked[paging.page]) + 1)
            )
    if len(rows) < paging.page_size:
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


def told_total(paging: Paging, payload: Any) -> int | None:
    """How many rows the answer says there are in all pages; None where it does not say. Raises AnswerUnreadable where
    it ought to."""
    try:
        return paging.total(payload) if isinstance(paging, PageNumber) else None
    except (TypeError, KeyError, ValueError, AttributeError) as fault:
        raise AnswerUnreadable(f"the answer does not tell how many rows there are: {fault}") from fault


def told_page_size(paging: PageNumber, payload: Any) -> int | None:
    """How many rows a full page holds where the answer says so: never more than were asked for."""
    told = paging.told_size(payload)
    return None if told is None else min(max(told, 1), paging.page_size)


def _is_last(paging: PageNumber, payload: Any, rows: int, *, read: int, largest: int) -> bool:
    total = told_total(paging, payload)
    if total is not None:
        return read >= total or not rows
    size = told_page_size(paging, payload)
    if size is not None:
        return rows < size
    # Nothing is told, and the server may cut pages at less than was asked for: only its own pages can be compared.
    return not rows or rows < largest


def _whole(row: Any, name: str) -> int:
    value = row.get(name) if isinstance(row, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        raise AnswerUnreadable(f"a row has no whole number in {name}, which the next page depends on")
    return value
