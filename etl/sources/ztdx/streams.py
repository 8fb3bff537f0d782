"""ZTDX's referral log as a stream (ztdx-referral-logs.txt; DESIGN section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from etl import schema
from etl.normalize.fields import decimal, instant_ms, optional, text, uuid, whole
from etl.reads import Log
from etl.stream import Draft, Field, Into, PageNumber, Rate, RawRow, Stream


def logs(payload: Any) -> Sequence[RawRow]:
    """The rows in `logs`."""
    rows: list[RawRow] = payload["logs"]
    return rows


REFERRAL_LOGS = Stream(
    name="referral_logs",
    doc="Referral Logs",
    path="/referral/logs",
    # No filter by date and no documented order; entries are only ever added (FACTS.md, "ZTDX").
    reads=Log(),
    # Limits are not published (FACTS.md).
    rate=Rate(1, 1.0),
    paging=PageNumber(
        "page",
        "page_size",
        100,
        total=lambda payload: whole(payload.get("total")),
        # Cut to 1..100 in silence, and echoed (FACTS.md).
        told_size=lambda payload: whole(payload.get("page_size")),
    ),
    rows=logs,
    row_key=("id",),
    into=(
        Into(
            table=schema.referral_event,
            columns={
                "event_id": Field("id", uuid),
                "action": Field("action", text),
                "target_address": Field("target_address", optional(text)),
                "referral_code": Field("referral_code", optional(text)),
                "amount": Field("amount", optional(decimal)),
                "old_value": Field("old_value", optional(text)),
                "new_value": Field("new_value", optional(text)),
                "occurred_at": Field("created_at", instant_ms),
            },
            scope={},  # a reading of the whole log speaks for the account
        ),
    ),
)

STREAMS: tuple[Stream, ...] = (REFERRAL_LOGS,)


def check(settings: Any, today: date) -> Draft:
    """The cheapest request that needs a valid token."""
    return Draft("GET", REFERRAL_LOGS.path, {"page": 1, "page_size": 1})
