"""Which raw field is which column, as the providers' pages and FACTS.md say: the tables of the second reading."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fuzz.mutations import Digits
from tests.fuzz.second_reading import (
    Read,
    Row,
    Setting,
    Unreadable,
    Wanted,
    amount,
    capitals,
    day,
    day_of_utc8,
    enumerated,
    flag,
    identity,
    instant,
    optional,
    words,
)

MARKET = enumerated({"0": "spot", "1": "futures"})
LEVEL = enumerated({str(level): level for level in (*range(22), 99)})

_MEMBER: dict[str, tuple[str, Read]] = {
    "invitee_id": ("openId", words),
    "referral_code": ("code", optional(words)),
    "registered_at": ("createTime", instant),
    "is_direct": ("directInvitation", flag),
    "has_deposited": ("deposit", flag),
    "has_traded": ("transaction", flag),
    "kyc_verified": ("kycStatus", enumerated({"0": False, "1": True})),
    "level": ("userLevel", LEVEL),
    "spot_commission_pct": ("currencyFeeAmt", optional(amount)),
    "futures_commission_pct": ("contractFeeAmt", optional(amount)),
}


def _seen(origin: str) -> Any:
    return lambda setting: {"first_seen_at": setting.read_at, "last_seen_at": setting.read_at, "origin": origin}


def _invitee(setting: Setting) -> Row:
    return {**_seen("info")(setting), "invitee_id": setting.partition["open_id"]}


def _is_of_nobody(raw: Row) -> bool:
    """ "if false, other fields are not reliable"; a zero, in any spelling, says so too."""
    told = raw.get("inviteResult")
    return (
        told is False
        or told == "false"
        or (isinstance(told, Digits) and re.fullmatch("-?0[.0]*([eE].*)?", told) is not None)
    )


def _first_day(setting: Setting) -> Row:
    return {"day": setting.window.start}


INVITEE = Wanted(table="invitee", key=("invitee_id",), fields=_MEMBER, given=_seen("list"), limited=("invitee_id",))
BALANCE = Wanted(
    table="invitee_balance_day",
    key=("invitee_id", "day"),
    fields={
        "invitee_id": ("openId", words),
        "spot_assets": ("currencyTotalFeeAmt", amount),
        "spot_assets_usdt": ("currencyTotalFeeAmtUsdt", amount),
        "futures_assets": ("contractTotalFeeAmt", amount),
        "futures_bonus": ("reserveAmt", amount),
    },
    given=_first_day,
    limited=("invitee_id",),
)


def _trades(scope: str) -> Wanted:
    return Wanted(
        table="trade_day",
        key=("scope", "subject_id", "market", "day"),
        fields={
            "subject_id": ("openId", words),
            "day": ("statsDate", day_of_utc8),
            "volume": ("tradeAmt", amount),
            "fee": ("feeAmt", amount),
        },
        given=lambda setting: {"scope": scope, "market": setting.partition["market"]},
        tells="day",
        own={"subject_id": "open_id"},
        limited=("subject_id",),
    )


def _details(raw: Row) -> Sequence[Any]:
    """The days of a person, each with the person's id; there may be none."""
    held = raw.get("detail")
    if held is None or (held == "" and not isinstance(held, Digits)):
        return []
    if not isinstance(held, list):
        raise Unreadable("no list of days")
    return [{**part, "uid": raw.get("uid")} if isinstance(part, dict) else part for part in held]


_BROKER: dict[str, tuple[str, Read]] = {
    **{
        name: (f"total_{name}", amount)
        for name in (
            *("direct_invites", "indirect_invites", "invites", "direct_traded", "indirect_traded"),
            *("direct_volume", "indirect_volume", "volume"),
        )
    },
    "broker_fee": ("broker_fee", amount),
    "direct_rebate": ("total_direct_rebate", amount),
    "indirect_rebate": ("total_indirect_rebate", amount),
    "direct_bonus_rebate": ("total_direct_bonus_rebate", optional(amount)),
    "base_rebate": ("total_base_rebate", optional(amount)),
}

