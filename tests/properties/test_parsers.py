"""A parser gives back exactly what was sent or refuses it: nothing is rounded, guessed, or passed through a float."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import SetRowAside
from etl.extract.request import decoded
from etl.normalize import fields
from etl.stream import Parser

ZONE = ZoneInfo("Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(parse: Parser, raw: Any) -> Any:
    """What a parser gives, or None where it refuses."""
    try:
        return parse(raw, ZONE)
    except SetRowAside:
        return None


digits = st.text("0123456789", min_size=1, max_size=12) | st.text("0", min_size=1, max_size=70)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, int, int]:
    """A decimal number as someone may spell it, the whole number that its digits are, and the power of ten it stands
    for."""
    sign, whole, decimals = draw(st.sampled_from(["", "-", "+"])), draw(digits), draw(st.just("") | digits)
    exponent = draw(st.none() | st.integers(-99, 99))
    tail = "" if exponent is None else draw(st.sampled_from("eE")) + draw(st.sampled_from(["+", ""]))[: exponent >= 0]
    tail += "" if exponent is None else str(exponent)
    number = int(whole + decimals) * (-1 if sign == "-" else 1)
    point = "." if decimals or draw(st.booleans()) else ""
    return f"{sign}{whole}{point}{decimals}{tail}", number, (exponent or 0) - len(decimals)


@given(spellings())
@example(("9" * 40, int("9" * 40), 0))
@example(("1" + "0" * 40, 10**40, 0))
@example(("0." + "0" * 60, 0, -60))
@example(("0." + "0" * 61, 0, -61))
@example(("1e39", 1, 39))
@example(("1E40", 1, 40))
def test_a_decimal_keeps_value_and_scale_in_any_spelling(spelt: tuple[str, int, int]) -> None:
    """Whole numbers alone say what must come out: number × 10^power, the power being the scale."""
    sent, number, power = spelt
    found = read(fields.decimal, sent)
    fits = power >= -60 and abs(number) * 10 ** (power + 200) < 10**240
    assert (found is not None) == fits
    if found is not None:
        assert type(found) is Decimal
        sign, figures, exponent = found.as_tuple()
        assert exponent == power
        assert int("".join(map(str, figures))) * (-1 if sign else 1) == number


@given(st.text("0123456789+-.eE _,١²\n", max_size=9) | st.text(max_size=5))
def test_what_is_no_number_of_ascii_digits_is_refused(sent: str) -> None:
    found = read(fields.decimal, sent)
    try:
        number = Decimal(sent) if re.sub("[0-9+.eE-]", "", sent) == "" else None
    except InvalidOperation:
        number = None
    assert found is None or found == number
    if number is not None and abs(number) < 10**30 and "e" not in sent.lower():
        assert found == number, "and what is one is not"


@given(st.integers(-(2**70), 2**70), st.integers(0, 5))
def test_a_whole_number_is_taken_up_to_64_bits_as_number_and_as_text(number: int, zeros: int) -> None:
    fits = -(2**63) <= number < 2**63
    assert read(fields.integer, number) == (number if fits else None)
    assert read(fields.integer, str(number)) == (number if fits else None)
    padded = f"{'-' if number < 0 else ''}{'0' * zeros}{abs(number)}"
    assert read(fields.integer, padded) in (number if fits else None, None)
    assert read(fields.decimal, padded) == number


days = st.dates(date(1990, 1, 1), date(2110, 1, 1))


@given(days)
def test_a_day_is_read_from_its_own_spelling_and_from_no_other(day: date) -> None:
    fits = 2000 <= day.year < 2100
    assert read(fields.day_text, day.isoformat()) == (day if fits else None)
    for other in (f"{day:%Y%m%d}", f"{day:%d-%m-%Y}", f"{day:%Y/%m/%d}", f"{day}T00:00:00", f" {day}", f"{day}\n"):
        assert read(fields.day_text, other) is None


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 19), st.integers(0, 39))
def test_a_day_that_no_calendar_has_is_refused(decade: int, year: int, month: int, day: int) -> None:
    found = read(fields.day_text, f"20{decade}{year}-{month:02}-{day:02}")
    exists = 1 <= month <= 12 and 1 <= day <= (date(2000 + month // 12, month % 12 + 1, 1) - timedelta(1)).day
    if month == 2 and day == 29:
        exists = (10 * decade + year) % 4 == 0
    assert (found is not None) == exists


instants = st.integers(-(2**50), 2**50) | st.integers(900_000_000_000, 4_200_000_000_000)


@given(instants)
@example(946_684_799_999)
@example(946_684_800_000)
@example(4_102_444_799_999)
@example(4_102_444_800_000)
def test_milliseconds_of_this_century_are_that_instant(told: int) -> None:
    found = read(fields.instant_ms, told)
    if 946_684_800_000 <= told < 4_102_444_800_000:
        assert found == EPOCH + timedelta(milliseconds=told)
        assert found.utcoffset() == timedelta(0)
        assert read(fields.instant_ms, str(told)) == found
    else:
        assert found is None


@given(st.uuids(), st.sampled_from([str, str.upper, str.title]))
def test_a_uuid_is_read_in_any_case_of_its_usual_spelling(told: UUID, spell: Any) -> None:
    assert read(fields.uuid, spell(str(told))) == told
    for other in (told.hex, f"{{{told}}}", told.urn, str(told)[:-1], f"{told} ", told.int):
        assert read(fields.uuid, other) is None


@given(st.text(max_size=20))
def test_a_text_is_kept_to_the_character_or_refused(sent: str) -> None:
    storable = sent != "" and "\0" not in sent and not any("\ud800" <= each <= "\udfff" for each in sent)
    assert read(fields.text, sent) == (sent if storable else None)


@given(st.dictionaries(st.integers(-5, 120), st.text(max_size=3), min_size=1, max_size=5), st.integers(-9, 130))
def test_an_enumeration_knows_its_keys_and_nothing_else(meanings: dict[int | str, str], told: int) -> None:
    parse = fields.one_of(meanings)
    others: tuple[Any, ...] = (f"0{told}", f" {told}", Decimal(told), [told], {str(told): told})
    assert [read(parse, raw) for raw in (told, str(told))] == [meanings.get(told)] * 2
    assert all(read(parse, raw) is None for raw in others)


# ------------------------------------------------------------------------------------------------ JSON

numbers = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 10**30) | st.just("9" * 4400),
    st.just("") | st.text("0123456789", min_size=1, max_size=70).map(".{}".format),
    st.just("") | st.integers(-(10**6), 10**6).map("e{}".format) | st.integers(10**17, 10**22).map("E{}".format),
)


def in_an_object(values: list[str]) -> str:
    members = ",".join(f'"{number}":{value}' for number, value in enumerate(values))
    return f"{{{members}}}"


documents = st.recursive(
    numbers | st.sampled_from(["NaN", "Infinity", "-Infinity", "null", "true", '"1.5"']) | st.text().map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda held: f"[{','.join(held)}]")
        | st.lists(inner, max_size=4).map(in_an_object)
    ),
    max_leaves=8,
)


@given(documents)
def test_no_json_whatever_brings_a_float(document: str) -> None:
    waiting = [decoded(document.encode())]
    while waiting:
        value = waiting.pop()
        assert type(value) in (dict, list, str, int, Decimal, bool, type(None))
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


@given(numbers)
def test_a_json_number_is_its_digits_or_stays_their_text(number: str) -> None:
    value = decoded(f"[{number}]".encode())[0]
    assert value == number if isinstance(value, str) else Decimal(value) == Decimal(number)
    if isinstance(value, Decimal):
        assert value.as_tuple() == Decimal(number).as_tuple()


@pytest.mark.parametrize("parse", [fields.decimal, fields.integer, fields.instant_ms, fields.text, fields.day_ms])
@given(st.floats())
def test_a_float_is_refused_wherever_it_should_come_from(parse: Parser, raw: float) -> None:
    assert read(parse, raw) is None
