"""Whatever the clocks of a zone do, its days follow each other without a gap and without an overlap, and each instant
is of the day that a calendar on the wall there shows."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import SetRowAside
from etl.normalize.fields import day_ms
from etl.normalize.rows import Context, normalise
from etl.reads import Daily, Monthly
from etl.sources import SOURCES
from etl.sources.lbank.streams import TRANSFERS
from etl.stream import Partition, Stream
from etl.windows import ONE_DAY, Days, Window, epoch_ms, final_days, midnight, milliseconds
from tests.properties.zones import places_in_time
from tests.unit.samples import lbank_account

ACCOUNT = lbank_account()
TICK = timedelta(microseconds=1)
places = places_in_time()
settling = st.sampled_from([timedelta(), timedelta(hours=1), ONE_DAY, timedelta(hours=58)]) | st.timedeltas(
    timedelta(), timedelta(days=9)
)
lengths = st.integers(1, 70)


def shown(instant: datetime, zone: ZoneInfo) -> date:
    """The day that a calendar on the wall shows."""
    return instant.astimezone(zone).date()


def ended_before(instant: datetime, zone: ZoneInfo, window: Window) -> set[date]:
    """The days of the window that are over at the last tick before `instant`."""
    return {day for day in window if day < shown(instant - TICK, zone)}


@given(places)
def test_a_day_begins_with_the_first_instant_that_the_calendar_shows_it_or_a_later_one(
    place: tuple[ZoneInfo, datetime],
) -> None:
    zone, instant = place
    for day in (shown(instant, zone) + n * ONE_DAY for n in range(-1, 3)):
        begin = midnight(day, zone)
        assert begin.tzinfo is UTC
        assert shown(begin, zone) >= day > shown(begin - TICK, zone)


@given(places, st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from([0, 1]))
def test_consecutive_windows_tile_the_time_line_and_so_do_their_spells(
    place: tuple[ZoneInfo, datetime], steps: list[int], early_ms: int
) -> None:
    zone, instant = place
    days = [shown(instant, zone) - 3 * ONE_DAY]
    for step in steps:
        days.append(days[-1] + step * ONE_DAY)
    windows = [Window(start, end) for start, end in pairwise(days)]
    spans = [window.span(zone) for window in windows]
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert all(start <= end for start, end in spans)
    spell = milliseconds("from", "to", end_before_ms=early_ms)
    spelled = [spell(window, zone) for window in windows]
    assert all(left["to"] == int(right["from"]) - early_ms for left, right in pairwise(spelled))
    assert spelled[0]["from"] == epoch_ms(spans[0][0])


@given(places, lengths)
def test_an_instant_is_found_in_the_windows_that_hold_its_day_and_in_no_others(
    place: tuple[ZoneInfo, datetime], length: int
) -> None:
    """By the test that rows must pass, and by what an account takes for today."""
    zone, instant = place
    instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    day = shown(instant, zone)
    raw = {
        "openId": "A",
        "assetCode": "USDT",
        "assetNum": "1",
        "createTime": epoch_ms(instant),
        "updateTime": epoch_ms(instant),
    }
    starts = {day + n * ONE_DAY for n in (*range(-length - 1, -length + 2), -1, 0, 1)}
    for window in (Window(start, start + length * ONE_DAY) for start in starts):
        context = Context(Partition.of(open_id="A", kind="IN_DEPOSIT"), window, zone, instant)
        [batch] = normalise(TRANSFERS, [raw], context)
        assert (len(batch.rows), len(batch.rejects)) == (window.start <= day < window.end, 0)
    assert replace(ACCOUNT, zone=zone).today(instant) == day


@given(places)
def test_the_milliseconds_of_a_days_first_instant_are_that_day(place: tuple[ZoneInfo, datetime]) -> None:
    """Also where clocks go from 23:59 to 1:00, and there is no midnight."""
    zone, instant = place
    day = shown(instant, zone)
    assert day_ms(epoch_ms(midnight(day, zone)), zone) == day


@given(places)
def test_no_instant_is_taken_for_another_day_than_the_calendar_shows(place: tuple[ZoneInfo, datetime]) -> None:
    zone, instant = place
    told = epoch_ms(instant)
    exact = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=told)
    wall = exact.astimezone(zone)
    begins = shown(exact - timedelta(milliseconds=1), zone) < wall.date()
    if begins or (wall.hour, wall.minute, wall.second, wall.microsecond) == (0, 0, 0, 0):
        assert day_ms(told, zone) == wall.date()
    else:
        with pytest.raises(SetRowAside, match="not a midnight"):
            day_ms(told, zone)


# ------------------------------------------------------------------------------------------------ finality


@given(places, settling, lengths, st.timedeltas(timedelta(), timedelta(days=40)))
def test_days_are_final_when_they_ended_and_settled_and_stay_so(
    place: tuple[ZoneInfo, datetime], settles_after: timedelta, length: int, later: timedelta
) -> None:
    zone, read_at = place
    start = shown(read_at, zone) - 10 * ONE_DAY
    window = Window(start, start + length * ONE_DAY)
    final = final_days(window, zone=zone, settles_after=settles_after, read_at=read_at)
    assert set(final) == ended_before(read_at - settles_after, zone, window)
    assert set(final) <= set(final_days(window, zone=zone, settles_after=settles_after, read_at=read_at + later))


EVERY_STREAM = [
    pytest.param(stream, id=f"{source.name}.{stream.name}") for source in SOURCES for stream in source.streams
]


@pytest.mark.parametrize("stream", EVERY_STREAM)
@given(place=places, back=st.integers(0, 80))
def test_no_stream_settles_a_day_that_has_not_ended_and_none_takes_one_back(
    stream: Stream, place: tuple[ZoneInfo, datetime], back: int
) -> None:
    zone, read_at = place
    today = shown(read_at, zone)
    due = Days.between(today - back * ONE_DAY, today + ONE_DAY)
    for window in stream.reads.windows(due, today):
        settled = stream.reads.settled(window, zone=zone, read_at=read_at)
        assert set(settled) <= ended_before(read_at, zone, window)
        assert set(settled) <= set(stream.reads.settled(window, zone=zone, read_at=read_at + ONE_DAY))
        if isinstance(stream.reads, Monthly):
            assert settled in (Days(), Days((window,)))


@given(places, st.integers(1, 31), st.integers(0, 80))
def test_what_was_read_and_is_not_final_is_due_until_it_is(
    place: tuple[ZoneInfo, datetime], most: int, back: int
) -> None:
    """Read every night, each day of the horizon becomes final, and is asked for no more."""
    zone, read_at = place
    reads = Daily(most, milliseconds("from", "to"), settles_after=ONE_DAY)
    today = shown(read_at, zone)
    horizon = Days.between(today - back * ONE_DAY, today + ONE_DAY)
    final = Days()
    for night in range(3):
        now = read_at + night * timedelta(hours=30)
        for window in reads.windows(horizon - final, today):
            final |= reads.settled(window, zone=zone, read_at=now)
    assert set(final & horizon) == ended_before(read_at + 2 * timedelta(hours=30) - ONE_DAY, zone, horizon.windows[0])
