"""Runs the real `etl` command in processes of its own, against a sandbox of this one."""

import asyncio
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
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
    folder: Path,
    night: Night,
    *,
    requests: int = 1000,
    period_seconds: float = 0.01,
    secret: str | None = None,
    sources: Collection[str] = ("lbank",),
) -> Path:
    """Writes a configuration of the night's warehouse with accounts at these exchanges; `secret` replaces LBank's."""
    start_date = night.start_date or night.sandbox.world.horizon.first_day
    limits = dict.fromkeys(sources, (requests, period_seconds))
    told = night.sandbox.configuration(start_date, suffix="main", rate_limits=limits)
    accounts = [account for account in told.split("\n\n") if any(f"[accounts.{each}-" in account for each in sources)]
    text = f'[warehouse]\ndsn = "{night.dsn}"\n\n' + "\n\n".join(accounts)
    path = folder / "etl.toml"
    path.touch(mode=0o600)
    path.write_text(text.replace(night.sandbox.secret_key, secret or night.sandbox.secret_key), encoding="utf-8")
    return path


async def launched(
    config: Path, *arguments: str, now: datetime | None = EVENING, environ: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Starts the command with the clock of the test's evening, another or (None) the real one, and more variables of
    the environment."""
    clock = {} if now is None else {"ETL_NOW": now.isoformat()}
    return await asyncio.create_subprocess_exec(
        *ETL,
        *arguments,
        env={**os.environ, "ETL_CONFIG": str(config), **clock, **(environ or {})},
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


async def run(
    config: Path, *arguments: str, now: datetime | None = EVENING, environ: Mapping[str, str] | None = None
) -> Ended:
    """Runs a command to its end."""
    return await ended(await launched(config, *arguments, now=now, environ=environ))
