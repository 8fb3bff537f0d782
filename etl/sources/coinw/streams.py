"""CoinW's two affiliate endpoints as streams (coinw-volume.txt, coinw-activity.txt; DESIGN section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from etl import schema
from etl.errors import SetRowAside
from etl.normalize.fields import day_text, decimal, text, whole
from etl.reads import Daily, Monthly
from etl.stream import (
    Account,
    Constant,
    Draft,
    Field,
    FromPartition,
    Into,
    PageNumber,
    Params,
    Partition,
    Rate,
    RawRow,
    Roster,
    Stream,
    WindowDay,
    WindowLast,
)
from etl.windows import dates

# No limit is printed on the two pages; this stays well below what is "normal usage" elsewhere (FACTS.md, "CoinW").
RATE = Rate(20, 10.0)
_API = "/api/v3/patener/openapi/v1/partner/invitation/user"  # "patener" is the provider's spelling


def listed(payload: Any) -> Sequence[RawRow]:
    """The rows in `data.list`; null in the place of the list is no rows."""
    rows = payload["list"]
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise TypeError(f"data.list is {type(rows).__name__}, not a list")
    return rows


def total(payload: Any) -> int:
    """`data.total`, which is "9" on one page and 1 on the other. It cannot be missing: pages shift while rows arrive,
    and the total is what shows it."""
    count = whole(payload["total"])
    if count is None:
        raise TypeError(f"data.total is {payload['total']!r}, not a whole number")
    return count


INVITEE_VOLUME = Stream(
    name="invitee_volume",
    doc="Get Invited Users Trading Volume",
    path=f"{_API}/volume/list",
    method="POST",
    # Without dates the endpoint means the past 30 days (Precautions 3): they are always sent.
    reads=Daily(30, dates("startTime", "endTime"), settles_after=timedelta(days=1)),
    rate=RATE,
    paging=PageNumber("pageNo", "pageSize", 1000, total=total),
    rows=listed,
    row_key=("uid", "time", "volume"),
    into=(
        Into(
            table=schema.trade_day,
            columns={
                "scope": Constant("member"),
                "subject_id": Field("uid", text),
                "market": Constant("all"),
                "day": Field("time", day_text),
                "volume": Field("volume", decimal),
                "fee": Constant(None),
            },
            scope={"scope": Constant("member"), "market": Constant("all")},
            within="day",
            # The order is "by trade_time, then by id" (Precautions 6): a user can have several rows for a day.
            adds_up=("volume",),
            mentions="subject_id",
        ),
    ),
)

# ---------------------------------------------------------------------------------------------------- activities


def activities(account: Account, roster: Roster) -> Iterable[Partition]:
    """The activities that the account names."""
    return (Partition.of(activity_id=activity) for activity in dict.fromkeys(account.settings.activities))


def details(raw: RawRow) -> Iterable[Any]:
    """The daily details of a user's row, each with the user's uid; they may be missing or empty (FACTS.md)."""
    detail = raw.get("detail")
    if detail in (None, ""):
        return []
    if not isinstance(detail, list):
        raise SetRowAside("detail", f"is {type(detail).__name__}, not a list")
    return [{**part, "uid": raw.get("uid")} if isinstance(part, dict) else part for part in detail]


ACTIVITY = Stream(
    name="activity",
    doc="Get Affiliate User Activity Data",
    path=f"{_API}/activity/list",
    method="POST",
    # Without times the endpoint means the current month (Precautions): they are always sent.
    reads=Monthly(dates("startTime", "endTime", at_start=" 00:00:00", at_end=" 23:59:59"), timedelta(days=1)),
    rate=RATE,
    paging=PageNumber("page", "pageSize", 1000, total=total),
    rows=listed,
    row_key=("uid",),
    has_unique_rows=True,
    unread=("detail",),
    fan_out=activities,
    partitioned_by=("activity_id",),
    params=lambda partition: {"activityId": partition["activity_id"], "showDetail": "yes"},
    into=(
        Into(
            table=schema.activity_period,
            columns={
                "activity_id": FromPartition("activity_id"),
                "invitee_id": Field("uid", text),
                "period_start": WindowDay(),
                "period_end": WindowLast(),
                "transfer_in": Field("contractTransIn", decimal),
                "transfer_out": Field("contractTransOut", decimal),
                "net_transfer_in": Field("contractNetTransIn", decimal),
                "volume": Field("contractVolume", decimal),
                "profit": Field("contractProfit", decimal),
                # As sent: FACTS.md calls it a percentage, in the page's example it is the fraction profit / initial.
                "roi_pct": Field("contractRoi", decimal),
                "initial_net_value": Field("initialNetValue", decimal),
            },
            scope={"activity_id": FromPartition("activity_id")},
            within="period_start",
            mentions="invitee_id",
        ),
        Into(
            table=schema.activity_day,
            columns={
                "activity_id": FromPartition("activity_id"),
                "invitee_id": Field("uid", text),
                "day": Field("date", day_text),
                "transfer_in": Field("contractTransIn", decimal),
                "transfer_out": Field("contractTransOut", decimal),
                "volume": Field("contractVolume", decimal),
            },
            scope={"activity_id": FromPartition("activity_id")},
            # The response example has a day of April for a request of March: such days are left to their month.
            within="day",
            explode=details,
            mentions="invitee_id",
        ),
    ),
)

STREAMS: tuple[Stream, ...] = (INVITEE_VOLUME, ACTIVITY)


def check(settings: Any, today: date) -> Draft:
    """The cheapest request that needs a valid key and the affiliate permission."""
    params: Params = {"startTime": str(today), "endTime": str(today), "pageNo": 1, "pageSize": 1}
    return Draft("POST", INVITEE_VOLUME.path, params)
