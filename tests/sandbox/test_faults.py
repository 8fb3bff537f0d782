"""Faults that are injected: each kind as a client meets it."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientConnectionError, ClientOSError, ClientPayloadError, ClientSession, ClientTimeout

from etl.sandbox import Sandbox, World
from etl.sandbox.credentials import API_KEY
from etl.sandbox.faults import EXCHANGES, Fault
from etl.sandbox.wire import Token
from tests.sandbox.coinw_client import ACTIVITY, VOLUME, CoinwClient
from tests.sandbox.lbank_client import FOREVER, NOON, PREFIX, TODAY, Client, ms
from tests.sandbox.orderly_client import SUMMARY, OrderlyClient
from tests.sandbox.ztdx_client import LOGS, ZtdxClient

MONTH = {"startTime": "2025-02-01", "endTime": "2025-03-01"}
DAYS = {"startTime": str(TODAY - timedelta(days=20)), "endTime": str(TODAY)}


class Answered(NamedTuple):
    """An answer as it arrived: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: str


async def bare(client: Client, path: str = PREFIX + "/invite/user/info", method: str = "GET") -> Answered:
    """A request without credentials: what a fault does in the exchange's place does not ask for any."""
    url = client.sandbox.url + path
    async with client.session.request(method, url, allow_redirects=False) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answered(response.status, headers, await response.text())


PATHS = {
    "lbank": ("GET", PREFIX + "/trade/user"),
    "coinw": ("POST", VOLUME),
    "orderly": ("GET", SUMMARY),
    "ztdx": ("GET", LOGS),
}


async def asked(client: Client, exchange: str) -> Answered:
    method, path = PATHS[exchange]
    return await bare(client, path, method)


# ------------------------------------------------------------------------------------------------ what is said


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_failure_is_a_page_in_html(client: Client, exchange: str, status: int) -> None:
    client.sandbox.inject(Fault(f"http_{status}"))
    answered = await asked(client, exchange)
    assert answered.status == status
    assert answered.headers["content-type"].startswith("text/html")
    assert f"<h1>{status} " in answered.body
    entry = client.sandbox.requests[-1]
    assert (entry.http_status, entry.error_code, entry.rows) == (status, None, 0)


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_too_many_requests_may_tell_how_long_to_wait(client: Client, exchange: str) -> None:
    client.sandbox.inject(Fault("too_many_requests", retry_after=7, times=1), Fault("too_many_requests"))
    told, untold = await asked(client, exchange), await asked(client, exchange)
    assert (told.status, told.headers["retry-after"]) == (429, "7")
    assert untold.status == 429
    assert "retry-after" not in untold.headers


async def test_the_exchanges_own_words_for_too_many_requests(client: Client) -> None:
    client.sandbox.inject(Fault("rate_code"))
    said = {exchange: await asked(client, exchange) for exchange in EXCHANGES}
    assert (said["lbank"].status, json.loads(said["lbank"].body)["error_code"]) == (200, 10004)
    assert (said["coinw"].status, json.loads(said["coinw"].body)["code"]) == (200, "29001")
    assert (said["orderly"].status, json.loads(said["orderly"].body)["code"]) == (429, -1003)
    assert (said["ztdx"].status, said["ztdx"].body) == (429, "Too Many Requests")


async def test_good_credentials_are_refused_in_the_exchanges_own_words(
    client: Client, coinw: CoinwClient, orderly: OrderlyClient, ztdx: ZtdxClient
) -> None:
    client.sandbox.inject(Fault("expired_token", skip=1, exchange="ztdx"), Fault("expired_token", path="/user/info"))
    client.sandbox.inject(Fault("expired_token", exchange="coinw"), Fault("expired_token", exchange="orderly"))
    assert (await client.get("/invite/user/info", {"openId": "x"}))["error_code"] == 10007
    assert await coinw.code(VOLUME, DAYS) == 6000
    days = {"start_date": TODAY, "end_date": TODAY, "aggregate_by": "date"}
    assert (await orderly.get(days, status=401))["code"] == "-1002"
    assert (await ztdx.get({}))["total"] > 0
    assert (await ztdx.get({}, status=401))["error"] == {"code": "UNAUTHORIZED", "message": "token expired"}
    assert (await ztdx.get({}, status=401))["error"]["message"] == "token expired"


async def test_a_redirect_names_another_place(client: Client) -> None:
    client.sandbox.inject(Fault("redirect", to="http://127.0.0.1:1/there"))
    for exchange in EXCHANGES:
        answered = await asked(client, exchange)
        assert (answered.status, answered.headers["location"]) == (302, "http://127.0.0.1:1/there")


