"""ZTDX's log beyond the response example: rows that cannot be read, and what the answer tells of its pages."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.extract.paging import first_page, next_page, told_page_size
from etl.normalize.rows import Batch, Context, normalise
from etl.sources.ztdx.streams import REFERRAL_LOGS
from etl.stream import PageNumber, Partition
from etl.windows import Window

ENTRY = {
    "id": "550E8400-E29B-41D4-A716-446655440000",
    "action": "rebind",
    "target_address": None,
    "referral_code": None,
    "amount": None,
    "old_value": "OLD",
    "new_value": "NEW",
    "created_at": 1772010604000,
}


def normalised(*entries: dict[str, Any]) -> Batch:
    today = Window(date(2026, 3, 1), date(2026, 3, 2))
    [batch] = normalise(REFERRAL_LOGS, entries, Context(Partition(), today, ZoneInfo("UTC"), datetime.now(UTC)))
    return batch


def test_entries_of_any_day_are_kept_with_their_raw_meanings() -> None:
    [row] = normalised({**ENTRY, "action": "something_new"}).rows
    assert (row["action"], row["old_value"], row["new_value"]) == ("something_new", "OLD", "NEW")
    assert row["occurred_at"] == datetime(2026, 2, 25, 9, 10, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "kept"), [("45.00", "45.00"), (45, "45"), (Decimal("0.10"), "0.10"), (None, None), ("", None)]
)
def test_an_amount_is_decimal_text_or_missing(sent: Any, kept: str | None) -> None:
    [row] = normalised({**ENTRY, "amount": sent}).rows
    assert (None if row["amount"] is None else str(row["amount"])) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("id", None), ("id", "550e8400"), ("id", 7), ("action", None), ("action", "")),
        *(("created_at", None), ("created_at", 1772010604), ("created_at", "2026-02-25"), ("amount", "n/a")),
    ],
)
def test_an_entry_that_cannot_be_read_is_set_aside(name: str, value: Any) -> None:
    batch = normalised({**ENTRY, name: value})
    assert batch.rows == []
    assert [reject.column for reject in batch.rejects] == [name]


def test_an_entry_that_stands_on_two_pages_is_one_row() -> None:
    batch = normalised(ENTRY, ENTRY)
    assert (len(batch.rows), batch.rejects) == (1, [])


def test_a_reading_of_the_whole_log_speaks_for_the_account() -> None:
    [into] = REFERRAL_LOGS.into
    assert (into.scope, into.within, into.mentions) == ({}, None, None)


def test_the_size_that_the_answer_tells_is_believed() -> None:
    paging = REFERRAL_LOGS.paging
    assert isinstance(paging, PageNumber)
    assert told_page_size(paging, {"logs": [], "total": 3, "page_size": 20}) == 20
    assert told_page_size(paging, {"logs": [], "total": 3}) is None
    assert next_page(paging, first_page(paging), {"total": 30, "page_size": 20}, [ENTRY] * 20, read=20) == {
        "page": 2,
        "page_size": 100,
    }
