"""One try is one request: paced, recorded, freshly signed, and silent about secrets. Against real sockets."""

import asyncio
import itertools
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from etl.errors import AccessRefused, ConnectionBroken, EtlError, ProviderBusy, RateLimited, Replayed
from etl.extract.client import Client, Paid, Try, open_client
from etl.extract.pace import Pace
from etl.extract.retry import Patience
from etl.sources.lbank import LBANK
from etl.stream import Draft, Rate
from etl.windows import epoch_ms
from tests.unit.samples import API_KEY, NOON, SECRET_KEY, enveloped, lbank_account

DRAFT = Draft("GET", "/affiliate-api/v2/invite/user/info", {"openId": "LBA 0&1"})
ONE_TRY = Patience(attempts=1)
NO_WAITS = Patience(first_wait_seconds=0.0, longest_wait_seconds=0.0, jitter_seconds=0.0)
Reply = Callable[[web.Request], web.StreamResponse]


class Exchange:
    """Answers with the replies in turn, the last one for ever, and remembers the requests."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = replies
        self.requests: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return self.replies[min(len(self.requests), len(self.replies)) - 1](request)


@asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Exchange]:
    exchange = Exchange(*replies)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", exchange.answer)
    async with TestServer(app) as server:
        exchange.url = str(server.make_url(""))
        yield exchange


def good(request: web.Request) -> web.Response:
    return web.Response(body=enveloped("[]"))


def failing(status: int, body: str = "<html>oops</html>", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: web.Response(status=status, text=body, headers=named)


def refusing(code: int, message: str = "no") -> Reply:
    return failing(200, json.dumps({"result": "false", "error_code": code, "msg": message}))


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a second each time it is read."""
    seconds = itertools.count()
    return lambda: NOON + timedelta(seconds=next(seconds))


async def fetched(
    url: str, patience: Patience = ONE_TRY, *, pace: Pace | None = None, client: Client | None = None
) -> tuple[Paid | Exception, list[Try]]:
    """What came of one fetch, and the tries that it told of."""
    tries: list[Try] = []
    pace = pace or Pace(Rate(100, 0.001))
    async with open_client(ticking(), patience=patience, timeout_seconds=10) as own:
        try:
            return await (client or own).fetch(lbank_account(base_url=url), DRAFT, pace, tries.append), tries
        except Exception as fault:  # noqa: BLE001
            return fault, tries


async def test_a_good_answer_is_kept_as_it_arrived_beside_its_payload() -> None:
    async with serving(good) as exchange:
        paid, tries = await fetched(exchange.url)
    assert isinstance(paid, Paid)
    assert (paid.draft, paid.payload, paid.answer.body) == (DRAFT, [], enveloped("[]"))
    assert paid.sent_at == NOON < paid.received_at
    [told] = tries
    assert (told.attempt, told.sent_at, told.http_status, told.outcome) == (1, NOON, 200, "ok")
    assert told.answered_at is not None


async def test_the_signed_query_arrives_byte_for_byte() -> None:
    async with serving(good) as exchange:
        await fetched(exchange.url)
    [request] = exchange.requests
    assert request.raw_path.startswith(f"{DRAFT.path}?openId=LBA%200%261&api_key={API_KEY}&sign=")


async def test_each_try_has_a_fresh_echostr_timestamp_and_signature_and_is_told() -> None:
    async with serving(failing(503), failing(502), good) as exchange:
        paid, tries = await fetched(exchange.url, NO_WAITS)
    assert isinstance(paid, Paid)
    assert len(exchange.requests) == 3
    for values in (
        [request.headers["echostr"] for request in exchange.requests],
        [request.headers["timestamp"] for request in exchange.requests],
        [request.query["sign"] for request in exchange.requests],
    ):
        assert len(set(values)) == 3
    for request in exchange.requests:
        assert 30 <= len(request.headers["echostr"]) <= 40
        assert request.headers["echostr"].isascii()
        assert request.headers["echostr"].isalnum()
    sent = [int(request.headers["timestamp"]) for request in exchange.requests]
    assert sent == [epoch_ms(told.sent_at) for told in tries]
    assert [(told.attempt, told.http_status) for told in tries] == [(1, 503), (2, 502), (3, 200)]
    assert [told.outcome.partition(":")[0] for told in tries] == ["ProviderBusy", "ProviderBusy", "ok"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with serving(good) as elsewhere, serving(failing(status, Location=f"{elsewhere.url}/x")) as exchange:
        fault, tries = await fetched(exchange.url, NO_WAITS)
    assert isinstance(fault, EtlError)
    assert (len(exchange.requests), len(elsewhere.requests)) == (1, 0)
    assert [told.http_status for told in tries] == [status]


EXPIRY = NOON + timedelta(seconds=90)


async def fetched_before_expiry(exchange: Exchange, seconds: int) -> list[Try]:
    """The tries of a fetch so many seconds before the account's credentials expire."""
    tries: list[Try] = []
    account = lbank_account(base_url=exchange.url, source=replace(LBANK, expires_at=lambda settings: EXPIRY))
    async with open_client(lambda: EXPIRY - timedelta(seconds=seconds), patience=ONE_TRY) as client:
        await client.fetch(account, DRAFT, Pace(Rate(100, 0.001)), tries.append)
    return tries


async def test_credentials_are_used_up_to_their_last_second() -> None:
    async with serving(good) as exchange:
        assert len(await fetched_before_expiry(exchange, 1)) == 1


@pytest.mark.parametrize("seconds", [0, -5])
async def test_no_request_is_made_with_credentials_that_have_expired(seconds: int) -> None:
    async with serving(good) as exchange:
        with pytest.raises(AccessRefused, match="the token of account lbank-main expired at 2024-08-28 04:01:30 UTC"):
            await fetched_before_expiry(exchange, seconds)
        assert exchange.requests == []


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Wed, 28 Aug 2024 04:00:07 GMT", datetime(2024, 8, 28, 4, 0, 7, tzinfo=UTC)),
        ("Wed, 28 Aug 2024 12:00:07 +0800", datetime(2024, 8, 28, 4, 0, 7, tzinfo=UTC)),
        ("yesterday", None),
        ("Wed, 28 Aug 2024 04:00:07 -99999999999999999999", None),
        ("Wed, 99 Aug 2024 04:00:07 GMT", None),
    ],
)
async def test_the_servers_clock_is_kept_as_its_date_header_tells_it(header: str, told: datetime | None) -> None:
    async with serving(lambda request: web.Response(body=enveloped("[]"), headers={"Date": header})) as exchange:
        paid, _ = await fetched(exchange.url)
    assert isinstance(paid, Paid)
    assert paid.answer.date == told


