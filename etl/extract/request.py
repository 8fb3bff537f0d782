"""Builds drafts from declarations and reads answers back: pure, no socket, no secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from etl.errors import AnswerUnreadable, ConnectionBroken, EndpointClosed, ProviderBusy, RateLimited
from etl.stream import Account, Draft, Params, Partition, Source, Stream
from etl.windows import Window

MOST_NESTED = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it arrived; `date` is the server's clock in its Date header, of whole seconds, `redirects_to`
    scheme and host of a Location header."""

    http_status: int
    body: bytes
    retry_after_seconds: float | None = None
    date: datetime | None = None
    redirects_to: str | None = None


Drafter = Callable[[Params], Draft]
"""Makes the draft of one page from the page's parameters."""


def window_drafts(stream: Stream, account: Account, partition: Partition, window: Window) -> Drafter:
    """The drafts of an ordinary reading of `window`."""
    return _drafts(stream, partition, stream.reads.params(window, account.zone))


def revisit_drafts(
    stream: Stream, account: Account, partition: Partition, *, changed_in: Window, horizon: Window
) -> Drafter:
    """The drafts of a reading by time of change: rows of the whole `horizon` that changed in `changed_in`."""
    if stream.revisit is None:
        raise TypeError(f"{stream.name} has no reading by time of change")
    span = {
        **stream.reads.params(horizon, account.zone),
        **stream.revisit.span(changed_in, account.zone),
    }
    return _drafts(stream, partition, span)


def _drafts(stream: Stream, partition: Partition, span: Params) -> Drafter:
    def draft(page: Params) -> Draft:
        return Draft(stream.method, stream.path, {**stream.params(partition), **span, **page})

    return draft


def judged(answer: Answer, source: Source) -> Any:
    """The payload of an answer, numbers as int or Decimal; or the error that says what happens next.

    HTTP 429 and 5xx are passing whatever their body; a body that breaks off is a broken connection. A redirect is not
    followed: the endpoint is not where it was asked."""
    if answer.http_status == 429:
        raise RateLimited(
            f"{source.title} answered HTTP 429, too many requests", delay_seconds=answer.retry_after_seconds
        )
    if answer.http_status >= 500:
        raise ProviderBusy(
            f"{source.title} answered HTTP {answer.http_status}", delay_seconds=answer.retry_after_seconds
        )
    if 300 <= answer.http_status < 400:
        place = answer.redirects_to or "another path"
        raise EndpointClosed(
            f"{source.title} answered HTTP {answer.http_status}, a redirect to {place}, which is not followed, "
            "since it would take the credentials there; check base_url"
        )
    try:
        document = decoded(answer.body)
    except ValueError as fault:
        if answer.http_status == 200:
            raise ConnectionBroken(f"{source.title} answered with a body that is no JSON: {fault}") from None
        document = None
    except RecursionError:
        raise AnswerUnreadable(f"{source.title} answered with JSON that is nested too deeply") from None
    try:
        return source.judge(document, http_status=answer.http_status)
    except (TypeError, KeyError, ValueError, AttributeError) as fault:
        raise AnswerUnreadable(f"{source.title}'s answer is not of the documented shape: {fault}") from fault


def decoded(body: bytes) -> Any:
    """A JSON body with numbers as int or Decimal, never as float.

    What no number can hold (1e1000000000000000000, NaN, 5000 digits) stays the text it was sent as, so that it costs
    its row and not the answer. Raises ValueError where the body is no JSON, RecursionError where it is too deep: what
    is read here can be walked, shown and written again by functions that call themselves."""
    document = json.loads(body, parse_float=_decimal_or_text, parse_int=_int_or_text, parse_constant=str)
    level = [document]
    for _ in range(MOST_NESTED):
        level = [held for each in level for held in _held_in(each) if isinstance(held, dict | list)]
        if not level:
            return document
    raise RecursionError(f"nested more than {MOST_NESTED} deep")


def _held_in(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _decimal_or_text(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return digits


def _int_or_text(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def raw_rows(stream: Stream, payload: Any) -> list[Any]:
    """The raw rows of a judged payload; raises AnswerUnreadable when it is not of the documented shape."""
    try:
        return list(stream.rows(payload))
    except (TypeError, KeyError, ValueError, AttributeError) as fault:
        raise AnswerUnreadable(f"the answer of {stream.path} is not of the documented shape: {fault}") from fault
