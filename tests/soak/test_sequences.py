"""Whatever happens, a sync that nothing disturbs ends with exactly what the world says.

`ETL_SOAK=2000` plays more sequences, `ETL_SOAK_SEED=17` one of them alone.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.soak.play import Play, Stage, prepared
from tests.soak.processes import open_forks
from tests.soak.sequence import play_out

logger = logging.getLogger(__name__)

SEQUENCES = 200
PARTS = 4
"""Tests that share the sequences, so that several processes can run them."""
SIDE_BY_SIDE = 4
MOST_FAILURES = 5
"""After so many the rest is not played: the reason is likely the same."""


@asynccontextmanager
async def stage(dsn: str, folder: Path) -> AsyncIterator[Stage]:
    """A stage with a role for each of the sequences that are under way at a time."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2 * SIDE_BY_SIDE) as pool, open_forks() as forks:
        for number in range(SIDE_BY_SIDE):
            await pool.execute(f"CREATE ROLE {_role(number)} SUPERUSER LOGIN")
        yield Stage(dsn, pool, forks, folder)
        for number in range(SIDE_BY_SIDE):
            await pool.execute(f"DROP ROLE {_role(number)}")


def _role(number: int) -> str:
    return f"soak_{os.getpid()}_{number}"


def _seeds() -> list[int]:
    alone = os.environ.get("ETL_SOAK_SEED")
    return [int(alone)] if alone else list(range(int(os.environ.get("ETL_SOAK", SEQUENCES))))


def _told(play: Play, fault: BaseException) -> str:
    steps = "\n".join(f"  {line}" for line in play.log)
    alone = f"ETL_SOAK_SEED={play.seed} pytest tests/soak/test_sequences.py"
    return f"sequence {play.seed} ({alone}):\n{steps}\n  {type(fault).__name__}: {fault}"


@pytest.mark.parametrize("part", range(min(PARTS, len(_seeds()))))
async def test_random_sequences_end_as_the_world_says(warehouse_dsn: str, tmp_path: Path, part: int) -> None:
    waiting, failures = _seeds()[part::PARTS][::-1], list[str]()
    struck = Counter[str]()

    async def play_on(on: Stage, role: str) -> None:
        while waiting and len(failures) < MOST_FAILURES:
            play = prepared(on, waiting.pop(), role)
            async with play.sandbox:
                try:
                    await play_out(play)
                except Exception as fault:  # noqa: BLE001  # whatever it is, it is told with its sequence
                    failures.append(_told(play, fault))
            struck.update(play.struck)
            struck["sequences"] += 1
            struck["requests"] += len(play.sandbox.requests)

    async with stage(warehouse_dsn, tmp_path) as on:
        await asyncio.gather(*(play_on(on, _role(number)) for number in range(SIDE_BY_SIDE)))
    logger.info("%d sequences: %s", struck["sequences"], dict(struck.most_common()))
    if failures:
        pytest.fail("\n\n".join(failures), pytrace=False)
