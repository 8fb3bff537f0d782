"""Whatever is covered and made due in whatever order, the coverage of a partition is what two sets of days would be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

import asyncpg
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from etl.load.coverage import Coverage, Place, cover, make_due, read_coverage
from etl.reads import Daily
from etl.sources.lbank.streams import MEMBER_TRADES
from etl.stream import Partition
from etl.sync.plan import Asked, jobs
from etl.windows import ONE_DAY, Days, Window, milliseconds
from tests.database.readings import ACCOUNT, DAY, MOMENT
from tests.examples import examples
from tests.unit.samples import lbank_account

LENGTH = 24
"""Days of the horizon."""
PARTITIONS = ("A/spot", "B/spot")
TODAY = DAY + (LENGTH - 1) * ONE_DAY


@dataclass(frozen=True, slots=True)
class Step:
    """A reading of days, some of which it settles; or days that are made due."""

    kind: Literal["cover", "make due"]
    partition: str
    days: frozenset[date]
    settled: frozenset[date]


dates = st.integers(0, LENGTH - 1).map(lambda number: DAY + number * ONE_DAY)
runs = st.builds(
    lambda start, length: frozenset(start + n * ONE_DAY for n in range(length)), dates, st.integers(1, LENGTH // 2)
)
steps = st.builds(
    Step,
    kind=st.sampled_from(["cover", "cover", "make due"]),
    partition=st.sampled_from(PARTITIONS),
    days=runs | st.frozensets(dates, max_size=6),
    settled=runs | st.frozensets(dates, max_size=6) | st.just(frozenset[date]()),
)


def days_of(wanted: frozenset[date] | set[date]) -> Days:
    return Days.of(Window(day, day + ONE_DAY) for day in wanted)


@examples(60, suppress=(HealthCheck.function_scoped_fixture,))
@given(st.lists(steps, max_size=12), st.integers(1, 31))
async def test_coverage_is_two_sets_of_days_and_the_rest_is_due(
    connection: asyncpg.Connection, taken: Sequence[Step], most: int
) -> None:
    await connection.execute("TRUNCATE ops.coverage")
    loaded: dict[str, set[date]] = {}
    final: dict[str, set[date]] = {}
    for step in taken:
        place = Place(ACCOUNT, "member_trades", step.partition)
        if step.kind == "cover":
            settled = step.settled & step.days
            await cover(connection, place, loaded=days_of(step.days), final=days_of(settled), read_at=MOMENT)
            loaded.setdefault(step.partition, set()).update(step.days)
            final.setdefault(step.partition, set()).update(settled)
        else:
            await make_due(connection, place, days_of(step.days))
            final.get(step.partition, set()).difference_update(step.days)

        told = await read_coverage(connection, ACCOUNT)
        assert told == {
            ("member_trades", name): Coverage(days_of(loaded[name]), days_of(final[name])) for name in loaded
        }
        assert await connection.fetchval("SELECT count(*) FROM ops.coverage WHERE NOT final <@ loaded") == 0

    covered = await read_coverage(connection, ACCOUNT)
    for name in loaded:
        due = {DAY + number * ONE_DAY for number in range(LENGTH)} - final[name]
        asked_for = windows_of(covered["member_trades", name], most)
        assert due <= {day for window in asked_for for day in window}
        assert {day for window in asked_for for day in (window.start, window.last)} <= due
        assert all(len(window) <= most for window in asked_for)


def windows_of(covered: Coverage, most: int) -> list[Window]:
    """What a sync asks of a partition that is covered so, in windows of at most so many days."""
    reads = Daily(most, milliseconds("from", "to"), settles_after=ONE_DAY)
    account = replace(lbank_account(start_date=DAY), zone=ZoneInfo("UTC"))
    stream = replace(MEMBER_TRADES, reads=reads)
    planned = jobs(account, stream, Partition.of(open_id="A", market="spot"), Asked(), covered=covered, today=TODAY)
    return [job.window for job in planned]
