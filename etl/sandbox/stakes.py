"""What members do with their futures accounts: money in and out, and what they win or lose there.

Values, and the functions that draw them. Knows no exchange's protocol.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Final, Literal, NamedTuple, get_args

from etl.sandbox import amounts
from etl.sandbox.activity import Trade
from etl.sandbox.horizon import Horizon, to_ms

DetailStyle = Literal["days", "stray", "empty", "missing"]
DETAIL_STYLES: Final[tuple[DetailStyle, ...]] = get_args(DetailStyle)

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Move:
    """Money into or out of a futures account at an instant, or funding that is won or lost."""

    at: datetime
    transfer_in: Decimal = _ZERO
    transfer_out: Decimal = _ZERO
    profit: Decimal = _ZERO


class Figures(NamedTuple):
    """Sums over a day or a longer span."""

    transfer_in: Decimal
    transfer_out: Decimal
    volume: Decimal
    profit: Decimal


class Entry(NamedTuple):
    """How a person takes part in an activity; `detail` is how its days are told of."""

    joined: bool
    detail: DetailStyle


def draw_moves(
    rng: Random, *, first_day: date, registered_at: datetime, horizon: Horizon
) -> Mapping[date, tuple[Move, ...]]:
    """A person's moves by day: one on about every tenth day, some at the very first instant of it."""
    found: dict[date, list[Move]] = defaultdict(list)
    for day in horizon.days(first_day, horizon.last_day):
        if rng.random() >= 0.1:
            continue
        at = horizon.midnight(day) if rng.random() < 0.05 else horizon.some_second(rng, day)
        scale = rng.choice((0, 2, 2, 6, 8, 18))
        amount = amounts.of_scale(rng.randrange(1, 10 ** (scale + 4)), scale)
        kind = rng.randrange(3)
        found[day].append(
            Move(
                max(at, registered_at),
                transfer_in=amount if kind == 0 else _ZERO,
                transfer_out=amount if kind == 1 else _ZERO,
                profit=amounts.times(amount, rng.choice((-1, 1))) if kind == 2 else _ZERO,
            )
        )
    return {day: tuple(moves) for day, moves in found.items()}


def draw_entry(rng: Random, place: int | None) -> Entry:
    """Three quarters take part; whoever has a place among the first does, with the style of that place."""
    if place is not None:
        return Entry(True, DETAIL_STYLES[place])
    return Entry(rng.random() < 0.75, rng.choices(DETAIL_STYLES, (60, 16, 12, 12))[0])


def initial_net_value(rng: Random) -> Decimal:
    """What an account was worth when a period began; a tenth had nothing."""
    return _ZERO if rng.random() < 0.1 else amounts.of_scale(rng.randrange(10**8, 10**13), 8)


def figures(trades: Iterable[Trade], moves: Iterable[Move]) -> Figures:
    """What trades and moves come to."""
    traded, moved = list(trades), list(moves)
    profits = [_profit_of(trade) for trade in traded] + [move.profit for move in moved]
    return Figures(
        amounts.sum_of(move.transfer_in for move in moved),
        amounts.sum_of(move.transfer_out for move in moved),
        amounts.sum_of(trade.volume for trade in traded),
        amounts.sum_of(profits),
    )


def together(parts: Iterable[Figures]) -> Figures:
    """The sums of each column."""
    known = list(parts)
    return Figures(*(amounts.sum_of(part[column] for part in known) for column in range(4)))


def _profit_of(trade: Trade) -> Decimal:
    """Up to 5 % of the volume, won or lost: the instant decides, so that it never changes."""
    return amounts.share(trade.volume, per_million=to_ms(trade.at) * 48_271 % 100_001 - 50_000, scale=8)
