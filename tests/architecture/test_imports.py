"""The house rules of the code itself: who imports whom, names, lengths, no inheritance between own classes."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = ("extract", "normalize", "load")
NOUNS = frozenset({"errors", "windows", "stream", "reads", "schema", "signing"})
MOST_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def name_of(path: Path) -> str:
    """The dotted name of a module, such as etl.extract.client."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(source: str) -> set[str]:
    """Every module that the source imports, wherever in the file; `from etl import x` counts as etl.x."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = str(node.module)
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "etl" else {module}
    return found


IMPORTS = {name_of(path): imports_of(path.read_text(encoding="utf-8")) for path in files("etl")}


def own_imports(*folders: str) -> list[tuple[str, str]]:
    """(importer, imported part of etl below the root, such as `load.coverage`) of the modules in `folders`."""
    return [
        (importer, imported.removeprefix("etl."))
        for importer, modules in IMPORTS.items()
        if importer.removeprefix("etl.").split(".")[0] in folders
        for imported in sorted(modules)
        if imported.startswith("etl.")
    ]


def strays(imported: list[tuple[str, str]], allowed: set[str]) -> list[tuple[str, str]]:
    """The imports of what `allowed` does not hold, neither itself nor a package that it lies in."""
    return [pair for pair in imported if not any(pair[1] == name or pair[1].startswith(f"{name}.") for name in allowed)]


def test_the_reader_of_imports_sees_them_all() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from etl import schema\n    from etl.load import raw\n"
    assert imports_of(source) == {"a.b", "c", "etl.schema", "etl.load"}
    assert strays([("x", "load.raw"), ("x", "loader"), ("x", "load")], {"load"}) == [("x", "loader")]
    assert ("etl.extract.walk", "extract.client") in own_imports("extract")


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_the_nouns_and_themselves_only(stage: str) -> None:
    assert strays(own_imports(stage), {stage, *NOUNS}) == []


def test_sync_imports_no_source_and_nothing_above_it() -> None:
    allowed = {*STAGES, *NOUNS, "sync", "warehouse", "query.density"}
    assert strays(own_imports("sync"), allowed) == []


def test_sources_import_the_nouns_the_parsers_and_themselves_only() -> None:
    assert strays(own_imports("sources"), {*NOUNS, "normalize.fields", "sources"}) == []


def test_a_source_imports_no_other_source() -> None:
    crossing = [
        pair
        for pair in own_imports("sources")
        if pair[1].startswith("sources.")
        and pair[0] != "etl.sources"
        and pair[0].split(".")[:3] != f"etl.{pair[1]}".split(".")[:3]
    ]
    assert crossing == []


def test_the_sandbox_imports_nothing_of_the_pipeline() -> None:
    assert strays(own_imports("sandbox"), {"sandbox"}) == []


def test_nothing_but_the_face_imports_the_sandbox_and_the_sources() -> None:
    face = {"etl.cli", "etl.demo", "etl.commands", "etl.__main__"}
    users = {
        importer
        for importer, modules in IMPORTS.items()
        for imported in modules
        if imported.startswith(("etl.sandbox", "etl.sources"))
        if not importer.startswith(".".join(imported.split(".")[:2]))
    }
    assert users - face == set()


@pytest.mark.parametrize(
    ("noun", "allowed"), [("errors", set()), ("windows", set()), ("reads", {"windows"}), ("stream", {"reads"})]
)
def test_the_nouns_import_as_their_docstrings_say(noun: str, allowed: set[str]) -> None:
    assert strays(own_imports(noun), allowed) == []


def test_the_schema_and_the_warehouse_know_nothing_of_stages() -> None:
    assert strays(own_imports("schema"), set()) == []
    assert strays(own_imports("warehouse"), {*NOUNS, "warehouse", "config", "load"}) == []


def test_only_the_client_and_the_sandbox_import_aiohttp() -> None:
    users = {name for name, modules in IMPORTS.items() if any(each.split(".")[0] == "aiohttp" for each in modules)}
    assert {name for name in users if not name.startswith("etl.sandbox")} == {"etl.extract.client"}


def test_migrations_see_the_schema_only() -> None:
    seen = {
        (path.name, module)
        for path in files("migrations")
        for module in imports_of(path.read_text(encoding="utf-8"))
        if module.split(".")[0] == "etl"
    }
    assert {module for _, module in seen} <= {"etl.schema"}, seen


# ------------------------------------------------------------------------------------------------ shape


@pytest.mark.parametrize("path", files("etl"), ids=name_of)
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_module_is_named_for_holding_anything() -> None:
    for path in files("etl"):
        assert not {*path.relative_to(ROOT).with_suffix("").parts} & FORBIDDEN_NAMES


@pytest.mark.parametrize("path", files("etl"), ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def own_bases(trees: dict[str, ast.Module]) -> list[tuple[str, str]]:
    """(class, base) of every class whose base is a class of the project, errors.py left out."""
    classes = [
        (module, node) for module, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    own = {node.name for _, node in classes}
    return [
        (f"{module}.{node.name}", ast.unparse(base))
        for module, node in classes
        if module != "etl.errors"
        for base in node.bases
        if ast.unparse(base).split("[")[0].rpartition(".")[2] in own
    ]


def test_the_finder_of_inheritance_finds_it() -> None:
    source = "class A: pass\nclass B(A): pass\nclass C(m.A): pass\nclass D(BaseModel): pass\nclass E(A[int]): pass\n"
    assert own_bases({"m": ast.parse(source)}) == [("m.B", "A"), ("m.C", "m.A"), ("m.E", "A[int]")]


def test_no_class_inherits_from_another_of_the_project_but_errors() -> None:
    trees = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in files("etl")}
    assert own_bases(trees) == []
