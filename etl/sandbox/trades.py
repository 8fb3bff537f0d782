"""The trades of a simulated world by market and day, and their exact sums as seen at a moment."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from etl.sandbox.activity import Market, Trade
from etl.sandbox.amounts import Totals, total


@dataclass(frozen=True, slots=True)
class TradeDay:
    """One person's trades of one day on one market, oldest first, never empty."""

    trades: tuple[Trade, ...]
    whole: Totals

    def seen(self, now: datetime) -> Totals | None:
        """The sums of the trades up to and including `now`; None when there are none yet."""
        if self.trades[-1].at <= now:
            return self.whole
        return total(Totals(trade.volume, trade.fee) for trade in self.trades if trade.at <= now)


class TradeBook:
    """All trades, found by market, day and person. `version` grows with every change."""

    def __init__(self) -> None:
        self._days: dict[tuple[Market, date], dict[str, TradeDay]] = {}
        self._first: dict[str, datetime] = {}
        self._span: tuple[date, date] | None = None
        self.version = 0

    def put(self, open_id: str, market: Market, day: date, trades: tuple[Trade, ...]) -> None:
        """Sets the trades of a day in place of those that were there."""
        ordered = tuple(sorted(trades, key=lambda trade: trade.at))
        whole = total(Totals(trade.volume, trade.fee) for trade in ordered)
        if whole is None:
            raise ValueError("a day needs at least one trade")
        self.version += 1
        self._days.setdefault((market, day), {})[open_id] = TradeDay(ordered, whole)
        first = ordered[0].at
        self._first[open_id] = min(self._first.get(open_id, first), first)
        low, high = self._span or (day, day)
        self._span = min(low, day), max(high, day)

    def on(self, market: Market, day: date) -> Mapping[str, TradeDay]:
        """Who traded on the day, by open id."""
        return self._days.get((market, day), {})

    def get(self, open_id: str, market: Market, day: date) -> TradeDay | None:
        """A person's day, or None when there are no trades."""
        return self.on(market, day).get(open_id)

    def first_at(self, open_id: str) -> datetime | None:
        """When the person traded for the first time, on any market."""
        return self._first.get(open_id)

    def days(self, first: date, last: date) -> Iterator[date]:
        """The days from first to last that lie between the first and the last trade of all, oldest first."""
        if self._span is None:
            return
        low, high = max(first, self._span[0]), min(last, self._span[1])
        for ordinal in range(low.toordinal(), high.toordinal() + 1):
            yield date.fromordinal(ordinal)

    def sum_of(self, ids: frozenset[str], market: Market, day: date, *, now: datetime) -> Totals | None:
        """What the persons traded together on the day, as seen at `now`; None when nobody did."""
        seen = (known.seen(now) for open_id, known in self.on(market, day).items() if open_id in ids)
        return total(part for part in seen if part is not None)

    def between(
        self, ids: frozenset[str], market: Market, days: Iterable[date], *, start: datetime, end: datetime
    ) -> Iterator[Trade]:
        """The persons' trades at start <= t < end; `days` are those that the span touches."""
        for day in days:
            for open_id, known in self.on(market, day).items():
                if open_id in ids:
                    yield from (trade for trade in known.trades if start <= trade.at < end)
