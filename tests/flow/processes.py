"""Runs the real `etl` command in processes of its own, against a sandbox of this one."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.flow.night import EVENING, Night

ETL = [sys.executable, "-m", "etl"]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def configured(
    folder: Path, night: Night, *, requests: int = 1000, period_seconds: float = 0.01, secret: str | None = None
) -> Path:
    """Writes the configuration of the night's account."""
    path = folder / "etl.toml"
    path.write_text(
        f'''
[warehouse]
dsn = "{night.dsn}"

[accounts.{night.name}]
source = "lbank"
api_key = "{night.sandbox.api_key}"
secret_key = "{secret or night.sandbox.secret_key}"
open_id = "{night.sandbox.open_id}"
base_url = "{night.sandbox.url}"
start_date = {night.start_date or night.sandbox.world.horizon.first_day}
rate_limit = {{ requests = {requests}, period_seconds = {period_seconds} }}
'''
    )
    return path


async def launched(config: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Starts the command with the clock of the test's evening."""
    return await asyncio.create_subprocess_exec(
        *ETL,
        *arguments,
        env={**os.environ, "ETL_CONFIG": str(config), "ETL_NOW": EVENING.isoformat()},
        cwd=config.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Waits for a process and returns how it ended."""
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def run(config: Path, *arguments: str) -> Ended:
    """Runs a command to its end."""
    return await ended(await launched(config, *arguments))
