"""Orderly's endpoint, asked by date and by account, with rows worked out by hand.

The page's response example has placeholders only ("<string>", 123, meta "<unknown>"); it is kept as documented.json,
and test_orderly_streams.py holds the samples beside it to its fields. Their values are made up: numbers with 25 digits,
`meta` and `total_base_rebate` as FACTS.md has them, account fields and dates empty or absent.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from etl.stream import Rate
from etl.windows import Window
from tests.sources.documented import Documented

BASE_URL = "https://api.orderly.org"
DAY_ZONE = "UTC"
SUBJECT = "0x32680cb440d7679f5524850f5313e90ea1467de0be427592209c1434abbe7307"
SETTINGS = {
    "account_id": "0x32680cb440d7679f5524850f5313e90ea1467de0be427592209c1434abbe7307",
    # of signature_vectors.json: registered nowhere
    "secret_key": "ed25519:666vaJTNnD49ebK3FKaFxY53nAoY1mcSaoeKM8Eg34WR",
}
_PATH = "/v1/referral/multi_level/admin/summary"
# FACTS.md: "10 requests per second"
RATE = Rate(10, 1.0)
_PARAMETERS = {
    "start_date": True,
    "end_date": True,
    "page": False,
    "size": False,
    "aggregate_by": True,
    "account_id": False,
    "user_address": False,
    "sort_by": False,
}

STREAMS = {
    "summary_by_date": Documented(
        path=_PATH,
        rate=RATE,
        most_days=30,
        settles_after=timedelta(days=1),
        parameters=_PARAMETERS,
        window=Window(date(2026, 3, 1), date(2026, 3, 31)),
        read_at=datetime(2026, 4, 2, tzinfo=UTC),
        request={
            "aggregate_by": "date",
            "start_date": "2026-03-01",
            "end_date": "2026-03-30",
            "page": 1,
            "size": 100,
        },
        only_in_facts=frozenset({"total_base_rebate"}),
        total=2,
        told_size=50,
        rows={
            "broker_day": [
                {
                    "day": date(2026, 3, 2),
                    "direct_invites": Decimal(12),
                    "indirect_invites": Decimal(3),
                    "invites": Decimal(15),
                    "direct_traded": Decimal(7),
                    "indirect_traded": Decimal(2),
                    "direct_volume": Decimal("1234567890123456.123456789"),
                    "indirect_volume": Decimal("0.1234567890123456789012345"),
                    "volume": Decimal("1234567890123456.2469135780123456789012345"),
                    "broker_fee": Decimal("98765.43210987654321098765"),
                    "direct_rebate": Decimal("0.00000015"),
                    "indirect_rebate": Decimal("0.00"),
                    "direct_bonus_rebate": Decimal("5.50"),
                    "base_rebate": None,
                },
                {
                    "day": date(2026, 3, 1),
                    "direct_invites": Decimal(0),
                    "indirect_invites": Decimal(0),
                    "invites": Decimal(0),
                    "direct_traded": Decimal(0),
                    "indirect_traded": Decimal(0),
                    "direct_volume": Decimal(0),
                    "indirect_volume": Decimal(0),
                    "volume": Decimal(0),
                    "broker_fee": Decimal("0.0"),
                    "direct_rebate": Decimal(0),
                    "indirect_rebate": Decimal(0),
                    "direct_bonus_rebate": None,
                    "base_rebate": Decimal("2.25"),
                },
            ]
        },
    ),
    "summary_by_account": Documented(
        path=_PATH,
        rate=RATE,
        most_days=1,
        settles_after=timedelta(days=1),
        parameters=_PARAMETERS,
        window=Window(date(2026, 3, 2), date(2026, 3, 3)),
        read_at=datetime(2026, 3, 4, 0, 30, tzinfo=UTC),
        request={
            "aggregate_by": "account_id",
            "start_date": "2026-03-02",
            "end_date": "2026-03-02",
            "page": 1,
            "size": 100,
        },
        only_in_facts=frozenset({"total_base_rebate"}),
        total=None,  # "meta": "<unknown>", as the page has it
        told_size=None,
        mentions={"broker_account_day": "invitee_id"},
        rows={
            "broker_account_day": [
                {
                    "invitee_id": "0x9d3f5a0c6e1b48d2a7c94f8e6b15d03c2a7e9f4b8d1c6305e7a2f9b4c8d6e1f0",
                    "day": date(2026, 3, 2),
                    "wallet_address": "0x4c1B7d2E9a0F5b3D8c6E1f7A2b9D4e0C5a3F8b61",
                    "direct_invites": Decimal(2),
                    "indirect_invites": Decimal(1),
                    "invites": Decimal(3),
                    "direct_traded": Decimal(1),
                    "indirect_traded": Decimal(0),
                    "direct_volume": Decimal(9876543210987654321098765),
                    "indirect_volume": Decimal(0),
                    "volume": Decimal(9876543210987654321098765),
                    "broker_fee": Decimal("1234567.890123456789012345"),
                    "direct_rebate": Decimal("0.000000000000000000000001"),
                    "indirect_rebate": Decimal(0),
                    "direct_bonus_rebate": Decimal(1),
                    "base_rebate": Decimal("0.10"),
                },
                {
                    "invitee_id": "0x0b7e2d9c4f6a8135e0c7d2b9f4a6813e5d0c7b2f9e4a6d8135c0b7e2d9f4a681",
                    "day": date(2026, 3, 2),
                    "wallet_address": None,
                    "direct_invites": Decimal(0),
                    "indirect_invites": Decimal(0),
                    "invites": Decimal(0),
                    "direct_traded": Decimal(0),
                    "indirect_traded": Decimal(0),
                    "direct_volume": Decimal("10.5"),
                    "indirect_volume": Decimal(0),
                    "volume": Decimal("10.5"),
                    "broker_fee": Decimal("0.0105"),
                    "direct_rebate": Decimal(0),
                    "indirect_rebate": Decimal(0),
                    "direct_bonus_rebate": None,
                    "base_rebate": None,
                },
            ]
        },
    ),
}
