"""Runs a command over its accounts, side by side: lease, lanes, streams, and what to tell at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from etl.errors import AccountHeld, EtlError, FailAccount, StopRun, WarehouseUnreachable
from etl.extract.client import Client
from etl.extract.pace import Pace
from etl.load.coverage import Place
from etl.load.lease import Lease, Totals, hold_account
from etl.load.raw import prune_pages
from etl.load.rejects import ACCOUNT_FAILED, note, resolve
from etl.load.upsert import Stamp
from etl.stream import Account
from etl.sync.account import AccountRun
from etl.sync.lanes import Lane
from etl.sync.plan import Asked, lane_key
from etl.sync.progress import Progress
from etl.sync.replay import AccountReplay
from etl.warehouse.engine import acquired, close, connect, warehouse_errors

Work = Callable[[Account, Lease, Totals], Awaitable[None]]
"""What is done with an account while its lease is held."""
EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_WAREHOUSE, EXIT_HELD, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one account ended: what it did, and the error that ended it, if one did."""

    account: str
    totals: Totals
    error: FailAccount | None = None


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 all done · 1 something failed or was set aside · 4 an account was held and nothing else went wrong."""
    held = [outcome for outcome in outcomes if isinstance(outcome.error, AccountHeld)]
    wrong = [outcome for outcome in outcomes if outcome not in held and outcome.totals.outcome != "done"]
    if wrong:
        return EXIT_FAILED
    return EXIT_HELD if held else EXIT_DONE


@dataclass(slots=True)
class Runner:
    """Runs accounts against one warehouse."""

    dsn: str
    pool: asyncpg.Pool
    client: Client
    progress: Progress
    raw_retention_days: int

    async def run(self, accounts: Sequence[Account], asked: Asked) -> list[Outcome]:
        """One outcome per account. Raises StopRun when the warehouse goes away; interruption rolls back.

        Paces belong to the command, not to an account: a limit that is counted by address is shared."""
        paces: dict[tuple[str, str], Pace] = {}

        async def work(account: Account, lease: Lease, totals: Totals) -> None:
            if asked.command == "replay":
                await self._replay(account, asked, lease, totals)
            else:
                await self._sync(account, asked, lease, totals, paces)

        with _first_error():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._run_account(account, asked, work)) for account in accounts]
        return [task.result() for task in tasks]

    async def _run_account(self, account: Account, asked: Asked, work: Work) -> Outcome:
        totals = Totals()
        try:
            await self._hold_and_run(account, asked, work, totals)
        except FailAccount as fault:
            totals.outcome = "held" if isinstance(fault, AccountHeld) else "failed"
            self.progress.failed(account.name, "", str(fault))
            self.progress.finished(account.name, totals)
            return Outcome(account.name, totals, fault)
        self.progress.finished(account.name, totals)
        return Outcome(account.name, totals)

    async def _hold_and_run(self, account: Account, asked: Asked, work: Work, totals: Totals) -> None:
        task, lost = asyncio.current_task(), False

        def on_lost() -> None:
            nonlocal lost
            lost = True
            if task is not None:
                task.cancel()

        connection = await connect(self.dsn)
        try:
            with warehouse_errors():
                async with hold_account(
                    connection,
                    account.name,
                    source=account.source.name,
                    command=asked.command,
                    longest_period_seconds=max(account.rate(stream).period_seconds for stream in account.streams),
                    totals=totals,
                    on_lost=on_lost,
                ) as lease:
                    await self._judge(account, lease, totals, work)
        except asyncio.CancelledError:
            if lost:
                raise WarehouseUnreachable(
                    "the warehouse closed the connection that holds the account; what was committed is kept, "
                    "the next run goes on from there"
                ) from None
            raise
        finally:
            connection.terminate() if lost else await close(connection)

    async def _judge(self, account: Account, lease: Lease, totals: Totals, work: Work) -> None:
        """Does the work, and puts down how it ended."""
        try:
            with _first_error():
                await work(account, lease, totals)
        except FailAccount as fault:
            totals.outcome, totals.message = "failed", str(fault)
            async with acquired(self.pool) as connection:
                place = Place(account.name, "", "")
                await note(connection, self._stamp(account, lease), place, kind=ACCOUNT_FAILED, message=str(fault))
            raise
        except StopRun as fault:
            totals.outcome, totals.message = "failed", str(fault)
            raise
        except asyncio.CancelledError:
            totals.outcome = "interrupted"
            raise
        totals.outcome = "incomplete" if totals.failures or totals.rejects else "done"

    def _stamp(self, account: Account, lease: Lease) -> Stamp:
        return Stamp(account.name, account.source.name, lease.run_id, self.client.clock())

    async def _replay(self, account: Account, asked: Asked, lease: Lease, totals: Totals) -> None:
        self.progress.started(account, held_seconds=0, paced=False)
        replay = AccountReplay(
            account=account,
            asked=asked,
            pool=self.pool,
            lease=lease,
            totals=totals,
            progress=self.progress,
            clock=self.client.clock,
        )
        await replay.run()

    async def _sync(
        self,
        account: Account,
        asked: Asked,
        lease: Lease,
        totals: Totals,
        paces: dict[tuple[str, str], Pace],
    ) -> None:
        self.progress.started(account, held_seconds=lease.held_seconds)
        lanes: dict[tuple[str, str], Lane] = {}
        for stream in account.streams:
            key = lane_key(account, stream)
            pace = paces.setdefault(key, Pace(account.rate(stream)))
            pace.hold(lease.held_seconds)
            lanes.setdefault(key, Lane(pace))
        now = self.client.clock()
        run = AccountRun(
            account=account,
            asked=asked,
            client=self.client,
            pool=self.pool,
            lease=lease,
            totals=totals,
            progress=self.progress,
            lanes=lanes,
            today=account.today(now),
        )
        await run.run()
        async with acquired(self.pool) as connection:
            stamp = self._stamp(account, lease)
            await resolve(connection, stamp, Place(account.name, "", ""), kind=ACCOUNT_FAILED)
            before = now - timedelta(days=self.raw_retention_days)
            await prune_pages(connection, account.name, begun_before=before)


@contextmanager
def _first_error() -> Iterator[None]:
    """Unwraps a task group: of several failures at once the one with the widest effect is told."""
    try:
        yield
    except BaseExceptionGroup as group:
        ours = [error for error in _leaves(group) if isinstance(error, EtlError)]
        others = [error for error in _leaves(group) if not isinstance(error, EtlError)]
        if others:
            raise
        raise min(ours, key=lambda error: not isinstance(error, StopRun)) from None


def _leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
