"""Fuzzed answers of a source, taken through the pipeline up to its rows, and held against the second reading."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Table
from sqlalchemy.types import TypeEngine

from etl.errors import AnswerUnreadable, EtlError, UnstablePages
from etl.extract.client import Paid
from etl.extract.log import read_log
from etl.extract.paging import first_page, next_page, told_page_size, told_total
from etl.extract.request import Answer, decoded, judged, raw_rows, window_drafts
from etl.extract.walk import Page, Reading, read_window, row_key
from etl.normalize.rows import Batch, Context, normalise
from etl.reads import Log
from etl.stream import Draft, PageNumber, Row
from tests.fuzz.answers import Seed, rows_in, seeds
from tests.fuzz.mutations import Digits, mutated, parsed, spelled
from tests.fuzz.second_reading import Setting, Told, second_reading
from tests.fuzz.tables import TABLES

READ_AT = datetime(2026, 3, 10, 4, tzinfo=UTC)
STATUSES = (200,) * 30 + (201, 204, 302, 400, 401, 403, 404, 418, 429, 500, 503)
MOST_REQUESTS = 60
CONFLICTS = ("has the key of another row with other values", "belongs to a sum of which another row cannot be read")


@dataclass(frozen=True, slots=True)
class Case:
    """A fuzzed answer to the question of its seed."""

    number: int
    seed: Seed
    answer: Answer

    def __str__(self) -> str:
        return f"case {self.number}, {self.seed.stream.name}: {self.answer.body[:3000]!r}"


def cases(source: str, count: int) -> Iterator[Case]:
    """As many fuzzed answers of a source, the same ones every time: all its streams in turn."""
    luck = Random(f"{source}/fuzz")
    of_stream: dict[str, list[Seed]] = {}
    for seed in seeds(source):
        of_stream.setdefault(seed.stream.name, []).append(seed)
    streams = list(of_stream.values())
    for number in range(count):
        seed = luck.choice(streams[number % len(streams)])
        body = mutated(seed.document, luck, rows=seed.rows)
        yield Case(number, seed, Answer(luck.choice(STATUSES), body))


# ------------------------------------------------------------------------------------------------ the pipeline


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an answer: the raw rows of it and a reading of nothing but such answers, where it is believed; or
    the fault for which it cannot be used, at once or by what comes `late`r than the envelope."""

    rows: Sequence[Any] = ()
    reading: Reading | None = None
    fault: EtlError | None = None
    late: bool = False

    @property
    def name(self) -> str:
        """How it ended."""
        if self.fault is not None:
            return type(self.fault).__name__
        return "not believed" if self.reading is None else "believed"


async def outcome(case: Case) -> Outcome:
    """Reads from an exchange that gives the answer to every question."""
    try:
        payload = judged(case.answer, case.seed.account.source)
    except EtlError as fault:
        return Outcome(fault=fault)
    try:
        rows = _page(case, payload)
    except EtlError as fault:
        return Outcome(fault=fault, late=True)
    reading = None
    with suppress(UnstablePages, AnswerUnreadable):
        reading = await _reading(case, payload)
    return Outcome(rows, reading)


def _page(case: Case, payload: Any) -> list[Any]:
    """The raw rows of a payload, and all that is asked of it to find the next page."""
    stream = case.seed.stream
    rows = raw_rows(stream, payload)
    for row in rows:
        hash(row_key(stream, row))
    if isinstance(stream.paging, PageNumber):
        told_page_size(stream.paging, payload)
    told_total(stream.paging, payload)
    next_page(stream.paging, first_page(stream.paging), payload, rows, read=len(rows))
    return rows


async def _reading(case: Case, payload: Any) -> Reading:
    stream, requests = case.seed.stream, 0

    async def fetch(draft: Draft) -> Paid:
        nonlocal requests
        requests += 1
        assert requests <= MOST_REQUESTS, f"it is asked for ever: {case}"
        assert not any(isinstance(value, float) for value in draft.params.values())
        return Paid(draft, case.answer, payload, READ_AT, READ_AT)

    async def unknown(rows: Sequence[Any]) -> Sequence[Any]:
        return rows

    async def let_go(page: Page) -> None:
        pass

    drafter = window_drafts(stream, case.seed.account, case.seed.partition, case.seed.window)
    if isinstance(stream.reads, Log):
        return await read_log(stream, drafter, fetch, known=0, unknown=unknown, on_page=let_go)
    return await read_window(stream, drafter, fetch)


def normalised(case: Case, rows: Sequence[Any]) -> tuple[Batch, ...]:
    """The batches that raw rows become."""
    seed = case.seed
    return normalise(seed.stream, rows, Context(seed.partition, seed.window, seed.account.zone, READ_AT))


# ------------------------------------------------------------------------------------------------ what must hold


