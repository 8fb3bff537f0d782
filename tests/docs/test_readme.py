"""The documents tell the truth about the program: commands, keys, streams, exit codes, examples and links."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest
import typer.main
from pydantic import BaseModel
from typer.testing import CliRunner

from etl import schema
from etl.cli import app
from etl.config import AccountSettings, RateSettings, ScheduleSettings, WarehouseSettings, load
from etl.extract.paging import page_size
from etl.reads import Daily, Monthly, Reads
from etl.sources import SOURCES
from etl.sources.lbank import streams as declared
from etl.stream import Paging, Partition
from etl.sync import run

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/decisions.md"),
    *("docs/adding-an-exchange.md", "docs/bi.md", "docs/faults.md"),
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES = ("lbank", "coinw", "orderly", "ztdx")
# The private key is the one of sources/orderly/signature_vectors.json: made up, registered nowhere.
SECRETS = {
    "LBANK_API_KEY": "key",
    "LBANK_SECRET_KEY": "secret",
    "LBANK_OPEN_ID": "LBA1",
    "COINW_API_KEY": "key",
    "COINW_SECRET_KEY": "secret",
    "ZTDX_TOKEN": "token",
    "ORDERLY_ACCOUNT_ID": "0x" + "ab" * 32,
    "ORDERLY_SECRET_KEY": "ed25519:666vaJTNnD49ebK3FKaFxY53nAoY1mcSaoeKM8Eg34WR",
}
ROOT_OPTIONS = {"--help", "--config", "--version", "--install-completion", "--show-completion"}


def section(document: str, heading: str) -> str:
    """A section's text, up to the next heading of its rank."""
    rank = heading.split(" ", 1)[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{2,{len(rank)}}} |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[1]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indent that a list gives them."""
    fenced = re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", document, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{block[1]}", "", block[2], flags=re.MULTILINE) for block in fenced]


def table(text: str) -> list[list[str]]:
    """The cells of the rows of a section's first table, without its heading."""
    lines = text[text.index("\n|") + 1 :].split("\n\n", 1)[0].strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its whole name; groups too where they are commands by themselves."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", {})
        if name != "etl" and (not inner or command.invoke_without_command):
            yield name, command
        for key, each in inner.items():
            yield from walk(f"{name} {key}", each)

    return walk("etl", typer.main.get_command(app))


COMMANDS = dict(commands())


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} - ROOT_OPTIONS


def heading_of(name: str) -> str:
    return "### `" + " ".join(name.split()[:2]) + "`"


