"""The clock that the timing tests run on can be trusted."""

import asyncio
import time

import pytest

from tests.unit.virtual_time import now, run


def test_an_hour_of_waiting_passes_at_once() -> None:
    async def wait() -> tuple[float, list[str]]:
        order: list[str] = []

        async def after(seconds: float) -> None:
            await asyncio.sleep(seconds)
            order.append(f"{seconds:g}")

        await asyncio.gather(after(3600), after(0.5), after(60))
        return now(), order

    began = time.monotonic()
    elapsed, order = run(wait())
    assert time.monotonic() - began < 5
    assert elapsed == pytest.approx(3600, abs=1e-3)
    assert order == ["0.5", "60", "3600"]


def test_waiting_for_nothing_fails_instead_of_hanging() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(AssertionError, match="hang for ever"):
        run(wait())