def check(case: Case, rows: Sequence[Any], batches: Sequence[Batch]) -> Counter[str]:
    """Holds the batches of an answer against the second reading of its bytes; gives how many rows had which fate."""
    fates: Counter[str] = Counter()
    sent = rows_in(case.seed.account.source.name, parsed(case.answer.body))
    assert len(rows) == len(sent), f"raw rows of {case}"
    wanted = TABLES[case.seed.stream.name]
    assert [batch.into.table.name for batch in batches] == [each.table for each in wanted]
    for batch, table in zip(batches, wanted, strict=True):
        told = second_reading(table, sent, _setting(case))
        assert told.accounted == told.came
        _check_rows(case, batch, told)
        _check_rejects(case, batch, told)
        fates += Counter(
            raw=told.came,
            rows=len(batch.rows),
            rejects=len(batch.rejects),
            duplicates=told.doubled,
            summed=told.summed,
            outside=told.outside,
            skipped=told.skipped,
            split=told.split,
        )
    return fates


def _setting(case: Case) -> Setting:
    window = case.seed.window
    ahead = {"Asia/Shanghai": 8 * 3_600_000, "UTC": 0}[case.seed.account.source.day_zone]
    first, after = ((day - date(1970, 1, 1)).days * 86_400_000 - ahead for day in (window.start, window.end))
    return Setting(case.seed.partition, window, READ_AT, first, after)


def _check_rows(case: Case, batch: Batch, told: Told) -> None:
    made = set(batch.into.finish_adds)
    out = Counter(exactly({name: value for name, value in row.items() if name not in made}) for row in batch.rows)
    assert out == Counter(map(exactly, told.rows)), f"{batch.into.table.name} of {case}"
    keys = [column.name for column in batch.into.table.primary_key if column.name != "account"]
    assert len({tuple(row[name] for name in keys) for row in batch.rows}) == len(batch.rows), f"keys of {case}"
    for row in batch.rows:
        for name, value in row.items():
            assert fits(batch.into.table, name, value), f"{name}={value!r} of {case}"


def exactly(row: Row) -> tuple[Any, ...]:
    """A row so that two are equal when they are alike to the type and the scale."""
    shown = []
    for name in sorted(row):
        value = row[name]
        scale = value.as_tuple().exponent if isinstance(value, Decimal) else None
        shown.append((name, type(value).__name__, value, scale))
    return tuple(shown)


def fits(table: Table, name: str, value: Any) -> bool:
    """Whether a column takes a value as it is: nothing is converted on the way to Postgres."""
    column = table.c[name]
    if value is None:
        return column.nullable is True
    return type(value) is column.type.python_type and _within_bounds(column.type, value)


def _within_bounds(kind: TypeEngine[Any], value: Any) -> bool:
    match value:
        case str():
            return is_storable(value)
        case bool() | UUID():
            return True
        case int():
            bits = 63 if isinstance(kind, BigInteger) else 31
            return bool(-(2**bits) <= value < 2**bits)
        case Decimal():
            exponent = value.as_tuple().exponent
            return isinstance(exponent, int) and exponent >= -60 and value.copy_abs() < Decimal("1e40")
        case datetime():
            return value.tzinfo is UTC and bool(2000 <= value.year < 2100)
    return bool(2000 <= value.year < 2100)


def is_storable(text: str) -> bool:
    """Whether Postgres takes a text: it has no NUL, and UTF-8 no half of a pair."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _check_rejects(case: Case, batch: Batch, told: Told) -> None:
    for reject in batch.rejects:
        assert reject.table == batch.into.table.name
        assert reject.reason
        assert all(map(is_storable, (reject.column, reject.reason, reject.raw)))
    unreadable = [reject.raw for reject in batch.rejects if reject.reason not in CONFLICTS]
    assert len(batch.rejects) - len(unreadable) == told.conflicting, f"conflicts of {case}"
    kept = Counter(spelled(alike(parsed(raw))) for raw in unreadable)
    assert kept == Counter(spelled(alike(raw)) for raw in told.rejected), f"rejects of {case}"


def alike(value: Any) -> Any:
    """A raw form with its numbers in one spelling: 1.10e5 and 1.10E+5 are the same digits and the same scale. What no
    number can hold is kept as the text it was."""
    if isinstance(value, dict):
        return {name: alike(held) for name, held in value.items()}
    if isinstance(value, list):
        return [alike(held) for held in value]
    if not isinstance(value, Digits):
        return value
    number = decoded(value.encode())
    return str(value) if isinstance(number, str) else Digits(Decimal(number) if number else Decimal(number).copy_abs())


def has_float(value: Any) -> bool:
    """Whether there is a float anywhere in a decoded answer."""
    waiting = [value]
    while waiting:
        held = waiting.pop()
        if isinstance(held, float):
            return True
        waiting += held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
    return False
