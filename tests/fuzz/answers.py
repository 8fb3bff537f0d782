"""Good answers to begin from: those that the providers' pages show, and those of the sandbox's own exchanges."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import import_module
from itertools import islice, product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from etl.extract.paging import first_page
from etl.extract.request import window_drafts
from etl.sandbox.exchanges import open_coinw, open_orderly, open_ztdx
from etl.sandbox.lbank.access import Parameters
from etl.sandbox.lbank.protocol import LBank, success
from etl.sandbox.people import Person
from etl.sandbox.wire import JSON, Received, json_text
from etl.sandbox.world import World
from etl.sources import SOURCES
from etl.stream import Account, Member, Params, Partition, Roster, Source, Stream
from etl.windows import ONE_DAY, Days, Window
from tests.fuzz.mutations import parsed
from tests.sources.documented import Documented

DOCUMENTS = Path(__file__).parents[1] / "sources"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
MOST = 6
"""Rows of an answer to begin from: few, so that a change is likely to be of a row and the run is short."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A good answer of a stream to the question for a partition and a window."""

    account: Account
    stream: Stream
    partition: Partition
    window: Window
    document: Any
    rows: int


def rows_in(exchange: str, document: Any) -> list[Any]:
    """The raw rows of a decoded answer, where the provider's page has them."""
    match exchange:
        case "ztdx":
            return list(document["logs"])
        case "coinw":
            return list(document["data"]["list"] or [])
        case "orderly":
            return list(document["data"]["rows"])
    data = document["data"]
    return [data] if isinstance(data, dict) else list(data or [])


def account_of(source: Source) -> Account:
    """An account with the settings that the contract test has."""
    settings = dict(import_module(f"tests.sources.{source.name}.expected").SETTINGS)
    return Account(
        name=f"{source.name}-main",
        source=source,
        base_url=source.base_url,
        zone=ZoneInfo(source.day_zone),
        start_date=date(2024, 1, 1),
        streams=source.streams,
        settings=source.settings.model_validate(settings),
    )


@cache
def seeds(name: str) -> tuple[Seed, ...]:
    """All good answers of a source, documented ones first."""
    [source] = [each for each in SOURCES if each.name == name]
    return (*_documented(source), *_simulated(source))


def _documented(source: Source) -> list[Seed]:
    pages: Mapping[str, Documented] = import_module(f"tests.sources.{source.name}.expected").STREAMS
    found = []
    for stream in source.streams:
        document = parsed((DOCUMENTS / source.name / f"{stream.name}.json").read_bytes())
        page = pages[stream.name]
        rows = len(rows_in(source.name, document))
        found.append(Seed(account_of(source), stream, page.partition, page.window, document, rows))
    return found


# ------------------------------------------------------------------------------------------------ the sandbox


def _simulated(source: Source) -> list[Seed]:
    """Answers of the sandbox to the questions for some partitions of a small world, at most four with rows of each
    stream."""
    world, account = _world(), account_of(source)
    roster = Roster({each.open_id: _member(each) for each in world.team.listed(world.now)[:4]})
    found: list[Seed] = []
    for stream in source.streams:
        asked = product(stream.fan_out(account, roster), _windows(stream, account))
        answered = (_answer(world, account, stream, *each) for each in asked)
        found += islice((seed for seed in answered if seed.rows), 4)
    return found


@cache
def _world() -> World:
    return World.make(seed=11, members=14, days=40, end=NOW)


def _member(person: Person) -> Member:
    return Member(person.open_id, "info", level=1, has_traded=True)


def _windows(stream: Stream, account: Account) -> tuple[Window, ...]:
    today = account.today(NOW)
    return stream.reads.windows(Days.between(today - 30 * ONE_DAY, today), today)[:3]


def _answer(world: World, account: Account, stream: Stream, partition: Partition, window: Window) -> Seed:
    params = window_drafts(stream, account, partition, window)(first_page(stream.paging)).params
    document = parsed(_said(world, account.source.name, stream.path, params))
    return Seed(account, stream, partition, window, document, _cut(document))


def _said(world: World, exchange: str, path: str, params: Params) -> str:
    """What the exchange's protocol says, its access control left out."""
    query = {name: str(value) for name, value in params.items()}
    body, headers = json.dumps(dict(params)).encode(), {"Content-Type": JSON}
    received = Received("GET", path, path, query, headers, body)
    match exchange:
        case "lbank":
            return json_text(success(LBank(world).ask(path, Parameters(query)), NOW).body)
        case "coinw":
            return open_coinw(world, None, freshness_seconds=60)._reply(received, None).text
        case "orderly":
            return open_orderly(world, None)._reply(received, None, NOW).text
    return open_ztdx(world, None, freshness_seconds=60)._reply(received, None, NOW).text


def _cut(document: Any) -> int:
    """Leaves the first rows of a long list, with a total that is theirs; tells how many there are."""
    holder = document if "logs" in document else document["data"]
    if isinstance(holder, dict) and ("turnover" in holder or "inviteResult" in holder):
        return 1
    listed = holder if isinstance(holder, list) else holder.get("logs", holder.get("list", holder.get("rows")))
    del listed[MOST:]
    for told in (holder, holder.get("meta")) if isinstance(holder, dict) else ():
        if isinstance(told, dict) and "total" in told:
            told["total"] = type(told["total"])(len(listed))
    return len(listed)