async def test_an_error_quotes_the_whole_request(
    client: Client, coinw: CoinwClient, orderly: OrderlyClient, ztdx: ZtdxClient
) -> None:
    client.sandbox.inject(Fault("echo"))
    said = (await client.get("/invite/user/info", {"openId": "LBA1"}))["msg"]
    assert f"api_key={API_KEY}" in said
    assert "echostr: " in said
    assert "sign=" in said
    refused = await coinw.post(VOLUME, DAYS)
    assert refused["code"] == "1"
    assert '"endTime": "2025-03-10"' in refused["msg"]
    assert "sign: " in refused["msg"]
    days = {"start_date": TODAY, "end_date": TODAY, "aggregate_by": "date"}
    assert "orderly-signature: " in (await orderly.get(days, status=400))["message"]
    assert "Authorization: Bearer " in (await ztdx.get({}, status=400))["error"]


async def test_a_success_may_quote_the_request_too(ztdx: ZtdxClient) -> None:
    ztdx.sandbox.inject(Fault("echo", ok=True))
    answer = await ztdx.get({"page_size": 3})
    assert "Authorization: Bearer " in answer["echo"]
    assert len(answer["logs"]) == 3


# ------------------------------------------------------------------------------------------------ what arrives


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_a_connection_is_reset_before_the_answer(client: Client, exchange: str) -> None:
    client.sandbox.inject(Fault("reset"))
    with pytest.raises(ClientOSError) as broken:
        await asked(client, exchange)
    assert broken.value.errno == errno.ECONNRESET
    assert client.sandbox.requests[-1].http_status is None


async def test_a_connection_is_reset_in_the_middle_of_a_body(client: Client) -> None:
    client.sandbox.inject(Fault("reset_in_body"))
    url = f"{client.sandbox.url}{PREFIX}/invite/user/info"
    async with client.session.get(url) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 20
        with pytest.raises((ClientPayloadError, ClientConnectionError)):
            await response.read()


async def test_no_answer_comes_until_the_client_gives_up(client: Client) -> None:
    client.sandbox.inject(Fault("timeout", times=1))
    url = f"{client.sandbox.url}{PREFIX}/invite/user/info"
    with pytest.raises(TimeoutError):
        await client.session.get(url, timeout=ClientTimeout(total=0.1))
    assert client.sandbox.requests[-1].http_status is None
    assert (await client.get("/invite/user/info", {"openId": "x"}))["error_code"] == 0


async def test_a_sandbox_that_owes_an_answer_stops_all_the_same(world: World) -> None:
    async with ClientSession() as session:
        async with Sandbox(world, rate_requests=0) as sandbox:
            asked = asyncio.Event()
            sandbox.faults.append(lambda request: asked.set())
            sandbox.inject(Fault("slow", delay_seconds=300), Fault("timeout"))
            waiting = asyncio.ensure_future(session.get(f"{sandbox.url}{PREFIX}/invite/user/info"))
            await asyncio.wait_for(asked.wait(), 60)
        with pytest.raises(ClientConnectionError):
            await waiting


async def test_an_answer_comes_late(client: Client) -> None:
    client.sandbox.inject(Fault("slow", delay_seconds=0.05))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await client.get("/invite/user/info", {"openId": "x"}))["error_code"] == 0
    assert loop.time() - began >= 0.05


async def test_half_of_an_answer_and_none_at_all(client: Client) -> None:
    client.sandbox.inject(Fault("truncated", times=1), Fault("empty_body"))
    half, nothing = await bare(client), await bare(client)
    assert (half.status, nothing.status, nothing.body) == (200, 200, "")
    assert half.body.startswith('{"result": ')
    with pytest.raises(json.JSONDecodeError):
        json.loads(half.body)
    assert int(half.headers["content-length"]) == len(half.body)


async def test_an_answer_is_longer_by_megabytes(ztdx: ZtdxClient) -> None:
    ztdx.sandbox.inject(Fault("huge", megabytes=2))
    answer = await ztdx.get({"page_size": 3})
    assert len(answer["padding"]) == 2 << 20
    assert len(answer["logs"]) == 3


# ------------------------------------------------------------------------------------------------ what is told


def _no_data(exchange: str) -> Fault:
    return Fault("no_data", exchange=exchange)


