"""Exact amounts of the simulated world: drawn with varied scales, added without rounding, written as sent."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from random import Random
from typing import NamedTuple

# Python's default context rounds at 28 digits; sums over a team have more.
_EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])
_ROUNDED = Context(prec=400, rounding=ROUND_HALF_UP)


class Totals(NamedTuple):
    """A volume and the fees paid on it."""

    volume: Decimal
    fee: Decimal


def text(amount: Decimal) -> str:
    """The amount as an exchange sends it: plain digits, its scale kept, never an exponent."""
    return format(amount, "f")


def add(left: Decimal, right: Decimal) -> Decimal:
    """The exact sum; the larger scale of the two is kept."""
    return _EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference."""
    return _EXACT.subtract(left, right)


def times(amount: Decimal, factor: Decimal | int) -> Decimal:
    """The exact product."""
    return _EXACT.multiply(amount, factor)


def sum_of(parts: Iterable[Decimal]) -> Decimal:
    """The exact sum, of the largest scale among the parts; 0 for none."""
    found = Decimal(0)
    for part in parts:
        found = _EXACT.add(found, part)
    return found


def padded(amount: Decimal, scale: int) -> Decimal:
    """The same amount, written with at least `scale` decimals."""
    return _EXACT.add(amount, of_scale(0, scale))


def percentage(part: Decimal, whole: Decimal) -> Decimal:
    """100 x part / whole with 8 decimals, halves rounded away from zero; 0 where the whole is 0."""
    if not whole:
        return Decimal(0)
    rounded = _ROUNDED.quantize(_ROUNDED.divide(times(part, 100), whole), of_scale(1, 8))
    return add(rounded, Decimal(0))  # without the sign of a negative zero


def total(parts: Iterable[Totals]) -> Totals | None:
    """The sums of volumes and of fees, or None for no parts at all."""
    volume = fee = None
    for part in parts:
        volume = part.volume if volume is None else _EXACT.add(volume, part.volume)
        fee = part.fee if fee is None else _EXACT.add(fee, part.fee)
    return None if volume is None or fee is None else Totals(volume, fee)


def of_scale(units: int, scale: int) -> Decimal:
    """`units` counted in the last of `scale` decimals: (120500, 3) is 120.500."""
    return _EXACT.scaleb(Decimal(units), -scale)


def draw(rng: Random) -> tuple[int, int, int]:
    """A scale and the bounds of units for amounts of one day: (scale, least units, most units)."""
    kind = rng.random()
    if kind < 0.10:
        return 0, 10, 50_000
    if kind < 0.20:
        return 18, 10**18, 10**22
    if kind < 0.205:
        return 18, 10**26, 10**27  # hundreds of millions, 27 digits
    scale = rng.randint(1, 9)
    return scale, 10 ** (scale + 1), 10 ** (scale + 5)


def draw_units(rng: Random, least: int, most: int, *, trailing_zeros: bool) -> int:
    """Units between the bounds; with trailing zeros, the last two digits are zero (as in 120.500)."""
    units = rng.randrange(least, most)
    return units // 100 * 100 + 100 if trailing_zeros else units


def share(amount: Decimal, *, per_million: int, scale: int) -> Decimal:
    """Parts per million of the amount, cut to `scale` decimals."""
    exact = _EXACT.multiply(amount, of_scale(per_million, 6))
    return of_scale(int(_EXACT.scaleb(exact, scale)), scale)
