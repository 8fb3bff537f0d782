"""CoinW's two endpoints as coinw-volume.txt and coinw-activity.txt have them, with rows worked out by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from etl.reads import Monthly
from etl.stream import Partition, Rate
from etl.windows import Window
from tests.sources.documented import Documented

BASE_URL = "https://api.coinw.com"
DAY_ZONE = "Asia/Shanghai"
SUBJECT = None
SETTINGS = {"api_key": "canary-key-1f0e2d", "secret_key": "canary-secret-c3b4a5", "activities": ["ACT20260307"]}
_PATH = "/api/v3/patener/openapi/v1/partner/invitation/user"
# FACTS.md: "Default here: 20 per 10 s"
RATE = Rate(20, 10.0)

STREAMS = {
    "invitee_volume": Documented(
        path=f"{_PATH}/volume/list",
        method="POST",
        rate=RATE,
        most_days=30,
        settles_after=timedelta(days=1),
        parameters={"startTime": False, "endTime": False, "pageNo": False, "pageSize": False, "uid": False},
        window=Window(date(2024, 4, 1), date(2024, 5, 1)),
        read_at=datetime(2024, 5, 2, tzinfo=UTC),
        request={"startTime": "2024-04-01", "endTime": "2024-04-30", "pageNo": 1, "pageSize": 1000},
        total=1,
        speaks_for={"trade_day": {"scope": "member", "market": "all"}},
        mentions={"trade_day": "subject_id"},
        rows={
            "trade_day": [
                {
                    "scope": "member",
                    "subject_id": "123126704",
                    "market": "all",
                    "day": date(2024, 4, 1),
                    "volume": Decimal("629.44650000"),
                    "fee": None,
                }
            ]
        },
    ),
    "activity": Documented(
        path=f"{_PATH}/activity/list",
        method="POST",
        rate=RATE,
        reads=Monthly,
        settles_after=timedelta(days=1),
        parameters={
            "activityId": True,
            "startTime": False,
            "endTime": False,
            "page": False,
            "pageSize": False,
            "uid": False,
            "showDetail": False,
        },
        # The request example asks for March 2026.
        partition=Partition.of(activity_id="ACT20260307"),
        window=Window(date(2026, 3, 1), date(2026, 4, 1)),
        read_at=datetime(2026, 4, 3, tzinfo=UTC),
        request={
            "activityId": "ACT20260307",
            "showDetail": "yes",
            "startTime": "2026-03-01 00:00:00",
            "endTime": "2026-03-31 23:59:59",
            "page": 1,
            "pageSize": 1000,
        },
        total=9,  # sent as "9"; the example shows one row of them
        speaks_for={key: {"activity_id": "ACT20260307"} for key in ("activity_period", "activity_day")},
        mentions=dict.fromkeys(("activity_period", "activity_day"), "invitee_id"),
        rows={
            "activity_period": [
                {
                    "activity_id": "ACT20260307",
                    "invitee_id": "123320752",
                    "period_start": date(2026, 3, 1),
                    "period_end": date(2026, 3, 31),
                    "transfer_in": Decimal(0),
                    "transfer_out": Decimal(0),
                    "net_transfer_in": Decimal(0),
                    "volume": Decimal(0),
                    "profit": Decimal("-29.893815"),
                    "roi_pct": Decimal("-0.92094277"),
                    "initial_net_value": Decimal("32.46001375"),
                }
            ],
            # The one detail of the response example is of 2026-04-02, outside the month that the request asks for.
            "activity_day": [],
        },
    ),
}
