"""docs/faults.md tells of every kind of fault, and every test that it names exists."""

import ast
import re
from functools import cache

import pytest

from etl.sandbox.faults import KINDS
from etl.sync import run
from tests.docs.test_readme import README, ROOT, section, table

FAULTS = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## .+$", FAULTS, re.MULTILINE)
ROWS = [row for heading in HEADINGS for row in table(section(FAULTS, heading))]
NAMED = sorted(set(re.findall(r"`(tests/[a-z_/]+\.py)::([^`]*)`", FAULTS)))


@cache
def names_in(path: str) -> set[str]:
    """The names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in functions if node.name.startswith("test_")}


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_every_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in names_in(path)


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_every_row_names_a_test_and_says_how_the_run_ends(row: list[str]) -> None:
    _, happens, ends, following, shown_by = row
    assert happens
    assert following
    assert re.findall(r"`tests/[a-z_/]+\.py::test_[a-z0-9_]+`", shown_by)
    codes = {int(code) for code in re.findall(r"exit (\d+)", ends)}
    assert codes <= {value for name, value in vars(run).items() if name.startswith("EXIT_")}
    assert codes or ends == "–" or ends.startswith("as ")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_is_told_with_what_it_costs_and_how_it_is_injected(kind: str) -> None:
    assert [row for row in ROWS if f"`{kind}`" in row[0]]
    assert f"`{kind}`" in section(README, "### `etl sandbox`")


def test_every_key_of_a_fault_is_told() -> None:
    told = {
        kind: set(re.findall(r"`([a-z_]+)`", keys))
        for kinds, keys, _ in table(section(README, "### `etl sandbox`"))
        for kind in re.findall(r"`([a-z_0-9]+)`", kinds)
    }
    assert told == {kind: set(options) for kind, options in KINDS.items()}