def test_the_walk_finds_the_commands_and_those_below_them() -> None:
    assert {"etl sync", "etl plan", "etl plan backfill", "etl db psql"} <= set(COMMANDS)
    assert options_of(COMMANDS["etl plan backfill"]) >= {"--from", "--to", "--force"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_of_it_is_documented(name: str) -> None:
    text = section(README, heading_of(name))
    assert f"`{name}`" in text or heading_of(name) == f"### `{name}`"
    missing = {option for option in options_of(COMMANDS[name]) if not re.search(rf"`{option}\b", text)}
    assert not missing


@pytest.mark.parametrize("heading", sorted({heading_of(name) for name in COMMANDS}))
def test_every_option_that_is_documented_exists(heading: str) -> None:
    known = ROOT_OPTIONS.union(*(options_of(each) for name, each in COMMANDS.items() if heading_of(name) == heading))
    told = set(re.findall(r"`(--[a-z-]+)", section(README, heading)))
    told |= {option for line in re.findall(r"\betl [^`\n]*", section(README, heading)) for option in options_in(line)}
    assert told <= known


def options_in(line: str) -> list[str]:
    return re.findall(r"(?<= )--[a-z-]+", line)


def test_every_command_line_in_the_documents_names_a_command_that_exists() -> None:
    names = {name.split()[1] for name in COMMANDS}
    lines = re.findall(r"(?:`|\$ |bin/|nightly |\")etl ((?:--config \S+ )?[a-z]+)", README + CONTRIBUTING)
    assert len(lines) > 20
    assert {line.rsplit(" ", 1)[-1] for line in lines} <= names


# ------------------------------------------------------------------------------------------------ configuration


def keys_of(place: str, model: type[BaseModel]) -> dict[str, Any]:
    """Every key of a table of etl.toml with its default, or `required`."""
    return {
        f"{place}{name}": "required" if field.is_required() else field.default
        for name, field in model.model_fields.items()
    }


EVERY_ACCOUNT = {
    "accounts.<name>.source": "required",
    **keys_of("warehouse.", WarehouseSettings),
    **keys_of("schedule.", ScheduleSettings),
    **keys_of("accounts.<name>.", AccountSettings),
}
KEYS = {
    "## Configuration": EVERY_ACCOUNT,
    **{f"### {source.title} accounts": keys_of("", source.settings) for source in SOURCES},
}
EVERY_KEY = [(heading, key, default) for heading, keys in KEYS.items() for key, default in keys.items()]


def documented_keys(heading: str) -> dict[str, str]:
    return {row[0].strip("`"): row[1].strip("`") for row in table(section(README, heading))}


@pytest.mark.parametrize("heading", KEYS)
def test_every_key_of_the_configuration_is_documented_and_no_other(heading: str) -> None:
    assert set(documented_keys(heading)) == set(KEYS[heading])
    assert all(name in section(README, "## Configuration") for name in RateSettings.model_fields)


@pytest.mark.parametrize(("heading", "key", "default"), EVERY_KEY)
def test_the_documented_default_is_the_real_one(heading: str, key: str, default: object) -> None:
    told = documented_keys(heading)[key]
    if default in (None, (), ""):
        assert told in ("–", "the source's", "the stream's", "all by default")
    else:
        assert told == (default[0] if isinstance(default, tuple) else str(default))


def test_the_example_configuration_loads(tmp_path: Path) -> None:
    [example] = blocks(README, "toml")
    (tmp_path / "etl.toml").write_text(example)
    config = load(tmp_path / "etl.toml", SOURCES, SECRETS)
    assert [(account.name, account.start_date) for account in config.accounts] == [("lbank-main", date(2026, 10, 1))]
    assert config.warehouse.data_dir == tmp_path / ".etl"


def test_the_file_that_init_writes_loads_and_names_the_streams_there_are(tmp_path: Path) -> None:
    path = tmp_path / "etl.toml"
    written = CliRunner().invoke(app, ["init", "--config", str(path)], env={"ETL_NOW": "2026-03-01T02:30:00Z"})
    assert written.exit_code == 0, written.output
    [account] = load(path, SOURCES, SECRETS).accounts
    assert account.start_date == date(2025, 12, 1)
    # With every key spelled out, it says what holds without it.
    spelled_out = re.sub(r"^# (\[?[a-z_.-]+(\]| = ))", r"\1", path.read_text(), flags=re.MULTILINE)
    path.write_text(re.sub(r"^(dsn|private_key|token_file)\b", r"# \1", spelled_out, flags=re.MULTILINE))
    accounts = load(path, SOURCES, SECRETS).accounts
    assert [each.source for each in accounts] == [source for name in NAMES for source in SOURCES if source.name == name]
    for each in accounts:
        source = each.source
        assert each.streams == tuple(stream for stream in source.streams if stream.on_by_default)
        assert (each.base_url, each.zone.key) == (source.base_url, source.day_zone)
        assert {each.rate(stream) for stream in each.streams} == {stream.rate for stream in each.streams}
        named = {name.removesuffix("_file") for name in re.findall(r"[a-z_]+", path.read_text())}
        assert set(type(each.settings).model_fields) <= named


# ------------------------------------------------------------------------------------------------ what there is


def documented_streams() -> dict[str, list[str]]:
    return {row[0].strip("`"): row[1:] for row in table(section(README, "## Streams"))}


EVERY_STREAM = {f"{source.name}.{stream.name}": stream for source in SOURCES for stream in source.streams}


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_the_table_of_streams_says_what_is_declared(name: str) -> None:
    stream = EVERY_STREAM[name]
    path, paging, limit, window, settles, fan_out, into = documented_streams()[name]
    assert stream.path.endswith(f"/{path.strip('`')}")
    assert paging == "none" if page_size(stream.paging) is None else paging.endswith(str(page_size(stream.paging)))
    assert limit == str(stream.rate)
    assert into == ", ".join(f"`{each.table.name}`" for each in stream.into)
    assert ("off by default" in fan_out) is not stream.on_by_default
    match stream.reads:
        case Daily(most_days=most_days, settles_after=settles_after):
            assert (window, settles) == (str(most_days), f"{settles_after.total_seconds() / 3600:g} h")
        case Monthly(settles_after=settles_after):
            assert (window, settles) == ("calendar month", f"{settles_after.total_seconds() / 3600:g} h")
        case _:
            assert settles == "never"


def test_the_table_of_streams_names_no_stream_that_is_not_there() -> None:
    assert set(documented_streams()) == set(EVERY_STREAM)
    assert len({stream.path for stream in EVERY_STREAM.values()}) == 12, "twelve endpoints"


def test_every_exchange_is_told_at_the_top_and_what_to_get_of_it_is_for_keys_that_it_has() -> None:
    titles = {source.title: source for source in SOURCES}
    assert {row[0] for row in table(README)} == set(titles)
    wanted = table(re.sub(r"^ +\|", "|", section(README, "## Set up a real account"), flags=re.MULTILINE))
    assert {title for title, _, _ in wanted} == set(titles)
    for title, _, keys in wanted:
        named = {key.removesuffix("_file") for key in re.findall(r"`([a-z_]+)`", keys)}
        fields = titles[title].settings.model_fields
        assert {name for name, each in fields.items() if each.is_required()} <= named <= set(fields)


def test_every_exit_code_is_documented_and_no_other() -> None:
    told = {int(row[0]) for row in table(section(README, "### Exit codes"))}
    assert told == {value for name, value in vars(run).items() if name.startswith("EXIT_")}


def test_every_table_is_documented_and_no_other() -> None:
    rows = table(section(README, "## The warehouse"))
    told = {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row[0])}
    assert told == set(schema.metadata.tables)


