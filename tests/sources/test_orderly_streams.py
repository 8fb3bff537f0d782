"""Orderly's samples against the page's placeholders, and its rows and pages beyond them."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.errors import AnswerUnreadable
from etl.extract.paging import first_page, next_page, told_page_size, told_total
from etl.extract.request import Answer, judged, raw_rows
from etl.normalize.rows import Batch, Context, normalise
from etl.sources.orderly import ORDERLY
from etl.sources.orderly.streams import PAGES, SUMMARY_BY_ACCOUNT, SUMMARY_BY_DATE, told_size, total
from etl.stream import Partition, Stream
from etl.windows import Window

FOLDER = Path(__file__).parent / "orderly"
DAY = Window(date(2026, 3, 2), date(2026, 3, 3))
ROW: dict[str, Any] = json.loads((FOLDER / "documented.json").read_text())["data"]["rows"][0]


def normalised(stream: Stream, *rows: dict[str, Any]) -> Batch:
    context = Context(Partition(), DAY, ZoneInfo("UTC"), datetime(2026, 3, 4, tzinfo=UTC))
    [batch] = normalise(stream, rows, context)
    return batch


@pytest.mark.parametrize("stream", ORDERLY.streams, ids=lambda stream: stream.name)
def test_a_sample_has_the_fields_of_the_page_and_what_facts_tells_of(stream: Stream) -> None:
    sample = json.loads((FOLDER / f"{stream.name}.json").read_text())
    page = json.loads((FOLDER / "documented.json").read_text())
    assert (set(sample), set(sample["data"])) == (set(page), set(page["data"]))
    # "empty or absent": account fields by date, the date by account; of the two bonus rebates either, both or neither.
    may_lack = {"account_id", "user_address", "date", "total_direct_bonus_rebate"}
    for row in sample["data"]["rows"]:
        assert set(ROW) - may_lack <= set(row) <= set(ROW) | {"total_base_rebate"}
    assert set(ROW) <= set().union(*sample["data"]["rows"])


def test_the_pages_own_example_is_read_as_far_as_its_placeholders_go() -> None:
    payload = judged(Answer(200, (FOLDER / "documented.json").read_bytes()), ORDERLY)
    assert (total(payload), told_size(payload)) == (None, None)
    [row] = normalised(SUMMARY_BY_ACCOUNT, *raw_rows(SUMMARY_BY_ACCOUNT, payload)).rows
    assert (row["invitee_id"], row["wallet_address"], row["day"]) == ("<string>", "<string>", date(2026, 3, 2))
    numbers = [name for name in row if name not in ("invitee_id", "wallet_address", "day", "base_rebate")]
    assert {name: row[name] for name in numbers} == dict.fromkeys(numbers, Decimal(123))
    assert len(numbers) == 12
    batch = normalised(SUMMARY_BY_DATE, *raw_rows(SUMMARY_BY_DATE, payload))
    assert [reject.column for reject in batch.rejects] == ["date"], "its date is the placeholder <string>"


@pytest.mark.parametrize("bonus", [{}, {"total_direct_bonus_rebate": None}, {"total_direct_bonus_rebate": 5}])
@pytest.mark.parametrize("base", [{}, {"total_base_rebate": ""}, {"total_base_rebate": Decimal("0.10")}])
def test_either_bonus_rebate_may_be_there(bonus: dict[str, Any], base: dict[str, Any]) -> None:
    without = {name: value for name, value in ROW.items() if name != "total_direct_bonus_rebate"}
    [row] = normalised(SUMMARY_BY_ACCOUNT, {**without, **bonus, **base}).rows
    assert row["direct_bonus_rebate"] == (Decimal(5) if bonus.get("total_direct_bonus_rebate") else None)
    assert row["base_rebate"] == (Decimal("0.10") if base.get("total_base_rebate") else None)


@pytest.mark.parametrize(
    "name", [name for name in ROW if name.startswith("total_") and "bonus" not in name] + ["broker_fee"]
)
@pytest.mark.parametrize("value", [None, "", "NaN", True])
def test_a_number_that_is_missing_or_none_is_set_aside(name: str, value: Any) -> None:
    batch = normalised(SUMMARY_BY_DATE, {**ROW, "date": "2026-03-02", name: value})
    assert batch.rows == []
    assert [reject.column for reject in batch.rejects] == [name]


def test_a_row_by_account_without_an_account_is_set_aside() -> None:
    batch = normalised(SUMMARY_BY_ACCOUNT, {**ROW, "account_id": ""})
    assert [reject.column for reject in batch.rejects] == ["account_id"]


def test_rows_of_another_day_are_left_to_their_own_window() -> None:
    batch = normalised(SUMMARY_BY_DATE, {**ROW, "date": "2026-03-01"}, {**ROW, "date": "2026-03-02"})
    assert [row["day"] for row in batch.rows] == [date(2026, 3, 2)]


@pytest.mark.parametrize("meta", ["<unknown>", None, {}, [], {"total": None}, {"total": "many"}])
def test_without_meta_a_page_shorter_than_the_one_before_is_the_last(meta: Any) -> None:
    """The largest size is not published: a first page of 20 rows may be a full one."""
    payload = {"rows": [], "meta": meta}
    assert told_total(PAGES, payload) is None
    second = {"page": 2, "size": 100}
    assert next_page(PAGES, first_page(PAGES), payload, [ROW] * 20, read=20) == second
    assert next_page(PAGES, first_page(PAGES), payload, [], read=0) is None
    assert next_page(PAGES, second, payload, [ROW] * 20, read=40, largest=20) == {"page": 3, "size": 100}
    assert next_page(PAGES, second, payload, [ROW] * 19, read=39, largest=20) is None
    assert total({"rows": []}) is None


def test_the_size_that_the_answer_tells_is_believed() -> None:
    assert told_page_size(PAGES, {"rows": [], "meta": {"records_per_page": 50}}) == 50
    payload = {"rows": [], "meta": {"records_per_page": "50"}}
    assert next_page(PAGES, first_page(PAGES), payload, [ROW] * 50, read=50) == {"page": 2, "size": 100}
    assert next_page(PAGES, first_page(PAGES), payload, [ROW] * 49, read=49) is None


@pytest.mark.parametrize("told", [120, "120"])
def test_pages_go_on_until_the_total_is_read(told: Any) -> None:
    payload = {"rows": [], "meta": {"total": told, "records_per_page": 60, "current_page": 1}}
    assert next_page(PAGES, first_page(PAGES), payload, [ROW] * 60, read=60) == {"page": 2, "size": 100}
    assert next_page(PAGES, {"page": 2, "size": 100}, payload, [ROW] * 60, read=120) is None


@pytest.mark.parametrize("payload", [{}, {"rows": None}, {"rows": {}}, {"rows": "x"}])
def test_data_of_another_shape_is_unreadable(payload: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        raw_rows(SUMMARY_BY_DATE, payload)


@pytest.mark.parametrize("told", ["", None, "<string>", "2026-03-02"])
def test_the_day_of_an_account_is_the_one_that_was_asked_for(told: Any) -> None:
    batch = normalised(SUMMARY_BY_ACCOUNT, {**ROW, "date": told})
    assert [row["day"] for row in batch.rows] == [date(2026, 3, 2)]


def test_an_account_that_tells_another_day_is_set_aside() -> None:
    batch = normalised(SUMMARY_BY_ACCOUNT, {**ROW, "date": "2025-01-01"})
    assert batch.rows == []
    assert [(reject.column, "2025-01-01" in reject.reason) for reject in batch.rejects] == [("date", True)]
