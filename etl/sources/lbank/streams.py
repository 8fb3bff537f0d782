"""LBank's eight affiliate endpoints as streams (lbank-affiliate.md, "Query Endpoints"; DESIGN section 3)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from etl import schema
from etl.normalize.fields import (
    boolean,
    day_ms,
    decimal,
    instant_ms,
    one_of,
    optional,
    text,
    upper_text,
)
from etl.reads import Daily, Revisit, Snapshot
from etl.sources.lbank.fan_out import (
    TRADE_TYPE,
    recipients,
    teams,
    traders,
    transfer_kinds,
    turnover_scopes,
    unlisted,
)
from etl.stream import (
    ColumnSource,
    Constant,
    Draft,
    Field,
    FromPartition,
    Into,
    LargestId,
    Offset,
    Partition,
    Rate,
    RawRow,
    ReadAt,
    Row,
    Stream,
    WindowDay,
)
from etl.windows import milliseconds

# "Rate Limit: 5 requests/10s" stands under each endpoint; pages hold at most 100 rows (Notes 3).
RATE = Rate(5, 10.0)
PAGES = Offset("start", "pageSize", 100)
SPAN = milliseconds("startTime", "endTime")
MARKET = one_of({0: "spot", 1: "futures"})
# Levels 1-21 are agents (general agent, partners), 0 is an invitee, 99 a regular user.
LEVEL = one_of({number: number for number in (*range(22), 99)})
# LBank opened in 2015: nobody registered before, and the endpoint wants a start.
FIRST_REGISTRATION = date(2015, 1, 1)
# What a person has; only the list of the whole team makes balances of it, as it alone is complete.
ASSETS = ("currencyTotalFeeAmt", "currencyTotalFeeAmtUsdt", "contractTotalFeeAmt", "reserveAmt")
_API = "/affiliate-api/v2"


def listed(payload: Any) -> Sequence[RawRow]:
    """The rows of an endpoint whose `data` is a list; null is no rows."""
    if payload is None:
        return []
    if not isinstance(payload, list):
        raise TypeError(f"data is {type(payload).__name__}, not a list")
    return payload


def single(payload: Any) -> Sequence[RawRow]:
    """The row of an endpoint whose `data` is one object; null and [] are no row."""
    if payload is None or payload == []:
        return []
    if not isinstance(payload, dict):
        raise TypeError(f"data is {type(payload).__name__}, not an object")
    return [payload]


# ---------------------------------------------------------------------------------------------------- people


def _invitee_columns(origin: str) -> dict[str, ColumnSource]:
    return {
        "invitee_id": Field("openId", text),
        "referral_code": Field("code", optional(text)),
        "registered_at": Field("createTime", instant_ms),
        "is_direct": Field("directInvitation", boolean),
        "has_deposited": Field("deposit", boolean),
        "has_traded": Field("transaction", boolean),
        "kyc_verified": Field("kycStatus", one_of({0: False, 1: True})),
        "level": Field("userLevel", LEVEL),
        "spot_commission_pct": Field("currencyFeeAmt", optional(decimal)),
        "futures_commission_pct": Field("contractFeeAmt", optional(decimal)),
        "first_seen_at": ReadAt(),
        "last_seen_at": ReadAt(),
        "origin": Constant(origin),
    }


INVITEES = Into(table=schema.invitee, columns=_invitee_columns("list"), scope={"origin": Constant("list")})

BALANCES = Into(
    table=schema.invitee_balance_day,
    columns={
        "invitee_id": Field("openId", text),
        "day": WindowDay(),
        "spot_assets": Field("currencyTotalFeeAmt", decimal),
        "spot_assets_usdt": Field("currencyTotalFeeAmtUsdt", decimal),
        "futures_assets": Field("contractTotalFeeAmt", decimal),
        "futures_bonus": Field("reserveAmt", decimal),
    },
    within="day",
    mentions="invitee_id",
)

TEAM_MEMBERS = Stream(
    name="team_members",
    doc="Query Team Member Information (New Version)",
    path=f"{_API}/invite/user/team/list",
    reads=Snapshot(FIRST_REGISTRATION, SPAN),
    rate=RATE,
    paging=PAGES,
    rows=listed,
    row_key=("openId",),
    unread=("id",),
    into=(INVITEES, BALANCES),
)

TEAM_MEMBERS_LEGACY = Stream(
    name="team_members_legacy",
    doc="Query Team Member Information (Old Version, Deprecated)",
    path=f"{_API}/invite/user/list",
    reads=Snapshot(FIRST_REGISTRATION, SPAN),
    rate=RATE,
    paging=LargestId("start", "pageSize", 100, id_field="id"),
    rows=listed,
    row_key=("openId",),
    unread=("id", *ASSETS),
    into=(INVITEES,),
    on_by_default=False,
)

MEMBER_INFO = Stream(
    name="member_info",
    doc="Query Single Team Member Information",
    path=f"{_API}/invite/user/info",
    reads=Snapshot(),
    rate=RATE,
    rows=single,
    unread=("openId", "inviteResult", *ASSETS),
    fan_out=unlisted,
    partitioned_by=("open_id",),
    needs_roster=True,
    params=lambda partition: {"openId": partition["open_id"]},
    # The document says of inviteResult: "if false, other fields are not reliable".
    into=(
        Into(
            table=schema.invitee,
            columns={**_invitee_columns("info"), "invitee_id": FromPartition("open_id")},
            scope=None,
            skip=lambda raw: raw.get("inviteResult") in (False, "false"),
        ),
    ),
    note=lambda payload: (
        "LBank says that this open id is not in the team"
        if isinstance(payload, dict) and payload.get("inviteResult") in (False, "false")
        else None
    ),
    waits_for_facts=True,
)

# ---------------------------------------------------------------------------------------------------- money

COMMISSIONS = Stream(
    name="commissions",
    doc="Query Daily Commission Summary by Coin",
    path=f"{_API}/commission/stats/symbol/list",
    # Paid after 10:00 (UTC+8) on T+1 (Update Log V1.4), and two days for corrections.
    reads=Daily(31, SPAN, settles_after=timedelta(hours=58)),
    rate=RATE,
    paging=PAGES,
    rows=listed,
    row_key=("openId", "tradeType", "coinSymbol", "statsDate"),
    fan_out=recipients,
    partitioned_by=("open_id",),
    needs_roster=True,
    # Type 10 asks for both markets and the rows tell which; leaving `coin` out asks for all coins (FACTS.md).
    params=lambda partition: {"openId": partition["open_id"], "tradeType": "10"},
    into=(
        Into(
            table=schema.commission_day,
            columns={
                "recipient_id": Field("openId", text),
                "market": Field("tradeType", MARKET),
                "coin": Field("coinSymbol", upper_text),
                "day": Field("statsDate", day_ms),
                "amount": Field("amount", decimal),
                "amount_usdt": Field("usdtAmount", optional(decimal)),
            },
            scope={"recipient_id": FromPartition("open_id")},
            within="day",
            mentions="recipient_id",
        ),
    ),
)


def _trades(scope: str) -> Into:
    return Into(
        table=schema.trade_day,
        columns={
            "scope": Constant(scope),
            "subject_id": Field("openId", text),
            "market": FromPartition("market"),
            "day": Field("statsDate", day_ms),
            "volume": Field("tradeAmt", decimal),
            "fee": Field("feeAmt", decimal),
        },
        scope={
            "scope": Constant(scope),
            "subject_id": FromPartition("open_id"),
            "market": FromPartition("market"),
        },
        within="day",
        mentions="subject_id",
    )


def _trade_params(partition: Partition) -> dict[str, str | int]:
    # Rows do not tell their market: each market is asked for apart (FACTS.md).
    return {"openId": partition["open_id"], "tradeType": TRADE_TYPE[partition["market"]]}


MEMBER_TRADES = Stream(
    name="member_trades",
    doc="Query Daily Trade Volume and Fee for Single Team Member",
    path=f"{_API}/trade/user",
    reads=Daily(31, SPAN, settles_after=timedelta(days=1)),
    rate=RATE,
    rows=listed,
    fan_out=traders,
    partitioned_by=("open_id", "market"),
    needs_roster=True,
    params=_trade_params,
    into=(_trades("member"),),
)

TEAM_TRADES = Stream(
    name="team_trades",
    doc="Query Daily Trade Volume and Fee for Team",
    path=f"{_API}/trade/user/team",
    reads=Daily(31, SPAN, settles_after=timedelta(days=1)),
    rate=RATE,
    rows=listed,
    fan_out=teams,
    partitioned_by=("open_id", "market"),
    needs_roster=True,
    params=_trade_params,
    into=(_trades("team"),),
)

FUTURES_TURNOVER = Stream(
    name="futures_turnover",
    doc="Query Cumulative Futures Turnover and Fees in Time Range",
    path=f"{_API}/trade/future",
    # One sum per request and no rows to filter: one day a window, ended 1 ms early so that no instant counts twice.
    reads=Daily(1, milliseconds("startTime", "endTime", end_before_ms=1), settles_after=timedelta(days=1)),
    rate=RATE,
    rows=single,
    fan_out=turnover_scopes,
    partitioned_by=("open_id", "scope", "symbol"),
    params=lambda partition: {
        "openId": partition["open_id"],
        "userType": partition["scope"],
        **({"symbol": partition["symbol"]} if partition["symbol"] else {}),
    },
    into=(
        Into(
            table=schema.futures_turnover,
            columns={
                "subject_id": FromPartition("open_id"),
                "scope": FromPartition("scope"),
                "symbol": FromPartition("symbol"),
                "day": WindowDay(),
                "turnover": Field("turnover", decimal),
                "fee": Field("fee", decimal),
            },
            scope={
                "subject_id": FromPartition("open_id"),
                "scope": FromPartition("scope"),
                "symbol": FromPartition("symbol"),
            },
            within="day",
        ),
    ),
)


def number_alike(rows: Sequence[Row]) -> Sequence[Row]:
    """Gives each transfer its id: a hash of the fields that never change, and an ordinal among rows alike in them.

    LBank's rows have no id of their own (FACTS.md). The order among alike rows is by what can change, so that it
    does not depend on the order of the pages."""
    ordered = sorted(rows, key=_what_can_change)
    seen: Counter[str] = Counter()
    numbered = []
    for row in ordered:
        never_change = ("invitee_id", "kind", "asset", "created_at", "order_id")
        fixed = "\x1f".join([*(str(row[name]) for name in never_change), _plain(row["amount"])])
        digest = hashlib.sha256(fixed.encode()).hexdigest()[:32]
        numbered.append({**row, "transfer_id": f"{digest}-{seen[digest]}"})
        seen[digest] += 1
    return numbered


def _what_can_change(row: Row) -> tuple[Any, ...]:
    told = ("status", "sub_status", "invitee_level", "kind_label", "amount")
    return row["updated_at"], *(str(row[name] or "") for name in told)


def _plain(amount: Decimal) -> str:
    """The amount's digits without trailing zeros, so that 1.5 and 1.50 make one id."""
    digits = format(amount, "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


TRANSFERS = Stream(
    name="transfers",
    doc="Query Deposit/Withdrawal Details in Time Range",
    path=f"{_API}/money/detail/list",
    reads=Daily(31, SPAN, settles_after=timedelta(days=1)),
    rate=RATE,
    paging=PAGES,
    rows=listed,
    row_key=("openId", "assetCode", "assetNum", "createTime", "updateTime", "status", "withdrawOrderId"),
    fan_out=transfer_kinds,
    partitioned_by=("open_id", "kind"),
    params=lambda partition: {
        "openId": partition["open_id"],
        "userType": "ALL",
        "subInOutType": partition["kind"],
    },
    revisit=Revisit(7, milliseconds("updateStartTime", "updateEndTime"), names="created_at"),
    into=(
        Into(
            table=schema.transfer,
            columns={
                "invitee_id": Field("openId", text),
                "invitee_level": Field("userLevel", optional(LEVEL)),
                "kind": FromPartition("kind"),
                "direction": FromPartition("kind", lambda kind: "in" if kind.startswith("IN_") else "out"),
                # The request takes an enum, the row has a label: both are kept (FACTS.md).
                "kind_label": Field("subInOutType", optional(text)),
                "asset": Field("assetCode", upper_text),
                "amount": Field("assetNum", decimal),
                "status": Field("status", optional(text)),
                "sub_status": Field("subStatus", optional(text)),
                "created_at": Field("createTime", instant_ms),
                "updated_at": Field("updateTime", instant_ms),
                "order_id": Field("withdrawOrderId", optional(text)),
            },
            scope={"kind": FromPartition("kind")},
            within="created_at",
            mentions="invitee_id",
            finish=number_alike,
            finish_adds=("transfer_id",),
        ),
    ),
)

STREAMS: tuple[Stream, ...] = (
    TEAM_MEMBERS,
    TEAM_MEMBERS_LEGACY,
    MEMBER_INFO,
    COMMISSIONS,
    MEMBER_TRADES,
    TEAM_TRADES,
    FUTURES_TURNOVER,
    TRANSFERS,
)


def check(settings: Any, today: date) -> Draft:
    """The cheapest request that needs a valid key, an allowed IP and the affiliate permission."""
    return Draft("GET", MEMBER_INFO.path, {"openId": settings.open_id})
