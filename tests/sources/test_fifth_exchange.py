"""The guide to adding an exchange is true: its example is put beside the real providers as one file, and works."""

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etl import reads, stream, windows
from etl.config import load
from etl.errors import AccessRefused, AnswerUnreadable, EtlError, ProviderBusy, RateLimited, RequestRefused
from etl.extract.paging import first_page, next_page
from etl.extract.request import Answer, judged, raw_rows, window_drafts
from etl.load.coverage import Coverage
from etl.normalize.rows import Context, normalise
from etl.query.density import Density
from etl.sources import SOURCES
from etl.stream import Account, Partition, Roster, Source
from etl.sync.plan import Asked, plan_account
from etl.windows import Days, Window
from tests.sources.additions import added

GUIDE = (Path(__file__).parents[2] / "docs" / "adding-an-exchange.md").read_text(encoding="utf-8")
ENVIRON = {"KESTREL_API_KEY": "canary-key", "KESTREL_SECRET_KEY": "canary-secret"}
MARCH = Window(date(2026, 3, 1), date(2026, 4, 1))


def block(language: str) -> str:
    """The one fenced block of a language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[list[Source]]:
    """All providers there are, once the guide's file is among them."""
    folder = tmp_path / "one_file"
    folder.mkdir()
    with added(folder, kestrel=block("python")) as found:
        yield found


@pytest.fixture
def account(sources: list[Source], tmp_path: Path) -> Account:
    path = tmp_path / "etl.toml"
    path.write_text(block("toml"), encoding="utf-8")
    [loaded] = load(path, sources, ENVIRON).accounts
    return loaded


def test_the_registry_finds_it_beside_the_others(sources: list[Source]) -> None:
    assert {source.name for source in sources} - {source.name for source in SOURCES} == {"kestrel"}
    assert len(sources) == len(SOURCES) + 1


def test_an_account_of_it_is_accepted_as_configured(account: Account) -> None:
    assert (account.name, account.source.name, account.start_date) == ("kestrel-main", "kestrel", date(2026, 1, 1))
    assert (account.base_url, account.zone.key) == ("https://api.kestrel.example", "UTC")
    assert [each.name for each in account.streams] == ["daily_volumes"]
    assert "canary" not in repr(account)


def test_the_request_of_a_window_is_the_one_that_its_page_describes(account: Account) -> None:
    [volumes] = account.streams
    draft = window_drafts(volumes, account, Partition(), MARCH)(first_page(volumes.paging))
    assert (draft.method, draft.path) == ("GET", "/v1/partner/daily-volumes")
    assert dict(draft.params) == {"from": "2026-03-01", "to": "2026-03-31", "page": 1, "limit": 200}
    request = account.source.sign(draft, account.settings, timestamp_ms=1772582400456, nonce="")
    assert request.target == (
        "/v1/partner/daily-volumes?from=2026-03-01&to=2026-03-31&page=1&limit=200&ts=1772582400456"
    )
    # printf '<the query above>' | openssl dgst -sha256 -hmac canary-secret
    assert dict(request.headers) == {
        "X-Key": "canary-key",
        "X-Time": "1772582400456",
        "X-Signature": "91f7d0ad3f1f2aeb7dd2608d410269114640cbeaa0e3a24a8de6686563b21d60",
    }


def test_the_sample_answer_becomes_typed_rows(account: Account) -> None:
    [volumes] = account.streams
    payload = judged(Answer(200, block("json").encode()), account.source)
    rows = raw_rows(volumes, payload)
    assert next_page(volumes.paging, first_page(volumes.paging), payload, rows, read=3) is None
    context = Context(Partition(), MARCH, account.zone, datetime(2026, 4, 3, tzinfo=UTC))
    [batch] = normalise(volumes, rows, context)
    assert (batch.into.table.name, batch.rejects) == ("trade_day", [])
    assert [[repr(value) for value in row.values()] for row in batch.rows] == [
        [repr(value) for value in ("member", member, "all", date(2026, 3, day), Decimal(volume), fee)]
        for member, day, volume, fee in [
            ("K-1001", 1, "1250.750", Decimal("0.62537500")),
            ("K-1002", 1, "98765432109876543210.12345", None),
            ("K-1001", 2, "0", Decimal(0)),
        ]
    ]


def test_a_sync_and_a_backfill_of_it_are_planned(account: Account) -> None:
    def planned(asked: Asked, final: Days | None = None) -> Any:
        covered = {("daily_volumes", ""): Coverage(loaded=final, final=final)} if final else {}
        density = {("daily_volumes", ""): Density(10.0, 31)}
        today = date(2026, 3, 14)
        [line] = plan_account(account, asked, roster=Roster(), coverage=covered, density=density, today=today)
        return line.as_json()

    # 73 days from the start to today are three windows of at most 31: two of 310 rows and one of 110, 200 a page.
    assert planned(Asked()) == {
        "account": "kestrel-main",
        "source": "kestrel",
        "stream": "daily_volumes",
        "requests": 5,
        "at_least": False,
        "seconds": 5.0,
        "limit": "60 per 60 s on /v1/partner/daily-volumes",
    }
    assert planned(Asked(), Days.between(date(2026, 1, 1), date(2026, 3, 13)))["requests"] == 1
    assert planned(Asked(command="backfill", first=date(2025, 12, 1), last=date(2025, 12, 31)))["requests"] == 2


CODES: dict[int, type[EtlError]] = {
    10: AccessRefused,
    20: RequestRefused,
    30: RateLimited,
    40: ProviderBusy,
    50: AnswerUnreadable,
}


@pytest.mark.parametrize(("code", "error"), CODES.items())
def test_its_failures_go_to_what_happens_next(sources: list[Source], code: int, error: type[EtlError]) -> None:
    [kestrel] = [source for source in sources if source.name == "kestrel"]
    with pytest.raises(error, match=f"{code} “no”"):
        judged(Answer(200, f'{{"ok": false, "code": "{code}", "message": "no"}}'.encode()), kestrel)
    with pytest.raises(AccessRefused, match="401"):
        judged(Answer(401, b"<html>"), kestrel)
    for body in (b"{}", b"[]", b'{"ok": "yes"}'):
        with pytest.raises(AnswerUnreadable):
            judged(Answer(200, body), kestrel)


def test_its_check_is_one_cheap_request(account: Account) -> None:
    draft = account.source.check(account.settings, date(2026, 3, 14))
    assert (draft.path, draft.params["limit"]) == ("/v1/partner/daily-volumes", 1)
    assert account.source.server_time_ms({"now": 1772582400456}) == 1772582400456


def test_every_value_that_the_ladder_names_exists() -> None:
    ladder = GUIDE[GUIDE.index("## The ladder") : GUIDE.index("## A whole exchange")]
    spans = re.findall(r"`([^`]+)`", ladder)
    named = {name for span in spans for name in re.findall(r"\b[A-Z][a-zA-Z]+\b|\b[a-z]+(?=\()", span)}
    assert {"Daily", "PageNumber", "WindowLast", "dates"} <= named
    assert {name for name in named if not any(hasattr(module, name) for module in (stream, reads, windows))} == set()
    options = {"fan_out", "partitioned_by", "params", "unread", "rows", "explode", "skip", "adds_up"}
    assert options <= {each.name for declared in (stream.Stream, stream.Into) for each in fields(declared)}
    assert all(f"`{option}" in ladder for option in options)


def test_every_link_of_the_guide_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", GUIDE)
    assert targets
    for target in targets:
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
