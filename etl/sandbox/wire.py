"""What passes between the sandbox's server and its exchanges: a request as received, a reply, and who gives it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from etl.sandbox import amounts

JSON: Final = "application/json"
HTML: Final = "text/html"
TEXT: Final = "text/plain"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Received:
    """A request. `target` is path and query and `body` the bytes, both exactly as they were sent.

    Names in `headers` are found in any case.
    """

    method: str
    path: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. The request log tells `error_code`, 0 for every success and None for what is no answer of the
    exchange's own, and `rows`."""

    text: str
    error_code: int | str | None = None
    rows: int = 0
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Token:
    """What stands in JSON just as it is: a number with its digits, or what is no JSON at all, such as NaN."""

    text: str


class Exchange(Protocol):
    """One simulated exchange, as the server sees it.

    `shifted_by`: so many rows have come on top of every list since its first page was cut, or gone where negative.
    """

    shifted_by: int

    def method_of(self, path: str) -> str | None:
        """The method with which the path is asked; None for a path that the exchange does not have."""

    def credential_of(self, received: Received) -> str:
        """Whom the rate limit counts the request for, whether the credentials are good or not."""

    def parameters_of(self, received: Received) -> dict[str, str]:
        """The business parameters, for the request log; never a credential."""

    def receive(self, received: Received) -> Callable[[datetime], Reply]:
        """Judges the credentials at once; what it returns answers when called with the server's time."""

    def too_frequent(self, received: Received, now: datetime) -> Reply:
        """The refusal of a request over the limit."""

    def unauthenticated(self, received: Received, now: datetime) -> Reply:
        """The refusal of credentials that were good: a token that has expired, or the nearest to it."""

    def complain(self, received: Received, message: str, now: datetime) -> Reply:
        """The refusal of a parameter, in these words."""

    def place_of_rows(self, path: str) -> tuple[str, ...]:
        """The names that lead to the rows of a success, from the outermost."""


def json_text(value: object) -> str:
    """JSON in which a Decimal is a number with exactly its own digits, 120.500 as much as 27 digits of them."""
    match value:
        case Decimal():
            return amounts.text(value)
        case Token(text=text):
            return text
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{json_text(held)}" for name, held in value.items()) + "}"
        case list():
            return "[" + ",".join(map(json_text, value)) + "]"
        case _:
            return json.dumps(value)


def octets(text: str) -> bytes:
    """The bytes that were sent; aiohttp keeps those that are no UTF-8 as surrogates."""
    return text.encode(errors="surrogateescape")


def seconds_between(one: datetime, milliseconds: int) -> float:
    """How far an instant in milliseconds since the epoch is from another, in either direction."""
    return abs(one.timestamp() - milliseconds / 1000)


def cut(rows: Sequence[T], offset: int, size: int, *, shifted_by: int) -> Sequence[T]:
    """A page of a list that is whole when its first page is cut and `shifted_by` rows longer on top after that."""
    start = max(offset - shifted_by, 0) if offset else 0
    return rows[start : start + size]