TABLES: Mapping[str, tuple[Wanted, ...]] = {
    "team_members": (INVITEE, BALANCE),
    "team_members_legacy": (INVITEE,),
    "member_info": (
        Wanted(
            table="invitee",
            key=("invitee_id",),
            fields={column: told for column, told in _MEMBER.items() if column != "invitee_id"},
            given=_invitee,
            skip=_is_of_nobody,
        ),
    ),
    "commissions": (
        Wanted(
            table="commission_day",
            key=("recipient_id", "market", "coin", "day"),
            fields={
                "recipient_id": ("openId", words),
                "market": ("tradeType", MARKET),
                "coin": ("coinSymbol", capitals),
                "day": ("statsDate", day_of_utc8),
                "amount": ("amount", amount),
                "amount_usdt": ("usdtAmount", optional(amount)),
            },
            tells="day",
            own={"recipient_id": "open_id"},
            limited=("recipient_id", "coin"),
        ),
    ),
    "member_trades": (_trades("member"),),
    "team_trades": (_trades("team"),),
    "futures_turnover": (
        Wanted(
            table="futures_turnover",
            key=("subject_id", "scope", "symbol", "day"),
            fields={"turnover": ("turnover", amount), "fee": ("fee", amount)},
            given=lambda setting: {
                "subject_id": setting.partition["open_id"],
                "scope": setting.partition["scope"],
                "symbol": setting.partition["symbol"],
                "day": setting.window.start,
            },
        ),
    ),
    "transfers": (
        Wanted(
            table="transfer",
            key=("transfer_id",),
            fields={
                "invitee_id": ("openId", words),
                "invitee_level": ("userLevel", optional(LEVEL)),
                "kind_label": ("subInOutType", optional(words)),
                "asset": ("assetCode", capitals),
                "amount": ("assetNum", amount),
                "status": ("status", optional(words)),
                "sub_status": ("subStatus", optional(words)),
                "created_at": ("createTime", instant),
                "updated_at": ("updateTime", instant),
                "order_id": ("withdrawOrderId", optional(words)),
            },
            given=lambda setting: {
                "kind": setting.partition["kind"],
                "direction": {"IN": "in", "OUT": "out"}[setting.partition["kind"].partition("_")[0]],
            },
            tells="created_at",
            limited=("invitee_id",),
            numbered=True,
        ),
    ),
    "invitee_volume": (
        Wanted(
            table="trade_day",
            key=("scope", "subject_id", "market", "day"),
            fields={"subject_id": ("uid", words), "day": ("time", day), "volume": ("volume", amount)},
            given=lambda setting: {"scope": "member", "market": "all", "fee": None},
            tells="day",
            limited=("subject_id",),
            adds="volume",
        ),
    ),
    "activity": (
        Wanted(
            table="activity_period",
            key=("activity_id", "invitee_id", "period_start"),
            fields={
                "invitee_id": ("uid", words),
                "transfer_in": ("contractTransIn", amount),
                "transfer_out": ("contractTransOut", amount),
                "net_transfer_in": ("contractNetTransIn", amount),
                "volume": ("contractVolume", amount),
                "profit": ("contractProfit", amount),
                "roi_pct": ("contractRoi", amount),
                "initial_net_value": ("initialNetValue", amount),
            },
            given=lambda setting: {
                "activity_id": setting.partition["activity_id"],
                "period_start": setting.window.start,
                "period_end": setting.window.last,
            },
            limited=("invitee_id",),
        ),
        Wanted(
            table="activity_day",
            key=("activity_id", "invitee_id", "day"),
            fields={
                "invitee_id": ("uid", words),
                "day": ("date", day),
                "transfer_in": ("contractTransIn", amount),
                "transfer_out": ("contractTransOut", amount),
                "volume": ("contractVolume", amount),
            },
            given=lambda setting: {"activity_id": setting.partition["activity_id"]},
            tells="day",
            limited=("invitee_id",),
            parts=_details,
        ),
    ),
    "summary_by_date": (
        Wanted(table="broker_day", key=("day",), fields={"day": ("date", day), **_BROKER}, tells="day"),
    ),
    "summary_by_account": (
        Wanted(
            table="broker_account_day",
            key=("invitee_id", "day"),
            fields={
                "invitee_id": ("account_id", words),
                "wallet_address": ("user_address", optional(words)),
                **_BROKER,
            },
            given=_first_day,
            limited=("invitee_id",),
        ),
    ),
    "referral_logs": (
        Wanted(
            table="referral_event",
            key=("event_id",),
            fields={
                "event_id": ("id", identity),
                "action": ("action", words),
                "target_address": ("target_address", optional(words)),
                "referral_code": ("referral_code", optional(words)),
                "amount": ("amount", optional(amount)),
                "old_value": ("old_value", optional(words)),
                "new_value": ("new_value", optional(words)),
                "occurred_at": ("created_at", instant),
            },
        ),
    ),
}
"""By stream."""
