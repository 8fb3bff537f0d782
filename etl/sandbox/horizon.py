"""The days over which a simulated world has activity, and what a day is there.

Days are counted in the world's own zone; instants are aware datetimes at whole milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)


def to_ms(instant: datetime) -> int:
    """Milliseconds since the epoch, exactly (parts of a millisecond are cut off)."""
    return (instant - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The UTC instant of a number of milliseconds since the epoch."""
    return EPOCH + milliseconds * MILLISECOND


@dataclass(frozen=True, slots=True)
class Horizon:
    """`first_day` to `last_day`, both inclusive; the anchor is the day that `now` starts in."""

    first_day: date
    anchor_day: date
    last_day: date
    zone: ZoneInfo

    def midnight(self, day: date) -> datetime:
        """The instant at which the day begins, in UTC."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def day_of(self, instant: datetime) -> date:
        """The day that the instant lies in; midnight belongs to the day that begins."""
        return instant.astimezone(self.zone).date()

    def days(self, first: date, last: date) -> Iterator[date]:
        """The days from first to last, both inclusive."""
        for offset in range((last - first).days + 1):
            yield first + timedelta(days=offset)

    def some_second(self, rng: Random, day: date) -> datetime:
        """A whole second within the day, never midnight."""
        return self.midnight(day) + timedelta(seconds=rng.randrange(1, 86_400))
