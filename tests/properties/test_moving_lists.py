"""A reading that is believed holds every row that was there while it was made, once, and nothing else.

What no reader can see is left out, and nothing but that:

- From a list that tells no total, a row vanishes between two requests of a reading: what follows moves up, and a row
  slips onto a page that was read. (Paging by the largest id is not troubled by it.)
- At an unchanged total, a row vanishes and another comes between the same two requests.
- In a list whose rows may come twice, the reader cannot tell a repeat from a row that moved, and in a list that tells
  no total, no page of repeats from the end. Two readings that agree are believed, and both may be wrong alike where the
  list moved in both.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from etl.errors import UnstablePages
from etl.extract.request import window_drafts
from etl.extract.walk import MOST_READINGS, Page, Reading, read_window
from etl.stream import PageNumber, Paging, Partition, Stream
from tests.properties.moving_list import (
    LARGEST_ID,
    NOTHING_TOLD,
    OFFSET,
    PAGE_SIZE,
    SIZE,
    TOTAL,
    TOTAL_AND_SIZE,
    WINDOW,
    Change,
    Kind,
    ListById,
    MovingList,
    changes,
    faults,
    first_rows,
    listing,
)
from tests.unit.samples import NOON, lbank_account

TELLS_TOTAL = [pytest.param(TOTAL, id="total"), pytest.param(TOTAL_AND_SIZE, id="total and size")]
TELLS_NONE = [
    pytest.param(OFFSET, id="offset"),
    pytest.param(PAGE_SIZE, id="size"),
    pytest.param(NOTHING_TOLD, id="nothing"),
]
both_kinds_of_rows = pytest.mark.parametrize("unique", [True, False], ids=["unique", "may come twice"])
page_sizes = st.integers(1, SIZE)


@dataclass(slots=True)
class Watched:
    """A reading, its pages, and what the list was at each request that counts."""

    reading: Reading
    pages: list[Page]
    was: list[Any]

    @property
    def moved(self) -> bool:
        """Whether the list was not the same at all of these requests."""
        return any(rows != self.was[0] for rows in self.was)

    @property
    def may_be_wrong(self) -> bool:
        """Whether it repeats rows, and was believed for agreeing with another while the list moved."""
        return self.repeats and self.moved and self.pages[-1].reading > 1

    @property
    def repeats(self) -> bool:
        """Whether a row stands on two of the pages that were read last."""
        last = [{row["id"] for row in page.rows} for page in self.pages if page.reading == self.pages[-1].reading]
        return max(Counter(each for ids in last for each in ids).values(), default=0) > 1


async def watch(stream: Stream, server: MovingList) -> Watched | None:
    """Reads the list; None where the reading is not believed. The number of requests is bounded in any case."""
    pages: list[Page] = []

    async def on_page(page: Page) -> None:
        pages.append(page)

    drafter = window_drafts(stream, lbank_account(), Partition(), WINDOW)
    try:
        reading = await read_window(stream, drafter, server.fetch, on_page=on_page)
    except UnstablePages:
        reading = None
    longest = max(len(rows) for rows in server.was)
    assert len(server.was) <= MOST_READINGS * (longest // min(server.most, SIZE) + 2)
    if reading is None:
        event("not believed")
        return None
    began = round((reading.began_at - NOON).total_seconds())
    watched = Watched(reading, pages, server.was[began - 1 :])
    event(f"believed, {'moved' if watched.moved else 'still'}, {pages[-1].reading} readings")
    return watched


def happenings(*kinds: Kind) -> st.SearchStrategy[list[list[Change]]]:
    return st.lists(changes(*kinds), max_size=14)


def one_way() -> st.SearchStrategy[list[list[Change]]]:
    """Between two requests rows come or vanish, but not both."""
    return st.lists(changes("add", "swap", "change") | changes("remove", "swap", "change"), max_size=14)


@both_kinds_of_rows
@pytest.mark.parametrize("paging", TELLS_TOTAL)
@given(data=st.data())
async def test_a_list_that_tells_its_total_may_move_as_it_likes(
    paging: PageNumber, data: st.DataObject, *, unique: bool
) -> None:
    rows, then = data.draw(first_rows(unique=unique)), data.draw(one_way())
    server = MovingList(rows, then, unique=unique, most=data.draw(page_sizes))
    watched = await watch(listing(paging, unique=unique), server)
    if watched is not None and (unique or not watched.may_be_wrong):
        assert not faults(watched.reading.rows, watched.was, by_id=False)


@both_kinds_of_rows
@pytest.mark.parametrize("paging", TELLS_NONE)
@given(data=st.data())
async def test_a_list_without_a_total_may_grow_and_move_but_not_shrink(
    paging: Paging, data: st.DataObject, *, unique: bool
) -> None:
    rows, then = data.draw(first_rows(unique=unique)), data.draw(happenings("add", "swap", "change"))
    # An offset counts full pages: their size is documented, and a larger one is refused and not cut.
    server = MovingList(rows, then, unique=unique, most=SIZE if paging is OFFSET else data.draw(page_sizes))
    watched = await watch(listing(paging, unique=unique), server)
    if watched is not None and not watched.may_be_wrong:
        assert not faults(watched.reading.rows, watched.was, by_id=False)


@given(rows=first_rows(), then=happenings("add", "remove", "change"))
async def test_a_list_by_ids_may_grow_and_shrink(rows: list[dict[str, int]], then: list[list[Change]]) -> None:
    watched = await watch(listing(LARGEST_ID, unique=False), ListById(rows, then))
    assert watched is not None
    assert watched.pages[-1].reading == 1
    assert not faults(watched.reading.rows, watched.was, by_id=False)


@both_kinds_of_rows
@pytest.mark.parametrize("paging", [*TELLS_TOTAL, *TELLS_NONE])
@given(data=st.data())
async def test_a_list_that_holds_still_is_read_exactly_and_at_once_unless_rows_come_twice(
    paging: Paging, data: st.DataObject, *, unique: bool
) -> None:
    most = SIZE if paging is OFFSET else data.draw(page_sizes)
    server = MovingList(data.draw(first_rows(unique=unique)), unique=unique, most=most)
    watched = await watch(listing(paging, unique=unique), server)
    if watched is None:
        assert has_a_page_of_repeats(server), "which might as well come from a server that knows no pages"
    else:
        assert watched.reading.rows == server.rows
        assert watched.pages[-1].reading <= (2 if watched.repeats else 1)


def has_a_page_of_repeats(server: MovingList) -> bool:
    ids = [row["id"] for row in server.rows]
    pages = range(server.most, len(ids), server.most)
    return any(set(ids[start : start + server.most]) <= set(ids[:start]) for start in pages)


@both_kinds_of_rows
@pytest.mark.parametrize("paging", [*TELLS_TOTAL, *TELLS_NONE])
@given(rows=first_rows(), boasts=st.integers(1, 10**15), stuck=st.sampled_from(["first", "last", None]))
async def test_a_total_that_is_not_reached_is_not_believed_and_not_asked_for_ever(
    paging: Paging, rows: list[dict[str, int]], boasts: int, stuck: Any, *, unique: bool
) -> None:
    server = MovingList(rows, unique=unique, stuck=stuck, boasts=boasts)
    watched = await watch(listing(paging, unique=unique), server)
    if paging in (TOTAL, TOTAL_AND_SIZE):
        assert watched is None


@pytest.mark.parametrize("stuck", ["first", "last"])
@pytest.mark.parametrize("paging", [TOTAL, TOTAL_AND_SIZE, PAGE_SIZE, NOTHING_TOLD])
@given(data=st.data())
async def test_a_server_that_takes_no_notice_of_the_page_is_not_believed_to_have_more_or_less(
    paging: PageNumber, data: st.DataObject, stuck: Any
) -> None:
    """Where it has more than its first page and tells no total, nobody can know; with a total, everybody does."""
    rows = data.draw(first_rows())
    server = MovingList(rows, most=data.draw(page_sizes), stuck=stuck)
    watched = await watch(listing(paging, unique=True), server)
    if watched is not None and (stuck == "last" or paging in (TOTAL, TOTAL_AND_SIZE)):
        assert not faults(watched.reading.rows, watched.was, by_id=True)
