"""Whatever readings come in whatever order, with rejects, losses and returns: rows, restatements, rejects and coverage
are what plain dicts and sets would have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
from hypothesis import HealthCheck, event, example, given
from hypothesis import strategies as st

from etl.errors import SuspiciousRemoval
from etl.load.coverage import Coverage, read_coverage
from etl.load.upsert import Counts, Scope
from etl.load.window import WindowLoad, commit_window
from etl.windows import ONE_DAY, Days, Window
from tests.database.readings import ACCOUNT, DAY, REJECT, reading, rows_of, table_rows, trade
from tests.examples import examples

Key = tuple[str, date]
DAYS = [DAY + number * ONE_DAY for number in range(3)]
PEOPLE = "ABCDEFGHIJKL"
FEWEST_GUARDED = 10
"""DESIGN section 7: a re-reading that would remove more than half of at least 10 rows is not applied."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the source returns for a window, how many rows of it cannot be read, and the days that are settled."""

    window: Window
    volumes: Mapping[Key, str | None]
    settled: frozenset[date]
    rejects: int
    accept: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as the model keeps it."""

    volume: str | None
    final: bool
    removed: bool = False


@dataclass(slots=True)
class Model:
    """The warehouse, by the rules of DESIGN sections 1 and 7 in their plainest form."""

    rows: dict[Key, Kept] = field(default_factory=dict)
    restated: list[tuple[str, date, str]] = field(default_factory=list)
    rejected: dict[Window, int] = field(default_factory=dict)
    loaded: set[date] = field(default_factory=set)
    final: set[date] = field(default_factory=set)

    def read(self, told: Told) -> Counts | None:
        """What a reading changes; None where it is not applied."""
        there = [key for key, kept in self.rows.items() if key[1] in told.window and not kept.removed]
        gone = [] if told.rejects else [key for key in there if key not in told.volumes]
        if not told.accept and len(there) >= FEWEST_GUARDED and 2 * len(gone) > len(there):
            return None
        restated_before = len(self.restated)
        for key in gone:
            self.rows[key] = replace(self.rows[key], removed=True)
            self._restate(key, "removed_at")
        settled = set() if told.rejects else told.settled & set(told.window)
        fates = [self._write(key, volume, final=key[1] in settled) for key, volume in told.volumes.items()]
        self.loaded |= set(told.window)
        self.final = self.final - set(told.window) if told.rejects else self.final | settled
        overlapping = [window for window in self.rejected if set(window) & set(told.window)]
        for window in overlapping:
            del self.rejected[window]
        self.rejected |= {told.window: told.rejects} if told.rejects else {}
        return Counts(fates.count("new"), fates.count("changed"), len(gone), len(self.restated) - restated_before)

    def _write(self, key: Key, volume: str | None, *, final: bool) -> str:
        known = self.rows.get(key)
        if known is None:
            self.rows[key] = Kept(volume, final)
            self._appear(key, volume)
            return "new"
        if known == Kept(volume, final or known.final):
            return "same"
        if known.removed and not known.final:
            self._appear(key, volume)
        if _number(known.volume) != _number(volume):
            self._restate(key, "volume")
        if known.removed:
            self._restate(key, "removed_at")
        self.rows[key] = Kept(volume, final or known.final)
        return "changed"

    def _appear(self, key: Key, volume: str | None) -> None:
        """All of a row that is new, or back, on a final day is restated."""
        if key[1] in self.final:
            self.restated += [(*key, name) for name in (("volume", "fee") if volume is not None else ("fee",))]

    def _restate(self, key: Key, column: str) -> None:
        if self.rows[key].final:
            self.restated.append((*key, column))


def _number(volume: str | None) -> Decimal | None:
    return None if volume is None else Decimal(volume)


@st.composite
def readings(draw: st.DrawFn) -> Told:
    """Mostly of everybody, so that the guard has something to guard; sometimes most of them are gone."""
    first, length = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    days = DAYS[first : first + length]
    people = draw(st.frozensets(st.sampled_from(PEOPLE), max_size=4))
    who = people if draw(st.sampled_from([False, False, True])) else frozenset(PEOPLE) - people
    volumes = st.sampled_from([None, "0", "1", "1.0", "2"])
    usual = draw(volumes)
    told = {(person, day): usual for person in sorted(who) for day in days}
    told |= (
        {key: draw(volumes) for key in draw(st.frozensets(st.sampled_from(sorted(told)), max_size=3))} if told else {}
    )
    return Told(
        Window(days[0], days[-1] + ONE_DAY),
        told,
        draw(st.frozensets(st.sampled_from(DAYS))),
        draw(st.sampled_from([0, 0, 0, 0, 1, 2])),
        draw(st.sampled_from([False, False, True])),
    )


def load_of(told: Told, run_id: int) -> WindowLoad:
    rows: list[dict[str, Any]] = [trade(who, day, volume) for (who, day), volume in told.volumes.items()]
    place = {"account": ACCOUNT, "scope": "member", "market": "spot"}
    scope = None if told.rejects else Scope(place, "day", told.window.start, told.window.end)
    settled = () if told.rejects else told.settled & set(told.window)
    return reading(
        table_rows(rows, scope=scope),
        window=told.window,
        run_id=run_id,
        final=days_of(settled),
        rejects=[replace(REJECT, raw=str(number)) for number in range(told.rejects)],
    )


def whole(people: str, *, rejects: int = 0, accept: bool = False) -> Told:
    """A reading of all days that settles them, in which everybody of `people` is told."""
    return Told(
        Window(DAYS[0], DAYS[-1] + ONE_DAY),
        {(person, day): "1" for person in people for day in DAYS},
        frozenset(DAYS),
        rejects,
        accept,
    )


@examples(40, suppress=(HealthCheck.function_scoped_fixture,))
@given(st.lists(readings(), min_size=3, max_size=8))
@example([whole(PEOPLE), whole("AB"), whole("AB", rejects=1), whole("AB", accept=True), whole(PEOPLE), whole("A")])
@example([whole(PEOPLE, rejects=2), whole(PEOPLE[:6]), whole(PEOPLE[:2]), whole(PEOPLE)])
async def test_the_warehouse_agrees_with_the_model_after_every_reading(
    connection: asyncpg.Connection, taken: list[Told]
) -> None:
    await connection.execute(
        "TRUNCATE warehouse.trade_day, warehouse.invitee, ops.restatement, ops.reject, ops.coverage, raw.page"
    )
    model, applied = Model(), 0
    for run_id, told in enumerate(taken, start=1):
        counts: Counts | None = None
        try:
            counts = await commit_window(connection, load_of(told, run_id), accept_removals=told.accept)
        except SuspiciousRemoval:
            event("guarded")

        assert counts == model.read(told)
        applied += counts is not None
        await agrees(connection, model)
        assert await connection.fetchval("SELECT count(*) FROM raw.page") == applied, "or nothing at all was written"


async def agrees(connection: asyncpg.Connection, model: Model) -> None:
    kept = "subject_id, day, volume::text, is_final, removed_at IS NOT NULL"
    rows = await rows_of(connection, "warehouse.trade_day", kept)
    assert {(row[0], row[1]): Kept(*row[2:]) for row in rows} == model.rows
    restated = await rows_of(connection, "ops.restatement", "key ->> 'subject_id', (key ->> 'day')::date, column_name")
    assert sorted(restated) == sorted(model.restated)
    rejected = await rows_of(connection, "ops.reject", "lower(days), upper(days), count(*) OVER (PARTITION BY days)")
    assert {Window(*row[:2]): row[2] for row in rejected} == model.rejected
    covered = await read_coverage(connection, ACCOUNT)
    expected = Coverage(days_of(model.loaded), days_of(model.final))
    assert list(covered.values()) == ([expected] if model.loaded else [])


def days_of(dates: Iterable[date]) -> Days:
    return Days.of(Window(day, day + ONE_DAY) for day in dates)
