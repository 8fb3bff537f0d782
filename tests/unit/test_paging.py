"""The next page is decided from the declared paging and the page that arrived."""

from typing import Any

import pytest

from etl.errors import AnswerUnreadable
from etl.extract.paging import first_page, next_page, page_size
from etl.stream import LargestId, Offset, OnePage
from tests.unit.samples import members

OFFSET = Offset("start", "pageSize", 100)
LARGEST_ID = LargestId("start", "pageSize", 100, id_field="id")


def test_an_endpoint_without_paging_is_asked_once_and_without_page_parameters() -> None:
    assert first_page(OnePage()) == {}
    assert next_page(OnePage(), {}, members(range(5000))) is None
    assert page_size(OnePage()) is None


@pytest.mark.parametrize("paging", [OFFSET, LARGEST_ID])
def test_the_first_page_begins_at_0_and_asks_for_a_full_page(paging: Offset | LargestId) -> None:
    assert first_page(paging) == {"start": 0, "pageSize": 100}
    assert page_size(paging) == 100


@pytest.mark.parametrize(("start", "after"), [(0, 100), (100, 200), (99_900, 100_000)])
def test_an_offset_grows_by_the_page_size(start: int, after: int) -> None:
    asked = {"start": start, "pageSize": 100}
    assert next_page(OFFSET, asked, members(range(100))) == {"start": after, "pageSize": 100}


@pytest.mark.parametrize("paging", [OFFSET, LARGEST_ID])
@pytest.mark.parametrize("rows", [0, 1, 99])
def test_a_short_page_is_the_last(paging: Offset | LargestId, rows: int) -> None:
    assert next_page(paging, {"start": 0, "pageSize": 100}, members(range(1, rows + 1))) is None


def test_a_full_last_page_is_followed_by_another_question() -> None:
    assert next_page(OFFSET, {"start": 0, "pageSize": 100}, members(range(100))) is not None


def test_the_largest_id_of_the_page_begins_the_next_whatever_the_order() -> None:
    rows = members([*range(51, 101), 987, *range(1, 50)])
    assert next_page(LARGEST_ID, {"start": 0, "pageSize": 100}, rows) == {"start": 987, "pageSize": 100}


def test_the_start_of_a_page_may_have_been_kept_as_text() -> None:
    assert next_page(OFFSET, {"start": "100", "pageSize": "100"}, members(range(100))) == {
        "start": 200,
        "pageSize": 100,
    }


@pytest.mark.parametrize("largest", [100, 99])
def test_paging_that_stands_still_fails_instead_of_asking_for_ever(largest: int) -> None:
    rows = members([*range(1, 100), largest])
    with pytest.raises(AnswerUnreadable, match="stands still"):
        next_page(LARGEST_ID, {"start": 100, "pageSize": 100}, rows)


@pytest.mark.parametrize("odd", [None, "1001", True, 1.5, {}])
def test_a_page_whose_ids_cannot_be_compared_fails(odd: Any) -> None:
    rows = [*members(range(1, 100)), {"id": odd}]
    with pytest.raises(AnswerUnreadable, match="whole number in id"):
        next_page(LARGEST_ID, {"start": 0, "pageSize": 100}, rows)


@pytest.mark.parametrize("odd", [None, 7, {"openId": "LBA1"}])
def test_a_page_with_rows_without_ids_fails(odd: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="whole number in id"):
        next_page(LARGEST_ID, {"start": 0, "pageSize": 100}, [*members(range(1, 100)), odd])
