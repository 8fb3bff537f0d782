"""Which stored readings a replay takes what from."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from etl.load.raw import StoredReading
from etl.reads import Log, Monthly, Snapshot
from etl.sources import SOURCES
from etl.stream import Partition, Stream
from etl.sync.replay import newest_parts
from etl.windows import Days, Window, dates

STREAMS = {stream.name: stream for source in SOURCES for stream in source.streams}
ALWAYS = Days.between(date.min, date.max)


def reading(first: int, last: int, *, run_id: int, partition: str = "") -> StoredReading:
    """A reading of days of March, run after run."""
    window = Window(date(2026, 3, first), date(2026, 3, last) + timedelta(days=1))
    return StoredReading(run_id, partition, window, datetime(2026, 3, 31, run_id, tzinfo=UTC))


def told(stream: Stream, *readings: StoredReading, wanted: Days = ALWAYS) -> list[tuple[int, str]]:
    """Run and window of each part."""
    return [(part.reading.run_id, str(part.window)) for part in newest_parts(stream, readings, wanted)]


def test_each_day_comes_from_the_last_reading_that_has_it() -> None:
    readings = [reading(1, 10, run_id=1), reading(4, 5, run_id=2), reading(10, 12, run_id=3)]
    parts = told(STREAMS["team_trades"], *readings)
    assert [run_id for run_id, _ in parts] == [1, 1, 2, 3]
    assert set(parts) == {
        (1, "2026-03-01..2026-03-03"),
        (1, "2026-03-06..2026-03-09"),
        (2, "2026-03-04..2026-03-05"),
        (3, "2026-03-10..2026-03-12"),
    }


def test_a_reading_that_later_ones_cover_has_nothing_to_tell() -> None:
    assert told(STREAMS["team_trades"], reading(2, 3, run_id=1), reading(1, 4, run_id=2)) == [
        (2, "2026-03-01..2026-03-04")
    ]


def test_partitions_do_not_cover_each_other() -> None:
    readings = [reading(1, 3, run_id=1, partition="A/spot"), reading(1, 3, run_id=2, partition="B/spot")]
    assert len(told(STREAMS["team_trades"], *readings)) == 2


def test_a_range_cuts_facts_of_days() -> None:
    wanted = Days.between(date(2026, 3, 3), date(2026, 3, 5))
    assert told(STREAMS["team_trades"], reading(1, 10, run_id=1), wanted=wanted) == [(1, "2026-03-03..2026-03-04")]


def test_a_range_takes_months_and_snapshots_whole() -> None:
    march = Window(date(2026, 3, 1), date(2026, 4, 1))
    days = Days.between(date(2026, 3, 5), date(2026, 3, 6))
    other = Days.between(date(2026, 4, 1), date(2026, 4, 6))
    for reads in (Monthly(dates("from", "to"), timedelta(days=1)), Snapshot(), Log()):
        assert (reads.parts(march, days), reads.parts(march, other)) == ((march,), ())


def test_every_reading_of_a_log_tells_of_other_entries() -> None:
    readings = [reading(3, 3, run_id=1), reading(3, 3, run_id=2)]
    assert told(STREAMS["referral_logs"], *readings) == [(1, "2026-03-03"), (2, "2026-03-03")]


def test_every_snapshot_counts_and_the_last_is_known() -> None:
    readings = [reading(3, 3, run_id=1), reading(3, 3, run_id=2), reading(4, 4, run_id=3)]
    parts = newest_parts(STREAMS["team_members"], readings, ALWAYS)
    assert [(part.reading.run_id, part.is_newest) for part in parts] == [(1, False), (2, False), (3, True)]


def test_of_snapshots_of_one_moment_the_last_counts() -> None:
    first = reading(3, 3, run_id=1)
    readings = [first, replace(reading(3, 3, run_id=2), began_at=first.began_at)]
    assert told(STREAMS["team_members"], *readings) == [(2, "2026-03-03")]
    assert len(told(STREAMS["referral_logs"], *readings)) == 2


def test_the_newest_is_that_of_all_also_where_a_range_leaves_it_out() -> None:
    readings = [reading(3, 3, run_id=1), reading(4, 4, run_id=2)]
    third = Days.between(date(2026, 3, 3), date(2026, 3, 4))
    assert [part.is_newest for part in newest_parts(STREAMS["team_members"], readings, third)] == [False]


@pytest.mark.parametrize("key", ["A", "A/b/spot", ""])
def test_a_key_that_does_not_tell_which_value_is_which_is_refused(key: str) -> None:
    assert STREAMS["team_trades"].partition("A/spot") == Partition.of(open_id="A", market="spot")
    with pytest.raises(ValueError, match="zip"):
        STREAMS["team_trades"].partition(key)


def test_a_single_value_may_hold_anything() -> None:
    assert STREAMS["activity"].partition("ACT/2026/03") == Partition.of(activity_id="ACT/2026/03")
    assert STREAMS["referral_logs"].partition("") == Partition()
