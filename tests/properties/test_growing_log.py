"""A log that is believed to be read was read to its last entry, whatever its order and whatever arrives meanwhile.

Entries are only ever added (FACTS.md, "ZTDX"). Of a log from which known entries vanish while others come, no total
tells; that is left out, and nothing but that.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from etl.errors import SuspiciousRemoval, UnstablePages
from etl.extract.client import Paid
from etl.extract.log import MOST_SWEEPS, read_log
from etl.extract.request import window_drafts
from etl.extract.walk import Fetch, Page, Reading
from etl.stream import Draft, Partition
from tests.unit.samples import lbank_account, paid
from tests.unit.test_log import LOG, UNTOLD, WINDOW

ORDERS = ("oldest first", "newest first", "ties", "none")


@dataclass(slots=True)
class GrowingLog:
    """Entries 0, 1, … in an `order`: by age, by age with three entries of one moment in any order among them, or in
    none, anew for each request. After its nth answer `then[n]` more arrive."""

    length: int
    order: str
    then: Sequence[int]
    most: int
    luck: Random
    asked: int = 0

    async def fetch(self, draft: Draft) -> Paid:
        size = min(int(draft.params["page_size"]), self.most)
        start = (int(draft.params["page"]) - 1) * size
        rows = [{"id": each} for each in self._ordered()[start : start + size]]
        answer = paid(draft, {"logs": rows, "total": self.length, "size": size})
        self.length += self.then[self.asked] if self.asked < len(self.then) else 0
        self.asked += 1
        return answer

    def _ordered(self) -> list[int]:
        ids = list(range(self.length))
        if self.order == "none":
            return self.luck.sample(ids, len(ids))
        if self.order == "ties":
            ids.sort(key=lambda each: (each // 3, self.luck.random()))
        return ids[::-1] if self.order == "newest first" else ids


@dataclass(slots=True)
class Loaded:
    """The ids that were loaded; entries of the `unreadable` never are."""

    ids: set[int]
    unreadable: frozenset[int] = frozenset()

    async def unknown(self, rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if row["id"] not in self.ids]

    async def keep(self, page: Page) -> None:
        self.ids |= {row["id"] for row in page.rows} - self.unreadable

    async def read(
        self, log: GrowingLog, *, is_size_told: bool, may_shrink: bool = False, fetch: Fetch | None = None
    ) -> Reading:
        stream = LOG if is_size_told else UNTOLD
        drafter, known = window_drafts(stream, lbank_account(), Partition(), WINDOW), len(self.ids)
        return await read_log(
            stream,
            drafter,
            fetch or log.fetch,
            known=known,
            unknown=self.unknown,
            on_page=self.keep,
            may_shrink=may_shrink,
        )


def logs(orders: Sequence[str] = ORDERS) -> st.SearchStrategy[GrowingLog]:
    return st.builds(
        GrowingLog,
        length=st.integers(0, 60),
        order=st.sampled_from(orders),
        then=st.lists(st.sampled_from([0, 0, 0, 1, 2, 7]), max_size=12),
        most=st.integers(1, 9),
        luck=st.integers(0, 10_000).map(Random),
    )


def some_of(log: GrowingLog) -> st.SearchStrategy[set[int]]:
    """Entries that were loaded before: none, any, or all up to or from some on, as a reading that was cut short left
    them."""
    ids, cut = set(range(log.length)), st.integers(0, 60)
    return (
        st.just(set[int]())
        | st.sets(st.integers(0, 60)).map(ids.__and__)
        | cut.map(lambda number: {each for each in ids if each < number})
        | cut.map(lambda number: {each for each in ids if each >= number})
    )


@given(logs(), st.data(), st.booleans())
async def test_what_was_there_before_is_loaded_or_the_reading_is_not_believed(
    log: GrowingLog, data: st.DataObject, is_size_told: bool
) -> None:
    unreadable = data.draw(st.frozensets(st.integers(0, 60), max_size=3))
    loaded = Loaded(data.draw(some_of(log)) - unreadable, unreadable)
    for _ in range(3):
        before, log.asked, log.then = log.length, 0, log.then if log.asked == 0 else ()
        reading = None
        with suppress(UnstablePages):
            reading = await loaded.read(log, is_size_told=is_size_told)
        pages = -(-log.length // log.most) + 1
        assert log.asked <= MOST_SWEEPS * 2 * pages
        event("not believed" if reading is None else "whole" if reading.is_whole else "news")
        if reading is not None:
            told = {row["id"] for row in reading.rows}
            assert set(range(before)) <= loaded.ids | (unreadable & told)
            assert loaded.ids <= set(range(log.length))
            assert len(told) == len(reading.rows)
            assert not reading.is_whole or loaded.ids <= told, "the others would be taken for removed"


@given(logs(("oldest first", "newest first")), st.data())
async def test_a_log_that_holds_still_is_read_and_the_next_night_costs_one_request(
    log: GrowingLog, data: st.DataObject
) -> None:
    log.then = ()
    loaded = Loaded(data.draw(some_of(log)))
    await loaded.read(log, is_size_told=True)
    assert loaded.ids == set(range(log.length))
    assert log.asked <= -(-log.length // log.most) + 1
    log.asked = 0
    await loaded.read(log, is_size_told=True)
    assert log.asked == 1


@given(logs(), st.integers(0, 10**12), st.booleans())
async def test_a_server_that_knows_no_pages_or_boasts_is_left_after_few_requests(
    log: GrowingLog, more: int, knows_pages: bool
) -> None:
    """Each page must bring something that the others of its sweep did not."""

    async def fetch(draft: Draft) -> Paid:
        assert log.asked < MOST_SWEEPS * 2 * (log.length + 4), "it is asked for ever"
        asked = draft if knows_pages else replace(draft, params={**draft.params, "page": 1})
        answer = await log.fetch(asked)
        return replace(answer, payload={**answer.payload, "total": log.length + more})

    boasting = Loaded(set())
    with suppress(UnstablePages):
        await boasting.read(log, is_size_told=True, fetch=fetch)
        assert more == 0


@given(logs(), st.integers(1, 9), st.booleans())
async def test_a_log_that_lacks_known_entries_removes_them_only_when_it_may_and_was_read_whole(
    log: GrowingLog, gone: int, is_size_told: bool
) -> None:
    log.then = ()
    everything = set(range(log.length + gone))
    with pytest.raises(SuspiciousRemoval):
        await Loaded(set(everything)).read(log, is_size_told=is_size_told)
    with suppress(UnstablePages):
        reading = await Loaded(everything).read(log, is_size_told=is_size_told, may_shrink=True)
        assert reading.is_whole
        assert sorted(row["id"] for row in reading.rows) == list(range(log.length))
