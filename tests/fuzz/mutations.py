"""Changes an exchange's answer into one that it never documented: other values, other shapes, broken bytes.

An answer is decoded with every number as its own digits, so that numbers which nothing can hold, and scales, survive
until the bytes are made again.
"""

import json
from random import Random
from typing import Any


class Digits(str):
    """A JSON number, or what stands in the place of one, as it is spelled."""

    __slots__ = ()


def parsed(body: str | bytes) -> Any:
    """A JSON document, numbers as their digits; ValueError or RecursionError where it is none."""
    return json.loads(body, parse_int=Digits, parse_float=Digits, parse_constant=Digits)


def spelled(value: Any) -> str:
    """The document as JSON text; `parsed` gives it back."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{spelled(held)}" for name, held in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spelled, value)) + "]"
    return json.dumps(value)


def copied(value: Any) -> Any:
    """The document once more, to be changed."""
    if isinstance(value, dict):
        return {name: copied(held) for name, held in value.items()}
    return [copied(held) for held in value] if isinstance(value, list) else value


_NUMBERS = (
    *("0", "-0", "-0.0", "1", "-1", "2", "21", "22", "99", "1.0", "1.50", "1e2", "1E+3", "12345678901234567890.5"),
    *("NaN", "Infinity", "-Infinity", "1e400", "1e40", "1e39", "-1e40", "1e-60", "1e-61", "1e9999", "0e9999"),
    *("1e99999999999999999999", "9" * 39, "9" * 40, "9" * 41, "9" * 4000, "9" * 5000, "0." + "1" * 60, "0." + "1" * 61),
    *("2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *("1721187212", "1721187212000", "1721187212000000", "884541340800000", "946684799999", "4102444800000", "-1"),
    *("1724774400000", "1724774400001", "1724688000000", "1721187212000.5", "1.7e12"),
)
_TEXTS = (
    *(
        "",
        " ",
        "abc",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "null",
        "true",
        "false",
        "True",
        "0x10",
        "1e5",
        "1e40",
        "1e400",
    ),
    *(
        "+5",
        ".5",
        "5.",
        "-",
        ".",
        "e5",
        "1,000",
        " 1",
        "1 ",
        "1_000",
        "１２",
        "١٢",
        "²",
        "1.2.3",
        "0" * 50 + "7",
        "007",
    ),
    *("0." + "0" * 61, "0." + "7" * 60, "-0.000", "1E-8", "9" * 40, "1" + "0" * 40),
    *(
        "\x00",
        "a\x00b",
        "\ud800",
        "a\udfffb",
        "\U0001f4b0",
        "é漢",
        "ß",
        "ΐ",
        "İ",
        "a" * 300,
        "é" * 5000,
        "\u2028",
        "\r\n",
    ),
    *("2024-02-30", "2026-03-01", "2026-03-02", "1999-12-31", "2100-01-01", "30000-01-01", "2026-3-1", "２０26-03-01"),
    *(
        "2026-03-01T00:00:00",
        "2026-03-02 00:00:00",
        "1721187212000",
        "1721187212",
        "884541340800000",
        "1",
        "0",
        "99",
        "21",
    ),
    *(
        "550E8400-E29B-41D4-A716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "550e8400-e29b-41d4-a716-44665544000g",
    ),
    *("'; DROP TABLE warehouse.invitee; --", "\\", '"', "\\N", "\t", "{}", "$1", "%s"),
)
_SHAPES: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [None], [1, "a"], {"a": 1}, [{}], {"list": None}, {"rows": []}, {"total": "1"}),
    *([{"date": "2026-03-05"}], {"code": 0}, *(Digits("[" * depth + "]" * depth) for depth in (60, 900, 960, 5000))),
)
ZOO: tuple[Any, ...] = (*map(Digits, _NUMBERS), *_TEXTS, *_SHAPES)
"""What no page documents in the place of a value, and some that it does."""
_TOTALS = ("total", "records_per_page", "page_size", "current_page", "page")
_Place = tuple[dict[str, Any] | list[Any], Any]


def random_text(luck: Random) -> str:
    """A text that nothing can compress, sometimes longer than any id."""
    return "".join(chr(luck.choice((33, 0x4E00)) + luck.randrange(90)) for _ in range(luck.choice((3, 40, 900, 3000))))


def mutated(document: Any, luck: Random, *, rows: int) -> bytes:
    """The bytes of an answer with one to four changes; `rows` is how many it has."""
    document = copied(document)
    for _ in range(luck.choice((1, 1, 2, 4))):
        document = _changed(document, luck, rows=rows)
    body = spelled(document).encode("utf-8", "surrogatepass")
    return _broken(body, luck) if luck.random() < 0.06 else body


def _changed(document: Any, luck: Random, *, rows: int) -> Any:
    places = list(_places(document))
    if not places or luck.random() < 0.005:
        return copied(luck.choice(ZOO))
    holder, name = luck.choice(places)
    how = luck.random()
    if how < 0.12:
        _reorder(document, luck)
    elif how < 0.2:
        del holder[name]
    elif how < 0.26:
        _tell_other_totals(places, luck, rows=rows)
    elif how < 0.32:
        _add_field(holder, luck)
    elif how < 0.4:
        holder[name] = Digits(holder[name]) if _is_number(holder[name]) else spelled(holder[name])
    elif how < 0.44:
        holder[name] = random_text(luck)
    else:
        holder[name] = copied(luck.choice(ZOO))
    return document


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and value.lstrip("0") == value


def _places(value: Any) -> list[_Place]:
    """Every value of a document, as what holds it and where."""
    found: list[_Place] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        names = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for name in names:
            found.append((holder, name))
            waiting.append(holder[name])
    return found


def _lists(value: Any) -> list[list[Any]]:
    return [held for holder, name in _places(value) for held in [holder[name]] if isinstance(held, list) and held]


def _reorder(document: Any, luck: Random) -> None:
    """Doubles, drops or shuffles the members of a list, or puts another thing among them."""
    lists = _lists(document)
    if not lists:
        return
    listed = luck.choice(lists)
    match luck.randrange(5):
        case 0:
            listed.append(copied(luck.choice(listed)))
        case 1:
            del listed[luck.randrange(len(listed))]
        case 2:
            luck.shuffle(listed)
        case 3:
            listed.insert(luck.randrange(len(listed) + 1), copied(luck.choice(ZOO)))
        case _:
            _twist(listed, luck)


def _twist(listed: list[Any], luck: Random) -> None:
    """One more of what is there, with another value of its own kind in one field."""
    one, other = copied(luck.choice(listed)), luck.choice(listed)
    if isinstance(one, dict) and one and isinstance(other, dict):
        name = luck.choice(list(one))
        one[name] = copied(other.get(name, "7"))
    listed.append(one)


def _tell_other_totals(places: list[_Place], luck: Random, *, rows: int) -> None:
    told = [(holder, name) for holder, name in places if name in _TOTALS]
    for holder, name in told:
        number = luck.choice((0, 1, rows - 1, rows, rows, rows + 1, 2 * rows, 10**6, 10**15))
        holder[name] = luck.choice((Digits(number), str(number)))


def _add_field(holder: dict[str, Any] | list[Any], luck: Random) -> None:
    if isinstance(holder, dict):
        holder[luck.choice(("new", "totalFee", "data", "rows", "é"))] = copied(luck.choice(ZOO))


def _broken(body: bytes, luck: Random) -> bytes:
    """The bytes cut short, flipped or with others among them."""
    at = luck.randrange(len(body) + 1)
    match luck.randrange(4):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([luck.randrange(256)]) + body[at + 1 :]
        case 2:
            return body[:at] + luck.randbytes(3) + body[at:]
        case _:
            return luck.choice((b"", b"null", b"[]", b"{}", b"<html>busy</html>", b"\xef\xbb\xbf" + body, body * 2))
