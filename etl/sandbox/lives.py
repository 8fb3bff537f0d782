"""Draws the history of everybody in a simulated world, each person's from a random source of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from etl.sandbox import activity
from etl.sandbox.activity import Commission, Market, Trade, Transfer
from etl.sandbox.horizon import DAY, Horizon
from etl.sandbox.people import Person

_SHARE_THAT_TRADED: Final = 0.6
_SHARE_THAT_STARTS_LATER: Final = 0.08


@dataclass(frozen=True, slots=True)
class Life:
    """All that one person does within the horizon."""

    person: Person
    trades: Mapping[tuple[Market, date], tuple[Trade, ...]]
    commissions: list[Commission]
    transfers: list[Transfer]


def make_lives(seed: int, people: Sequence[Person], affiliate: Person, *, horizon: Horizon) -> Iterator[Life]:
    """The lives of the members and of the affiliate, who earns and moves money but does not trade.

    About 60 % of the members trade before the anchor day; some others start on it or later.
    """
    rng = Random(f"{seed}/traders")
    yesterday = horizon.midnight(horizon.anchor_day - DAY)
    known = [person.open_id for person in people if person.registered_at < yesterday]
    traders = set(rng.sample(known, min(len(known), round(_SHARE_THAT_TRADED * len(people)))))
    for person in people:
        first_day = max(horizon.first_day, horizon.day_of(person.registered_at))
        first_trade_day: date | None = None
        if person.open_id in traders:
            first_trade_day = first_day + timedelta(days=rng.randrange((horizon.anchor_day - first_day).days))
        elif rng.random() < _SHARE_THAT_STARTS_LATER:
            start = max(first_day, horizon.anchor_day)
            first_trade_day = start + timedelta(days=rng.randrange((horizon.last_day - start).days + 1))
        yield _life(seed, person, first_day=first_day, first_trade_day=first_trade_day, horizon=horizon)
    yield _life(seed, affiliate, first_day=horizon.first_day, first_trade_day=None, horizon=horizon)


def _life(seed: int, person: Person, *, first_day: date, first_trade_day: date | None, horizon: Horizon) -> Life:
    def source(topic: str) -> Random:
        return Random(f"{seed}/{person.number}/{topic}")

    trades: Mapping[tuple[Market, date], tuple[Trade, ...]] = {}
    if first_trade_day is not None:
        trades = activity.make_trades(
            source("trades"),
            registered_at=person.registered_at,
            first_trade_day=first_trade_day,
            horizon=horizon,
        )
    commissions: list[Commission] = []
    if person.is_agent:
        commissions = activity.make_commissions(
            source("commissions"), recipient_id=person.open_id, first_day=first_day, horizon=horizon
        )
    transfers = activity.make_transfers(
        source("transfers"),
        open_id=person.open_id,
        first_day=first_day,
        registered_at=person.registered_at,
        horizon=horizon,
    )
    return Life(person, trades, commissions, transfers)
