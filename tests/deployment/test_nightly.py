"""The nightly script: when it wakes, what it does with failures, and how it stops. Nothing sleeps."""

import asyncio
import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deployment.shipped import NIGHTLY, PATH, SERVICES, SHELL, Night, copied

MIDNIGHT = 1_772_323_200  # 2026-03-01T00:00:00Z


@pytest.mark.parametrize(
    ("at", "clock", "seconds"),
    [
        (None, 0, 9000),
        (None, 2 * 3600 + 29 * 60 + 59, 1),
        (None, 2 * 3600 + 30 * 60, 86400),
        (None, 2 * 3600 + 30 * 60 + 1, 86399),
        (None, 20 * 3600, 23400),
        ("08:09", 8 * 3600, 540),
        ("00:00", 23 * 3600, 3600),
        ("23:59", 0, 86340),
    ],
)
async def test_it_sleeps_until_the_next_time_of_day(tmp_path: Path, at: str | None, clock: int, seconds: int) -> None:
    environment = {"ETL_NIGHTLY_NOW": str(MIDNIGHT + clock)} | ({} if at is None else {"ETL_NIGHTLY_AT": at})
    night = Night(tmp_path, environment, syncs=["exit 0"])
    slept = f"sleep {seconds}"
    assert await night.watched([str(NIGHTLY)]) == [slept, "etl sync", slept, "exit 143"]


async def test_it_goes_on_after_a_sync_that_failed_and_says_how_it_ended(tmp_path: Path) -> None:
    night = Night(tmp_path, {"ETL_NIGHTLY_NOW": str(MIDNIGHT)}, syncs=["exit 1", "exit 3", "exit 0"])
    assert await night.watched([str(NIGHTLY)]) == [*["sleep 9000", "etl sync"] * 3, "sleep 9000", "exit 143"]
    events = [json.loads(line) for line in night.told.splitlines()]
    assert [(event["level"], event["message"]) for event in events if "etl sync" in event["message"]] == [
        ("error", "etl sync ended with exit code 1"),
        ("error", "etl sync ended with exit code 3"),
        ("info", "etl sync is through"),
    ]


async def test_told_to_stop_during_a_sync_it_passes_that_on_and_waits_for_the_end(tmp_path: Path) -> None:
    stub = tmp_path / "stubs" / "etl"
    stub.parent.mkdir()
    stub.with_name("sleep").write_text(f"#!{SHELL}\n")
    forever = f"while :; do {shutil.which('sleep')} 0.01; done"
    stub.write_text(f"#!{SHELL}\ntrap 'echo rolled back; exit 130' TERM\necho began\n{forever}\n")
    for each in stub.parent.iterdir():
        each.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        str(NIGHTLY),
        env={"PATH": f"{stub.parent}:{PATH}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10):
            assert await process.stdout.readline() == b"began\n"
            process.terminate()
            assert await process.stdout.read() == b"rolled back\n"
            assert await process.wait() == 143
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


@pytest.mark.parametrize("at", ["2:30", "24:00", "02:60", "02:30:00", "soon", "-1:00"])
def test_it_refuses_what_is_no_time_of_day(at: str) -> None:
    ended = subprocess.run(
        [str(NIGHTLY)], env={"PATH": PATH, "ETL_NIGHTLY_AT": at}, capture_output=True, text=True, timeout=5, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{at} is no time of day" in json.loads(ended.stderr)["message"]


def test_the_nightly_service_runs_the_script_that_the_image_holds() -> None:
    [command] = SERVICES["nightly"]["command"]
    assert copied()["deploy/nightly.sh"] == f"/usr/local/bin/{command}"
    assert os.access(NIGHTLY, os.X_OK)
