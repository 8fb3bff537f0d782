"""`python -m benchmarks [pace|plan|load]`: prints what was measured beside what it is held to."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks import load, pace, plan
from etl import output
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate

MEASURES = {"pace": pace.measure, "plan": plan.measure, "load": load.measure}


def main() -> None:
    """Runs the named measures, or all of them, against an embedded Postgres of their own."""
    output.set_up()
    chosen = sys.argv[1:] or list(MEASURES)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        dsn = embedded.start(data_dir)
        try:
            for name in chosen:
                asyncio.run(_fresh(dsn))
                for line in asyncio.run(MEASURES[name](dsn)):
                    print(f"{name}: {line}")
        finally:
            embedded.stop(data_dir)


async def _fresh(dsn: str) -> None:
    await migrate(dsn, to="base")
    await migrate(dsn)


main()
