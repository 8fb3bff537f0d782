"""Every named parser reads a value exactly or refuses it, and nothing in between."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import SetRowAside
from etl.extract.request import Answer, judged
from etl.normalize import fields
from etl.sources.lbank import LBANK
from etl.stream import Parser
from tests.unit.samples import SHANGHAI, enveloped

EVERY_PARSER: tuple[Parser, ...] = (
    fields.decimal,
    fields.integer,
    fields.text,
    fields.upper_text,
    fields.boolean,
    fields.one_of({0: "spot", 1: "futures"}),
    fields.instant_ms,
    fields.day_ms,
    fields.day_text,
    fields.uuid,
)


def refused(parse: Parser, raw: Any) -> str:
    """The reason for which `raw` is set aside."""
    with pytest.raises(SetRowAside) as caught:
        parse(raw, SHANGHAI)
    assert caught.value.reason
    return caught.value.reason


def from_the_wire(number: str) -> Any:
    """A JSON number after its way through an answer's envelope."""
    [row] = judged(Answer(200, enveloped(f'[{{"amount": {number}}}]')), LBANK)
    return row["amount"]


def digits(draw: st.DrawFn, least: int, most: int) -> str:
    return draw(st.text("0123456789", min_size=least, max_size=most))


@st.composite
def amounts(draw: st.DrawFn) -> str:
    """Decimal text below 1e40 with up to 60 decimals, trailing zeros kept, as an exchange may send it."""
    sign, whole, decimals = draw(st.sampled_from(["", "-"])), digits(draw, 1, 40), digits(draw, 0, 60)
    whole = whole.lstrip("0") or "0"
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


# ------------------------------------------------------------------------------------------------ decimal


@given(amounts())
def test_an_amount_keeps_every_digit_that_was_sent(sent: str) -> None:
    assert format(fields.decimal(sent, SHANGHAI), "f") == sent


@given(amounts())
def test_an_amount_sent_as_a_json_number_keeps_every_digit_on_its_way_from_the_wire(sent: str) -> None:
    read = fields.decimal(from_the_wire(sent), SHANGHAI)
    # "-0" is the one JSON number whose sign an integer cannot hold.
    assert format(read, "f") == ("0" if sent == "-0" else sent)


@pytest.mark.parametrize(
    "sent", ["1234567890123456789012345", "0.1234567890123456789012345", "123456789012.1234567890120"]
)
def test_a_json_number_of_25_digits_does_not_pass_through_a_float(sent: str) -> None:
    assert str(fields.decimal(from_the_wire(sent), SHANGHAI)) == sent


@pytest.mark.parametrize(
    ("sent", "value", "scale"),
    [
        ("71.489088", Decimal("71.489088"), 6),
        ("0.0000", Decimal(0), 4),
        ("1.2E-8", Decimal("0.000000012"), 9),
        ("1E+3", Decimal(1000), -3),
        ("+5", Decimal(5), 0),
        (".5", Decimal("0.5"), 1),
        ("-0.10", Decimal("-0.1"), 2),
        (0, Decimal(0), 0),
        (Decimal("1.50"), Decimal("1.5"), 2),
        ("1e-60", Decimal("1e-60"), 60),
        ("9" * 40 + "." + "9" * 60, Decimal("9" * 40 + "." + "9" * 60), 60),
        ("-9.99e39", Decimal("-9.99e39"), -37),
    ],
)
def test_an_amount_keeps_its_value_and_scale(sent: Any, value: Decimal, scale: int) -> None:
    read = fields.decimal(sent, SHANGHAI)
    assert read.compare(value, Context(prec=200)) == 0
    assert read.as_tuple().exponent == -scale


@pytest.mark.parametrize(
    "raw",
    [
        *("NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", Decimal("NaN"), Decimal("Infinity")),
        *("1e40", "-1e40", "1" + "0" * 40, 10**40, "1e9999", "1e99999999999999999999", Decimal("1e40")),
        *("1e-61", "0." + "0" * 61, "0." + "1" * 61, "1e-9999"),
        *("1_000", "1,000", "１２", "١٢", "²", " 1", "1 ", "1\n", "\t1", "0x10", "--1", "1e", "e5", ".", "-", "1.2.3"),
        *(True, False, 1.5, 0.0, float("nan"), [1], ["1"], {"a": 1}, b"1", (0, (1,), 0)),
    ],
)
def test_what_is_no_exact_amount_is_refused(raw: Any) -> None:
    refused(fields.decimal, raw)


def test_the_reasons_say_what_is_wrong() -> None:
    assert refused(fields.decimal, "1e40") == "is 1e40 or more"
    assert refused(fields.decimal, "1e-61") == "has more than 60 decimals"
    assert refused(fields.decimal, "NaN") == "'NaN' is not a decimal number"
    assert len(refused(fields.decimal, "9" * 3000 + "x")) < 200


