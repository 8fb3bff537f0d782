"""What a provider's page says of one stream: the contract test holds the declaration to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from etl.reads import Daily, Reads
from etl.stream import Partition, Rate
from etl.windows import Window


@dataclass(frozen=True, kw_only=True)
class Documented:
    """A stream as documented.

    `reads` is the kind of windows that the endpoint has, `most_days` the longest one asked for and `settles_after` when
    its days are final (None where they have neither). `parameters` are the names of the page's table and whether they
    are required; `left_out` those required ones that mean "all" when they are missing. `request` is what the first page
    of `window` must ask for. `total` and `told_size` are what the response example tells of its pages, and `rows` what
    it must become, by table; `only_in_facts` are raw fields that FACTS.md tells of and the example lacks. `note` is
    what the example says instead of rows. `speaks_for` tells by table which of its rows a complete reading removes when
    it lacks them (None: none; a table left out: all of the window), and `mentions` its column of people's ids."""

    path: str
    rate: Rate
    parameters: Mapping[str, bool]
    window: Window
    read_at: datetime
    request: Mapping[str, str | int]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    method: Literal["GET", "POST"] = "GET"
    reads: type[Reads] = Daily
    most_days: int | None = None
    settles_after: timedelta | None = None
    partition: Partition = field(default_factory=Partition)
    left_out: frozenset[str] = frozenset()
    only_in_facts: frozenset[str] = frozenset()
    total: int | None = None
    told_size: int | None = None
    speaks_for: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    mentions: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
