"""A run's length beside the plan's bound, and the plan's requests beside those made."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.nights import account_at, synced
from etl.load.coverage import read_coverage
from etl.load.roster import read_members
from etl.query.density import read_density
from etl.sandbox.server import Sandbox, real_clock
from etl.sandbox.world import World
from etl.stream import Account, Rate, Roster
from etl.sync.plan import Asked, PlannedStream, plan_account, total_seconds
from etl.warehouse.engine import connect

RATE = Rate(50, 1.0)


async def measure(dsn: str) -> list[str]:
    """200 members and 90 days at a scaled limit: a first sync, then a second one."""
    world = World.make(members=200, days=90, clock=real_clock)
    async with Sandbox(world, rate_requests=RATE.requests, rate_period_seconds=RATE.period_seconds) as sandbox:
        account = account_at(sandbox, RATE, world.horizon.first_day + timedelta(days=1))
        first = await synced(dsn, account)
        bound = busiest(sandbox) * RATE.period_seconds / RATE.requests
        sandbox.requests.clear()
        lines = await planned(dsn, account)
        second = await synced(dsn, account)
        made = len(sandbox.requests)
    requests = sum(line.requests for line in lines)
    return [
        f"first sync {first:.1f} s, {first / bound:.3f} x the bound of its slowest lane (at most 1.05)",
        f"second sync {second:.1f} s, {second / total_seconds(lines):.3f} x the plan's bound, of which up to "
        f"{RATE.period_seconds:g} s wait for the first sync's limit",
        f"second sync planned {requests} requests, made {made}: {abs(requests - made) / made:.2%} off (at most 2 %)",
    ]


def busiest(sandbox: Sandbox) -> int:
    """The requests of the slowest lane."""
    paths = [request.path for request in sandbox.requests]
    return max(paths.count(path) for path in set(paths))


async def planned(dsn: str, account: Account) -> list[PlannedStream]:
    """The plan of the next sync."""
    connection = await connect(dsn)
    try:
        return plan_account(
            account,
            Asked(),
            roster=Roster(await read_members(connection, account.name)),
            coverage=await read_coverage(connection, account.name),
            density=await read_density(connection, account.name),
            today=account.today(real_clock()),
        )
    finally:
        await connection.close()