# ------------------------------------------------------------------------------------------------ missing values


@pytest.mark.parametrize("parse", EVERY_PARSER)
@pytest.mark.parametrize("raw", [None, ""])
def test_a_missing_value_is_refused_unless_it_is_optional(parse: Parser, raw: Any) -> None:
    assert refused(parse, raw) == "is missing"
    assert fields.optional(parse)(raw, SHANGHAI) is None


@pytest.mark.parametrize("parse", EVERY_PARSER)
@pytest.mark.parametrize("raw", [[], {}, [1], {"a": "1"}, 1.5, float("inf"), b"1", object()])
def test_what_is_no_scalar_of_the_wire_is_refused_by_every_parser(parse: Parser, raw: Any) -> None:
    refused(parse, raw)
    refused(fields.optional(parse), raw)


def test_an_optional_value_that_is_there_is_read_as_ever() -> None:
    assert fields.optional(fields.decimal)("90", SHANGHAI) == Decimal(90)
    refused(fields.optional(fields.decimal), "n/a")
    assert fields.optional(fields.integer)(0, SHANGHAI) == 0
    assert fields.optional(fields.boolean)(False, SHANGHAI) is False


# ------------------------------------------------------------------------------------------------ the others


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_of_64_bits_is_read_as_number_and_as_text(value: int) -> None:
    assert fields.integer(value, SHANGHAI) == value
    assert fields.integer(str(value), SHANGHAI) == value


@pytest.mark.parametrize(
    "raw", [2**63, -(2**63) - 1, str(2**63), "1.0", Decimal(1), "1e3", "１", "1_0", " 1", "+1", True, "9" * 5000]
)
def test_what_is_no_whole_number_of_64_bits_is_refused(raw: Any) -> None:
    refused(fields.integer, raw)


@pytest.mark.parametrize(("raw", "value"), [("9", 9), (1, 1), ("-1003", -1003), (0, 0), ("29001", 29001)])
def test_a_code_or_a_total_is_read_as_number_and_as_text(raw: Any, value: int) -> None:
    assert fields.whole(raw) == value


@pytest.mark.parametrize("raw", [None, "", "x", "1.0", " 1", True, False, 1.0, Decimal(1), [], {}, "9" * 5000])
def test_what_is_no_code_and_no_total_is_none(raw: Any) -> None:
    assert fields.whole(raw) is None


@pytest.mark.parametrize(("raw", "value"), [("LBA0001001", "LBA0001001"), (1116977, "1116977"), ("é漢😀 ", "é漢😀 ")])
def test_text_is_kept_as_sent(raw: Any, value: str) -> None:
    assert fields.text(raw, SHANGHAI) == value


@pytest.mark.parametrize("parse", [fields.text, fields.upper_text])
@pytest.mark.parametrize("raw", ["a\x00b", "\x00", "a\ud800", "\udfff", "\udc00\ud800", True, Decimal("1.5")])
def test_text_that_postgres_cannot_hold_is_refused(parse: Parser, raw: Any) -> None:
    refused(parse, raw)


def test_coins_are_upper_case() -> None:
    assert fields.upper_text("usdt", SHANGHAI) == "USDT"


@pytest.mark.parametrize(("raw", "value"), [(True, True), (False, False), ("true", True), ("false", False)])
def test_booleans_are_read_as_value_and_as_text(raw: Any, value: bool) -> None:
    assert fields.boolean(raw, SHANGHAI) is value


@pytest.mark.parametrize("raw", [0, 1, "True", "1", "yes", " true", Decimal(1)])
def test_what_is_neither_true_nor_false_is_refused(raw: Any) -> None:
    refused(fields.boolean, raw)


def test_an_enumeration_takes_its_keys_as_number_and_as_text() -> None:
    market = fields.one_of({0: "spot", 1: "futures"})
    assert [market(raw, SHANGHAI) for raw in (0, "0", 1, "1")] == ["spot", "spot", "futures", "futures"]


@pytest.mark.parametrize("raw", [2, "2", 10, -1, True, False, "00", "spot", Decimal(0)])
def test_an_unknown_enumeration_value_is_refused(raw: Any) -> None:
    assert "one of 0, 1" in refused(fields.one_of({0: "spot", 1: "futures"}), raw)


# ------------------------------------------------------------------------------------------------ time