async def test_every_view_is_documented_and_no_other(warehouse_dsn: str) -> None:
    connection = await asyncpg.connect(warehouse_dsn)
    records = await connection.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'bi'")
    await connection.close()
    told = re.findall(r"^\| `(bi\.[a-z_]+)` \|", README, re.MULTILINE)
    assert sorted(told) == sorted(f"bi.{record['viewname']}" for record in records)


async def test_the_example_queries_run(warehouse_dsn: str) -> None:
    queries = blocks(README, "sql")
    assert len(queries) >= 3
    assert not re.search(r"\b(FROM|JOIN) (?!bi\.)", "\n".join(queries)), "readers may read the views of bi only"
    connection = await asyncpg.connect(warehouse_dsn)
    for query in queries:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(query)
        await transaction.rollback()
    await connection.close()


# ------------------------------------------------------------------------------------------------ examples and links


@pytest.mark.parametrize("number", range(len(blocks(CONTRIBUTING, "python"))))
def test_the_example_code_runs(number: int) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(blocks(CONTRIBUTING, "python")[number], f"CONTRIBUTING.md, block {number + 1}", "exec"), namespace)
    assert len(namespace) > 1


def test_the_example_stream_is_the_real_one() -> None:
    namespace: dict[str, Any] = {}
    [example] = [block for block in blocks(CONTRIBUTING, "python") if "TEAM_TRADES = Stream(" in block]
    exec(example, namespace)
    shown, real = namespace["TEAM_TRADES"], declared.TEAM_TRADES
    for name in (
        "name",
        "doc",
        "path",
        "rate",
        "rows",
        "paging",
        "fan_out",
        "partitioned_by",
        "needs_roster",
        "into",
        "row_key",
    ):
        assert getattr(shown, name) == getattr(real, name), name
    assert isinstance(real.reads, Daily)
    assert shown.reads.settles_after == real.reads.settles_after
    for partition in (Partition.of(open_id="LBA1", market=market) for market in ("spot", "futures")):
        assert shown.params(partition) == real.params(partition)


def test_every_kind_of_window_and_of_paging_is_told() -> None:
    told = section(CONTRIBUTING, "## Adding a stream")
    missing = [kind.__name__ for kind in (*get_args(Reads), *get_args(Paging)) if f"`{kind.__name__}`" not in told]
    assert not missing


def anchors(document: str) -> set[str]:
    """The anchors of a document's headings: lower case, spaces to hyphens, punctuation gone."""
    plain = re.sub(r"^```.*?^```$", "", document, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


ANCHORS: Mapping[str, set[str]] = {name: anchors((ROOT / name).read_text(encoding="utf-8")) for name in DOCUMENTS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        assert "://" not in target, "the documents link to the project only"
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in ANCHORS[str(file.resolve().relative_to(ROOT))], target


def test_the_house_is_described_folder_by_folder() -> None:
    named = set(re.findall(r"`([a-z_./]+)`", "".join(row[0] for row in table(section(CONTRIBUTING, "## The house")))))
    assert all((ROOT / name).exists() for name in named)
    folders = {f"etl/{each.name}/" for each in (ROOT / "etl").iterdir() if (each / "__init__.py").exists()}
    assert folders <= named
