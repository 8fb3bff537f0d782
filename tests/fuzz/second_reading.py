"""A second reading of raw rows, made from the providers' pages and FACTS.md alone: what must come out, to the row.

It shares no parser with the pipeline: days of UTC+8 are reckoned by hand, numbers stay the digits that were sent.
Every raw row ends in exactly one of the fates that `Told` counts.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Context as DecimalContext
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from etl.stream import Partition
from etl.windows import Window
from tests.fuzz.mutations import Digits

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
SHANGHAI_MS = 8 * 3_600_000
MOST_KEY_BYTES = 500
"""Of a text in a key: Postgres refuses entries of an index above some 2,700 bytes."""
Row = dict[str, Any]
Read = Callable[[Any], Any]


class Unreadable(Exception):
    """A value that is not what the page says."""


# ------------------------------------------------------------------------------------------------ values


def _present(raw: Any) -> Any:
    if raw is None or (raw == "" and not isinstance(raw, Digits)):
        raise Unreadable("missing")
    return raw


def optional(read: Read) -> Read:
    return lambda raw: None if raw is None or raw == "" else read(raw)


def amount(raw: Any) -> Decimal:
    """Digits with a point and an exponent of at most four digits, sent as number or text; below 1e40, 60 decimals."""
    sent = _present(raw)
    if not isinstance(sent, str) or set(sent) - set("0123456789+-.eE"):
        raise Unreadable("no number")
    exponent = re.split("[eE]", sent)[1:]
    try:
        value = Decimal(sent)
    except InvalidOperation:
        raise Unreadable("no number") from None
    if exponent and len(exponent[0].lstrip("+-")) > 4:
        raise Unreadable("an exponent beyond all sense")
    decimals = -int(value.as_tuple().exponent)
    if decimals > 60 or value.copy_abs() >= Decimal("1e40"):
        raise Unreadable("too long or too large")
    return Decimal(0) if sent == "-0" and isinstance(sent, Digits) else value


def _whole(raw: Any) -> int | None:
    """A JSON number without point and exponent; None for all else."""
    is_whole = isinstance(raw, Digits) and re.fullmatch("-?[0-9]+", raw) is not None and len(raw.lstrip("-")) <= 4300
    return int(raw) if is_whole else None


def words(raw: Any) -> str:
    """A text, or a whole number as its digits; a number that nothing can hold stays the text it was sent as."""
    sent = _present(raw)
    whole = _whole(sent)
    if whole is not None:
        return str(whole)
    held = isinstance(sent, Digits) and not _is_beyond_all(sent)
    if not isinstance(sent, str) or held or any(each == "\0" or "\ud800" <= each <= "\udfff" for each in sent):
        raise Unreadable("no text")
    return str(sent)


def _is_beyond_all(digits: str) -> bool:
    """Whether neither an int of Python nor a Decimal can hold it."""
    if digits in ("NaN", "Infinity", "-Infinity") or re.fullmatch("-?[0-9]+", digits):
        return True
    try:
        Decimal(digits)
    except InvalidOperation:
        return True
    return False


def capitals(raw: Any) -> str:
    return words(raw).upper()


def flag(raw: Any) -> bool:
    sent = _present(raw)
    if sent is True or (sent == "true" and not isinstance(sent, Digits)):
        return True
    if sent is False or sent == "false":
        return False
    raise Unreadable("neither true nor false")


def enumerated(meanings: Mapping[str, Any]) -> Read:
    def read(raw: Any) -> Any:
        sent = _present(raw)
        whole = _whole(sent)
        key = sent if whole is None else str(whole)
        if not isinstance(key, str) or key not in meanings or (isinstance(sent, Digits) and whole is None):
            raise Unreadable("not documented")
        return meanings[key]

    return read


def milliseconds(raw: Any) -> int:
    """Milliseconds of the years 2000 to 2099, as number or text."""
    sent = _present(raw)
    whole = _whole(sent)
    if whole is None and isinstance(sent, str) and re.fullmatch("-?[0-9]{1,19}", sent):
        whole = int(sent)
    if whole is None or not 946_684_800_000 <= whole < 4_102_444_800_000:
        raise Unreadable("no time")
    return whole


def instant(raw: Any) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds(raw))


def day_of_utc8(raw: Any) -> date:
    days, rest = divmod(milliseconds(raw) + SHANGHAI_MS, DAY_MS)
    if rest:
        raise Unreadable("no midnight of UTC+8")
    return date(1970, 1, 1) + timedelta(days=days)


def day(raw: Any) -> date:
    sent = _present(raw)
    parts = re.fullmatch("(20[0-9]{2})-([0-9]{2})-([0-9]{2})", sent) if isinstance(sent, str) else None
    if parts is None:
        raise Unreadable("no day")
    year, month, number = map(int, parts.groups())
    if not 1 <= month <= 12 or not 1 <= number <= monthrange(year, month)[1]:
        raise Unreadable("no day")
    return date(year, month, number)


def identity(raw: Any) -> UUID:
    sent = _present(raw)
    if not isinstance(sent, str) or not re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", sent):
        raise Unreadable("no UUID")
    return UUID(sent)


# ------------------------------------------------------------------------------------------------ rows


@dataclass(frozen=True, slots=True)
class Setting:
    """What a reading knows besides its rows; `started_ms` and `ended_ms` are the window's ends in the day zone."""

    partition: Partition
    window: Window
    read_at: datetime
    started_ms: int
    ended_ms: int


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A table as the page says that it is filled. `fields` are columns and the raw fields they are read from, `given`
    those that the question knows. `tells` is the column of the day, `own` a column that must be what was asked for."""

    table: str
    key: tuple[str, ...]
    fields: Mapping[str, tuple[str, Read]]
    given: Callable[[Setting], Row] = lambda setting: {}
    tells: str | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    limited: tuple[str, ...] = ()
    skip: Callable[[Row], bool] = lambda raw: False
    parts: Callable[[Row], Sequence[Any]] | None = None
    adds: str | None = None
    numbered: bool = False


@dataclass(slots=True)
class Told:
    """What became of raw rows: each is one of the rows (or of a sum), or has one of the other fates. A raw row that
    holds several counts as its parts."""

    came: int = 0
    rows: list[Row] = field(default_factory=list)
    rejected: list[Any] = field(default_factory=list)
    conflicting: int = 0
    doubled: int = 0
    summed: int = 0
    outside: int = 0
    skipped: int = 0
    split: int = 0
    """Rows that hold parts, in the place of which the parts are counted."""

    @property
    def accounted(self) -> int:
        """All fates together."""
        rejects = len(self.rejected) + self.conflicting
        return len(self.rows) + rejects + self.doubled + self.summed + self.outside + self.skipped + self.split


def second_reading(wanted: Wanted, raw_rows: Sequence[Any], setting: Setting) -> Told:
    """What the raw rows must become in one table."""
    told = Told()
    readable: list[Row] = []
    broken: list[Row] = []
    for raw in _each(wanted, raw_rows, told):
        row, whole = _read(wanted, raw, setting)
        if wanted.tells in row and not _is_within(row[str(wanted.tells)], setting):
            told.outside += 1
        elif whole:
            readable.append(row)
        else:
            told.rejected.append(raw)
            broken.append(row)
    if wanted.numbered:
        told.rows = readable
    elif wanted.adds:
        _add_up(wanted, readable, broken, told)
    else:
        _keep_one_each(wanted, readable, told)
    return told


def _each(wanted: Wanted, raw_rows: Sequence[Any], told: Told) -> list[Row]:
    """The objects among the rows, or among their parts."""
    found: list[Row] = []
    for raw in raw_rows:
        told.came += 1
        if not isinstance(raw, dict):
            told.rejected.append(raw)
        elif wanted.skip(raw):
            told.skipped += 1
        elif wanted.parts is None:
            found.append(raw)
        else:
            _split(wanted.parts, raw, told, found)
    return found


def _split(parts: Callable[[Row], Sequence[Any]], raw: Row, told: Told, found: list[Row]) -> None:
    try:
        held = parts(raw)
    except Unreadable:
        told.rejected.append(raw)
        return
    told.split += 1
    told.came += len(held)
    for part in held:
        if isinstance(part, dict):
            found.append(part)
        else:
            told.rejected.append(raw)


def _read(wanted: Wanted, raw: Row, setting: Setting) -> tuple[Row, bool]:
    """The columns that can be read, and whether these are all."""
    row, whole = dict(wanted.given(setting)), True
    for column, (name, read) in wanted.fields.items():
        try:
            row[column] = read(raw.get(name))
        except Unreadable:
            whole = False
    for column in wanted.limited:
        whole = whole and len(row[column].encode()) <= MOST_KEY_BYTES
    if wanted.table == "broker_account_day" and raw.get("date") not in (None, ""):
        whole = whole and _same_day(raw["date"], setting)
    own = all(row.get(column) == setting.partition[name] for column, name in wanted.own.items())
    return row, whole and own


def _same_day(raw: Any, setting: Setting) -> bool:
    """Whether a row that should tell no day tells the one that was asked for, or nothing that is a day."""
    try:
        return day(raw) == setting.window.start
    except Unreadable:
        return True


def _is_within(told: date | datetime, setting: Setting) -> bool:
    if isinstance(told, datetime):
        return setting.started_ms <= (told - EPOCH) // timedelta(milliseconds=1) < setting.ended_ms
    return setting.window.start <= told < setting.window.end


def _keep_one_each(wanted: Wanted, rows: Sequence[Row], told: Told) -> None:
    first: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        known = first.setdefault(tuple(row[name] for name in wanted.key), row)
        if known is row:
            told.rows.append(row)
        elif known == row:
            told.doubled += 1
        else:
            told.conflicting += 1


def _add_up(wanted: Wanted, rows: Sequence[Row], broken: Sequence[Row], told: Told) -> None:
    """Sums by person and day; none of a person's day of which a part cannot be read, or may be of that day."""
    sums: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        person, when = row["subject_id"], row["day"]
        if any(part.get("subject_id") == person and part.get("day", when) == when for part in broken):
            told.conflicting += 1
            continue
        known = sums.get((person, when))
        if known is None:
            sums[person, when] = dict(row)
        else:
            told.summed += 1
            known[str(wanted.adds)] = DecimalContext(prec=300).add(known[str(wanted.adds)], row[str(wanted.adds)])
    told.rows = list(sums.values())
