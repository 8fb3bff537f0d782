"""The process's wall clock: the real one, or one that was started at ETL_NOW (for tests and rehearsals)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from etl.errors import ConfigurationError

Clock = Callable[[], datetime]


def process_clock() -> Clock:
    """The clock that every command uses; it gives aware UTC datetimes.

    ETL_NOW, such as 2026-03-01T02:30:00Z, is the moment at which the process believes to have started."""
    begin = os.environ.get("ETL_NOW")
    if begin is None:
        return lambda: datetime.now(UTC)
    try:
        start = datetime.fromisoformat(begin)
    except ValueError:
        raise ConfigurationError(f"ETL_NOW: {begin!r} is no ISO 8601 date and time") from None
    if start.tzinfo is None:
        raise ConfigurationError(f"ETL_NOW: {begin!r} names no time zone; end it with Z for UTC")
    first = time.monotonic()
    return lambda: start.astimezone(UTC) + timedelta(seconds=time.monotonic() - first)
