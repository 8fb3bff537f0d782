"""ZTDX's referral log as ztdx-referral-logs.txt has it, with instants worked out by hand.

1771977600000 is the midnight of 2026-02-25 UTC: 20509 days after 1970-01-01.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from etl.reads import Log
from etl.stream import Rate
from etl.windows import Window
from tests.sources.documented import Documented

BASE_URL = "https://api.ztdx.io"
DAY_ZONE = "UTC"
SUBJECT = None
SETTINGS = {"token": "canary.token.5d0c7b2f"}

STREAMS = {
    "referral_logs": Documented(
        path="/referral/logs",
        # FACTS.md: "Default here: 1 per second"
        rate=Rate(1, 1.0),
        reads=Log,
        parameters={"page": False, "page_size": False, "action": False},
        window=Window(date(2026, 3, 1), date(2026, 3, 2)),
        read_at=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
        request={"page": 1, "page_size": 100},
        total=3,
        told_size=20,
        rows={
            "referral_event": [
                {
                    "event_id": UUID("550e8400-e29b-41d4-a716-446655440000"),
                    "action": "create_code",
                    "target_address": None,
                    "referral_code": "4DDDC2D4",
                    "amount": None,
                    "old_value": None,
                    "new_value": None,
                    # 1772010604000: 33004 s after midnight
                    "occurred_at": datetime(2026, 2, 25, 9, 10, 4, tzinfo=UTC),
                },
                {
                    "event_id": UUID("550e8400-e29b-41d4-a716-446655440001"),
                    "action": "bind",
                    "target_address": "0xabc...",
                    "referral_code": "4DDDC2D4",
                    "amount": None,
                    "old_value": None,
                    "new_value": None,
                    # 1772020000000: 42400 s after midnight
                    "occurred_at": datetime(2026, 2, 25, 11, 46, 40, tzinfo=UTC),
                },
                {
                    "event_id": UUID("550e8400-e29b-41d4-a716-446655440002"),
                    "action": "claim",
                    "target_address": None,
                    "referral_code": None,
                    "amount": Decimal("45.00"),
                    "old_value": None,
                    "new_value": None,
                    # 1772100000000: a day and 36000 s after midnight
                    "occurred_at": datetime(2026, 2, 26, 10, 0, 0, tzinfo=UTC),
                },
            ]
        },
    ),
}
