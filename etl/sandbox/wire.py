"""What passes between the sandbox's server and its exchanges: a request as received, a reply, and who gives it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from etl.sandbox import amounts

JSON: Final = "application/json"
HTML: Final = "text/html"
TEXT: Final = "text/plain"


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
    """An answer. The request log tells `error_code`, which is 0 for every success, and `rows`."""

    text: str
    error_code: int | str
    rows: int = 0
    status: int = 200
    content_type: str = JSON


class Exchange(Protocol):
    """One simulated exchange, as the server sees it."""

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


def json_text(value: object) -> str:
    """JSON in which a Decimal is a number with exactly its own digits, 120.500 as much as 27 digits of them."""
    match value:
        case Decimal():
            return amounts.text(value)
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
