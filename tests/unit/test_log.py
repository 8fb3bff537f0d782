"""An append-only log is read whole at first and then only where it is new, in either order and while it grows."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import AnswerUnreadable, SuspiciousRemoval, UnstablePages
from etl.extract.client import Paid
from etl.extract.log import read_log
from etl.extract.request import window_drafts
from etl.extract.walk import Page, Reading
from etl.reads import Log
from etl.sources.lbank.streams import TEAM_MEMBERS
from etl.stream import Draft, PageNumber, Partition, Stream
from etl.windows import ONE_DAY, Window
from tests.unit.samples import NOON, lbank_account, paid

WINDOW = Window(NOON.date(), NOON.date() + ONE_DAY)
PAGES = PageNumber("page", "page_size", 100, total=lambda told: told["total"], told_size=lambda told: told["size"])
LOG = replace(
    TEAM_MEMBERS, name="log", reads=Log(), paging=PAGES, row_key=("id",), rows=lambda payload: payload["logs"], into=()
)


class Server:
    """A log of numbered rows, some of which may arrive between two requests; pages hold at most `most` rows."""

    def __init__(self, rows: int, *, newest_first: bool, arrivals: Sequence[int] = (), most: int = 100) -> None:
        self.ids = list(range(rows))
        self.newest_first = newest_first
        self.arrivals = list(arrivals)
        self.most = most
        self.asked: list[int] = []

    def grow(self, rows: int) -> None:
        self.ids += range(len(self.ids), len(self.ids) + rows)

    async def fetch(self, draft: Draft) -> Paid:
        number, size = int(draft.params["page"]), min(int(draft.params["page_size"]), self.most)
        self.asked.append(number)
        ordered = self.ids[::-1] if self.newest_first else self.ids
        page = ordered[(number - 1) * size : number * size]
        answer = paid(draft, {"logs": [{"id": each} for each in page], "total": len(self.ids), "size": size})
        if self.arrivals:
            self.grow(self.arrivals.pop(0))
        return answer


class Warehouse:
    """What was loaded before, and of this reading so far: every page is loaded before the next is asked for."""

    def __init__(self, known: Sequence[int] = ()) -> None:
        self.before = len(known)
        self.loaded = set(known)

    async def unknown(self, rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if row["id"] not in self.loaded]

    async def keep(self, page: Page) -> None:
        self.loaded |= {row["id"] for row in page.rows}

    async def read(self, server: Server, stream: Stream = LOG, *, may_shrink: bool = False) -> Reading:
        server.asked.clear()
        self.before = len(self.loaded)
        drafter = window_drafts(stream, lbank_account(), Partition(), WINDOW)
        return await read_log(
            stream,
            drafter,
            server.fetch,
            known=self.before,
            unknown=self.unknown,
            on_page=self.keep,
            may_shrink=may_shrink,
        )


both_orders = pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])


@both_orders
async def test_ten_thousand_rows_take_a_hundred_requests_then_one_and_few_for_few(*, newest_first: bool) -> None:
    server, warehouse = Server(10_000, newest_first=newest_first), Warehouse()
    reading = await warehouse.read(server)
    assert server.asked == list(range(1, 101))
    assert reading.is_whole
    assert warehouse.loaded == set(range(10_000))

    await warehouse.read(server)
    assert server.asked == [1]

    server.grow(7)
    reading = await warehouse.read(server)
    assert server.asked == ([1] if newest_first else [1, 101])
    assert warehouse.loaded == set(range(10_007))
    assert not reading.is_whole


@both_orders
async def test_rows_that_arrive_while_the_log_is_read_are_found(*, newest_first: bool) -> None:
    server, warehouse = Server(10_000, newest_first=newest_first, arrivals=[0] * 50 + [3]), Warehouse()
    await warehouse.read(server)
    assert warehouse.loaded == set(range(10_003))
    assert len(server.asked) <= 102


@both_orders
async def test_more_news_than_a_page_holds_are_read_page_by_page(*, newest_first: bool) -> None:
    server, warehouse = Server(1250, newest_first=newest_first), Warehouse(range(1000))
    await warehouse.read(server)
    assert server.asked == ([1, 2, 3] if newest_first else [1, 13, 12, 11])
    assert warehouse.loaded == set(range(1250))


@both_orders
async def test_what_an_interrupted_reading_had_loaded_is_not_paid_for_again(*, newest_first: bool) -> None:
    """It had come through the first 50 of 100 pages; three rows arrived since."""
    known = range(5_000, 10_000) if newest_first else range(5_000)
    server, warehouse = Server(10_000, newest_first=newest_first), Warehouse(known)
    server.grow(3)
    await warehouse.read(server)
    assert warehouse.loaded == set(range(10_003))
    assert len(server.asked) <= 53


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101])
@both_orders
async def test_small_logs_take_no_request_too_many(rows: int, *, newest_first: bool) -> None:
    server, warehouse = Server(rows, newest_first=newest_first), Warehouse()
    reading = await warehouse.read(server)
    assert server.asked == ([1, 2] if rows > 100 else [1])
    assert (len(reading.rows), reading.is_whole) == (rows, True)


@both_orders
async def test_a_server_that_cuts_pages_short_is_walked_by_the_size_it_tells(*, newest_first: bool) -> None:
    server, warehouse = Server(95, newest_first=newest_first, most=20), Warehouse()
    await warehouse.read(server)
    assert server.asked == [1, 2, 3, 4, 5]
    server.grow(3)
    await warehouse.read(server)
    assert server.asked == ([1] if newest_first else [1, 5])
    assert warehouse.loaded == set(range(98))


@both_orders
async def test_a_log_that_lacks_known_rows_is_not_believed_unless_it_may(*, newest_first: bool) -> None:
    server, warehouse = Server(250, newest_first=newest_first), Warehouse(range(253))
    with pytest.raises(SuspiciousRemoval, match="lacks some of the 253"):
        await warehouse.read(server)
    assert server.asked == [1]
    reading = await warehouse.read(server, may_shrink=True)
    assert reading.is_whole
    assert sorted(server.asked) == [1, 2, 3]


@both_orders
async def test_another_log_under_the_same_name_is_not_taken_for_one_that_has_grown(*, newest_first: bool) -> None:
    """A hundred rows are known, and the log has two hundred of which none is among them: the numbers add up."""
    server, warehouse = Server(200, newest_first=newest_first), Warehouse(range(1000, 1100))
    with pytest.raises(SuspiciousRemoval):
        await warehouse.read(server)
    assert set(range(200)) <= warehouse.loaded, "what is new was loaded, and nothing was removed"


@both_orders
async def test_a_total_that_lags_behind_removes_nothing(*, newest_first: bool) -> None:
    server, warehouse = Server(103, newest_first=newest_first), Warehouse(range(100))
    fetch = server.fetch

    async def lagging(draft: Draft) -> Paid:
        answer = await fetch(draft)
        return replace(answer, payload={**answer.payload, "total": 100})

    server.fetch = lagging  # type: ignore[method-assign]
    if newest_first:
        with pytest.raises(SuspiciousRemoval):
            await warehouse.read(server)
    else:
        assert not (await warehouse.read(server)).rows[100:], "nothing shows that there is more"
    server.fetch = fetch  # type: ignore[method-assign]
    warehouse.loaded = set(range(100))
    await warehouse.read(server)
    assert warehouse.loaded == set(range(103))


@both_orders
@pytest.mark.parametrize("off", [-1, 1])
async def test_a_total_that_is_off_and_stays_so_costs_one_sweep(off: int, *, newest_first: bool) -> None:
    server, warehouse = Server(2050, newest_first=newest_first), Warehouse()
    fetch = server.fetch

    async def wrong(draft: Draft) -> Paid:
        answer = await fetch(draft)
        return replace(answer, payload={**answer.payload, "total": 2050 + off})

    server.fetch = wrong  # type: ignore[method-assign]
    with pytest.raises(UnstablePages):
        await warehouse.read(server)
    assert len(server.asked) == 21
    assert warehouse.loaded == set(range(2050))


async def test_rows_without_an_id_are_rows_of_their_own() -> None:
    """They cannot be read, but they are counted; otherwise the total would never be explained."""

    async def fetch(draft: Draft) -> Paid:
        rows = [{"id": 1}, {"id": None, "action": "bind"}, {"action": "claim"}, {"id": "", "action": "bind"}]
        return paid(draft, {"logs": rows, "total": 4, "size": 100})

    async def all_but_the_first(rows: Sequence[Any]) -> list[Any]:
        return list(rows[1:])

    async def nothing(page: Page) -> None:
        pass

    drafter = window_drafts(LOG, lbank_account(), Partition(), WINDOW)
    reading = await read_log(LOG, drafter, fetch, known=1, unknown=all_but_the_first, on_page=nothing)
    assert len(reading.rows) == 4


@both_orders
async def test_a_total_that_the_pages_belie_fails_after_few_requests(*, newest_first: bool) -> None:
    server = Server(250, newest_first=newest_first)
    fetch = server.fetch

    async def boasting(draft: Draft) -> Paid:
        assert len(server.asked) < 100, "it is asked for ever"
        answer = await fetch(draft)
        return replace(answer, payload={**answer.payload, "total": 10**15})

    server.fetch = boasting  # type: ignore[method-assign]
    with pytest.raises(UnstablePages, match="1000000000000000 rows"):
        await Warehouse().read(server)
    assert len(server.asked) < 20


@both_orders
async def test_a_server_that_takes_no_notice_of_the_page_is_not_asked_for_as_many_as_it_tells(
    *, newest_first: bool
) -> None:
    server = Server(250, newest_first=newest_first)
    fetch = server.fetch

    async def stuck(draft: Draft) -> Paid:
        assert len(server.asked) < 100, "it is asked for ever"
        answer = await fetch(replace(draft, params={**draft.params, "page": 1}))
        return replace(answer, payload={**answer.payload, "total": 10**15})

    server.fetch = stuck  # type: ignore[method-assign]
    with pytest.raises(UnstablePages, match="1000000000000000 rows"):
        await Warehouse().read(server)
    assert len(server.asked) < 30


UNTOLD = replace(LOG, paging=replace(PAGES, told_size=lambda told: None))


@both_orders
async def test_the_first_page_tells_the_size_where_the_answer_does_not(*, newest_first: bool) -> None:
    known = range(40, 245) if newest_first else range(205)
    server, warehouse = Server(245, newest_first=newest_first, most=20), Warehouse(known)
    await warehouse.read(server, UNTOLD)
    assert warehouse.loaded == set(range(245))
    assert server.asked == [1, 13, 12, 11]


async def test_a_short_last_page_tells_no_size() -> None:
    server, warehouse = Server(2050, newest_first=False), Warehouse()
    fetch = server.fetch

    async def boasting(draft: Draft) -> Paid:
        answer = await fetch(draft)
        return replace(answer, payload={**answer.payload, "total": 2051})

    server.fetch = boasting  # type: ignore[method-assign]
    with pytest.raises(UnstablePages):
        await warehouse.read(server, UNTOLD)
    assert len(server.asked) == 21


async def test_a_log_that_grew_at_its_end_after_that_was_read_is_looked_at_there_again() -> None:
    server, warehouse = Server(300, newest_first=False, arrivals=[0, 3]), Warehouse(range(150))
    await warehouse.read(server)
    assert warehouse.loaded == set(range(303))
    assert server.asked == [1, 3, 2, 1, 1, 4]


async def test_the_page_that_mends_a_reading_is_the_last_to_be_read() -> None:
    server, warehouse = Server(10_000, newest_first=False), Warehouse()
    fetch = server.fetch

    async def flipping(draft: Draft) -> Paid:
        answer = await fetch(draft)
        if len(server.asked) == 50:
            server.ids[4999], server.ids[5000] = server.ids[5000], server.ids[4999]
        return answer

    server.fetch = flipping  # type: ignore[method-assign]
    await warehouse.read(server)
    assert server.asked == [*range(1, 101), 50]


@pytest.mark.parametrize("total", [None, -1])
async def test_an_answer_without_a_total_cannot_be_walked(total: int | None) -> None:
    stream = replace(LOG, paging=replace(PAGES, total=lambda told: total))
    with pytest.raises(AnswerUnreadable, match="tells no total"):
        await Warehouse().read(Server(3, newest_first=True), stream)


@pytest.mark.parametrize("page", [1, 2, 50, 99])
@both_orders
async def test_rows_that_change_places_across_two_pages_are_found_there(page: int, *, newest_first: bool) -> None:
    """No tie-break: the last row of a page and the first of the next are given out in one order and then in the other,
    so that one of them comes twice and the other not at all."""
    server, warehouse = Server(10_000, newest_first=newest_first), Warehouse()
    fetch, last = server.fetch, page * 100 - 1

    async def flipping(draft: Draft) -> Paid:
        answer = await fetch(draft)
        if len(server.asked) == page:
            at = 10_000 - 1 - last if newest_first else last
            step = -1 if newest_first else 1
            server.ids[at], server.ids[at + step] = server.ids[at + step], server.ids[at]
        return answer

    server.fetch = flipping  # type: ignore[method-assign]
    reading = await warehouse.read(server)
    assert warehouse.loaded == set(range(10_000))
    assert len(server.asked) <= 102
    assert reading.is_whole


@given(
    rows=st.integers(0, 60),
    known=st.data(),
    arrivals=st.lists(st.integers(0, 7), max_size=12),
    newest_first=st.booleans(),
    size=st.integers(1, 10),
)
async def test_whatever_was_known_and_whatever_arrives_nothing_is_lost(
    rows: int, known: st.DataObject, arrivals: list[int], newest_first: bool, size: int
) -> None:
    server = Server(rows, newest_first=newest_first, arrivals=arrivals, most=size)
    warehouse = Warehouse(sorted(known.draw(st.sets(st.sampled_from(range(rows))) if rows else st.just(set[int]()))))
    while server.arrivals:
        with suppress(UnstablePages):  # rows arrive faster than they are read: the next sync goes on
            await warehouse.read(server)
    await warehouse.read(server)
    assert warehouse.loaded == set(server.ids)
