"""Rows that add up, and raw rows that hold several: nothing lost, nothing doubled, nothing looking right by half."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from etl import schema
from etl.errors import SetRowAside
from etl.normalize.fields import day_text, decimal, text
from etl.normalize.rows import Batch, Context, normalise
from etl.reads import Daily
from etl.stream import Constant, Field, Into, Partition, RawRow, Stream, WindowDay, WindowLast
from etl.windows import ONE_DAY, Window, dates
from tests.unit.samples import NOON, SHANGHAI

MARCH = Window(date(2026, 3, 1), date(2026, 4, 1))
VOLUMES = Into(
    table=schema.trade_day,
    columns={
        "scope": Constant("member"),
        "subject_id": Field("uid", text),
        "market": Constant("all"),
        "day": Field("time", day_text),
        "volume": Field("volume", decimal),
    },
    within="day",
    mentions="subject_id",
    adds_up=("volume",),
)


def details(raw: RawRow) -> Iterable[Any]:
    if not isinstance(raw["detail"], list):
        raise SetRowAside("detail", "is not a list")
    return ({**part, "uid": raw["uid"]} if isinstance(part, dict) else part for part in raw["detail"])


DETAILS = replace(VOLUMES, explode=details, adds_up=())


def batch(into: Into, *rows: Any) -> Batch:
    stream = Stream(
        name="volumes",
        doc="",
        path="/volumes",
        reads=Daily(31, dates("from", "to"), settles_after=ONE_DAY),
        rate=None,  # type: ignore[arg-type]
        rows=list,
        into=(into,),
    )
    [only] = normalise(stream, rows, Context(Partition(), MARCH, SHANGHAI, NOON))
    return only


def volume(uid: Any = "7", day: str = "2026-03-02", amount: Any = "1.50") -> dict[str, Any]:
    return {"uid": uid, "time": day, "volume": amount}


def sums(found: Batch) -> dict[tuple[str, date], str]:
    return {(row["subject_id"], row["day"]): str(row["volume"]) for row in found.rows}


def test_rows_of_one_key_are_added_with_the_larger_scale() -> None:
    found = batch(VOLUMES, volume(), volume(amount="2.5"), volume(amount="2.5"), volume(uid="8"))
    assert sums(found) == {("7", date(2026, 3, 2)): "6.50", ("8", date(2026, 3, 2)): "1.50"}
    assert found.rejects == []


def test_sums_are_exact_beyond_the_digits_of_the_default_context() -> None:
    found = batch(VOLUMES, volume(amount="9" * 39 + ".1"), volume(amount="0." + "0" * 59 + "7"))
    assert sums(found) == {("7", date(2026, 3, 2)): "9" * 39 + ".1" + "0" * 58 + "7"}


def test_a_sum_of_which_a_part_cannot_be_read_is_set_aside_and_the_others_load() -> None:
    found = batch(VOLUMES, volume(), volume(amount="abc"), volume(day="2026-03-03"), volume(uid="8"))
    assert sums(found) == {("7", date(2026, 3, 3)): "1.50", ("8", date(2026, 3, 2)): "1.50"}
    assert [row.column for row in found.rejects] == ["volume", "scope, subject_id, market, day"]
    assert "cannot be read" in found.rejects[1].reason


def test_a_part_whose_day_cannot_be_read_may_belong_to_any_sum_of_its_person() -> None:
    found = batch(VOLUMES, volume(), volume(day="2026-03-02 00:00:00"), volume(day="2026-03-09"), volume(uid="8"))
    assert sums(found) == {("8", date(2026, 3, 2)): "1.50"}
    assert len(found.rejects) == 3


@pytest.mark.parametrize("uid", [None, "", True, {}])
def test_a_part_of_nobody_who_can_be_read_is_set_aside_alone(uid: Any) -> None:
    found = batch(VOLUMES, volume(), volume(uid=uid), volume(uid="8"))
    assert sums(found) == {("7", date(2026, 3, 2)): "1.50", ("8", date(2026, 3, 2)): "1.50"}
    assert [row.column for row in found.rejects] == ["uid"]


def test_a_row_that_cannot_be_read_is_no_matter_of_a_window_that_is_not_its_own() -> None:
    found = batch(VOLUMES, volume(), volume(day="2026-02-28", amount="abc"), volume(day="2026-04-01", amount=None))
    assert sums(found) == {("7", date(2026, 3, 2)): "1.50"}
    assert found.rejects == []


def test_rows_outside_the_window_are_left_to_their_own_and_not_added() -> None:
    found = batch(VOLUMES, volume(), volume(day="2026-02-28"), volume(day="2026-04-01"))
    assert sums(found) == {("7", date(2026, 3, 2)): "1.50"}


def test_one_raw_row_becomes_a_row_for_each_of_its_parts() -> None:
    parts = [volume(), volume(day="2026-03-05", amount="0"), volume(day="2026-02-28")]
    found = batch(DETAILS, {"uid": "9", "detail": parts}, {"uid": "10", "detail": []})
    assert sums(found) == {("9", date(2026, 3, 2)): "1.50", ("9", date(2026, 3, 5)): "0"}
    assert found.rejects == []


@pytest.mark.parametrize("detail", [{"a": 1}, "text", 7])
def test_parts_of_another_shape_cost_their_row_and_no_other(detail: Any) -> None:
    found = batch(DETAILS, {"uid": "9", "detail": detail}, {"uid": "8", "detail": [volume()]})
    assert sums(found) == {("8", date(2026, 3, 2)): "1.50"}
    [reject] = found.rejects
    assert (reject.column, reject.reason) == ("detail", "is not a list")


def test_a_part_that_is_no_object_is_set_aside_alone() -> None:
    found = batch(DETAILS, {"uid": "9", "detail": ["x", volume()]})
    assert sums(found) == {("9", date(2026, 3, 2)): "1.50"}
    assert [reject.reason for reject in found.rejects] == ["holds a part that is not an object"]


def test_the_ends_of_the_window_can_be_columns() -> None:
    into = Into(
        table=schema.activity_period,
        columns={
            "activity_id": Constant("A"),
            "invitee_id": Field("uid", text),
            "period_start": WindowDay(),
            "period_end": WindowLast(),
            "volume": Field("volume", decimal),
        },
        within="period_start",
    )
    [row] = batch(into, volume()).rows
    assert (row["period_start"], row["period_end"]) == (date(2026, 3, 1), date(2026, 3, 31))
    assert row["volume"] == Decimal("1.50")
