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


class VolumeRowSeen(NamedTuple):
    """One row of a direct invitee's volume; a day can have several."""

    uid: str
    day: date
    volume: str
    row_id: int


class VolumeDaySeen(NamedTuple):
    """The exact sum of a day's rows, with the larger scale."""

    uid: str
    day: date
    volume: str


class ActivityPeriodSeen(NamedTuple):
    """A participation over a calendar month; `period_end` is its last day."""

    activity_id: str
    uid: str
    period_start: date
    period_end: date
    transfer_in: str
    transfer_out: str
    net_transfer_in: str
    volume: str
    profit: str
    roi_pct: str
    initial_net_value: str


class ActivityDaySeen(NamedTuple):
    """One day of a participation, on which something happened."""

    activity_id: str
    uid: str
    day: date
    transfer_in: str
    transfer_out: str
    volume: str


class BrokerDaySeen(NamedTuple):
    """A UTC day of the whole broker; counts and amounts alike are the exact text of the number sent."""

    day: date
    direct_invites: str
    indirect_invites: str
    invites: str
    direct_traded: str
    indirect_traded: str
    direct_volume: str
    indirect_volume: str
    volume: str
    broker_fee: str
    direct_rebate: str
    indirect_rebate: str
    direct_bonus_rebate: str
    base_rebate: str


class BrokerAccountDaySeen(NamedTuple):
    """A UTC day of one account, as a reading of that single day tells it."""

    account_id: str
    day: date
    wallet_address: str
    direct_invites: str
    indirect_invites: str
    invites: str
    direct_traded: str
    indirect_traded: str
    direct_volume: str
    indirect_volume: str
    volume: str
    broker_fee: str
    direct_rebate: str
    indirect_rebate: str
    direct_bonus_rebate: str
    base_rebate: str


class ReferralEventSeen(NamedTuple):
    """One entry of the log of referrals."""

    event_id: str
    action: str
    target_address: str | None
    referral_code: str | None
    amount: str | None
    old_value: str | None
    new_value: str | None
    occurred_at: datetime
