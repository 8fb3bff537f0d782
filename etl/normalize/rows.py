"""Applies a stream's field maps to the raw rows of one reading: typed rows per table, and rejects.

Pure. `sync` calls it with a whole reading (all pages of a window), `replay` with the same pages from `raw`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context as DecimalContext
from decimal import Decimal, Inexact
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from etl.errors import SetRowAside
from etl.normalize.fields import day_text
from etl.stream import (
    Constant,
    Field,
    FromPartition,
    Into,
    Partition,
    RawRow,
    ReadAt,
    Row,
    Stream,
    WindowDay,
    WindowLast,
)
from etl.windows import Window

_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_EXACT = DecimalContext(prec=200, traps=[Inexact])
"""Sums are exact: amounts have at most 40 digits before and 60 after the point."""
MOST_KEY_BYTES = 500
"""Of a text in a key, in UTF-8: Postgres takes about 2,700 bytes for all columns of an index together."""
_Key = tuple[Any, ...]


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


def normalise(stream: Stream, raw_rows: Sequence[RawRow], context: Context) -> tuple[Batch, ...]:
    """One batch per table of the stream.

    Rows outside the window are left to their own window (DESIGN section 3). Of rows with one key, identical ones are
    one row, and others are set aside, unless the table adds them up."""
    return tuple(_batch(into, raw_rows, context) for into in stream.into)


def known_fields(stream: Stream) -> frozenset[str]:
    """The raw fields that the stream's rows are known to have: those that columns are read from, and the others that
    the provider documents."""
    sources = [source for into in stream.into for source in into.columns.values()]
    read = {source.raw for source in sources if isinstance(source, Field)}
    told = {source.told for source in sources if isinstance(source, WindowDay) and source.told is not None}
    return frozenset({*read, *told, *stream.row_key, *stream.unread})


def new_fields(stream: Stream, raw_rows: Sequence[RawRow]) -> list[str]:
    """The fields of raw rows, and of the parts that tables are made of, that are not known, by name."""
    found: set[str] = set()
    for into in stream.into:
        for raw in _exploded(into, raw_rows, []):
            found |= raw.keys()
    found.update(*(raw.keys() for raw in raw_rows if isinstance(raw, dict)))
    return sorted(found - known_fields(stream))


def _batch(into: Into, raw_rows: Sequence[RawRow], context: Context) -> Batch:
    rows: list[Row] = []
    rejects: list[Reject] = []
    incomplete: list[_Key] = []
    for raw in _exploded(into, raw_rows, rejects):
        try:
            row = read_row(into, raw, context)
        except SetRowAside as fault:
            if _lies_outside(into, raw, context):
                continue
            rejects.append(_reject(into, fault.column, fault.reason, raw, day=_day_of(into, raw, context)))
            incomplete.append(tuple(read_value(into, column, raw, context) for column in _key_columns(into)))
            continue
        if _in_window(into, row, context):
            rows.append(row)
    if into.finish is not None:
        rows = list(into.finish(rows))
    if into.adds_up:
        return Batch(into, _sums(into, rows, incomplete, rejects), rejects)
    return Batch(into, _one_per_key(into, rows, rejects), rejects)


def _exploded(into: Into, raw_rows: Sequence[RawRow], rejects: list[Reject]) -> Iterator[RawRow]:
    """The raw rows that the table is made of; what is none is set aside."""
    for raw in raw_rows:
        if not isinstance(raw, dict):
            rejects.append(_reject(into, "", "is not an object", raw))
            continue
        if into.skip is not None and into.skip(raw):
            continue
        try:
            parts = [raw] if into.explode is None else list(into.explode(raw))
        except SetRowAside as fault:
            rejects.append(_reject(into, fault.column, fault.reason, raw))
            continue
        for part in parts:
            if isinstance(part, dict):
                yield part
            else:
                rejects.append(_reject(into, "", "holds a part that is not an object", raw))


def read_row(into: Into, raw: RawRow, context: Context) -> Row:
    """One typed row; raises SetRowAside with the raw column's name."""
    row = {column: _column(into, column, raw, context) for column in into.columns}
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
        return _column(into, column, raw, context)
    except SetRowAside:
        return None


