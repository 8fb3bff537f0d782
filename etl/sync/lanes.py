"""Lanes: an endpoint's limit, the jobs that wait for it, and the judgement that the exchange is down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import date
from itertools import count

from etl.extract.pace import Pace
from etl.sync.plan import Job

MOST_WORKERS = 16
FAILURES_TO_BE_DOWN = 5
_ORDER = count()


@dataclass(slots=True)
class Lane:
    """The jobs of one endpoint, newest window first; `unfinished` counts those waiting and those under way."""

    pace: Pace
    waiting: asyncio.PriorityQueue[tuple[int, int, Job]] = field(default_factory=asyncio.PriorityQueue)
    failures_in_a_row: int = 0
    is_closed: bool = False
    unfinished: int = 0

    @property
    def workers(self) -> int:
        """A few more than slots, so that one is always ready while others load what they read."""
        return min(self.pace.rate.requests + 3, MOST_WORKERS)

    @property
    def down(self) -> bool:
        """Whether the exchange is taken to be down for this endpoint (DESIGN section 8), or has closed it."""
        return self.is_closed or self.failures_in_a_row >= FAILURES_TO_BE_DOWN

    def add(self, job: Job) -> None:
        """Queues a job: readings that others depend on first, then by the newest day."""
        first = job.revisit or not job.stream.reads.has_past
        self.unfinished += 1
        newest = date.max if first else job.window.end
        self.waiting.put_nowait((-newest.toordinal(), next(_ORDER), job))

    def done(self) -> None:
        """A job that was taken is through, well or not."""
        self.unfinished -= 1
        self.waiting.task_done()
