"""All pages of a window are read, kept, and believed only when they belong together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from etl.errors import AnswerUnreadable, ProviderBusy, UnstablePages
from etl.extract.client import Paid
from etl.extract.request import window_drafts
from etl.extract.walk import Page, Reading, read_window, row_key
from etl.sources.lbank.streams import FUTURES_TURNOVER, TEAM_MEMBERS, TEAM_MEMBERS_LEGACY
from etl.stream import Draft, PageNumber, Partition, Stream
from etl.windows import ONE_DAY, Window
from tests.unit.samples import NOON, lbank_account, members, paid

WINDOW = Window(NOON.date(), NOON.date() + ONE_DAY)
Listing = list[dict[str, Any]]


class Exchange:
    """Serves a list that may change between requests: `lists` is given the number of the request, from 1."""

    def __init__(self, lists: Callable[[int], Sequence[dict[str, Any]]]) -> None:
        self.lists = lists
        self.asked: list[int] = []

    async def fetch(self, draft: Draft) -> Paid:
        start, size = int(draft.params["start"]), int(draft.params["pageSize"])
        self.asked.append(start)
        rows = list(self.lists(len(self.asked)))[start : start + size]
        return paid(draft, rows, sent_at=NOON + timedelta(seconds=len(self.asked)))


async def read(exchange: Exchange, kept: list[Page] | None = None) -> Reading:
    async def keep(page: Page) -> None:
        if kept is not None:
            kept.append(page)

    drafter = window_drafts(TEAM_MEMBERS, lbank_account(), Partition(), WINDOW)
    return await read_window(TEAM_MEMBERS, drafter, exchange.fetch, on_page=keep)


def ids(rows: Sequence[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


async def test_a_list_is_read_page_by_page_until_one_is_short() -> None:
    exchange = Exchange(lambda _: members(range(250)))
    kept: list[Page] = []
    reading = await read(exchange, kept)
    assert exchange.asked == [0, 100, 200]
    assert ids(reading.rows) == list(range(250))
    assert [(page.reading, page.number, len(page.rows)) for page in kept] == [
        *((1, 1, 100), (1, 2, 100), (1, 3, 50)),
    ]


async def test_a_full_last_page_asks_again() -> None:
    exchange = Exchange(lambda _: members(range(200)))
    assert len((await read(exchange)).rows) == 200
    assert exchange.asked == [0, 100, 200]


async def test_an_empty_list_takes_one_request() -> None:
    exchange = Exchange(lambda _: [])
    assert (await read(exchange)).rows == []
    assert exchange.asked == [0]


async def test_the_largest_id_walks_through_gaps_in_the_ids() -> None:
    everybody = members(range(7, 7 + 250 * 3, 3))
    asked: list[int] = []

    async def fetch(draft: Draft) -> Paid:
        start = int(draft.params["start"])
        asked.append(start)
        return paid(draft, [row for row in everybody if row["id"] > start][:100])

    drafter = window_drafts(TEAM_MEMBERS_LEGACY, lbank_account(), Partition(), WINDOW)
    reading = await read_window(TEAM_MEMBERS_LEGACY, drafter, fetch)
    assert reading.rows == everybody
    assert asked == [0, 7 + 99 * 3, 7 + 199 * 3]


async def test_a_list_that_shifts_while_it_is_read_is_read_again() -> None:
    # A member joins at the head of the list between the first and the second request.
    exchange = Exchange(lambda request: members(range(150)) if request == 1 else members([999, *range(150)]))
    reading = await read(exchange)
    assert exchange.asked == [0, 100, 0, 100]
    assert ids(reading.rows) == [999, *range(150)]
    assert len(reading.payloads) == 2


async def test_a_reading_began_when_the_one_that_counts_did() -> None:
    exchange = Exchange(lambda request: members(range(150)) if request == 1 else members([999, *range(150)]))
    assert (await read(exchange)).began_at == NOON + timedelta(seconds=3)


async def test_repeats_that_two_readings_agree_on_are_the_sources_own() -> None:
    twice = members([*range(120), 5])
    exchange = Exchange(lambda _: twice)
    reading = await read(exchange)
    assert exchange.asked == [0, 100, 0, 100]
    assert reading.rows == twice


async def test_readings_that_agree_in_all_but_the_order_are_believed() -> None:
    # Number 5 stands on both pages in either order.
    first, second = members([5, *range(6, 130), 5]), members([5, *range(129, 5, -1), 5])
    exchange = Exchange(lambda request: first if request <= 2 else second)
    reading = await read(exchange)
    assert exchange.asked == [0, 100, 0, 100]
    assert reading.rows == second


async def test_a_repeat_on_one_page_is_no_sign_of_movement() -> None:
    exchange = Exchange(lambda _: members([1, 1, *range(2, 150)]))
    assert ids((await read(exchange)).rows) == [1, 1, *range(2, 150)]
    assert exchange.asked == [0, 100]


async def test_pages_that_move_in_every_reading_fail_the_window_after_three() -> None:
    # Each request finds one more member at the head of the list.
    exchange = Exchange(lambda request: members([*range(1000 + request, 1000, -1), *range(150)]))
    kept: list[Page] = []
    with pytest.raises(UnstablePages):
        await read(exchange, kept)
    assert exchange.asked == [0, 100] * 3
    assert [page.reading for page in kept] == [1, 1, 2, 2, 3, 3]


async def test_repeats_with_other_values_each_time_are_not_believed() -> None:
    def lists(request: int) -> Listing:
        return [{**row, "balance": request} for row in members([*range(120), 5])]

    with pytest.raises(UnstablePages):
        await read(Exchange(lists))


async def test_every_page_that_was_paid_for_is_kept_also_those_of_rejected_readings() -> None:
    exchange = Exchange(lambda request: members(range(150)) if request == 1 else members([999, *range(150)]))
    kept: list[Page] = []
    await read(exchange, kept)
    assert [page.reading for page in kept] == [1, 1, 2, 2]
    assert [page.paid.draft.params["start"] for page in kept] == exchange.asked


async def test_a_page_is_handed_on_before_the_next_is_asked_for() -> None:
    events: list[str] = []
    exchange = Exchange(lambda _: members(range(150)))

    async def fetch(draft: Draft) -> Paid:
        events.append(f"asked {draft.params['start']}")
        return await exchange.fetch(draft)

    async def on_page(page: Page) -> None:
        events.append(f"page {page.number}")

    drafter = window_drafts(TEAM_MEMBERS, lbank_account(), Partition(), WINDOW)
    await read_window(TEAM_MEMBERS, drafter, fetch, on_page=on_page)
    assert events == ["asked 0", "page 1", "asked 100", "page 2"]


# ------------------------------------------------------------------------------------------------ totals

COUNTED = replace(
    TEAM_MEMBERS,
    paging=PageNumber("page", "size", 100, total=lambda told: told["total"]),
    rows=lambda told: told["list"],
)


class Counting:
    """Serves a numbered, newest-first list and its total; `lists` is given the number of the request, from 1."""

    def __init__(self, lists: Callable[[int], Sequence[int]], *, total: int | None = None) -> None:
        self.lists = lists
        self.total = total
        self.asked: list[int] = []

    async def fetch(self, draft: Draft) -> Paid:
        number, size = int(draft.params["page"]), int(draft.params["size"])
        self.asked.append(number)
        rows = members(self.lists(len(self.asked)))
        total = len(rows) if self.total is None else self.total
        return paid(draft, {"list": rows[(number - 1) * size : number * size], "total": total})

    async def read(self) -> Reading:
        drafter = window_drafts(COUNTED, lbank_account(), Partition(), WINDOW)
        return await read_window(COUNTED, drafter, self.fetch)


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (99, 1), (100, 1), (101, 2), (200, 2)])
async def test_a_total_saves_the_question_after_a_full_last_page(rows: int, pages: int) -> None:
    exchange = Counting(lambda _: range(rows))
    assert len((await exchange.read()).rows) == rows
    assert exchange.asked == list(range(1, pages + 1))


async def test_rows_that_arrive_on_top_while_it_is_read_make_it_be_read_again() -> None:
    exchange = Counting(lambda request: range(149, -1, -1) if request == 1 else range(150, -1, -1))
    reading = await exchange.read()
    assert ids(reading.rows) == list(range(150, -1, -1))
    assert exchange.asked == [1, 2, 1, 2]


async def test_a_total_that_grows_at_the_end_of_the_list_makes_it_be_read_again() -> None:
    exchange = Counting(lambda request: range(150) if request == 1 else range(151))
    assert len((await exchange.read()).rows) == 151
    assert exchange.asked == [1, 2, 1, 2]


async def test_rows_that_vanish_while_it_is_read_make_it_be_read_again() -> None:
    exchange = Counting(lambda request: range(150) if request == 1 else range(10, 150))
    assert len((await exchange.read()).rows) == 140


async def test_a_page_that_repeats_all_of_the_pages_before_is_not_believed_where_no_total_vouches_for_it() -> None:
    stream = replace(COUNTED, paging=PageNumber("page", "size", 100, total=lambda told: None))
    asked: list[int] = []

    async def fetch(draft: Draft) -> Paid:
        asked.append(int(draft.params["page"]))
        return paid(draft, {"list": members(range(100)), "total": None})

    with pytest.raises(UnstablePages):
        await read_window(stream, window_drafts(stream, lbank_account(), Partition(), WINDOW), fetch)
    asked.clear()
    unique = replace(stream, has_unique_rows=True)
    reading = await read_window(unique, window_drafts(unique, lbank_account(), Partition(), WINDOW), fetch)
    assert {row["id"] for row in reading.rows} == set(range(100)), "two readings agree, and rows never come twice"
    assert asked == [1, 2, 1, 2]


async def test_unique_rows_that_change_places_are_put_together_from_all_readings() -> None:
    """No order is documented: in the first two readings another row crosses from the second page to the first."""
    flips = iter([(99, 100), (5, 120)])
    order = list(range(150))

    async def fetch(draft: Draft) -> Paid:
        number = int(draft.params["page"])
        page = members(order)[(number - 1) * 100 : number * 100]
        if number == 1:
            for a, b in [next(flips, (0, 0))]:
                order[a], order[b] = order[b], order[a]
        return paid(draft, {"list": page, "total": 150})

    unique = replace(COUNTED, has_unique_rows=True)
    reading = await read_window(unique, window_drafts(unique, lbank_account(), Partition(), WINDOW), fetch)
    assert sorted(ids(reading.rows)) == list(range(150))


Told = Callable[[int, int], int]


def two_pages(
    lists: Callable[[int, int], Sequence[int]], told: Told, asked: list[int]
) -> Callable[[Draft], Awaitable[Paid]]:
    """Serves the rows of `lists(reading, page)` and the total of `told(reading, page)`; readings count from 0."""

    async def fetch(draft: Draft) -> Paid:
        number = int(draft.params["page"])
        asked.append(number)
        reading = asked.count(1) - 1
        rows = members(lists(reading, number)) if number <= 2 else []
        return paid(draft, {"list": rows, "total": told(reading, number)})

    return fetch


def always(total: int) -> Told:
    return lambda reading, page: total


async def read_two_pages(stream: Stream, fetch: Callable[[Draft], Awaitable[Paid]]) -> Reading:
    return await read_window(stream, window_drafts(stream, lbank_account(), Partition(), WINDOW), fetch)


UNIQUE = replace(COUNTED, has_unique_rows=True)


async def test_a_unique_row_that_comes_twice_in_every_reading_shows_that_another_is_missing() -> None:
    """Each page is cut from an order of its own: row 30 stands on both, row 120 on neither."""
    both = {1: range(100), 2: [*range(100, 120), 30, *range(121, 150)]}
    with pytest.raises(UnstablePages):
        await read_two_pages(UNIQUE, two_pages(lambda _, page: both[page], always(150), []))


async def test_three_readings_that_each_lack_others_make_a_whole_which_began_with_the_first() -> None:
    lacks = [(148, 149), (147, 149), (147, 148)]

    def lists(reading: int, page: int) -> Sequence[int]:
        return range(100) if page == 1 else [*(n for n in range(100, 150) if n not in lacks[reading]), 5, 6]

    asked: list[int] = []
    serve = two_pages(lists, always(150), asked)

    async def fetch(draft: Draft) -> Paid:
        answer = await serve(draft)
        return replace(answer, sent_at=NOON + timedelta(seconds=len(asked)))

    reading = await read_two_pages(UNIQUE, fetch)
    assert sorted(ids(reading.rows)) == list(range(150))
    assert asked == [1, 2, 1, 2, 1, 2]
    assert reading.began_at == NOON + timedelta(seconds=1), "no row is older than the reading"


async def test_readings_that_tell_another_total_are_not_put_together() -> None:
    """Row 149 is seen only while there are 151: what was seen at different times makes no list of 150."""

    def lists(reading: int, page: int) -> Sequence[int]:
        return range(100) if page == 1 else [*range(100, 150 if reading == 1 else 149), 5]

    with pytest.raises(UnstablePages):
        await read_two_pages(UNIQUE, two_pages(lists, lambda reading, _: 151 if reading == 1 else 150, []))


async def test_rows_that_may_come_twice_are_never_put_together_from_several_readings() -> None:
    def lists(reading: int, page: int) -> Sequence[int]:
        return range(100) if page == 1 else [50 + reading, *range(100, 149)]

    with pytest.raises(UnstablePages):
        await read_two_pages(COUNTED, two_pages(lists, always(149), []))


async def test_a_page_that_holds_only_rows_of_the_pages_before_ends_the_reading() -> None:
    asked: list[int] = []
    with pytest.raises(UnstablePages):
        await read_two_pages(
            COUNTED, two_pages(lambda _, page: range(100) if page == 1 else range(50), always(10**9), asked)
        )
    assert asked == [1, 2] * 3


async def test_a_page_that_is_given_out_twice_makes_no_whole_list_even_where_the_count_is_right() -> None:
    """The server takes no notice of the page: of two hundred rows it gives a hundred twice."""
    with pytest.raises(UnstablePages):
        await read_two_pages(COUNTED, two_pages(lambda _, page: range(100), always(200), []))


async def test_a_short_last_page_of_repeats_is_the_end_and_no_standstill() -> None:
    stream = replace(COUNTED, paging=PageNumber("page", "size", 100, total=lambda told: None))
    reading = await read_two_pages(
        stream, two_pages(lambda _, page: range(100) if page == 1 else [5, 6], always(0), [])
    )
    assert len(reading.rows) == 102


@pytest.mark.parametrize("totals", [(151, 150), (150, 151)])
async def test_pages_that_tell_different_totals_do_not_belong_together(totals: tuple[int, int]) -> None:
    lists = {1: range(100), 2: range(100, 150)}
    with pytest.raises(UnstablePages):
        await read_two_pages(
            COUNTED, two_pages(lambda _, page: lists[page], lambda _, page: totals[min(page, 2) - 1], [])
        )


def test_a_row_that_lacks_a_part_of_its_key_is_told_apart_by_all_of_it() -> None:
    stream = replace(COUNTED, row_key=("id", "day"))
    assert row_key(stream, {"id": 1, "a": 1}) != row_key(stream, {"id": 1, "a": 2})
    assert row_key(stream, {"id": 1, "day": 2, "a": 1}) == row_key(stream, {"id": 1, "day": 2, "a": 2})


async def test_readings_agree_whatever_the_order_of_names() -> None:
    asked: list[int] = []
    serve = two_pages(lambda _, page: range(100) if page == 1 else [*range(100, 120), 5], always(121), asked)

    async def fetch(draft: Draft) -> Paid:
        answer = await serve(draft)
        if len(asked) > 2:
            answer.payload["list"] = [dict(reversed(row.items())) for row in answer.payload["list"]]
        return answer

    await read_two_pages(COUNTED, fetch)
    assert len(asked) == 4


@pytest.mark.parametrize("total", [149, 151])
async def test_a_total_that_the_rows_never_meet_fails_the_window(total: int) -> None:
    exchange = Counting(lambda _: range(150), total=total)
    with pytest.raises(UnstablePages):
        await exchange.read()


async def test_a_server_that_sends_one_page_for_ever_is_not_asked_for_ever() -> None:
    asked: list[Any] = []

    async def fetch(draft: Draft) -> Paid:
        asked.append(draft)
        return paid(draft, {"list": members(range(100)), "total": 10**12})

    with pytest.raises(UnstablePages):
        await read_window(COUNTED, window_drafts(COUNTED, lbank_account(), Partition(), WINDOW), fetch)
    assert len(asked) == 6


@pytest.mark.parametrize("stream", [TEAM_MEMBERS, FUTURES_TURNOVER])
async def test_a_payload_of_another_shape_fails_the_window(stream: Stream) -> None:
    async def fetch(draft: Draft) -> Paid:
        return paid(draft, "maintenance")

    partition = Partition.of(open_id="LBA1", scope="ALL", symbol="")
    with pytest.raises(AnswerUnreadable, match=stream.path):
        await read_window(stream, window_drafts(stream, lbank_account(), partition, WINDOW), fetch)


async def test_a_failure_of_a_request_leaves_the_walk_as_it_is() -> None:
    async def fetch(draft: Draft) -> Paid:
        raise ProviderBusy("busy")

    with pytest.raises(ProviderBusy, match="busy"):
        await read_window(TEAM_MEMBERS, window_drafts(TEAM_MEMBERS, lbank_account(), Partition(), WINDOW), fetch)
