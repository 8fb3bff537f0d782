"""The built wheel works in an empty folder, with nothing of the checkout: migrations and views travel in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl.schema import metadata

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the program as the wheel installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    _run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT), cwd=folder)
    [wheel] = folder.glob("*.whl")
    _run("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "site"), str(wheel), cwd=folder)
    return folder / "site"


def _run(*arguments: str, cwd: Path, site: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site or "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_wheel_migrates_and_syncs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    etl = "from etl.cli import main; main()"
    where = _run("-c", "import etl; print(etl.__file__)", cwd=tmp_path, site=installed)
    assert where.startswith(str(installed)), "the checkout must not be what is tried"
    try:
        shown = _run("-c", etl, "demo", "--members", "5", "--days", "3", cwd=tmp_path, site=installed)
        for table in metadata.sorted_tables:
            if table.schema == "warehouse":
                assert f"{table.fullname} " in shown, f"the demonstration fills {table.fullname}"
        _run("-c", etl, "init", cwd=tmp_path, site=installed)
        assert "migrated" in _run("-c", etl, "migrate", cwd=tmp_path, site=installed)
    finally:
        _run("-c", etl, "db", "stop", cwd=tmp_path, site=installed)
        _run("-c", etl, "--config", ".etl/demo/etl.toml", "db", "stop", cwd=tmp_path, site=installed)
