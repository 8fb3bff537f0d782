"""What a provider's page says of one stream: the contract test holds the declaration to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from etl.stream import Partition, Rate
from etl.windows import Window


@dataclass(frozen=True, kw_only=True)
class Documented:
    """A stream as documented. `parameters` are the names of the page's table and whether they are required;
    `left_out` those required ones that mean "all" when they are missing. `request` is what the first page of `window`
    must ask for, `rows` what the page's response example must become, by table. `note` is what it must say instead."""

    path: str
    rate: Rate
    parameters: Mapping[str, bool]
    window: Window
    read_at: datetime
    request: Mapping[str, str | int]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    partition: Partition = field(default_factory=Partition)
    left_out: frozenset[str] = frozenset()
    note: str | None = None
