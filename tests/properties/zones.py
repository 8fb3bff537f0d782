"""Zones and moments for properties of days: every zone there is, most often those with the oddest changes of clocks.

Days begin once and in order in each of them since 2011. Before, the clocks of St. John's, Goose Bay and Moncton went
back a minute after midnight, and those of Casey in 2010 at two in the morning to the day before: an hour of the old
day came after the new one had begun, which no half-open span of instants can follow.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

FIRST, LAST = datetime(2011, 1, 2, tzinfo=UTC), datetime(2037, 12, 30, tzinfo=UTC)
NEAR = timedelta(hours=26)

TURNS = (
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # midnight does not exist
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),  # 23:00 comes twice
    ("America/Asuncion", datetime(2023, 10, 1, 4, tzinfo=UTC)),  # midnight does not exist
    ("Asia/Beirut", datetime(2024, 3, 30, 22, tzinfo=UTC)),  # midnight does not exist
    ("Asia/Tehran", datetime(2022, 3, 21, 20, 30, tzinfo=UTC)),  # midnight does not exist
    ("Africa/Cairo", datetime(2024, 4, 25, 22, tzinfo=UTC)),  # midnight does not exist
    ("Africa/Cairo", datetime(2024, 10, 31, 21, tzinfo=UTC)),  # 23:00 comes twice
    ("America/Havana", datetime(2024, 3, 10, 5, tzinfo=UTC)),  # midnight does not exist
    ("America/Havana", datetime(2024, 11, 3, 5, tzinfo=UTC)),  # midnight comes twice
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # the 30th does not exist
    ("Pacific/Fakaofo", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # neither here
    ("Australia/Lord_Howe", datetime(2024, 4, 6, 15, tzinfo=UTC)),  # half an hour comes twice
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),  # the last half hour of the day does not exist
    ("America/Nuuk", datetime(2024, 3, 31, 1, tzinfo=UTC)),  # the last hour of the day does not exist
    ("Asia/Kathmandu", datetime(2024, 1, 1, 18, 15, tzinfo=UTC)),  # a quarter of an hour beside the others
    ("America/New_York", datetime(2024, 11, 3, 6, tzinfo=UTC)),
    ("Asia/Shanghai", datetime(2024, 8, 27, 16, tzinfo=UTC)),
)
"""A zone, and the instant at which something happens to its clocks."""

_EVERY_ZONE = st.sampled_from(sorted(available_timezones() - {"localtime"}))
_EVERY_INSTANT = st.timedeltas(timedelta(), LAST - FIRST).map(lambda since: FIRST + since)
_BESIDE = (timedelta(), timedelta(microseconds=-1), timedelta(milliseconds=-1), timedelta(milliseconds=1))


@st.composite
def places_in_time(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone and an instant in UTC, of whole microseconds: half of them within a day of a turn of the clocks."""
    if draw(st.booleans()):
        return ZoneInfo(draw(_EVERY_ZONE)), draw(_EVERY_INSTANT)
    key, turn = draw(st.sampled_from(TURNS))
    near = draw(st.sampled_from(_BESIDE) | st.timedeltas(-NEAR, NEAR))
    return ZoneInfo(key), turn + near
