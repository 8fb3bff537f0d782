"""The shipped files as values, an installation to run their commands in, and the nightly script with stubs."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from etl.sandbox import Sandbox, World

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PATH = f"{BIN}:{os.environ['PATH']}"
NIGHTLY = ROOT / "deploy" / "nightly.sh"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = str(shutil.which("sh"))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def copied() -> dict[str, str]:
    """What the Dockerfile copies from the checkout: source to destination."""
    plain = [arguments.split() for name, arguments in instructions() if name == "COPY" and "--from" not in arguments]
    return {source: paths[-1] for paths in plain for source in paths[:-1]}


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(number for number, (name, _) in enumerate(found) if name == "FROM") :]


@asynccontextmanager
async def installation(folder: Path, dsn: str) -> AsyncIterator[dict[str, str]]:
    """A small exchange, an installation in `folder` that is set up for it, and the environment of its commands."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(BIN)
    async with Sandbox(World.make(members=5, days=5), rate_requests=0) as sandbox:
        (folder / "etl.toml").write_text(
            f"""
[warehouse]
dsn = "${{ETL_WAREHOUSE_DSN}}"

[accounts.lbank-main]
source = "lbank"
api_key = "${{LBANK_API_KEY}}"
secret_key = "${{LBANK_SECRET_KEY}}"
open_id = "${{LBANK_OPEN_ID}}"
base_url = "{sandbox.url}"
start_date = {sandbox.world.horizon.first_day}
rate_limit = {{ requests = 200, period_seconds = 1 }}
"""
        )
        secrets = {
            "ETL_WAREHOUSE_DSN": dsn,
            "LBANK_API_KEY": sandbox.api_key,
            "LBANK_SECRET_KEY": sandbox.secret_key,
            "LBANK_OPEN_ID": sandbox.open_id,
        }
        quoted = "".join(f"{name}={shlex.quote(value)}\n" for name, value in secrets.items())
        (folder / "secrets.env").write_text(quoted)
        yield secrets


async def run(*command: str, cwd: Path, environment: dict[str, str]) -> tuple[int | None, str]:
    """A command's exit code and what it said, with an environment of its own as cron and systemd give it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), timeout=20)
    return process.returncode, out.decode()


async def outcomes(dsn: str) -> list[str]:
    """The outcomes of the runs that the warehouse knows of."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT command, outcome FROM ops.run ORDER BY run_id")
    await connection.close()
    return [f"{row['command']} {row['outcome']}" for row in rows]


class Night:
    """The nightly script with a `sleep` that does not: it says how long, and the last one hangs.

    `syncs` are the commands that stand in for `etl`, one a night; the script is told to stop after the last."""

    def __init__(self, folder: Path, environment: dict[str, str], *, syncs: list[str]) -> None:
        stubs = folder / "stubs"
        stubs.mkdir()
        self._nights = len(syncs)
        self._environment = {"PATH": PATH, **environment}
        self._environment["PATH"] = f"{stubs}:{NIGHTLY.parent}:{self._environment['PATH']}"
        count = f"echo x >>{shlex.quote(str(folder))}/nights; nights=$(wc -l <{shlex.quote(str(folder))}/nights)"
        hang = f'[ "$nights" -le {self._nights} ] || exec {shutil.which("sleep")} 60'
        self._stub(stubs / "sleep", f'{count}; echo "sleep $*"; {hang}')
        if syncs != ["etl"]:
            cases = " ".join(f"{number}) {command};;" for number, command in enumerate(syncs, start=1))
            read = f"nights=$(wc -l <{shlex.quote(str(folder))}/nights | tr -d ' ')"
            self._stub(stubs / "etl", f'echo "etl $*"; {read}; case $nights in {cases} esac')

    @staticmethod
    def _stub(path: Path, script: str) -> None:
        path.write_text(f"#!{SHELL}\n{script}\n")
        path.chmod(0o755)

    async def watched(self, command: list[str]) -> list[str]:
        """Runs the nights, stops the script, and returns what the stubs said and the script's exit code."""
        said: list[str] = []
        process = await asyncio.create_subprocess_exec(
            *command,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(20):
                while sum(line.startswith("sleep") for line in said) <= self._nights:
                    line = (await process.stdout.readline()).decode().strip()
                    assert line, (await process.stderr.read()).decode()
                    said.append(line)
            process.terminate()
            async with asyncio.timeout(5):
                self.told = (await process.stderr.read()).decode()
                said.append(f"exit {await process.wait()}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
        return said
