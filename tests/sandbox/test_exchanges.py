"""Four exchanges behind one port: their limits, the log of requests, faults, and the accounts to configure."""

import tomllib
from datetime import date

import pytest
from aiohttp import web

from etl.sandbox import World
from etl.sandbox import credentials as known
from etl.sandbox.amounts import of_scale, padded, percentage, sum_of
from etl.sandbox.wire import json_text
from tests.sandbox.coinw_client import ACTIVITY, VOLUME, CoinwClient
from tests.sandbox.lbank_client import PREFIX, Client, running
from tests.sandbox.orderly_client import SUMMARY, OrderlyClient
from tests.sandbox.ztdx_client import LOGS, ZtdxClient

ASKED = {"start_date": "2025-03-01", "end_date": "2025-03-05", "aggregate_by": "date"}


async def ask_all(client: Client) -> list[bool]:
    """Asks each exchange once; tells who answered with a success."""
    session, sandbox = client.session, client.sandbox
    lbank = await client.get("/invite/user/info", {"openId": "LBA0001001"})
    coinw = await CoinwClient(session, sandbox).code(VOLUME, {"pageSize": 1})
    orderly = await OrderlyClient(session, sandbox).get(ASKED)
    bearer = {"Authorization": f"Bearer {sandbox.ztdx_token()}"}
    ztdx = await ZtdxClient(session, sandbox).text("page=1&action=bind", bearer)
    return [lbank["error_code"] == 0, coinw == 0, orderly["success"], ztdx[0] == 200]


async def test_the_log_tells_of_every_exchange_without_credentials(client: Client) -> None:
    assert await ask_all(client) == [True] * 4
    told = [(entry.method, entry.path, entry.params, entry.error_code) for entry in client.sandbox.requests]
    assert told == [
        ("GET", f"{PREFIX}/invite/user/info", {"openId": "LBA0001001"}, 0),
        ("POST", VOLUME, {"pageSize": "1"}, 0),
        ("GET", SUMMARY, ASKED, 0),
        ("GET", LOGS, {"page": "1", "action": "bind"}, 0),
    ]
    assert [entry.http_status for entry in client.sandbox.requests] == [200] * 4
    assert [entry.rows for entry in client.sandbox.requests] == [1, 1, 5, 20]
    async with client.session.get(f"{client.sandbox.url}/_sandbox/requests") as response:
        text = await response.text()
    secrets = (known.COINW_API_KEY, known.ORDERLY_ACCOUNT_ID, client.sandbox.ztdx_token().rpartition(".")[2])
    assert not any(secret in text for secret in secrets)
    assert client.sandbox.api_key not in text


async def test_a_fault_steps_in_at_every_exchange(client: Client) -> None:
    paths: list[str] = []

    def broken(request: web.Request) -> web.Response | None:
        paths.append(request.path)
        return web.json_response({"error_code": 10000, "code": 500, "success": False}, status=200)

    client.sandbox.faults.append(broken)
    assert await ask_all(client) == [False, False, False, True]
    assert len(paths) == 4
    assert {entry.error_code for entry in client.sandbox.requests} == {None}
    client.sandbox.faults.clear()
    assert await ask_all(client) == [True] * 4


async def test_each_exchange_has_a_limit_of_its_own(world: World) -> None:
    async with running(world, rate_requests=None, monotonic=lambda: 0.0) as client:
        seen = [await ask_all(client) for _ in range(21)]
    assert [sum(answers) for answers in zip(*seen, strict=True)] == [5, 20, 10, 1]


async def test_a_given_limit_holds_for_all_of_them(world: World) -> None:
    now = 0.0
    async with running(world, rate_requests=2, rate_period_seconds=5, monotonic=lambda: now) as client:
        seen = [await ask_all(client) for _ in range(3)]
        now = 4.9
        seen.append(await ask_all(client))
        now = 9.9
        seen.append(await ask_all(client))
    assert seen == [[True] * 4, [True] * 4, [False] * 4, [False] * 4, [True] * 4]


async def test_no_limit_at_all(world: World) -> None:
    async with running(world, rate_requests=0, monotonic=lambda: 0.0) as client:
        assert all([all(await ask_all(client)) for _ in range(8)])


@pytest.mark.parametrize(("method", "path"), [("POST", SUMMARY), ("GET", VOLUME), ("GET", ACTIVITY), ("PUT", LOGS)])
async def test_other_methods_are_not_allowed(client: Client, method: str, path: str) -> None:
    async with client.session.request(method, client.sandbox.url + path) as response:
        assert response.status == 405
    assert client.sandbox.requests == []


async def test_the_accounts_are_told_as_toml(client: Client) -> None:
    sandbox = client.sandbox
    limits = {"ztdx": (1, 0.5), "coinw": (50, 2)}
    accounts = tomllib.loads(sandbox.configuration(date(2025, 1, 9), rate_limits=limits))["accounts"]
    shared = {"base_url": sandbox.url, "start_date": date(2025, 1, 9)}
    assert accounts == {
        "lbank-sandbox": {
            **shared,
            "source": "lbank",
            "api_key": known.API_KEY,
            "secret_key": known.SECRET_KEY,
            "open_id": known.OPEN_ID,
        },
        "coinw-sandbox": {
            **shared,
            "source": "coinw",
            "api_key": known.COINW_API_KEY,
            "secret_key": known.COINW_SECRET_KEY,
            "activities": list(known.COINW_ACTIVITIES),
            "rate_limit": {"requests": 50, "period_seconds": 2},
        },
        "orderly-sandbox": {
            **shared,
            "source": "orderly",
            "account_id": known.ORDERLY_ACCOUNT_ID,
            "secret_key": known.ORDERLY_SECRET_KEY,
        },
        "ztdx-sandbox": {
            **shared,
            "source": "ztdx",
            "token": sandbox.ztdx_token(),
            "rate_limit": {"requests": 1, "period_seconds": 0.5},
        },
    }
    sandbox.ztdx.path_prefix = "/api/v1"
    other = tomllib.loads(sandbox.configuration(date(2025, 1, 9), suffix="demo"))["accounts"]
    assert list(other) == ["lbank-demo", "coinw-demo", "orderly-demo", "ztdx-demo"]
    assert other["ztdx-demo"]["path_prefix"] == "/api/v1"


def test_numbers_keep_their_digits_in_json() -> None:
    value = {"a": of_scale(120500, 3), "b": [of_scale(10**27 + 1, 18), -of_scale(1, 18)], "c": ["x", None, True, 7]}
    assert json_text(value) == (
        '{"a":120.500,"b":[1000000000.000000000000000001,-0.000000000000000001],"c":["x",null,true,7]}'
    )


def test_exact_amounts() -> None:
    assert str(sum_of([of_scale(10**40, 0), of_scale(1, 20)])) == f"1{'0' * 40}.00000000000000000001"
    assert [str(padded(of_scale(15, 1), scale)) for scale in (0, 1, 4)] == ["1.5", "1.5", "1.5000"]
    # CoinW's sample: -29.893815 on 32.46001375.
    assert str(percentage(of_scale(-29893815, 6), of_scale(3246001375, 8))) == "-92.09427707"
    assert str(percentage(of_scale(1, 0), of_scale(0, 8))) == "0"
    assert f"{percentage(of_scale(-1, 18), of_scale(1, 0)):f}" == "0.00000000"
