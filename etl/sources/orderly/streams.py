"""Orderly's one endpoint, asked by date and by account, as streams (orderly-summary.txt; DESIGN section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from etl import schema
from etl.normalize.fields import day_text, decimal, optional, text, whole
from etl.reads import Daily
from etl.stream import ColumnSource, Draft, Field, Into, PageNumber, Rate, RawRow, Stream, WindowDay
from etl.windows import dates

# 10 requests per second (FACTS.md, "Orderly").
RATE = Rate(10, 1.0)
PATH = "/v1/referral/multi_level/admin/summary"
# Inclusive UTC days (FACTS.md).
SPAN = dates("start_date", "end_date")


def rows(payload: Any) -> Sequence[RawRow]:
    """The rows in `data.rows`."""
    listed = payload["rows"]
    if not isinstance(listed, list):
        raise TypeError(f"data.rows is {type(listed).__name__}, not a list")
    return listed


def _of_meta(payload: Any, name: str) -> int | None:
    # The page has "meta": "<unknown>"; FACTS.md says that it is {total, records_per_page, current_page}.
    meta = payload.get("meta") if isinstance(payload, dict) else None
    return whole(meta.get(name)) if isinstance(meta, dict) else None


def total(payload: Any) -> int | None:
    """How many rows there are, where `data.meta` says so."""
    return _of_meta(payload, "total")


def told_size(payload: Any) -> int | None:
    """How many rows a full page holds, where `data.meta` says so: the largest size is not published."""
    return _of_meta(payload, "records_per_page")


PAGES = PageNumber("page", "size", 100, total=total, told_size=told_size)

_FACTS: dict[str, ColumnSource] = {
    "direct_invites": Field("total_direct_invites", decimal),
    "indirect_invites": Field("total_indirect_invites", decimal),
    "invites": Field("total_invites", decimal),
    "direct_traded": Field("total_direct_traded", decimal),
    "indirect_traded": Field("total_indirect_traded", decimal),
    "direct_volume": Field("total_direct_volume", decimal),
    "indirect_volume": Field("total_indirect_volume", decimal),
    "volume": Field("total_volume", decimal),
    "broker_fee": Field("broker_fee", decimal),
    "direct_rebate": Field("total_direct_rebate", decimal),
    "indirect_rebate": Field("total_indirect_rebate", decimal),
    # The one is being replaced by the other: either, both or neither may be there (FACTS.md).
    "direct_bonus_rebate": Field("total_direct_bonus_rebate", optional(decimal)),
    "base_rebate": Field("total_base_rebate", optional(decimal)),
}

SUMMARY_BY_DATE = Stream(
    name="summary_by_date",
    doc="Get multilevel summary info, aggregate_by=date",
    path=PATH,
    # No longest range is published; 30 days are asked for at most (FACTS.md).
    reads=Daily(30, SPAN, settles_after=timedelta(days=1)),
    rate=RATE,
    paging=PAGES,
    rows=rows,
    row_key=("date",),
    has_unique_rows=True,
    unread=("account_id", "user_address"),
    params=lambda partition: {"aggregate_by": "date"},
    into=(Into(table=schema.broker_day, columns={"day": Field("date", day_text), **_FACTS}, within="day"),),
)

SUMMARY_BY_ACCOUNT = Stream(
    name="summary_by_account",
    doc="Get multilevel summary info, aggregate_by=account_id",
    path=PATH,
    # One row an account over the whole range, without a date: per account and day means one query a day (FACTS.md).
    reads=Daily(1, SPAN, settles_after=timedelta(days=1)),
    rate=RATE,
    paging=PAGES,
    rows=rows,
    row_key=("account_id",),
    has_unique_rows=True,
    params=lambda partition: {"aggregate_by": "account_id"},
    into=(
        Into(
            table=schema.broker_account_day,
            columns={
                "invitee_id": Field("account_id", text),
                "day": WindowDay(told="date"),  # "date empty or absent" (FACTS.md)
                "wallet_address": Field("user_address", optional(text)),
                **_FACTS,
            },
            within="day",
            mentions="invitee_id",
        ),
    ),
)

STREAMS: tuple[Stream, ...] = (SUMMARY_BY_DATE, SUMMARY_BY_ACCOUNT)


def check(settings: Any, today: date) -> Draft:
    """The cheapest request that needs a valid key and the admin permission."""
    span = {"start_date": str(today), "end_date": str(today)}
    return Draft("GET", PATH, {"aggregate_by": "date", **span, "page": 1, "size": 1})