@pytest.mark.parametrize(
    ("header", "delay"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("soon", None), ("-1", None)]
)
async def test_http_429_tells_the_delay_and_slows_the_lane(header: str, delay: float | None) -> None:
    slowed = 0

    class Watched(Pace):
        def slow_down(self) -> None:
            nonlocal slowed
            slowed += 1

    async with serving(failing(429, Retry_After=header)) as exchange:
        fault, _ = await fetched(exchange.url, pace=Watched(Rate(100, 0.001)))
    assert isinstance(fault, RateLimited)
    assert (fault.delay_seconds, slowed) == (delay, 1)


async def test_the_providers_own_too_frequent_code_slows_the_lane() -> None:
    async with serving(refusing(10004)) as exchange:
        pace = Pace(Rate(1, 0.05))
        before = pace._period_seconds()
        fault, _ = await fetched(exchange.url, pace=pace)
    assert isinstance(fault, RateLimited)
    assert pace._period_seconds() == pytest.approx(2 * before)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_html_page_of_a_5xx_is_a_busy_provider(status: int) -> None:
    async with serving(failing(status)) as exchange:
        fault, [told] = await fetched(exchange.url)
    assert isinstance(fault, ProviderBusy)
    assert told.http_status == status


async def test_a_replay_is_repeated_once() -> None:
    async with serving(refusing(10600)) as exchange:
        fault, tries = await fetched(exchange.url, NO_WAITS)
    assert isinstance(fault, Replayed)
    assert len(exchange.requests) == len(tries) == 2


async def test_a_refused_account_is_asked_once() -> None:
    async with serving(refusing(10022)) as exchange:
        fault, _ = await fetched(exchange.url, NO_WAITS)
    assert isinstance(fault, AccessRefused)
    assert len(exchange.requests) == 1


# ------------------------------------------------------------------------------------------------ secrets


@pytest.mark.parametrize(
    "reply",
    [
        *(failing(429), failing(500), failing(302, Location="/x"), failing(200, "<html>"), failing(403), failing(404)),
        *(refusing(10007), refusing(10001), refusing(10600), refusing(424242), failing(200, "[1, 2]")),
    ],
)
async def test_no_error_tells_a_secret(reply: Reply) -> None:
    async with serving(reply) as exchange:
        fault, tries = await fetched(exchange.url)
    assert isinstance(fault, EtlError)
    assert_silent(fault, tries, [request.query["sign"] for request in exchange.requests])


async def test_a_broken_connection_tells_no_secret() -> None:
    fault, tries = await fetched("http://127.0.0.1:1")
    assert isinstance(fault, ConnectionBroken)
    assert_silent(fault, tries, ["sign="])


async def test_a_provider_that_quotes_the_request_in_its_message_makes_no_secret_known() -> None:
    def quoting(request: web.Request) -> web.StreamResponse:
        return refusing(10007, f"bad signature for {request.raw_path}")(request)

    async with serving(quoting) as exchange:
        fault, tries = await fetched(exchange.url)
    assert isinstance(fault, EtlError)
    assert_silent(fault, tries, [request.query["sign"] for request in exchange.requests])


async def test_a_secret_that_is_plain_only_in_the_message_is_not_told() -> None:
    """As where JSON spells every character as a number."""

    def quoting(request: web.Request) -> web.StreamResponse:
        spelled = "".join(f"\\u{ord(character):04x}" for character in f"bad key {API_KEY}")
        return failing(200, f'{{"result": "false", "error_code": 10007, "msg": "{spelled}"}}')(request)

    async with serving(quoting) as exchange:
        fault, tries = await fetched(exchange.url)
    assert isinstance(fault, AccessRefused)
    assert "bad key ***" in str(fault)
    assert_silent(fault, tries, [request.query["sign"] for request in exchange.requests])


def assert_silent(fault: Exception, tries: list[Try], signatures: list[str]) -> None:
    told = "".join([str(fault), repr(fault), *traceback.format_exception(fault), *map(repr, tries)])
    assert signatures
    for secret in (API_KEY, SECRET_KEY, *signatures):
        assert secret not in told


async def test_a_cancelled_try_is_told_as_such() -> None:
    arrived, never = asyncio.Event(), asyncio.Event()
    tries: list[Try] = []

    async def silent(request: web.Request) -> web.Response:
        arrived.set()
        await never.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", silent)
    async with TestServer(app) as server, open_client(ticking()) as client:
        account = lbank_account(base_url=str(server.make_url("")))
        task: asyncio.Task[Any] = asyncio.create_task(
            client.fetch(account, DRAFT, Pace(Rate(100, 0.001)), tries.append)
        )
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        never.set()
    assert [(told.outcome, told.answered_at) for told in tries] == [("cancelled", None)]
