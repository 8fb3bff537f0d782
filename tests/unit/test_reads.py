"""The kinds of windows: which are asked for, how they are spelled, and what a reading of them settles."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.reads import Daily, Log, Monthly, Snapshot
from etl.windows import ONE_DAY, Days, Window, dates

SHANGHAI = ZoneInfo("Asia/Shanghai")
SPAN = dates("from", "to")
MONTHLY = Monthly(dates("from", "to", at_start=" 00:00:00", at_end=" 23:59:59"), settles_after=ONE_DAY)
TODAY = date(2026, 3, 10)
MARCH = Window(date(2026, 3, 1), date(2026, 4, 1))


def month(year: int, number: int) -> Window:
    return Window(date(year, number, 1), date(year + number // 12, number % 12 + 1, 1))


def test_days_are_spelled_with_both_ends_included() -> None:
    assert SPAN(Window(date(2026, 2, 27), date(2026, 3, 2)), SHANGHAI) == {"from": "2026-02-27", "to": "2026-03-01"}


def test_a_month_is_spelled_from_its_first_second_to_its_last() -> None:
    """coinw-activity.txt, Request Example."""
    assert MONTHLY.params(MARCH, SHANGHAI) == {"from": "2026-03-01 00:00:00", "to": "2026-03-31 23:59:59"}


def test_months_are_asked_for_whole_newest_first() -> None:
    due = Days.between(date(2025, 12, 31), date(2026, 3, 11))
    assert MONTHLY.windows(due, TODAY) == (month(2026, 3), month(2026, 2), month(2026, 1), month(2025, 12))


def test_a_month_without_a_due_day_is_not_asked_for() -> None:
    due = Days.of([Window(date(2026, 1, 31), date(2026, 2, 1)), Window(date(2026, 3, 9), date(2026, 3, 10))])
    assert MONTHLY.windows(due, TODAY) == (month(2026, 3), month(2026, 1))


@given(st.sets(st.dates(date(2019, 1, 1), date(2026, 12, 31)), max_size=30))
def test_the_months_of_some_days_hold_each_of_them_and_each_month_holds_one(days: set[date]) -> None:
    windows = Days.of(Window(day, day + ONE_DAY) for day in days).months()
    assert all(any(day in window for window in windows) for day in days)
    assert all(any(day in window for day in days) for window in windows)
    assert all((window.start.day, window.end.day) == (1, 1) and 28 <= len(window) <= 31 for window in windows)
    assert list(windows) == sorted(set(windows), reverse=True)


@pytest.mark.parametrize(
    ("read_at", "final"),
    [
        # March ends at 2026-03-31 16:00 UTC in UTC+8, and settles a day later.
        (datetime(2026, 4, 1, 16, 0, tzinfo=UTC), Days()),
        (datetime(2026, 4, 1, 16, 0, 0, 1, tzinfo=UTC), Days((MARCH,))),
        (datetime(2026, 3, 20, tzinfo=UTC), Days()),
    ],
)
def test_a_month_is_final_as_a_whole_a_day_after_its_end(read_at: datetime, final: Days) -> None:
    assert MONTHLY.settled(MARCH, zone=SHANGHAI, read_at=read_at) == final


def test_a_daily_window_settles_day_by_day() -> None:
    daily = Daily(31, SPAN, settles_after=ONE_DAY)
    noon = datetime(2026, 3, 10, 4, tzinfo=UTC)
    window = Window(date(2026, 3, 1), date(2026, 3, 11))
    assert daily.settled(window, zone=SHANGHAI, read_at=noon) == Days.between(date(2026, 3, 1), date(2026, 3, 9))


@pytest.mark.parametrize("reads", [Snapshot(date(2015, 1, 1), SPAN), Log()])
def test_what_has_no_past_is_read_today_whatever_is_covered_and_never_settles(reads: Snapshot | Log) -> None:
    today = Window(TODAY, TODAY + ONE_DAY)
    assert reads.windows(Days(), TODAY) == (today,)
    assert reads.settled(today, zone=SHANGHAI, read_at=datetime(2030, 1, 1, tzinfo=UTC)) == Days()


def test_snapshots_are_asked_for_from_the_beginning_and_logs_without_days() -> None:
    today = Window(TODAY, TODAY + timedelta(days=1))
    assert Snapshot(date(2015, 1, 1), SPAN).params(today, SHANGHAI) == {"from": "2015-01-01", "to": "2026-03-10"}
    assert Snapshot().params(today, SHANGHAI) == Log().params(today, SHANGHAI) == {}
