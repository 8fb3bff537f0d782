"""The nouns of the pipeline: Source, Account, Stream, Partition, Request, and the declarations a stream is made of.

A stream is one frozen value that reads like the provider's API page; nothing here does any work.
Sources build these values, every stage reads them. Imports `reads` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import Table

from etl.reads import Reads, Revisit

Row = dict[str, Any]
"""One row of the common schema: column name to typed value."""
RawRow = Mapping[str, Any]
"""One row as the provider sent it: decoded JSON, numbers as int or Decimal."""
Params = Mapping[str, str | int]
Parser = Callable[[Any, ZoneInfo], Any]
"""Reads one raw value exactly, or raises SetRowAside. The zone is the account's day zone."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` in any span of `period_seconds`, as the server counts them."""

    requests: int
    period_seconds: float

    def seconds_for(self, requests: int) -> float:
        """How long `requests` take at the limit."""
        return requests * self.period_seconds / self.requests

    def __str__(self) -> str:
        return f"{self.requests} per {self.period_seconds:g} s"


# ------------------------------------------------------------------------------------------------ the request


@dataclass(frozen=True, slots=True)
class Draft:
    """A request before it is signed: only what the stream asks for. It holds no secret and may be stored."""

    method: Literal["GET", "POST"]
    path: str
    params: Params


@dataclass(frozen=True, slots=True)
class Request:
    """A signed request, byte for byte as it must be sent. It holds secrets: never log it."""

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


class Sign(Protocol):
    """Signs a draft. Pure: the clock and the nonce come from outside. `target` must carry path and query as sent."""

    def __call__(self, draft: Draft, settings: Any, *, timestamp_ms: int, nonce: str) -> Request: ...


class Judge(Protocol):
    """Returns the payload of a decoded answer, or raises the error that says what happens next.

    `document` is None where the body was not JSON. HTTP 429 and 5xx have been dealt with before."""

    def __call__(self, document: Any, *, http_status: int) -> Any: ...


# ------------------------------------------------------------------------------------------------ paging


@dataclass(frozen=True, slots=True)
class OnePage:
    """The endpoint answers everything at once."""


@dataclass(frozen=True, slots=True)
class Offset:
    """`start` counts rows: the next page begins at start + page size, until a page is short."""

    start: str
    size: str
    page_size: int


@dataclass(frozen=True, slots=True)
class LargestId:
    """`start` is the largest `id_field` of the page before, until a page is short."""

    start: str
    size: str
    page_size: int
    id_field: str


def _tells_nothing(payload: Any) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class PageNumber:
    """`page` counts pages from 1. `total` reads off a payload how many rows there are, `told_size` how many a full
    page really holds; both give None where the answer does not say. Without a total, a short page is the last."""

    page: str
    size: str
    page_size: int
    total: Callable[[Any], int | None]
    told_size: Callable[[Any], int | None] = _tells_nothing


Paging = OnePage | Offset | LargestId | PageNumber

# ------------------------------------------------------------------------------------------------ fan-out


@dataclass(frozen=True, slots=True)
class Partition:
    """One value of a stream's fan-out, such as a member and a market. `since` is the first day it can have facts."""

    values: tuple[tuple[str, str], ...] = ()
    since: date | None = field(default=None, compare=False)

    @classmethod
    def of(cls, *, since: date | None = None, **values: str) -> Partition:
        return cls(tuple(values.items()), since)

    @property
    def key(self) -> str:
        """The partition as text, as `ops.coverage` and every message have it."""
        return "/".join(value for _, value in self.values)

    def __getitem__(self, name: str) -> str:
        return dict(self.values)[name]


@dataclass(frozen=True, slots=True)
class Member:
    """What fan-outs need to know of a person."""

    invitee_id: str
    origin: str
    level: int | None = None
    has_traded: bool | None = None
    registered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """The people an account knows of, by invitee id. `full` asks also for those who never traded."""

    members: Mapping[str, Member] = field(default_factory=dict)
    full: bool = False


FanOut = Callable[["Account", Roster], Iterable[Partition]]


def no_fan_out(account: Account, roster: Roster) -> Iterable[Partition]:
    """One partition for the whole account."""
    return (Partition(),)


# ------------------------------------------------------------------------------------------------ rows


@dataclass(frozen=True, slots=True)
class Field:
    """A column read from the raw row's key `raw`."""

    raw: str
    parse: Parser


