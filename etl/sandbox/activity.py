"""What the people of a simulated world do: trades, the commissions on them, and transfers.

Values, and the functions that draw a person's history from a random source. Knows no exchange's protocol.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, Literal, get_args

from etl.sandbox import amounts
from etl.sandbox.horizon import DAY, Horizon

Market = Literal["spot", "futures"]
MARKETS: Final[tuple[Market, ...]] = get_args(Market)

TransferKind = Literal[
    "IN_DEPOSIT",
    "OUT_WITHDRAW",
    "IN_OTC_BUY",
    "OUT_OTC_SELL",
    "IN_INNER_TRANSFER_IN",
    "OUT_INNER_TRANSFER_OUT",
]
TRANSFER_KINDS: Final[tuple[TransferKind, ...]] = get_args(TransferKind)

COMMISSION_COINS: Final = ("usdt", "btc", "lbk")
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "LBKUSDT")

_PRICES_USDT: Final = {"btc": 64_123_450_000, "lbk": 8_450}  # millionths
_SUB_STATUS: Final[dict[TransferKind, dict[str, str]]] = {
    kind: {
        "Processing": f"{noun} Processing",
        "Completed": f"{noun} Successful",
        "Failed": f"{noun} Failed",
    }
    for kind, noun in zip(
        TRANSFER_KINDS, ("Deposit", "Withdrawal", "OTC Buy", "OTC Sell", "Transfer", "Transfer"), strict=True
    )
}


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade at an instant; volume and fee are in USDT."""

    at: datetime
    symbol: str
    volume: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Commission:
    """What a recipient earned in one coin on one market's trades of a day, known from `paid_at` on."""

    recipient_id: str
    market: Market
    coin: str
    day: date
    amount: Decimal
    amount_usdt: Decimal
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class TransferState:
    """A status and the instant from which it holds."""

    at: datetime
    status: str
    sub_status: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of money and all the states it goes through, oldest first."""

    open_id: str
    kind: TransferKind
    asset: str
    amount: Decimal
    created_at: datetime
    order_id: str | None
    states: tuple[TransferState, ...]

    def state(self, now: datetime) -> TransferState:
        """The state that holds at `now`."""
        reached = [state for state in self.states if state.at <= now]
        return reached[-1] if reached else self.states[0]


def sub_status(kind: TransferKind, status: str) -> str:
    """The sub-status that goes with a status of the kind."""
    return _SUB_STATUS[kind].get(status, status)


def make_trades(
    rng: Random, *, registered_at: datetime, first_trade_day: date, horizon: Horizon
) -> dict[tuple[Market, date], tuple[Trade, ...]]:
    """A person's trades per market and day, from `first_trade_day` (which has one) to the last day."""
    percents = {market: rng.choice((0, 6, 20, 60)) for market in MARKETS}
    first_market = rng.choice(MARKETS)
    trades: dict[tuple[Market, date], tuple[Trade, ...]] = {}
    for day in horizon.days(first_trade_day, horizon.last_day):
        for market in MARKETS:
            must = day == first_trade_day and market == first_market
            if must or rng.randrange(100) < percents[market]:
                begins = max(horizon.midnight(day), registered_at)
                trades[market, day] = _trades_of_day(rng, begins=begins, ends=horizon.midnight(day + DAY))
    return trades


def _trades_of_day(rng: Random, *, begins: datetime, ends: datetime) -> tuple[Trade, ...]:
    """One to four trades of one scale; now and then the first is at the very first instant of the day."""
    length_ms = (ends - begins) // timedelta(milliseconds=1)
    offsets = sorted(rng.randrange(length_ms) for _ in range(rng.randint(1, 4)))
    if rng.random() < 0.06:
        offsets[0] = 0
    scale, least, most = amounts.draw(rng)
    trailing_zeros = rng.random() < 0.15
    fee_scale = rng.choice((0, 2, 4, 6, 8, 8, 10, 18))
    per_million = rng.choice((200, 600, 1000))
    day: list[Trade] = []
    for offset in offsets:
        units = amounts.draw_units(rng, least, most, trailing_zeros=trailing_zeros)
        volume = amounts.of_scale(units, scale)
        fee = amounts.share(volume, per_million=per_million, scale=fee_scale)
        day.append(Trade(begins + timedelta(milliseconds=offset), rng.choice(SYMBOLS), volume, fee))
    return tuple(day)


