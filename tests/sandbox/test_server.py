"""What lies around the protocol: the log of requests, faults, latency, and stopping cleanly."""

import os
import signal
from datetime import UTC, datetime

from aiohttp import web

from etl.sandbox import Sandbox, World, serve
from etl.sandbox.server import real_clock
from tests.sandbox.lbank_client import PREFIX, Client, running


async def test_the_log_tells_what_was_asked_without_credentials(client: Client) -> None:
    await client.rows("/invite/user/team/list", pageSize=7)
    await client.get("/invite/user/info", {})
    url = f"{client.sandbox.url}/_sandbox/requests"
    async with client.session.get(url) as response:
        first, second = await response.json()
    assert first["params"] == {"startTime": "0", "endTime": "4000000000000", "pageSize": "7"}
    assert (first["path"], first["error_code"], first["rows"]) == (f"{PREFIX}/invite/user/team/list", 0, 7)
    assert (second["error_code"], second["rows"], second["http_status"]) == (10001, 0, 200)
    assert second["arrived"] >= first["arrived"]
    async with client.session.post(f"{client.sandbox.url}/_sandbox/reset") as response:
        assert await response.json() == {"cleared": 2}
    assert client.sandbox.requests == []


async def test_a_fault_is_sent_instead_of_the_answer(client: Client) -> None:
    async def broken(request: web.Request) -> web.Response | None:
        return web.Response(status=502, text="<html>") if request.path.endswith("/trade/user") else None

    client.sandbox.faults.append(lambda request: None)
    client.sandbox.faults.append(broken)
    async with client.session.get(f"{client.sandbox.url}{PREFIX}/trade/user") as response:
        assert (response.status, await response.text()) == (502, "<html>")
    entry = client.sandbox.requests[-1]
    assert (entry.http_status, entry.error_code) == (502, None)
    assert (await client.get("/invite/user/info", {"openId": "LBA0001001"}))["error_code"] == 0


async def test_requests_over_the_limit_do_not_reach_the_faults(world: World) -> None:
    asked: list[str] = []
    async with running(world, rate_requests=1, monotonic=lambda: 0.0) as client:
        client.sandbox.faults.append(lambda request: asked.append(request.path))
        codes = [(await client.get("/invite/user/info", {"openId": "x"}))["error_code"] for _ in range(3)]
    assert codes == [0, 10004, 10004]
    assert len(asked) == 1


def test_latency_is_split_between_the_two_ways(world: World) -> None:
    sandbox = Sandbox(world, latency_ms=(40, 60), seed=5)
    drawn = [sandbox._latency() for _ in range(200)]
    assert all(0.040 <= there + back <= 0.060001 for there, back in drawn)
    assert min(there for there, _ in drawn) < 0.005
    assert min(back for _, back in drawn) < 0.005
    assert Sandbox(world)._latency() == (0.0, 0.0)


async def test_ts_is_the_servers_own_time(world: World) -> None:
    server_time = datetime(2025, 1, 1, tzinfo=UTC)
    for clock, expected in ((lambda: server_time, server_time), (None, world.now)):
        async with running(world, clock=clock) as client:
            assert (await client.get("/invite/user/info", {}))["ts"] == int(expected.timestamp() * 1000)


async def test_a_world_of_the_past_is_served_to_clients_of_today(world: World) -> None:
    async with running(world, clock=real_clock) as client:
        now = {"timestamp": str(int(real_clock().timestamp() * 1000))}
        assert (await client.get("/invite/user/info", {"openId": "x"}, changes=now))["error_code"] == 0
        assert (await client.get("/invite/user/info", {"openId": "x"}))["error_code"] == 10002


def test_serving_ends_with_a_signal(world: World) -> None:
    urls: list[str] = []

    def announce(sandbox: Sandbox) -> None:
        urls.append(sandbox.url)
        os.kill(os.getpid(), signal.SIGTERM)

    serve(Sandbox(world), announce=announce)
    assert urls[0].startswith("http://127.0.0.1:")
    assert not urls[0].endswith(":0")