@dataclass(frozen=True, slots=True)
class FromPartition:
    """A column that is the partition's value `name`, or what `read` makes of it."""

    name: str
    read: Callable[[str], Any] | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A column that is the same in every row of the stream."""

    value: str | bool | None


@dataclass(frozen=True, slots=True)
class WindowDay:
    """A column that is the first day of the window read; a row that has a day in its key `told` must tell that one."""

    told: str | None = None


@dataclass(frozen=True, slots=True)
class WindowLast:
    """A column that is the last day of the window read."""


@dataclass(frozen=True, slots=True)
class ReadAt:
    """A column that is the moment the reading began."""


ColumnSource = Field | FromPartition | Constant | WindowDay | WindowLast | ReadAt


@dataclass(frozen=True, kw_only=True)
class Into:
    """How raw rows become rows of one table.

    `within` names the column of the day (or instant) that a row tells of: rows outside the window are left to their
    own. `scope` names the part of the table that a complete reading of a partition speaks for (columns and their
    values; with the window, where there is `within`): rows there that the reading lacks get `removed_at`. None: a
    reading never removes. `mentions` is the column of invitee ids that facts may tell of before any list does.

    `skip` leaves raw rows out; `explode` makes several of one. Rows of one key must be equal, unless `adds_up` names
    the columns whose sum is meant. `finish` sees all rows of a complete reading at once, and adds the columns
    `finish_adds`.
    """

    table: Table
    columns: Mapping[str, ColumnSource]
    scope: Mapping[str, ColumnSource] | None = field(default_factory=dict)
    within: str | None = None
    mentions: str | None = None
    skip: Callable[[RawRow], bool] | None = None
    explode: Callable[[RawRow], Iterable[Any]] | None = None
    adds_up: tuple[str, ...] = ()
    finish: Callable[[Sequence[Row]], Sequence[Row]] | None = None
    finish_adds: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------ the values


def _no_params(partition: Partition) -> Params:
    return {}


def _no_subject(settings: Any) -> str | None:
    return None


def _never(settings: Any) -> datetime | None:
    return None


def _tells_no_time(document: Any) -> int | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One endpoint as the pipeline reads it.

    `rows` takes the judged payload to its raw rows; `row_key` names the raw fields that tell rows apart between pages,
    and `has_unique_rows` says that no two rows ever share them. `unread` names the documented raw fields that no column
    is read from: any other is new. `partitioned_by` names the values of a partition in their order, and `params` spells
    them. `note` may say something of a payload that yields no rows (told once per partition in `ops.issue`).
    `waits_for_facts` puts the stream after those whose rows mention ids.
    """

    name: str
    doc: str
    path: str
    reads: Reads
    rate: Rate
    into: tuple[Into, ...]
    rows: Callable[[Any], Sequence[RawRow]]
    paging: Paging = OnePage()
    method: Literal["GET", "POST"] = "GET"
    row_key: tuple[str, ...] = ()
    has_unique_rows: bool = False
    unread: tuple[str, ...] = ()
    fan_out: FanOut = no_fan_out
    partitioned_by: tuple[str, ...] = ()
    params: Callable[[Partition], Params] = _no_params
    revisit: Revisit | None = None
    note: Callable[[Any], str | None] | None = None
    needs_roster: bool = False
    waits_for_facts: bool = False
    on_by_default: bool = True

    def partition(self, key: str) -> Partition:
        """The partition of that key; ValueError where the key does not tell which value is which."""
        names = self.partitioned_by
        values = [key] if len(names) == 1 else key.split("/") if key else []
        return Partition(tuple(zip(names, values, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Source:
    """A provider: how to reach it, sign for it, understand its answers, and the streams it has.

    `settings` is the model of the account keys that only this provider has; `subject` is the affiliate's own id
    among them, where it has one. `expires_at` is the end of credentials that tell it; no request is made after it.
    `check` is one cheap request, given the day it is, and `server_time_ms` reads the provider's clock off its answer.
    """

    name: str
    title: str
    base_url: str
    day_zone: str
    settings: type[BaseModel]
    sign: Sign
    judge: Judge
    streams: tuple[Stream, ...]
    check: Callable[[Any, date], Draft]
    subject: Callable[[Any], str | None] = _no_subject
    expires_at: Callable[[Any], datetime | None] = _never
    server_time_ms: Callable[[Any], int | None] = _tells_no_time

    def stream(self, name: str) -> Stream:
        """The stream of that name; KeyError where there is none."""
        return {stream.name: stream for stream in self.streams}[name]


@dataclass(frozen=True, kw_only=True)
class Account:
    """One set of credentials at a source, as configured. `name` is the `account` column everywhere."""

    name: str
    source: Source
    base_url: str
    zone: ZoneInfo
    start_date: date
    streams: tuple[Stream, ...]
    settings: Any = field(repr=False)
    rate_limit: Rate | None = None
    rate_scope: Literal["account", "ip"] = "account"

    @property
    def subject_id(self) -> str | None:
        """The affiliate's own id at the source."""
        return self.source.subject(self.settings)

    def rate(self, stream: Stream) -> Rate:
        """The limit that holds for the stream's endpoint."""
        return self.rate_limit or stream.rate

    def today(self, now: datetime) -> date:
        """The day it is in the source's day zone."""
        return now.astimezone(self.zone).date()