def _column(into: Into, column: str, raw: RawRow, context: Context) -> Any:
    """One column of a raw row; a text that no index can hold is refused where a key needs it."""
    source = into.columns[column]
    value = _value(column, source, raw, context)
    is_too_long = isinstance(value, str) and len(value.encode()) > MOST_KEY_BYTES
    if is_too_long and (column == into.mentions or column in into.table.primary_key.columns):
        raise SetRowAside(getattr(source, "raw", column), f"is longer than {MOST_KEY_BYTES} bytes, too long for a key")
    return value


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
        case WindowDay(told=told):
            return _asked_day(told, raw, context)
        case WindowLast():
            return context.window.last
        case ReadAt():
            return context.read_at
    raise TypeError(f"column {column}: {source!r} is no column source")


def _asked_day(told: str | None, raw: RawRow, context: Context) -> date:
    """The day asked for. A row that tells another is not of it; what is no day tells nothing."""
    day: date = context.window.start
    if told is not None:
        with suppress(SetRowAside):
            day = day_text(raw.get(told), context.zone)
        if day != context.window.start:
            raise SetRowAside(told, f"{day} is not {context.window.start}, the day that was asked for")
    return day


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


def _lies_outside(into: Into, raw: RawRow, context: Context) -> bool:
    """Whether a row that cannot be read tells at least that another window is its own."""
    moment = None if into.within is None else read_value(into, into.within, raw, context)
    return moment is not None and not _in_window(into, {str(into.within): moment}, context)


def _day_of(into: Into, raw: RawRow, context: Context) -> date | None:
    """The day that a raw row tells of, if that much can be read."""
    moment: date | None = None if into.within is None else read_value(into, into.within, raw, context)
    return moment.astimezone(context.zone).date() if isinstance(moment, datetime) else moment


def _one_per_key(into: Into, rows: Sequence[Row], rejects: list[Reject]) -> Sequence[Row]:
    by_key: dict[_Key, Row] = {}
    for row in rows:
        known = by_key.setdefault(_key(into, row), row)
        if known != row:
            rejects.append(_conflict(into, row, "has the key of another row with other values"))
    return list(by_key.values())


def _sums(into: Into, rows: Sequence[Row], incomplete: Sequence[_Key], rejects: list[Reject]) -> Sequence[Row]:
    """One row per key, the columns that add up added exactly. A row whose sum lacks a part that could not be read is
    set aside with it: too little would look right. Such a part may lack its day, but not the person it is of: whose sum
    it is part of could not be told."""
    person = _key_columns(into).index(into.mentions) if into.mentions in _key_columns(into) else 0
    lacking = [part for part in incomplete if part[person] is not None]
    sums: dict[_Key, Row] = {}
    for row in rows:
        key = _key(into, row)
        if any(all(told in (None, mine) for told, mine in zip(part, key, strict=True)) for part in lacking):
            rejects.append(_conflict(into, row, "belongs to a sum of which another row cannot be read"))
            continue
        known = sums.get(key)
        sums[key] = row if known is None else {**row, **{name: _add(known[name], row[name]) for name in into.adds_up}}
    return list(sums.values())


def _add(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.add(left, right)


def _key_columns(into: Into) -> list[str]:
    return [column.name for column in into.table.primary_key if column.name != "account"]


def _key(into: Into, row: Row) -> _Key:
    return tuple(row[column] for column in _key_columns(into))


def _conflict(into: Into, row: Row, reason: str) -> Reject:
    shown = {name: str(value) for name, value in row.items()}
    return _reject(into, ", ".join(_key_columns(into)), reason, shown)


def _reject(into: Into, column: str, reason: str, raw: Any, *, day: date | None = None) -> Reject:
    try:
        shown = _ENCODE(raw).decode()
    except UnicodeEncodeError:  # a lone surrogate: only its escape can be kept
        shown = _escaped(raw)
    return Reject(into.table.name, column, reason, shown, day)


def _escaped(raw: Any) -> str:
    """A raw form as JSON of nothing but ASCII, numbers with their own digits."""
    if isinstance(raw, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_escaped(held)}" for name, held in raw.items()) + "}"
    if isinstance(raw, list):
        return "[" + ",".join(map(_escaped, raw)) + "]"
    return str(raw) if isinstance(raw, Decimal) else json.dumps(raw)
