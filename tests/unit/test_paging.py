"""The next page is decided from the declared paging and the page that arrived."""

from typing import Any

import pytest

from etl.errors import AnswerUnreadable
from etl.extract.paging import first_page, next_page, page_size, told_page_size
from etl.stream import LargestId, Offset, OnePage, PageNumber, Paging, Params
from tests.unit.samples import members

OFFSET = Offset("start", "pageSize", 100)
LARGEST_ID = LargestId("start", "pageSize", 100, id_field="id")
NUMBERED = PageNumber(
    "page", "size", 100, total=lambda told: told.get("total"), told_size=lambda told: told.get("size")
)


def following(paging: Paging, asked: Params, rows: list[Any]) -> Params | None:
    """The page after the first that was read."""
    return next_page(paging, asked, None, rows, read=len(rows))


def test_an_endpoint_without_paging_is_asked_once_and_without_page_parameters() -> None:
    assert first_page(OnePage()) == {}
    assert following(OnePage(), {}, members(range(5000))) is None
    assert page_size(OnePage()) is None


@pytest.mark.parametrize("paging", [OFFSET, LARGEST_ID])
def test_the_first_page_begins_at_0_and_asks_for_a_full_page(paging: Offset | LargestId) -> None:
    assert first_page(paging) == {"start": 0, "pageSize": 100}
    assert page_size(paging) == 100


@pytest.mark.parametrize(("start", "after"), [(0, 100), (100, 200), (99_900, 100_000)])
def test_an_offset_grows_by_the_page_size(start: int, after: int) -> None:
    asked = {"start": start, "pageSize": 100}
    assert following(OFFSET, asked, members(range(100))) == {"start": after, "pageSize": 100}


@pytest.mark.parametrize("paging", [OFFSET, LARGEST_ID])
@pytest.mark.parametrize("rows", [0, 1, 99])
def test_a_short_page_is_the_last(paging: Offset | LargestId, rows: int) -> None:
    assert following(paging, {"start": 0, "pageSize": 100}, members(range(1, rows + 1))) is None


def test_a_full_last_page_is_followed_by_another_question() -> None:
    assert following(OFFSET, {"start": 0, "pageSize": 100}, members(range(100))) is not None


def test_the_largest_id_of_the_page_begins_the_next_whatever_the_order() -> None:
    rows = members([*range(51, 101), 987, *range(1, 50)])
    assert following(LARGEST_ID, {"start": 0, "pageSize": 100}, rows) == {"start": 987, "pageSize": 100}


def test_the_start_of_a_page_may_have_been_kept_as_text() -> None:
    assert following(OFFSET, {"start": "100", "pageSize": "100"}, members(range(100))) == {
        "start": 200,
        "pageSize": 100,
    }


@pytest.mark.parametrize("largest", [100, 99])
def test_paging_that_stands_still_fails_instead_of_asking_for_ever(largest: int) -> None:
    rows = members([*range(1, 100), largest])
    with pytest.raises(AnswerUnreadable, match="stands still"):
        following(LARGEST_ID, {"start": 100, "pageSize": 100}, rows)


@pytest.mark.parametrize("odd", [None, "1001", True, 1.5, {}])
def test_a_page_whose_ids_cannot_be_compared_fails(odd: Any) -> None:
    rows = [*members(range(1, 100)), {"id": odd}]
    with pytest.raises(AnswerUnreadable, match="whole number in id"):
        following(LARGEST_ID, {"start": 0, "pageSize": 100}, rows)


@pytest.mark.parametrize("odd", [None, 7, {"openId": "LBA1"}])
def test_a_page_with_rows_without_ids_fails(odd: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="whole number in id"):
        following(LARGEST_ID, {"start": 0, "pageSize": 100}, [*members(range(1, 100)), odd])


def test_pages_with_a_number_begin_at_1() -> None:
    assert first_page(NUMBERED) == {"page": 1, "size": 100}
    assert page_size(NUMBERED) == 100


@pytest.mark.parametrize(
    ("told", "rows", "read", "after"),
    [
        pytest.param({"total": 250}, 100, 100, 4, id="the total is not reached"),
        pytest.param({"total": 250}, 50, 250, None, id="the total is reached by a short page"),
        pytest.param({"total": 300}, 100, 300, None, id="the total is reached by a full page"),
        pytest.param({"total": 300}, 60, 120, 4, id="a page is cut below what was asked for"),
        pytest.param({"total": 300}, 0, 120, None, id="nothing comes any more"),
        pytest.param({"total": 0}, 0, 0, None, id="there is nothing"),
        pytest.param({}, 60, 180, 4, id="nothing told, a page like those before"),
        pytest.param({}, 59, 179, None, id="nothing told, a page shorter than those before"),
        pytest.param({}, 0, 120, None, id="nothing told, nothing comes"),
        pytest.param({"size": 500}, 100, 300, 4, id="a size is told that was not asked for"),
        pytest.param({"size": 50}, 50, 150, 4, id="no total, full page of the size that is told"),
        pytest.param({"size": 50}, 49, 149, None, id="no total, short page of the size that is told"),
    ],
)
def test_a_page_with_a_number_is_followed_until_the_total_or_a_short_page(
    told: dict[str, int], rows: int, read: int, after: int | None
) -> None:
    following = next_page(NUMBERED, {"page": 3, "size": 100}, told, members(range(rows)), read=read, largest=60)
    assert following == (None if after is None else {"page": after, "size": 100})


@pytest.mark.parametrize(
    ("told", "size"), [({}, None), ({"size": 20}, 20), ({"size": 0}, 1), ({"size": -3}, 1), ({"size": 500}, 100)]
)
def test_a_full_page_holds_what_the_answer_says(told: dict[str, int], size: int | None) -> None:
    assert told_page_size(NUMBERED, told) == size


@pytest.mark.parametrize(("rows", "is_last"), [(0, True), (1, False), (20, False), (100, False)])
def test_a_first_page_that_tells_nothing_may_have_been_cut_and_is_the_last_only_when_empty(
    rows: int, *, is_last: bool
) -> None:
    assert (next_page(NUMBERED, {"page": 1, "size": 100}, {}, members(range(rows)), read=rows) is None) is is_last
