"""What can be seen of a simulated world at a moment, as plain values; amounts are the exact text as sent."""

from datetime import date, datetime
from typing import NamedTuple

from etl.sandbox.activity import Market, TransferKind


class MemberSeen(NamedTuple):
    """A person as the exchange tells of it; rates are percentages, None for those who are no agents."""

    open_id: str
    number: int
    referral_code: str
    registered_at: datetime
    is_direct: bool
    has_deposited: bool
    has_traded: bool
    kyc_verified: bool
    level: int
    spot_rate_pct: str | None
    futures_rate_pct: str | None
    spot_assets: str
    spot_assets_usdt: str
    futures_assets: str
    futures_bonus: str


class TradeDaySeen(NamedTuple):
    """The sums of a day, of a member or of a team."""

    subject_id: str
    market: Market
    day: date
    volume: str
    fee: str


class CommissionDaySeen(NamedTuple):
    """A commission that has been paid; the coin is spelled as sent."""

    recipient_id: str
    market: Market
    coin: str
    day: date
    amount: str
    amount_usdt: str


class TransferSeen(NamedTuple):
    """A transfer in the state that holds now."""

    open_id: str
    level: int
    kind: TransferKind
    asset: str
    amount: str
    status: str
    sub_status: str
    created_at: datetime
    updated_at: datetime
    order_id: str | None


class TurnoverSeen(NamedTuple):
    """Sums of futures trades over a span of time."""

    turnover: str
    fee: str
