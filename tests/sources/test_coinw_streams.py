"""CoinW's rows beyond the response examples: shapes that FACTS.md tells of, sums, days of other months, totals."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.errors import AnswerUnreadable
from etl.extract.paging import first_page, next_page, told_total
from etl.extract.request import raw_rows
from etl.normalize.rows import Batch, Context, normalise
from etl.sources.coinw import COINW
from etl.sources.coinw.streams import ACTIVITY, INVITEE_VOLUME, listed, total
from etl.stream import Account, Partition, Roster
from etl.windows import Window

ZONE = ZoneInfo("Asia/Shanghai")
READ_AT = datetime(2026, 5, 3, tzinfo=UTC)
APRIL = Window(date(2026, 4, 1), date(2026, 5, 1))
ACT = Partition.of(activity_id="ACT20260307")
DETAIL = {"date": "2026-04-02", "contractTransIn": "1", "contractTransOut": "0.50", "contractVolume": "7"}


def volumes(*rows: tuple[Any, Any, Any]) -> Batch:
    raw = [{"uid": uid, "time": time, "volume": volume} for uid, time, volume in rows]
    [batch] = normalise(INVITEE_VOLUME, raw, Context(Partition(), APRIL, ZONE, READ_AT))
    return batch


def activity(window: Window = APRIL, **changes: Any) -> tuple[Batch, Batch]:
    amounts = ("contractTransIn", "contractTransOut", "contractNetTransIn", "contractVolume", "contractProfit")
    raw = {"uid": "1", **dict.fromkeys((*amounts, "contractRoi", "initialNetValue"), "0"), **changes}
    period, day = normalise(ACTIVITY, [raw], Context(ACT, window, ZONE, READ_AT))
    return period, day


# ------------------------------------------------------------------------------------------------ volume


def test_rows_of_one_user_and_day_are_added_up_exactly() -> None:
    batch = volumes(
        (7, "2026-04-02", "0.1000000000000000000000001"),
        ("7", "2026-04-02", "123456789012345678901234.5"),
        (7, "2026-04-03", "5"),
        (8, "2026-04-02", "3"),
    )
    assert batch.rejects == []
    assert {(row["subject_id"], row["day"].day): row["volume"] for row in batch.rows} == {
        ("7", 2): Decimal("123456789012345678901234.6000000000000000000000001"),
        ("7", 3): Decimal(5),
        ("8", 2): Decimal(3),
    }


def test_equal_rows_of_one_reading_are_added_up_too() -> None:
    [row] = volumes((7, "2026-04-02", "2"), (7, "2026-04-02", "2")).rows
    assert row["volume"] == Decimal(4)


def test_a_sum_of_which_a_part_cannot_be_read_is_set_aside() -> None:
    batch = volumes((7, "2026-04-02", "2"), (7, "2026-04-02", "n/a"), (8, "2026-04-02", "1"))
    assert [row["subject_id"] for row in batch.rows] == ["8"]
    assert len(batch.rejects) == 2


@pytest.mark.parametrize("row", [(None, "2026-04-02", "1"), (7, "02.04.2026", "1"), (7, "2026-04-02", None)])
def test_a_volume_that_cannot_be_read_is_set_aside(row: tuple[Any, Any, Any]) -> None:
    batch = volumes(row)
    assert batch.rows == []
    assert len(batch.rejects) == 1


def test_days_outside_the_window_are_left_to_their_own() -> None:
    batch = volumes((7, "2026-03-31", "1"), (7, "2026-04-01", "2"), (7, "2026-04-30", "3"), (7, "2026-05-01", "4"))
    assert [row["volume"] for row in batch.rows] == [Decimal(2), Decimal(3)]
    assert batch.rejects == []


# ------------------------------------------------------------------------------------------------ activity


def test_the_days_of_the_response_example_are_read_in_their_month() -> None:
    _, day = activity(uid="123320752", detail=[DETAIL])
    assert day.rejects == []
    assert day.rows == [
        {
            "activity_id": "ACT20260307",
            "invitee_id": "123320752",
            "day": date(2026, 4, 2),
            "transfer_in": Decimal(1),
            "transfer_out": Decimal("0.50"),
            "volume": Decimal(7),
        }
    ]


def test_days_of_another_month_fall_away_and_the_period_stays() -> None:
    period, day = activity(Window(date(2026, 3, 1), date(2026, 4, 1)), detail=[DETAIL])
    assert [(row["period_start"], row["period_end"]) for row in period.rows] == [(date(2026, 3, 1), date(2026, 3, 31))]
    assert (day.rows, day.rejects) == ([], [])


@pytest.mark.parametrize("changes", [{}, {"detail": None}, {"detail": []}, {"detail": ""}])
def test_a_missing_or_empty_detail_is_no_days(changes: dict[str, Any]) -> None:
    period, day = activity(**changes)
    assert (len(period.rows), period.rejects) == (1, [])
    assert (day.rows, day.rejects) == ([], [])


@pytest.mark.parametrize("detail", [{}, DETAIL, "2026-04-02", 0, 1, True, False, Decimal(1)])
def test_a_detail_of_another_shape_is_set_aside_and_the_period_stays(detail: Any) -> None:
    period, day = activity(detail=detail)
    assert (len(period.rows), period.rejects) == (1, [])
    assert day.rows == []
    assert [reject.column for reject in day.rejects] == ["detail"]


@pytest.mark.parametrize("part", [None, 1, "2026-04-02", [], {**DETAIL, "date": None}, {"date": "2026-04-02"}])
def test_a_part_of_a_detail_that_cannot_be_read_costs_only_itself(part: Any) -> None:
    _, day = activity(detail=[part, {**DETAIL, "date": "2026-04-03"}])
    assert [row["day"] for row in day.rows] == [date(2026, 4, 3)]
    assert len(day.rejects) == 1


def account(*activities: str) -> Account:
    given = {"api_key": "k", "secret_key": "s", "activities": activities}
    return Account(
        name="coinw-main",
        source=COINW,
        base_url=COINW.base_url,
        zone=ZONE,
        start_date=date(2026, 1, 1),
        streams=COINW.streams,
        settings=COINW.settings.model_validate(given),
    )


def test_activities_are_asked_for_once_each_and_none_where_none_is_named() -> None:
    assert [each.key for each in ACTIVITY.fan_out(account("B", "A", "B"), Roster())] == ["B", "A"]
    assert list(ACTIVITY.fan_out(account(), Roster())) == []


# ------------------------------------------------------------------------------------------------ pages


@pytest.mark.parametrize("payload", [{"list": None, "total": 0}, {"list": [], "total": "0"}])
def test_null_in_the_place_of_the_list_is_no_rows(payload: Any) -> None:
    assert raw_rows(INVITEE_VOLUME, payload) == []
    assert next_page(INVITEE_VOLUME.paging, first_page(INVITEE_VOLUME.paging), payload, [], read=0) is None


@pytest.mark.parametrize("payload", [None, {}, {"total": 1}, {"list": {}}, {"list": "x"}, [], "x", 1])
def test_data_of_another_shape_is_unreadable(payload: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        raw_rows(ACTIVITY, payload)


@pytest.mark.parametrize(("told", "read"), [("9", 9), (1, 1)])
def test_the_total_comes_as_text_or_number(told: Any, read: int) -> None:
    assert total({"list": [], "total": told}) == read


NO_TOTALS: tuple[Any, ...] = ("", None, "many", True, 1.5, [])


@pytest.mark.parametrize("payload", [None, {}, *({"total": told} for told in NO_TOTALS)])
def test_a_list_without_a_total_is_not_believed(payload: Any) -> None:
    """Its pages shift while rows arrive; without the total that would go unnoticed."""
    with pytest.raises(AnswerUnreadable, match="how many rows"):
        told_total(INVITEE_VOLUME.paging, payload)


def test_pages_go_on_until_the_total_is_read() -> None:
    payload = {"list": [{}] * 1000, "total": "2000"}
    assert listed(payload) == payload["list"]
    second = next_page(ACTIVITY.paging, first_page(ACTIVITY.paging), payload, [{}] * 1000, read=1000)
    assert second == {"page": 2, "pageSize": 1000}
    assert next_page(ACTIVITY.paging, second, payload, [{}] * 1000, read=2000) is None
    assert next_page(INVITEE_VOLUME.paging, {"pageNo": 1, "pageSize": 1000}, payload, [{}], read=1000) == {
        "pageNo": 2,
        "pageSize": 1000,
    }