def test_milliseconds_are_read_exactly() -> None:
    # 1721187212000 is the document's createTime: 11 h 33 min 32 s after midnight UTC+8 of 2024-07-17.
    assert fields.instant_ms(1721187212000, SHANGHAI) == datetime(2024, 7, 17, 3, 33, 32, tzinfo=UTC)
    assert fields.instant_ms("1721187212999", SHANGHAI) == datetime(2024, 7, 17, 3, 33, 32, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        1721187212,  # seconds: would be 1970
        1721187212000000,  # microseconds
        884541340800000,  # the year 30000
        946_684_799_999,  # a millisecond before 2000
        4_102_444_800_000,  # the first millisecond of 2100
        *(0, -1, 2**63, "2024-07-17", True, Decimal("1721187212000.5")),
    ],
)
@pytest.mark.parametrize("parse", [fields.instant_ms, fields.day_ms])
def test_a_time_in_other_units_or_out_of_this_century_is_refused(parse: Parser, raw: Any) -> None:
    refused(parse, raw)


def test_a_day_is_that_of_the_zone_whose_midnight_was_sent() -> None:
    assert fields.day_ms(1724774400000, SHANGHAI) == date(2024, 8, 28)
    assert fields.day_ms("1721145600000", SHANGHAI) == date(2024, 7, 17)


@pytest.mark.parametrize("offset_ms", [1, -1, 1000, 8 * 3_600_000, 12 * 3_600_000])
def test_an_instant_that_is_no_midnight_is_no_day(offset_ms: int) -> None:
    assert "not a midnight in Asia/Shanghai" in refused(fields.day_ms, 1724774400000 + offset_ms)


def test_the_first_instant_of_a_day_that_has_no_midnight_is_that_day() -> None:
    # On 2018-11-04 the clocks of São Paulo (UTC-3 until then) went from 23:59:59 to 1:00.
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert fields.day_ms(1541300400000, sao_paulo) == date(2018, 11, 4)
    with pytest.raises(SetRowAside, match="not a midnight"):
        fields.day_ms(1541300400000 + 3_600_000, sao_paulo)


def test_a_midnight_of_another_zone_is_no_day() -> None:
    with pytest.raises(SetRowAside, match="not a midnight in UTC"):
        fields.day_ms(1724774400000, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("raw", "day"),
    [
        ("2026-04-02", date(2026, 4, 2)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2000-01-01", date(2000, 1, 1)),
        ("2099-12-31", date(2099, 12, 31)),
    ],
)
def test_a_day_sent_as_text_is_that_day_in_every_zone(raw: str, day: date) -> None:
    assert fields.day_text(raw, SHANGHAI) == day
    assert fields.day_text(raw, ZoneInfo("America/New_York")) == day


@pytest.mark.parametrize(
    "raw",
    [
        *("2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "1999-12-31", "2100-01-01", "0026-04-02"),
        *(
            "2026-4-2",
            "20260402",
            "2026/04/02",
            "02-04-2026",
            "2026-W14-4",
            "2026-04-02T00:00:00",
            "2026-04-02 00:00:00",
        ),
        *(" 2026-04-02", "2026-04-02\n", "２０26-04-02", "2026-04-0²", "today"),
        *(20260402, 1775088000000, date(2026, 4, 2), True),
    ],
)
def test_what_is_no_day_of_this_century_is_refused(raw: Any) -> None:
    assert "YYYY-MM-DD" in refused(fields.day_text, raw)


# ------------------------------------------------------------------------------------------------ ids


@pytest.mark.parametrize("raw", ["550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000"])
def test_a_uuid_is_read_in_either_case(raw: str) -> None:
    assert fields.uuid(raw, SHANGHAI) == UUID(int=0x550E8400E29B41D4A716446655440000)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "550e8400e29b41d4a716446655440000",
            "{550e8400-e29b-41d4-a716-446655440000}",
            "550e8400-e29b-41d4-a716-44665544",
        ),
        *("urn:uuid:550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-44665544000g", "550e8400"),
        *(
            " 550e8400-e29b-41d4-a716-446655440000",
            "550e8400-e29b-41d4-a716-446655440000\n",
            "5５0e8400-e29b-41d4-a716-446655440000",
        ),
        *(UUID(int=1), 0x550E8400E29B41D4A716446655440000, True),
    ],
)
def test_what_is_no_uuid_in_its_usual_spelling_is_refused(raw: Any) -> None:
    assert "is not a UUID" in refused(fields.uuid, raw)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(anything)
def test_no_value_makes_a_parser_fail_in_any_other_way_than_setting_aside(raw: Any) -> None:
    called: list[Callable[[Any, ZoneInfo], Any]] = [*EVERY_PARSER, *map(fields.optional, EVERY_PARSER)]
    for parse in called:
        try:
            parse(raw, SHANGHAI)
        except SetRowAside:
            continue
