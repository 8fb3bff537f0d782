"""Applies a stream's field maps to the raw rows of one reading: typed rows per table, and rejects.

Pure. `sync` calls it with a whole reading (all pages of a window), `replay` with the same pages from `raw`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from etl.errors import SetRowAside
from etl.stream import Constant, Field, FromPartition, Into, Partition, RawRow, ReadAt, Row, Stream, WindowDay
from etl.windows import Window

_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Reject:
    """A raw row that could not be read exactly: which column and why, and the row as it was sent. `day` is the day it
    tells of, where that can be read."""

    table: str
    column: str
    reason: str
    raw: str
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one reading for one table. `rejects` says whether the batch is all there is."""

    into: Into
    rows: Sequence[Row]
    rejects: Sequence[Reject] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a reading knows besides its rows."""

    partition: Partition
    window: Window
    zone: ZoneInfo
    read_at: datetime


@dataclass(slots=True)
class _Sorted:
    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def normalise(stream: Stream, raw_rows: Sequence[RawRow], context: Context) -> tuple[Batch, ...]:
    """One batch per table of the stream.

    Rows outside the window are left to their own window (DESIGN section 3). A row with the key of another and other
    values is set aside; an identical one is one row."""
    return tuple(_batch(into, raw_rows, context) for into in stream.into)


def _batch(into: Into, raw_rows: Sequence[RawRow], context: Context) -> Batch:
    result = _Sorted()
    for raw in raw_rows:
        if not isinstance(raw, dict):
            result.rejects.append(_reject(into, "", "is not an object", raw))
            continue
        if into.skip is not None and into.skip(raw):
            continue
        try:
            row = read_row(into, raw, context)
        except SetRowAside as fault:
            result.rejects.append(_reject(into, fault.column, fault.reason, raw, day=_day_of(into, raw, context)))
            continue
        if _in_window(into, row, context):
            result.rows.append(row)
    rows = result.rows if into.finish is None else into.finish(result.rows)
    return Batch(into, _one_per_key(into, rows, result.rejects), result.rejects)


def read_row(into: Into, raw: RawRow, context: Context) -> Row:
    """One typed row; raises SetRowAside with the raw column's name."""
    row = {column: _value(column, source, raw, context) for column, source in into.columns.items()}
    for column, source in (into.scope or {}).items():
        expected = _value(column, source, raw, context)
        if row[column] != expected:
            raw_name = getattr(into.columns[column], "raw", column)
            raise SetRowAside(raw_name, f"{row[column]!r} is not {expected!r}, which was asked for")
    return row


def read_value(into: Into, column: str, raw: RawRow, context: Context) -> Any:
    """One column of a raw row; None where the table's map has it not or it cannot be read."""
    if column not in into.columns:
        return None
    try:
        return _value(column, into.columns[column], raw, context)
    except SetRowAside:
        return None


def _value(column: str, source: Any, raw: RawRow, context: Context) -> Any:
    match source:
        case Field(raw=name, parse=parse):
            try:
                return parse(raw.get(name), context.zone)
            except SetRowAside as fault:
                raise SetRowAside(name, fault.reason) from None
        case FromPartition(name=name, read=read):
            return context.partition[name] if read is None else read(context.partition[name])
        case Constant(value=value):
            return value
        case WindowDay():
            return context.window.start
        case ReadAt():
            return context.read_at
    raise TypeError(f"column {column}: {source!r} is no column source")


def scope_of(into: Into, context: Context) -> dict[str, Any]:
    """The columns and values that bound the part of the table a complete reading speaks for."""
    return {column: _value(column, source, {}, context) for column, source in (into.scope or {}).items()}


def _in_window(into: Into, row: Row, context: Context) -> bool:
    if into.within is None:
        return True
    moment = row[into.within]
    if isinstance(moment, datetime):
        start, end = context.window.span(context.zone)
        return start <= moment < end
    return isinstance(moment, date) and moment in context.window


def _day_of(into: Into, raw: RawRow, context: Context) -> date | None:
    """The day of the window that a raw row tells of, if that much can be read."""
    if into.within is None:
        return None
    moment = read_value(into, into.within, raw, context)
    if moment is None:
        return None
    day: date = moment.astimezone(context.zone).date() if isinstance(moment, datetime) else moment
    return day if day in context.window else None


def _one_per_key(into: Into, rows: Sequence[Row], rejects: list[Reject]) -> Sequence[Row]:
    key = [column.name for column in into.table.primary_key if column.name != "account"]
    by_key: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        known = by_key.setdefault(tuple(row[column] for column in key), row)
        if known != row:
            shown = {name: str(value) for name, value in row.items()}
            rejects.append(_reject(into, ", ".join(key), "has the key of another row with other values", shown))
    return list(by_key.values())


def _reject(into: Into, column: str, reason: str, raw: Any, *, day: date | None = None) -> Reject:
    try:
        shown = _ENCODE(raw).decode()
    except UnicodeEncodeError:  # a lone surrogate: only its escape can be kept
        shown = json.dumps(raw, default=str)
    return Reject(into.table.name, column, reason, shown, day)
