"""The clock of a provider, as the answers to a check tell it."""

from datetime import timedelta

from etl.check import _skew_by_header
from etl.extract.client import Try
from tests.unit.samples import NOON

SECOND = timedelta(seconds=1)


def test_the_last_answer_tells_the_time_by_the_middle_of_its_second() -> None:
    early = Try(1, NOON, NOON, 503, "busy", NOON - 60 * SECOND)
    late = Try(2, NOON + 10 * SECOND, NOON + 14 * SECOND, 200, "ok", NOON + 12 * SECOND)
    silent = Try(3, NOON + 20 * SECOND, None, None, "broken")
    assert _skew_by_header([early, late, silent]) == -0.5
    assert _skew_by_header([silent]) is None
