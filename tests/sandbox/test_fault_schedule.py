"""Which requests the injected faults strike, and how they are told: in lines, in JSON, while the sandbox runs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from etl.cli import app
from etl.sandbox import World
from etl.sandbox.faults import EXCHANGES, KINDS, Fault
from etl.sandbox.wire import Token
from tests.sandbox.lbank_client import NOON, PREFIX, Client, running
from tests.sandbox.test_faults import asked, bare


async def statuses(client: Client, count: int) -> list[int]:
    return [(await bare(client)).status for _ in range(count)]


async def test_faults_skip_strike_and_end_in_order(client: Client) -> None:
    client.sandbox.inject(Fault("http_500", skip=1, times=2), Fault("http_502", times=1))
    assert await statuses(client, 5) == [502, 500, 500, 200, 200]
    client.sandbox.inject(Fault("http_503"))
    client.sandbox.heal()
    assert await statuses(client, 1) == [200]


async def test_only_the_exchange_the_path_and_the_parameters_that_are_named_are_struck(client: Client) -> None:
    client.sandbox.inject(
        Fault("http_500", exchange="coinw"),
        Fault("http_502", path="trade/user"),
        Fault("http_503", path="user/info", params={"openId": "LBA1"}),
    )
    assert [(await asked(client, exchange)).status for exchange in EXCHANGES] == [502, 500, 401, 401]
    path = PREFIX + "/invite/user/info"
    assert [(await bare(client, f"{path}?openId={one}")).status for one in ("LBA1", "LBA2")] == [503, 200]
    assert (await bare(client, PREFIX + "/trade/user/team")).status == 200


async def test_a_share_is_drawn_from_the_seed(world: World) -> None:
    async def struck(seed: int) -> list[int]:
        async with running(world, seed=seed) as client:
            client.sandbox.inject(Fault("http_503", share=0.3))
            return await statuses(client, 60)

    first, again, other = await struck(1), await struck(1), await struck(2)
    assert first == again
    assert first != other
    assert 5 < first.count(503) < 35


async def test_a_fault_lasts_as_long_as_the_sandboxs_clock_says(world: World) -> None:
    moment = NOON
    clock: Callable[[], datetime] = lambda: moment  # noqa: E731
    async with running(world, clock=clock) as client:
        client.sandbox.inject(Fault("http_503", seconds=120))
        met = []
        for minutes in (0, 1, 2, 3):
            moment = NOON + timedelta(minutes=minutes)
            met += await statuses(client, 1)
    assert met == [503, 503, 200, 200]


async def test_requests_over_the_limit_are_neither_struck_nor_uncounted(world: World) -> None:
    async with running(world, rate_requests=2, monotonic=lambda: 0.0) as client:
        client.sandbox.inject(Fault("http_503", times=3))
        assert await statuses(client, 3) == [503, 503, 200]
        assert [entry.error_code for entry in client.sandbox.requests] == [None, None, 10004]


async def test_a_fault_that_is_a_function_goes_before_those_that_are_injected(client: Client) -> None:
    client.sandbox.inject(Fault("http_503", times=1))
    client.sandbox.faults.append(lambda request: None)
    assert await statuses(client, 2) == [503, 200]


# ------------------------------------------------------------------------------------------------ how it is told


def test_a_line_tells_a_fault() -> None:
    fault = Fault.parse("http_503,exchange=lbank,path=trade/user,share=0.05,times=3,skip=10,seconds=120,params.a=b=c")
    told = (fault.kind, fault.exchange, fault.path, fault.share, fault.times, fault.skip, fault.seconds, fault.params)
    assert told == ("http_503", "lbank", "trade/user", 0.05, 3, 10, 120.0, {"a": "b=c"})
    fault = Fault.parse('bad_value,field=x,value={"a":[1,"b"],"c":NaN},row=2')
    assert fault.options["value"] == {"a": [Token("1"), "b"], "c": Token("NaN")}
    assert fault.options["row"] == 2
    assert [Fault.parse(f"bad_value,field=x,value={text}").options["value"] for text in ("abc", '"NaN"', "1e400")] == [
        "abc",
        "NaN",
        Token("1e400"),
    ]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("http_504", "http_503"),
        ("http_503,wen=1", "share"),
        ("slow,retry_after=1", "delay_seconds"),
        ("http_503,exchange=binance", "coinw"),
        ("http_503,share=much", "share=much"),
        ("http_503,share=0", "share"),
        ("http_503,times=0", "times"),
        ("http_503,skip=-1", "skip"),
        ("echo,ok=yes", "ok=yes"),
        ("bad_value,value=1", "field"),
        ("bad_value,field=x,missing", "missing"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_what_is_known(spec: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Fault.parse(spec)
    ended = CliRunner().invoke(app, ["sandbox", "--port", "0", "--members", "1", "--days", "1", "--fault", spec])
    assert ended.exit_code != 0
    assert spec in str(ended.exception)


async def test_faults_are_set_told_and_ended_while_it_runs(client: Client) -> None:
    url = f"{client.sandbox.url}/_sandbox/faults"
    client.sandbox.inject(Fault("http_500"))
    wanted = ["http_503,path=user/info,times=1", {"kind": "bad_value", "field": "openId", "value": 1.50, "params": {}}]
    async with client.session.post(url, json=wanted) as response:
        assert response.status == 200
    assert await statuses(client, 2) == [503, 200]
    async with client.session.get(url) as response:
        http_503, bad_value = await response.json()
    assert http_503 == {"kind": "http_503", "path": "user/info", "skip": 0, "times": 1, "share": 1.0, "struck": 1}
    assert (bad_value["field"], bad_value["value"], bad_value["struck"]) == ("openId", 1.5, 0)
    async with client.session.delete(url) as response:
        assert await response.json() == []
    assert (await client.rows("/invite/user/team/list"))[0]["openId"] != 1.5
    assert len(client.sandbox.requests) == 3, "switching faults is no request to an exchange"


@pytest.mark.parametrize("body", ['["http_504"]', "[{}]", "[1]", '[{"kind": "slow", "params": 1}]', "{"])
async def test_faults_that_are_not_to_be_understood_change_nothing(client: Client, body: str) -> None:
    client.sandbox.inject(Fault("http_500"))
    async with client.session.post(f"{client.sandbox.url}/_sandbox/faults", data=body) as response:
        assert response.status == 400
        assert await response.text()
    assert await statuses(client, 1) == [500]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_told_and_tells_itself_again(kind: str) -> None:
    needed: dict[str, Any] = {"field": "x"} if kind == "bad_value" else {}
    fault = Fault(kind, params={"a": "b"}, **needed)
    again = Fault.of(fault.as_json())
    assert again.as_json() == fault.as_json()
    assert again.options == fault.options
