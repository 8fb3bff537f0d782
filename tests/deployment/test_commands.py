"""Every command of the image, Compose, cron and systemd is run for real, against a small exchange."""

import configparser
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.deployment.shipped import (
    BIN,
    PATH,
    README,
    ROOT,
    SERVICES,
    SHELL,
    Night,
    installation,
    last_stage,
    outcomes,
    run,
)

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
INSTALLED = "/opt/affiliate-etl"


@pytest.fixture
def new_dsn(make_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """The DSN of a database without tables."""
    with make_database("template1") as dsn:
        yield dsn


async def test_the_commands_of_the_image_and_of_compose_bring_a_warehouse_up_to_date(
    tmp_path: Path, new_dsn: str
) -> None:
    async with installation(tmp_path, new_dsn) as secrets:
        environment = {**secrets, "PATH": PATH, "ETL_CONFIG": str(tmp_path / "etl.toml")}
        code, said = await run(*json.loads(dict(last_stage())["CMD"]), cwd=tmp_path, environment=environment)
        assert (code, "Usage: etl" in said) == (0, True)
        code, said = await run(*SERVICES["migrate"]["command"], cwd=tmp_path, environment=environment)
        assert (code, said) == (0, "the warehouse is migrated\n")
        night = Night(tmp_path, {**environment, "ETL_NIGHTLY_NOW": "0"}, syncs=["etl"])
        assert (await night.watched(SERVICES["nightly"]["command"]))[:2] == ["sleep 9000", "sleep 9000"]
        assert await outcomes(new_dsn) == ["sync done"]


async def test_the_crontab_line_syncs(tmp_path: Path, warehouse_dsn: str) -> None:
    [block] = re.findall(r"^```crontab\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    *schedule, command = block.split(" ", 5)
    assert schedule == ["30", "2", "*", "*", "*"]
    assert "%" not in command, "cron takes it for the end of the line"
    async with installation(tmp_path, warehouse_dsn):
        code, said = await run(
            *(SHELL, "-c", command.replace(INSTALLED, str(tmp_path))),
            cwd=tmp_path.parent,
            environment={"PATH": "/usr/bin:/bin"},
        )
    assert (code, said) == (0, "")
    assert '"outcome": "done"' in (tmp_path / "sync.log").read_text()
    assert await outcomes(warehouse_dsn) == ["sync done"]


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    parser.read(ROOT / "deploy" / "systemd" / name)
    return parser


async def test_the_service_syncs(tmp_path: Path, warehouse_dsn: str) -> None:
    service = unit("etl-sync.service")["Service"]
    async with installation(tmp_path, warehouse_dsn) as secrets:
        assert service["EnvironmentFile"] == f"{service['WorkingDirectory']}/secrets.env"
        command = service["ExecStart"].replace(INSTALLED, str(tmp_path)).split()
        code, said = await run(*command, cwd=tmp_path, environment=secrets)
    assert code == 0, said
    assert await outcomes(warehouse_dsn) == ["sync done"]


async def test_the_unit_of_the_embedded_postgres_starts_and_stops_it(tmp_path: Path) -> None:
    service = unit("etl-postgres.service")["Service"]
    assert (service["Type"], service["RemainAfterExit"]) == ("oneshot", "yes")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    for key, said in (("ExecStart", "Postgres is up"), ("ExecStop", "Postgres is stopped")):
        command = service[key].replace(INSTALLED, str(tmp_path)).split()
        code, out = await run(*command, cwd=tmp_path, environment={"PATH": PATH})
        assert (code, said in out) == (0, True)


def test_the_units_are_shown_in_the_readme_as_they_are_and_hang_together() -> None:
    assert [path.name for path in UNITS] == ["etl-postgres.service", "etl-sync.service", "etl-sync.timer"]
    for path in UNITS:
        assert f"(deploy/systemd/{path.name})" in README
    for name in ("etl-sync.service", "etl-sync.timer"):
        assert (ROOT / "deploy" / "systemd" / name).read_text() in README
    assert unit("etl-sync.timer")["Timer"]["OnCalendar"] == "*-*-* 02:30:00 UTC"
    for key in ("User", "WorkingDirectory"):
        assert unit("etl-sync.service")["Service"][key] == unit("etl-postgres.service")["Service"][key]