async def test_a_success_without_data(
    client: Client, coinw: CoinwClient, orderly: OrderlyClient, ztdx: ZtdxClient
) -> None:
    span: dict[str, str | int] = {"openId": client.sandbox.open_id, "tradeType": 0, **FOREVER}
    good = await client.get("/trade/user/team", span)
    client.sandbox.inject(Fault("no_data", exchange="lbank", times=1), *map(_no_data, EXCHANGES[1:]))
    assert (await client.get("/trade/user/team", {}))["error_code"] == 10001, "no success to take the data from"
    bad = await client.get("/trade/user/team", span)
    assert bad == {name: value for name, value in good.items() if name != "data"}
    assert await coinw.post(VOLUME, DAYS) == {"code": "200", "msg": "success"}
    days = {"start_date": TODAY, "end_date": TODAY, "aggregate_by": "date"}
    assert set(await orderly.get(days)) == {"success", "timestamp"}
    assert set(await ztdx.get({})) == {"total", "page", "page_size"}
    client.sandbox.heal()
    client.sandbox.inject(Fault("no_data", null=True))
    assert await client.get("/trade/user/team", span) == {**good, "data": None}


async def test_a_page_is_the_one_before_once_more(client: Client, ztdx: ZtdxClient) -> None:
    client.sandbox.inject(Fault("repeated_page", times=1))
    pages = [await client.rows("/invite/user/team/list", pageSize=10, start=start) for start in (0, 10, 20)]
    assert pages[0] == pages[1]
    assert not {row["openId"] for row in pages[0]} & {row["openId"] for row in pages[2]}
    client.sandbox.heal()
    client.sandbox.inject(Fault("repeated_page", exchange="ztdx"))
    first = await ztdx.get({"page": 1, "page_size": 5})
    await ztdx.get({"page": 1, "page_size": 7})  # another list: its pages are others
    assert await ztdx.get({"page": 2, "page_size": 5}) == first


@pytest.mark.parametrize(("rows", "expected"), [(1, [9, 10, 11]), (3, [7, 8, 9]), (-2, [12, 13, 14])])
async def test_rows_come_on_top_between_pages_or_go(client: Client, rows: int, expected: list[int]) -> None:
    whole = await client.all_rows("/invite/user/team/list")
    client.sandbox.inject(Fault("shifted_pages", rows=rows, times=1))
    first = await client.rows("/invite/user/team/list", pageSize=10, start=0)
    second = await client.rows("/invite/user/team/list", pageSize=10, start=10)
    assert first == whole[:10]
    assert second[:3] == [whole[number] for number in expected]
    assert len(second) == 10
    assert await client.rows("/invite/user/team/list", pageSize=10, start=10) == whole[10:20]


async def test_the_lists_of_every_exchange_are_shifted(
    coinw: CoinwClient, orderly: OrderlyClient, ztdx: ZtdxClient
) -> None:
    coinw.sandbox.inject(Fault("shifted_pages"))
    activity = {"activityId": next(iter(coinw.sandbox.world.coinw.activities))}
    pages: list[Callable[[int], Any]] = [
        lambda number: coinw.data(VOLUME, **DAYS, pageNo=number, pageSize=4),
        lambda number: coinw.data(ACTIVITY, **activity, page=number, pageSize=4),
    ]
    for page in pages:
        first, second = (await page(1))["list"], (await page(2))["list"]
        assert first[-1] == second[0]
    summary = [await orderly.rows("date", TODAY - timedelta(days=9), TODAY, size=4, page=page) for page in (1, 2)]
    assert summary[0][-1] == summary[1][0]
    logs = [await ztdx.logs(page=page, page_size=4) for page in (1, 2)]
    assert logs[0][-1] == logs[1][0]


async def test_a_clock_that_is_off_judges_by_itself_and_tells_itself(client: Client) -> None:
    client.sandbox.inject(Fault("clock_skew", skew_seconds=3600, times=1))
    answer = await client.get("/invite/user/info", {"openId": "x"})
    assert (answer["error_code"], answer["ts"]) == (10002, ms(NOON + timedelta(hours=1)))
    answer = await client.get("/invite/user/info", {"openId": "x"})
    assert (answer["error_code"], answer["ts"]) == (0, ms(NOON))
    client.sandbox.inject(Fault("clock_skew", skew_seconds=-3600))
    assert (await bare(client)).headers["date"] == "Mon, 10 Mar 2025 03:00:00 GMT"
    later = {"timestamp": str(ms(NOON - timedelta(hours=1)))}
    assert (await client.get("/invite/user/info", {"openId": "x"}, changes=later))["error_code"] == 0


