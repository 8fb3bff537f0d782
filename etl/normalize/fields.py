"""The named parsers: each reads one raw value exactly or raises SetRowAside, and nothing in between.

Used by stream declarations and by `rows`. An empty text is missing; a missing value is refused unless the parser
is wrapped in `optional`. No parser ever goes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from etl.errors import SetRowAside
from etl.stream import Parser
from etl.windows import midnight

MOST_DECIMALS = 60
FIRST_TOO_LARGE = Decimal("1e40")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_UTC = ZoneInfo("UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS = 946_684_800_000  # 2000-01-01: anything before is a timestamp in seconds or a fault
_LAST_MS = 4_102_444_800_000  # 2100-01-01


def _refuse(reason: str) -> SetRowAside:
    return SetRowAside("", reason)


def optional(parse: Parser) -> Parser:
    """`parse`, with a missing value read as None."""

    def parse_optional(raw: Any, zone: ZoneInfo) -> Any:
        return None if raw is None or raw == "" else parse(raw, zone)

    return parse_optional


def decimal(raw: Any, zone: ZoneInfo) -> Decimal:
    """An amount as Decimal with the digits and the scale it was sent with (DESIGN section 1.6).

    Takes decimal text or a JSON number, with or without exponent. 1e40 and above, more than 60 decimals, NaN and
    infinities are refused."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise _refuse(_what(raw, "a decimal number"))
    if not _NUMBER.fullmatch(str(raw)):
        raise _refuse(_what(raw, "a decimal number"))
    value = Decimal(raw)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MOST_DECIMALS:
        raise _refuse(f"has more than {MOST_DECIMALS} decimals")
    if value.copy_abs() >= FIRST_TOO_LARGE:
        raise _refuse("is 1e40 or more")
    return value


def integer(raw: Any, zone: ZoneInfo) -> int:
    """A whole number that fits 64 bits, sent as JSON number or as text."""
    if isinstance(raw, str) and re.fullmatch(r"-?\d{1,19}", raw, re.ASCII):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or not -(2**63) <= raw < 2**63:
        raise _refuse(_what(raw, "a whole number"))
    return raw


def whole(raw: Any) -> int | None:
    """A whole number that may come as text, such as an error code or a total; None for anything else."""
    try:
        return integer(raw, _UTC)
    except SetRowAside:
        return None


def text(raw: Any, zone: ZoneInfo) -> str:
    """A text of at least one character; a whole number is taken as its digits. NUL is refused: Postgres has none."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or raw == "":
        raise _refuse(_what(raw, "a text"))
    if "\x00" in raw:
        raise _refuse("holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in raw):
        raise _refuse("is not valid Unicode")
    return raw


def upper_text(raw: Any, zone: ZoneInfo) -> str:
    """A text in upper case: coins and assets are spelled so throughout the warehouse."""
    return text(raw, zone).upper()


def boolean(raw: Any, zone: ZoneInfo) -> bool:
    """true or false, as JSON value or as text."""
    if isinstance(raw, bool):
        return raw
    if raw in ("true", "false"):
        return bool(raw == "true")
    raise _refuse(_what(raw, "true or false"))


def one_of(meanings: Mapping[int | str, Any]) -> Parser:
    """An enumeration: the raw value (or its text) must be a key of `meanings`."""
    by_text = {str(key): meaning for key, meaning in meanings.items()}

    def parse(raw: Any, zone: ZoneInfo) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int | str) or str(raw) not in by_text:
            raise _refuse(_what(raw, f"one of {', '.join(by_text)}"))
        return by_text[str(raw)]

    return parse


def instant_ms(raw: Any, zone: ZoneInfo) -> datetime:
    """Milliseconds since 1970 as an aware UTC datetime; a value outside 2000..2099 is refused."""
    value = integer(raw, zone)
    if not _FIRST_MS <= value < _LAST_MS:
        raise _refuse(f"{value} is not a time in milliseconds between 2000 and 2100")
    return _EPOCH + timedelta(milliseconds=value)


def day_ms(raw: Any, zone: ZoneInfo) -> date:
    """A day sent as the milliseconds of its midnight in `zone`, as a date; any other instant is refused, since a
    guess would move money between days. Where clocks skip midnight, the day's first instant stands for it."""
    instant = instant_ms(raw, zone)
    wall = instant.astimezone(zone)
    if wall.time() != time.min and instant != midnight(wall.date(), zone):
        raise _refuse(f"{raw} is not a midnight in {zone.key}")
    return wall.date()


def day_text(raw: Any, zone: ZoneInfo) -> date:
    """A day sent as YYYY-MM-DD; one outside 2000..2099 is refused."""
    if isinstance(raw, str) and re.fullmatch(r"20\d\d-\d\d-\d\d", raw, re.ASCII):
        with suppress(ValueError):
            return date.fromisoformat(raw)
    raise _refuse(_what(raw, "a day between 2000 and 2099, YYYY-MM-DD"))


def uuid(raw: Any, zone: ZoneInfo) -> UUID:
    """A UUID in its usual spelling of 36 characters."""
    if isinstance(raw, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", raw.lower(), re.ASCII):
        return UUID(raw)
    raise _refuse(_what(raw, "a UUID"))


def _what(raw: Any, expected: str) -> str:
    if raw is None or raw == "":
        return "is missing"
    shown = repr(raw)
    return f"{shown[:80]}{'…' if len(shown) > 80 else ''} is not {expected}"
