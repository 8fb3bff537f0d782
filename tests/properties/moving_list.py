"""A list on a server, paged in all the ways that streams declare, which may change between any two requests.

It remembers what it was at each request, so that what was read can be held against what was there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from hypothesis import strategies as st

from etl.extract.client import Paid
from etl.sources.lbank.streams import TEAM_MEMBERS
from etl.stream import Draft, LargestId, Offset, PageNumber, Paging, Stream
from etl.windows import ONE_DAY, Window
from tests.unit.samples import NOON, paid

SIZE = 4
"""How many rows a page is asked for."""
WINDOW = Window(NOON.date(), NOON.date() + ONE_DAY)
Row = dict[str, int]
Kind = Literal["add", "remove", "change", "swap"]
Change = tuple[Kind, int, int]
"""What happens, and two numbers that say where, and to what."""

OFFSET = Offset("start", "size", SIZE)
LARGEST_ID = LargestId("start", "size", SIZE, id_field="id")
TOTAL_AND_SIZE = PageNumber("page", "size", SIZE, total=lambda told: told["total"], told_size=lambda told: told["size"])
TOTAL = replace(TOTAL_AND_SIZE, told_size=lambda told: None)
PAGE_SIZE = replace(TOTAL_AND_SIZE, total=lambda told: None)
NOTHING_TOLD = replace(TOTAL, total=lambda told: None)


def listing(paging: Paging, *, unique: bool) -> Stream:
    """A stream whose rows `id` tells apart; they are unique, or may come twice."""
    return replace(
        TEAM_MEMBERS, paging=paging, rows=lambda told: told["rows"], row_key=("id",), has_unique_rows=unique, into=()
    )


@dataclass(slots=True)
class MovingList:
    """Serves `rows`; after its nth answer the nth of `then` happens. Pages hold at most `most` rows. A server that is
    `stuck` has its first page for every question, or its last one for those beyond the end; one that `boasts` tells of
    so many rows more than it has."""

    rows: list[Row]
    then: Sequence[Sequence[Change]] = ()
    unique: bool = True
    most: int = SIZE
    stuck: Literal["first", "last"] | None = None
    boasts: int = 0
    was: list[list[Row]] = field(default_factory=list)

    async def fetch(self, draft: Draft) -> Paid:
        """The page that is asked for, as of now."""
        self.was.append(list(self.rows))
        payload = {"rows": self._page(draft), "total": len(self.rows) + self.boasts, "size": self.most}
        if len(self.was) <= len(self.then):
            for change in self.then[len(self.was) - 1]:
                self._happens(*change)
        return paid(draft, payload, sent_at=NOON + timedelta(seconds=len(self.was)))

    def _page(self, draft: Draft) -> list[Row]:
        size = min(int(draft.params["size"]), self.most)
        start = int(draft.params["start"]) if "start" in draft.params else self._offset(int(draft.params["page"]), size)
        return self.rows[start : start + size]

    def _offset(self, number: int, size: int) -> int:
        last = max(-(-len(self.rows) // size), 1)
        number = {"first": 1, "last": min(number, last), None: number}[self.stuck]
        return (number - 1) * size

    def _happens(self, kind: Kind, here: int, there: int) -> None:
        if kind == "add":
            self._add(here % (len(self.rows) + 1), there)
        elif self.rows:
            here, there = here % len(self.rows), there % len(self.rows)
            if kind == "remove":
                del self.rows[here]
            elif kind == "change":
                self.rows[here] = {**self.rows[here], "value": self.rows[here]["value"] + 1}
            else:
                self.rows[here], self.rows[there] = self.rows[there], self.rows[here]

    def _add(self, here: int, twin: int) -> None:
        """A new row, or in a list whose rows may come twice perhaps one more of what is there."""
        row = {"id": 1 + max((row["id"] for rows in [*self.was, self.rows] for row in rows), default=0), "value": 0}
        self.rows.insert(here, self.rows[twin % len(self.rows)] if twin % 2 and self.rows and not self.unique else row)


class ListById(MovingList):
    """A list in the order of its ids, which is asked for those above one. New rows come anywhere."""

    __slots__ = ()

    def _page(self, draft: Draft) -> list[Row]:
        above = [row for row in sorted(self.rows, key=lambda row: row["id"]) if row["id"] > int(draft.params["start"])]
        return above[: int(draft.params["size"])][::-1]

    def _add(self, here: int, twin: int) -> None:
        used = {row["id"] for rows in [*self.was, self.rows] for row in rows}
        self.rows.append({"id": next(number for number in range(1 + twin, 1000) if number not in used), "value": 0})


def changes(*kinds: Kind) -> st.SearchStrategy[list[Change]]:
    """What happens between two requests: nothing more often than not."""
    places = st.integers(0, 50)
    return st.lists(st.tuples(st.sampled_from(kinds), places, places), max_size=3)


def first_rows(*, unique: bool = True) -> st.SearchStrategy[list[Row]]:
    """What is there at the first request; where rows may come twice, some do."""
    ids = st.integers(1, 40) if unique else st.integers(1, 12)
    lists = st.lists(ids, max_size=18, unique=unique)
    return lists.map(lambda listed: [{"id": each, "value": 0} for each in listed])


def faults(read: Sequence[Row], was: Sequence[Sequence[Row]], *, by_id: bool) -> list[str]:
    """What is wrong with rows that were read while the list was, one after the other, each of `was`.

    Right is: each row that was there all the time as often as it was at the least, none more often than it was at the
    most, and each as it was at some moment. With `by_id`, rows that are alike count once."""
    told = Counter(row["id"] for row in ({str(row): row for row in read}.values() if by_id else read))
    there = [Counter(row["id"] for row in rows) for rows in was]
    ids = {each for count in there for each in count} | set(told)
    ever = {tuple(row.items()) for rows in was for row in rows}
    return [
        *(f"{each} is missing" for each in ids if told[each] < min(count[each] for count in there)),
        *(f"{each} is told too often" for each in ids if told[each] > max(count[each] for count in there)),
        *(f"{row} never was" for row in read if tuple(row.items()) not in ever),
    ]