def make_commissions(rng: Random, *, recipient_id: str, first_day: date, horizon: Horizon) -> list[Commission]:
    """A recipient's commissions, oldest first; those of day T are paid at 10:00 on T+1, some later."""
    made: list[Commission] = []
    for day in horizon.days(first_day, horizon.last_day):
        for market in MARKETS:
            if rng.random() < 0.3:
                continue
            for coin in COMMISSION_COINS:
                if coin != "usdt" and rng.random() < 0.7:
                    continue
                made.append(_commission(rng, recipient_id, market, coin=coin, day=day, horizon=horizon))
    return made


def _commission(
    rng: Random, recipient_id: str, market: Market, *, coin: str, day: date, horizon: Horizon
) -> Commission:
    scale = rng.choice((2, 6, 8, 8, 12, 18))
    least, most = (1, 10**5) if coin == "btc" else (10 ** (scale - 1), 10 ** (scale + 3))
    amount = amounts.of_scale(rng.randrange(least, most), scale)
    if coin != "usdt":
        in_usdt = amounts.share(amount, per_million=_PRICES_USDT[coin], scale=8)
    else:
        # The document's own sample has usdtAmount "0" beside 71.489088 usdt.
        in_usdt = Decimal(0) if rng.random() < 0.5 else amount
    ten_o_clock = horizon.midnight(day + DAY) + timedelta(hours=10)
    late = timedelta(minutes=rng.choice((0, 0, 0, 7, 41)))
    return Commission(recipient_id, market, coin, day, amount, in_usdt, ten_o_clock + late)


def make_transfers(
    rng: Random, *, open_id: str, first_day: date, registered_at: datetime, horizon: Horizon
) -> list[Transfer]:
    """A person's transfers; most settle within hours, some after days, one-step kinds at once."""
    made: list[Transfer] = []
    for day in horizon.days(first_day, horizon.last_day):
        if rng.random() >= 0.06:
            continue
        created_at = horizon.midnight(day) if rng.random() < 0.04 else horizon.some_second(rng, day)
        created_at = max(created_at, registered_at)
        kind = rng.choices(TRANSFER_KINDS, (35, 25, 12, 10, 9, 9))[0]
        asset = rng.choices(("USDT", "BTC", "ETH", "LBK", "USDC"), (60, 12, 10, 10, 8))[0]
        scale = rng.choice((0, 2, 3, 6, 8, 8, 18))
        amount = amounts.of_scale(rng.randrange(1, 10 ** (scale + 4)), scale)
        made.append(
            make_transfer(
                open_id,
                kind,
                asset=asset,
                amount=amount,
                created_at=created_at,
                settled_after=_time_to_settle(rng, kind),
                outcome="Failed" if rng.random() < 0.08 else "Completed",
                order_id=order_id(rng, created_at) if kind == "OUT_WITHDRAW" else None,
            )
        )
    return made


def order_id(rng: Random, created_at: datetime) -> str:
    """The number of a withdrawal order, of the shape of the document's sample 220241015150159."""
    return f"2{created_at:%Y%m%d}{rng.randrange(10**9):09d}"


def make_transfer(
    open_id: str,
    kind: TransferKind,
    *,
    asset: str,
    amount: Decimal,
    created_at: datetime,
    settled_after: timedelta | None = timedelta(0),
    outcome: str = "Completed",
    order_id: str | None = None,
) -> Transfer:
    """A transfer that is "Processing" until it is settled; None leaves it so for ever, 0 settles at once."""
    states: list[TransferState] = []
    if settled_after != timedelta(0):
        states.append(TransferState(created_at, "Processing", sub_status(kind, "Processing")))
    if settled_after is not None:
        states.append(TransferState(created_at + settled_after, outcome, sub_status(kind, outcome)))
    return Transfer(open_id, kind, asset, amount, created_at, order_id, tuple(states))


def _time_to_settle(rng: Random, kind: TransferKind) -> timedelta | None:
    if kind not in {"IN_DEPOSIT", "OUT_WITHDRAW"}:
        return timedelta(0)
    kind_of_wait = rng.random()
    if kind_of_wait < 0.02:
        return None
    if kind_of_wait < 0.14:
        return timedelta(seconds=rng.randrange(86_400, 6 * 86_400))
    return timedelta(seconds=rng.randrange(30, 20_000))
