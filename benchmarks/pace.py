"""The true limit under jitter: what the server counts, and how much of what is allowed is used."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from benchmarks.nights import account_at, synced
from etl.sandbox.server import Sandbox, real_clock
from etl.sandbox.world import World
from etl.stream import Rate

REQUESTS, PERIOD_SECONDS = 5, 10.0
LATENCY_MS = (0, 300)
MINUTES = 4


async def measure(dsn: str) -> list[str]:
    """Syncs a small world at LBank's own limit, with 0-300 ms of latency."""
    days = MINUTES * 60 * REQUESTS // round(PERIOD_SECONDS) - 1
    world = World.make(members=4, days=days, clock=real_clock)
    async with Sandbox(
        world, rate_requests=REQUESTS, rate_period_seconds=PERIOD_SECONDS, latency_ms=LATENCY_MS
    ) as sandbox:
        start = world.horizon.first_day + timedelta(days=1)
        account = account_at(
            sandbox, Rate(REQUESTS, PERIOD_SECONDS), start, streams=("team_members", "futures_turnover")
        )
        await synced(dsn, account)
    arrivals: dict[str, list[float]] = {}
    for request in sandbox.requests:
        arrivals.setdefault(request.path, []).append(request.arrived)
    path, busiest = max(arrivals.items(), key=lambda item: len(item[1]))
    used = (len(busiest) - REQUESTS) * PERIOD_SECONDS / REQUESTS / (busiest[-1] - busiest[0])
    refused = Counter(request.error_code for request in sandbox.requests)[10004]
    return [
        f"most requests within any {PERIOD_SECONDS:g} s at the server: {most_within(arrivals)} (allowed {REQUESTS})",
        f"refused as too frequent: {refused} (must be 0)",
        f"{path}: {len(busiest)} requests, {used:.1%} of what is allowed (at least 95 %)",
    ]


def most_within(arrivals: dict[str, list[float]]) -> int:
    """The most arrivals of one path in any span of the period, both ends included."""
    return max(
        sum(1 for other in times if first <= other <= first + PERIOD_SECONDS)
        for times in arrivals.values()
        for first in times
    )