@pytest.mark.parametrize(
    ("exchange", "code"), [("coinw", 6000), ("orderly", -1002), ("ztdx", 401)], ids=("coinw", "orderly", "ztdx")
)
async def test_a_clock_that_is_off_refuses_at_every_exchange(
    coinw: CoinwClient, orderly: OrderlyClient, ztdx: ZtdxClient, exchange: str, code: int
) -> None:
    coinw.sandbox.inject(Fault("clock_skew", exchange=exchange, skew_seconds=3600))
    days = {"start_date": TODAY, "end_date": TODAY, "aggregate_by": "date"}
    met = {
        "coinw": await coinw.code(VOLUME, DAYS),
        "orderly": int((await orderly.get(days, status=401 if exchange == "orderly" else 200)).get("code", 0)),
        "ztdx": await ztdx.signed("page=1"),
    }
    assert met == {"coinw": 0, "orderly": 0, "ztdx": 200} | {exchange: code}


@asynccontextmanager
async def raw_logs(ztdx: ZtdxClient, *faults: Fault) -> AsyncIterator[str]:
    ztdx.sandbox.inject(*faults)
    bearer = {"Authorization": f"Bearer {ztdx.sandbox.ztdx_token()}"}
    yield (await ztdx.text({"page_size": 3}, bearer))[2]
    ztdx.sandbox.heal()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("abc", '"amount":"abc"'),
        ("NaN", '"amount":"NaN"'),
        (Token("NaN"), '"amount":NaN'),
        (Token("Infinity"), '"amount":Infinity'),
        (Token("1e400"), '"amount":1e400'),
        ({"a": [1, "\x00"]}, '"amount":{"a":[1,"\\u0000"]}'),
    ],
)
async def test_a_row_has_a_bad_value_as_it_was_given(ztdx: ZtdxClient, value: object, written: str) -> None:
    async with raw_logs(ztdx, Fault("bad_value", field="amount", value=value, row=1)) as text:
        first, second, third = text.split('"id":')[1:]
        assert written in second
        assert written not in first + third


async def test_fields_are_removed_added_and_found_within_rows_and_around_them(
    coinw: CoinwClient, orderly: OrderlyClient
) -> None:
    coinw.sandbox.inject(
        Fault("bad_value", path="/volume/list", field="volume", missing=True),
        Fault("bad_value", path="/volume/list", field="colour", value="red", row=1),
        Fault("bad_value", path="/volume/list", field="data.total", value="nine", envelope=True),
        Fault("bad_value", path="/activity/list", field="detail.0.date", value=7),
        Fault("bad_value", exchange="orderly", field="total_volume", value=Token("1.500")),
    )
    volumes = await coinw.data(VOLUME, **DAYS)
    assert set(volumes["list"][0]) == {"uid", "time"}
    assert volumes["list"][1]["colour"] == "red"
    assert volumes["total"] == "nine"
    activity = {"activityId": next(iter(coinw.sandbox.world.coinw.activities)), "showDetail": "yes"}
    days = {"startTime": "2025-02-01 00:00:00", "endTime": "2025-02-28 23:59:59"}
    assert (await coinw.data(ACTIVITY, **activity, **days))["list"][0]["detail"][0]["date"] == 7
    first, second = (await orderly.rows("date", TODAY - timedelta(days=2), TODAY))[:2]
    assert first["total_volume"] == "1.500"
    assert second["total_volume"] != "1.500"


async def test_a_field_that_has_no_place_is_left_alone(coinw: CoinwClient) -> None:
    coinw.sandbox.inject(
        *(Fault("bad_value", field=field, value=1) for field in ("uid.a", "a.b", "5.a")),
        *(
            Fault("bad_value", field=field, value=1, envelope=True)
            for field in ("data.list.9999", "data.list.a", "msg.0")
        ),
        Fault("bad_value", field="colour", missing=True),
    )
    volumes = await coinw.post(VOLUME, DAYS)
    coinw.sandbox.heal()
    assert volumes == await coinw.post(VOLUME, DAYS)


async def test_an_answer_without_that_row_is_left_as_it_is_and_does_not_count(client: Client) -> None:
    client.sandbox.inject(Fault("bad_value", field="openId", value="?", row=0, times=1))
    assert await client.rows("/invite/user/team/list", start=10_000) == []
    assert (await client.rows("/invite/user/team/list"))[0]["openId"] == "?"
    assert (await client.rows("/invite/user/team/list"))[0]["openId"] != "?"
    logged = [(entry.http_status, entry.error_code) for entry in client.sandbox.requests]
    assert logged == [(200, 0), (200, None), (200, 0)]
