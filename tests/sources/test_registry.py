"""A provider is found by lying in etl/sources; what is no provider there is told at once."""

import importlib
import sys
from pathlib import Path

import pytest

import etl.sources
from etl.sources import SOURCES, find_sources
from etl.sources.coinw import COINW
from etl.sources.lbank import LBANK
from etl.sources.orderly import ORDERLY
from etl.sources.ztdx import ZTDX
from tests.sources.additions import added

FOLDER = Path(etl.sources.__file__).parent
A_SOURCE = """
from dataclasses import replace
from etl.sources.lbank import LBANK
SOURCE = replace(LBANK, name={name!r})
"""


def test_the_four_providers_are_found_in_the_order_of_their_names() -> None:
    assert SOURCES == (COINW, LBANK, ORDERLY, ZTDX)
    assert [source.name for source in SOURCES] == ["coinw", "lbank", "orderly", "ztdx"]


def test_every_module_of_the_folder_is_a_provider_of_its_name() -> None:
    names = {path.stem for path in FOLDER.iterdir() if path.stem != "__init__" and not path.name.startswith("__")}
    assert names == {source.name for source in SOURCES}
    for name in names:
        assert importlib.import_module(f"etl.sources.{name}").SOURCE.name == name


def test_one_file_more_is_one_provider_more_in_the_order_of_names(tmp_path: Path) -> None:
    with added(tmp_path, dodo=A_SOURCE.format(name="dodo"), albatross=A_SOURCE.format(name="albatross")) as sources:
        assert [source.name for source in sources] == ["albatross", "coinw", "dodo", "lbank", "orderly", "ztdx"]
        assert "etl.sources.dodo" in sys.modules
    assert find_sources(etl.sources.__path__) == SOURCES
    assert "etl.sources.dodo" not in sys.modules


def test_a_folder_is_a_provider_too(tmp_path: Path) -> None:
    (tmp_path / "dodo").mkdir()
    (tmp_path / "dodo" / "__init__.py").write_text(A_SOURCE.format(name="dodo"))
    (tmp_path / "dodo" / "auth.py").write_text("raise ImportError('only the package is imported')")
    with added(tmp_path) as sources:
        assert [source.name for source in sources] == ["coinw", "dodo", "lbank", "orderly", "ztdx"]


@pytest.mark.parametrize("code", ["", "SOURCE = None", "SOURCE = 'dodo'", "Source = 1"])
def test_a_module_without_a_source_is_told(tmp_path: Path, code: str) -> None:
    with pytest.raises(ImportError, match=r"etl\.sources\.dodo has no SOURCE"), added(tmp_path, dodo=code):
        pass


def test_two_sources_of_one_name_are_told(tmp_path: Path) -> None:
    twice = r"source 'ztdx' is declared twice, by the modules dodo and ztdx"
    with pytest.raises(ImportError, match=twice), added(tmp_path, dodo=A_SOURCE.format(name="ztdx")):
        pass


def test_a_second_module_of_one_name_does_not_vanish_behind_the_first(tmp_path: Path) -> None:
    with (
        pytest.raises(ImportError, match="'ztdx' is declared twice"),
        added(tmp_path, ztdx=A_SOURCE.format(name="new")),
    ):
        pass


def test_a_fault_in_a_provider_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), added(tmp_path, dodo="1 / 0"):
        pass
