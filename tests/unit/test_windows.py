"""Days and windows behave as plain sets of dates, and cover what is due by the fewest requests."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.windows import Days, Window, epoch_ms, final_days, midnight, milliseconds

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
DAY = timedelta(days=1)

dates = st.dates(date(2024, 1, 1), date(2024, 3, 15))
day_sets = st.sets(dates, max_size=25)
zones = st.sampled_from([SHANGHAI, NEW_YORK, LORD_HOWE, ZoneInfo("UTC")])


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(dates)
    return Window(start, start + draw(st.integers(1, 20)) * DAY)


def days_of(dates_wanted: set[date]) -> Days:
    return Days.of(Window(day, day + DAY) for day in sorted(dates_wanted, reverse=True))


def plain(window: Window) -> set[date]:
    return {window.start + n * DAY for n in range((window.end - window.start).days)}


def in_normal_form(days: Days) -> bool:
    """Ascending, disjoint, and with at least a day between two windows."""
    return all(earlier.end < later.start for earlier, later in pairwise(days.windows))


@given(windows())
def test_a_window_holds_its_start_and_not_its_end(window: Window) -> None:
    assert set(window) == plain(window)
    assert len(window) == len(plain(window))
    assert window.start in window
    assert window.end not in window
    assert window.last == max(plain(window))


@pytest.mark.parametrize("length", [0, -1])
def test_a_window_without_days_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="start < end"):
        Window(date(2024, 1, 2), date(2024, 1, 2) + length * DAY)


def test_a_window_reads_as_its_first_and_last_day() -> None:
    assert str(Window(date(2024, 1, 1), date(2024, 2, 1))) == "2024-01-01..2024-01-31"
    assert str(Window(date(2024, 1, 1), date(2024, 1, 2))) == "2024-01-01"


@given(st.lists(windows(), max_size=8))
def test_the_union_of_windows_is_that_of_their_dates(parts: list[Window]) -> None:
    days = Days.of(parts)
    wanted: set[date] = set().union(*map(plain, parts))
    assert set(days) == wanted
    assert list(days) == sorted(wanted)
    assert len(days) == len(wanted)
    assert bool(days) == bool(wanted)
    assert in_normal_form(days)


@given(day_sets, day_sets)
def test_set_operations_agree_with_sets_of_dates(left: set[date], right: set[date]) -> None:
    a, b = days_of(left), days_of(right)
    for result, wanted in ((a | b, left | right), (a & b, left & right), (a - b, left - right)):
        assert set(result) == wanted
        assert in_normal_form(result)
        assert result == days_of(wanted), "one set of days must have one form"


@given(st.lists(windows(), max_size=5), st.lists(windows(), max_size=5))
def test_long_windows_subtract_and_intersect_as_their_dates_do(left: list[Window], right: list[Window]) -> None:
    a, b = Days.of(left), Days.of(right)
    assert set(a - b) == set().union(*map(plain, left)) - set().union(*map(plain, right))
    assert set(a & b) == set().union(*map(plain, left)) & set().union(*map(plain, right))


@given(day_sets, dates)
def test_membership_is_that_of_the_dates(wanted: set[date], day: date) -> None:
    assert (day in days_of(wanted)) == (day in wanted)


@given(dates, dates)
def test_days_between_two_dates_are_half_open(start: date, end: date) -> None:
    wanted = {day for day in (date(2024, 1, 1) + n * DAY for n in range(90)) if start <= day < end}
    assert set(Days.between(start, end)) == wanted


# ------------------------------------------------------------------------------------------------ covering


def fewest(wanted: set[date], most: int) -> int:
    """The least number of windows of `most` days that cover `wanted`, by trying every window at every step.

    Some window must hold the earliest day that is left; each place that holds it is tried."""
    if not wanted:
        return 0
    earliest = min(wanted)
    starts = (earliest - n * DAY for n in range(most))
    return 1 + min(fewest({day for day in wanted if not start <= day < start + most * DAY}, most) for start in starts)


@settings(deadline=None)
@given(st.sets(st.dates(date(2024, 1, 1), date(2024, 1, 14)), max_size=8), st.integers(1, 4))
def test_no_cover_is_smaller_by_exhaustive_search(wanted: set[date], most: int) -> None:
    assert len(days_of(wanted).covered_by(most=most)) == fewest(wanted, most)


def fewest_from_the_oldest(wanted: set[date], most: int) -> int:
    """The classical greedy cover of points by intervals, from the other end than the code under test."""
    count, reached = 0, date.min
    for day in sorted(wanted):
        if day >= reached:
            count, reached = count + 1, day + most * DAY
    return count


@given(day_sets, st.integers(1, 40))
def test_a_cover_holds_every_day_by_the_fewest_windows_newest_first(wanted: set[date], most: int) -> None:
    cover = days_of(wanted).covered_by(most=most)
    assert wanted <= set().union(*map(plain, cover))
    assert all(len(window) <= most for window in cover)
    assert all({window.start, window.last} <= wanted for window in cover)
    assert all(newer.start >= older.end for newer, older in pairwise(cover))
    assert len(cover) == fewest_from_the_oldest(wanted, most)


def test_a_gap_is_spanned_when_that_saves_a_request() -> None:
    due = days_of({date(2024, 1, 1), date(2024, 1, 20), date(2024, 2, 10)})
    assert due.covered_by(most=31) == (
        Window(date(2024, 1, 20), date(2024, 2, 11)),
        Window(date(2024, 1, 1), date(2024, 1, 2)),
    )


# ------------------------------------------------------------------------------------------------ instants


def test_midnight_is_the_one_that_the_provider_sends() -> None:
    # FACTS: statsDate 1724774400000 and 1721145600000 are midnights of UTC+8.
    assert epoch_ms(midnight(date(2024, 8, 28), SHANGHAI)) == 1724774400000
    assert epoch_ms(midnight(date(2024, 7, 17), SHANGHAI)) == 1721145600000


def test_milliseconds_are_whole_and_exact() -> None:
    # 2^53 ms would be the end of what a float holds; 0.999 s is not a binary fraction.
    assert epoch_ms(datetime(2024, 8, 27, 16, 0, 0, 999_999, tzinfo=UTC)) == 1724774400999


def test_a_window_is_spelled_as_start_and_the_start_of_the_next() -> None:
    window = Window(date(2024, 8, 28), date(2024, 8, 30))
    assert milliseconds("from", "to")(window, SHANGHAI) == {"from": 1724774400000, "to": 1724947200000}
    early = milliseconds("from", "to", end_before_ms=1)(window, SHANGHAI)
    assert early == {"from": 1724774400000, "to": 1724947199999}


@given(dates, st.integers(1, 300), st.integers(1, 300), zones)
def test_spans_of_adjacent_windows_meet_exactly(start: date, first: int, second: int, zone: ZoneInfo) -> None:
    middle = start + first * DAY
    spell = milliseconds("a", "b")
    left, right = spell(Window(start, middle), zone), spell(Window(middle, middle + second * DAY), zone)
    whole = spell(Window(start, middle + second * DAY), zone)
    assert left["b"] == right["a"]
    assert (left["a"], right["b"]) == (whole["a"], whole["b"])


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (NEW_YORK, date(2024, 3, 10), 23),
        (NEW_YORK, date(2024, 11, 3), 25),
        (LORD_HOWE, date(2024, 4, 7), 24.5),
        (LORD_HOWE, date(2024, 10, 6), 23.5),
        (SHANGHAI, date(2024, 3, 10), 24),
    ],
)
def test_a_day_lasts_as_long_as_its_zone_says(zone: ZoneInfo, day: date, hours: float) -> None:
    start, end = Window(day, day + DAY).span(zone)
    assert end - start == timedelta(hours=hours)


# ------------------------------------------------------------------------------------------------ finality


@pytest.mark.parametrize(
    ("zone", "last_final", "read_at"),
    [
        # The day ends at midnight of the zone; it settles a day (24 hours) later; the reading must begin after that.
        (SHANGHAI, 28, datetime(2024, 8, 29, 16, 0, 0, 1, tzinfo=UTC)),
        (SHANGHAI, 27, datetime(2024, 8, 29, 16, 0, tzinfo=UTC)),
        (NEW_YORK, 28, datetime(2024, 8, 30, 4, 0, 0, 1, tzinfo=UTC)),
        (NEW_YORK, 27, datetime(2024, 8, 30, 4, 0, tzinfo=UTC)),
        (LORD_HOWE, 28, datetime(2024, 8, 29, 13, 30, 0, 1, tzinfo=UTC)),
        (LORD_HOWE, 27, datetime(2024, 8, 29, 13, 30, tzinfo=UTC)),
    ],
)
def test_a_day_is_final_once_it_ended_and_settled_in_its_zone(
    zone: ZoneInfo, last_final: int, read_at: datetime
) -> None:
    window = Window(date(2024, 8, 25), date(2024, 9, 5))
    final = final_days(window, zone=zone, settles_after=DAY, read_at=read_at)
    assert final == Days.between(date(2024, 8, 25), date(2024, 8, last_final + 1))


@pytest.mark.parametrize(
    ("zone", "day", "ends"),
    [
        # Clocks go forward and back within these days: US 2024-03-10 and 11-03, Lord Howe (half an hour) 10-06.
        (NEW_YORK, date(2024, 3, 10), datetime(2024, 3, 11, 4, tzinfo=UTC)),
        (NEW_YORK, date(2024, 11, 3), datetime(2024, 11, 4, 5, tzinfo=UTC)),
        (LORD_HOWE, date(2024, 10, 6), datetime(2024, 10, 6, 13, tzinfo=UTC)),
        (LORD_HOWE, date(2024, 4, 7), datetime(2024, 4, 7, 13, 30, tzinfo=UTC)),
    ],
)
def test_days_in_which_the_clocks_change_end_when_their_zone_says(zone: ZoneInfo, day: date, ends: datetime) -> None:
    window, tick = Window(day, day + DAY), timedelta(microseconds=1)
    assert not final_days(window, zone=zone, settles_after=timedelta(), read_at=ends)
    assert final_days(window, zone=zone, settles_after=timedelta(), read_at=ends + tick) == Days((window,))
