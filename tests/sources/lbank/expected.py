"""LBank's eight endpoints as lbank-affiliate.md has them, with instants and rows worked out by hand.

Days are those of UTC+8: 1724774400000 is the midnight of 2024-08-28 there, and a day has 86400000 ms.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from etl.reads import Snapshot
from etl.stream import Partition, Rate
from etl.windows import Window
from tests.sources.documented import Documented

BASE_URL = "https://affiliate.lbankverify.com"
DAY_ZONE = "Asia/Shanghai"
SUBJECT = "LBA0000001"
SETTINGS = {"api_key": "canary-key-7b1c9a", "secret_key": "canary-secret-d41d8c", "open_id": "LBA0000001"}
# "Rate Limit: 5 requests/10s"
RATE = Rate(5, 10.0)
_PAGES = {"start": True, "pageSize": True}
_SPAN = {"startTime": True, "endTime": True}
_FIRST_PAGE = {"start": 0, "pageSize": 100}

# The response examples carry the moment they were made, `ts`: 1721305060631 is 2024-07-18 12:17:40.631 UTC.
_READ_MEMBERS = datetime(2024, 7, 18, 12, 17, 40, 631_000, tzinfo=UTC)
_MEMBER = {
    "invitee_id": "LBA0001001",
    "referral_code": "3DFE",
    # 1721187212000: 41612 s after 1721145600000, the midnight of 2024-07-17 in UTC+8
    "registered_at": datetime(2024, 7, 17, 3, 33, 32, tzinfo=UTC),
    "is_direct": False,
    "has_deposited": False,
    "has_traded": False,
    "kyc_verified": False,
    "level": 2,
    "spot_commission_pct": Decimal(90),
    "futures_commission_pct": Decimal(90),
    "first_seen_at": _READ_MEMBERS,
    "last_seen_at": _READ_MEMBERS,
    "origin": "list",
}
_BALANCE = {
    "invitee_id": "LBA0001001",
    "day": date(2024, 7, 18),
    "spot_assets": Decimal("0.0000"),
    "spot_assets_usdt": Decimal("0.0000"),
    "futures_assets": Decimal("0.0000"),
    "futures_bonus": Decimal("0.0000"),
}
# All registrations since the exchange opened: 2015-01-01 in UTC+8 is 2014-12-31 16:00 UTC; up to the end of the day.
_ALL_MEMBERS = {"startTime": 1420041600000, "endTime": 1721318400000, **_FIRST_PAGE}

STREAMS = {
    "team_members": Documented(
        path="/affiliate-api/v2/invite/user/team/list",
        rate=RATE,
        reads=Snapshot,
        parameters={**_SPAN, **_PAGES},
        window=Window(date(2024, 7, 18), date(2024, 7, 19)),
        read_at=_READ_MEMBERS,
        request=_ALL_MEMBERS,
        speaks_for={"invitee": {"origin": "list"}},
        mentions={"invitee_balance_day": "invitee_id"},
        rows={"invitee": [_MEMBER], "invitee_balance_day": [_BALANCE]},
    ),
    "team_members_legacy": Documented(
        path="/affiliate-api/v2/invite/user/list",
        rate=RATE,
        reads=Snapshot,
        parameters={**_SPAN, **_PAGES},
        window=Window(date(2024, 7, 18), date(2024, 7, 19)),
        read_at=_READ_MEMBERS,
        request=_ALL_MEMBERS,
        speaks_for={"invitee": {"origin": "list"}},
        rows={"invitee": [_MEMBER]},
    ),
    "member_info": Documented(
        path="/affiliate-api/v2/invite/user/info",
        rate=RATE,
        reads=Snapshot,
        parameters={"openId": True},
        partition=Partition.of(open_id="LBA0001001"),
        window=Window(date(2024, 7, 29), date(2024, 7, 30)),
        read_at=datetime(2024, 7, 29, 9, 58, 18, 773_000, tzinfo=UTC),
        request={"openId": "LBA0001001"},
        speaks_for={"invitee": None},
        # inviteResult is false: "other fields are not reliable"
        rows={"invitee": []},
        note="LBank says that this open id is not in the team",
    ),
    "commissions": Documented(
        path="/affiliate-api/v2/commission/stats/symbol/list",
        rate=RATE,
        most_days=31,
        # paid after 10:00 (UTC+8) on T+1, and two days for corrections
        settles_after=timedelta(hours=58),
        parameters={"openId": True, "tradeType": True, **_SPAN, "coin": True, **_PAGES},
        left_out=frozenset({"coin"}),  # "null for all coins"
        partition=Partition.of(open_id="LBA0H1xxxx"),
        window=Window(date(2024, 8, 28), date(2024, 9, 3)),
        read_at=datetime(2024, 9, 3, 2, 21, 41, 487_000, tzinfo=UTC),
        request={
            "openId": "LBA0H1xxxx",
            "tradeType": "10",
            "startTime": 1724774400000,
            "endTime": 1725292800000,
            **_FIRST_PAGE,
        },
        speaks_for={"commission_day": {"recipient_id": "LBA0H1xxxx"}},
        mentions={"commission_day": "recipient_id"},
        rows={
            "commission_day": [
                {
                    "recipient_id": "LBA0H1xxxx",
                    "market": "futures",
                    "coin": "USDT",
                    "day": date(2024, 8, 28),
                    "amount": Decimal("71.489088"),
                    "amount_usdt": Decimal(0),
                }
            ]
        },
    ),
    "member_trades": Documented(
        path="/affiliate-api/v2/trade/user",
        rate=RATE,
        most_days=31,
        settles_after=timedelta(days=1),
        parameters={"openId": True, "tradeType": True, **_SPAN},
        partition=Partition.of(open_id="LBA0H14XXX", market="spot"),
        window=Window(date(2024, 7, 17), date(2024, 7, 18)),
        read_at=datetime(2024, 11, 8, 3, 14, 23, 458_000, tzinfo=UTC),
        request={
            "openId": "LBA0H14XXX",
            "tradeType": "0",
            "startTime": 1721145600000,
            "endTime": 1721232000000,
        },
        speaks_for={"trade_day": {"scope": "member", "subject_id": "LBA0H14XXX", "market": "spot"}},
        mentions={"trade_day": "subject_id"},
        rows={
            "trade_day": [
                {
                    "scope": "member",
                    "subject_id": "LBA0H14XXX",
                    "market": "spot",
                    "day": date(2024, 7, 17),
                    "volume": Decimal(0),
                    "fee": Decimal(0),
                }
            ]
        },
    ),
    "team_trades": Documented(
        path="/affiliate-api/v2/trade/user/team",
        rate=RATE,
        most_days=31,
        settles_after=timedelta(days=1),
        parameters={"openId": True, "tradeType": True, **_SPAN},
        partition=Partition.of(open_id="LBA0H1XXXX", market="futures"),
        window=Window(date(2024, 7, 17), date(2024, 8, 17)),
        read_at=datetime(2024, 11, 8, 3, 14, 23, 458_000, tzinfo=UTC),
        request={
            "openId": "LBA0H1XXXX",
            "tradeType": "1",
            "startTime": 1721145600000,
            "endTime": 1723824000000,
        },
        speaks_for={"trade_day": {"scope": "team", "subject_id": "LBA0H1XXXX", "market": "futures"}},
        mentions={"trade_day": "subject_id"},
        rows={
            "trade_day": [
                {
                    "scope": "team",
                    "subject_id": "LBA0H1XXXX",
                    "market": "futures",
                    "day": date(2024, 7, 17),
                    "volume": Decimal(0),
                    "fee": Decimal(0),
                }
            ]
        },
    ),
    "futures_turnover": Documented(
        path="/affiliate-api/v2/trade/future",
        rate=RATE,
        most_days=1,
        settles_after=timedelta(days=1),
        parameters={"openId": True, "userType": True, "symbol": False, **_SPAN},
        partition=Partition.of(open_id="LBA0000001", scope="ALL", symbol=""),
        window=Window(date(2024, 8, 28), date(2024, 8, 29)),
        read_at=datetime(2024, 11, 8, 3, 23, 5, 769_000, tzinfo=UTC),
        # One sum and no rows to filter: the span ends a millisecond early, so that no instant counts twice.
        request={
            "openId": "LBA0000001",
            "userType": "ALL",
            "startTime": 1724774400000,
            "endTime": 1724860799999,
        },
        speaks_for={"futures_turnover": {"subject_id": "LBA0000001", "scope": "ALL", "symbol": ""}},
        rows={
            "futures_turnover": [
                {
                    "subject_id": "LBA0000001",
                    "scope": "ALL",
                    "symbol": "",
                    "day": date(2024, 8, 28),
                    "turnover": Decimal(0),
                    "fee": Decimal(0),
                }
            ]
        },
    ),
    "transfers": Documented(
        path="/affiliate-api/v2/money/detail/list",
        rate=RATE,
        most_days=31,
        settles_after=timedelta(days=1),
        parameters={
            "openId": True,
            "userType": True,
            **_SPAN,
            "subInOutType": True,
            "assetCode": False,
            "updateStartTime": False,
            "updateEndTime": False,
            **_PAGES,
        },
        partition=Partition.of(open_id="LBA0000001", kind="IN_DEPOSIT"),
        # 1737240179000 is 06:42:59 of 2025-01-19 in UTC+8, whose midnight is 1737216000000.
        window=Window(date(2025, 1, 19), date(2025, 2, 19)),
        read_at=datetime(2025, 2, 26, 9, 34, 52, 165_000, tzinfo=UTC),
        request={
            "openId": "LBA0000001",
            "userType": "ALL",
            "subInOutType": "IN_DEPOSIT",
            "startTime": 1737216000000,
            "endTime": 1739894400000,
            **_FIRST_PAGE,
        },
        speaks_for={"transfer": {"kind": "IN_DEPOSIT"}},
        mentions={"transfer": "invitee_id"},
        rows={
            "transfer": [
                {
                    "invitee_id": "LBA0HXXXX",
                    "invitee_level": 2,
                    "kind": "IN_DEPOSIT",
                    "direction": "in",
                    "kind_label": "On-chain Deposit",
                    "asset": "USDT",
                    "amount": Decimal("102.581"),
                    "status": "Completed",
                    "sub_status": "Deposit Successful",
                    "created_at": datetime(2025, 1, 18, 22, 42, 59, tzinfo=UTC),
                    "updated_at": datetime(2025, 1, 18, 22, 42, 59, tzinfo=UTC),
                    "order_id": "220241015150159",
                }
            ]
        },
    ),
}
