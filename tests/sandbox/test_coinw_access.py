"""Who may talk to the simulated CoinW, and what it says to everybody else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from etl.sandbox import World
from etl.sandbox.coinw.access import CoinwAccess, CoinwRefusedError
from etl.sandbox.wire import Received
from tests.sandbox.coinw_client import ACTIVITY, VOLUME, CoinwClient
from tests.sandbox.lbank_client import NOON, ms, running

VECTORS = json.loads((Path(__file__).parent / "signatures.json").read_text())["coinw"]
NAMES = [vector["name"] for vector in VECTORS]


def access_of(vector: Mapping[str, Any]) -> CoinwAccess:
    api_key = vector["headers"]["api_key"]
    return CoinwAccess(api_key=api_key, secret_key=vector["secret_key"], clock=None, freshness_seconds=60)


def received(vector: Mapping[str, Any], *, path: str = "", body: bytes | None = None, **headers: str) -> Received:
    sent = vector["body"].encode() if body is None else body
    target = path or vector["path"]
    return Received("POST", target, target, {}, {**vector["headers"], **headers}, sent)


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_the_documented_signature_is_accepted(vector: Mapping[str, Any]) -> None:
    access_of(vector).check(received(vector))


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_one_changed_byte_is_not(vector: Mapping[str, Any]) -> None:
    timestamp, sign = vector["headers"]["timestamp"], vector["headers"]["sign"]
    for changed in (
        received(vector, body=vector["body"].encode() + b" "),
        received(vector, body=vector["body"].encode()[:-1]),
        received(vector, path=vector["path"][:-1] + "T"),
        received(vector, timestamp=str(int(timestamp) + 1)),
        received(vector, sign="A" + sign[1:]),
        received(vector, sign=sign[:-1]),
        received(vector, sign=sign.lower()),
    ):
        with pytest.raises(CoinwRefusedError, match="6001"):
            access_of(vector).check(changed)


async def test_the_vectors_pass_the_server_too(world: World) -> None:
    async with running(world, clock=None) as client:
        coinw = CoinwClient(client.session, client.sandbox)
        for vector in VECTORS:
            client.sandbox.coinw.access.api_key = vector["headers"]["api_key"]
            client.sandbox.coinw.access.secret_key = vector["secret_key"]
            answer = await coinw.raw(vector["path"], vector["body"].encode(), vector["headers"])
            assert int(answer["code"]) == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"api_key": "somebody-else"}, 6000),
        ({"sign": "0" * 44}, 6001),
        ({"sign": ""}, 6001),
        ({"sign": "\u00fc"}, 6001),
        ({"timestamp": "yesterday"}, 6000),
        ({"timestamp": ""}, 6000),
        ({"Content-Type": "text/plain"}, 1),
        ({"Content-Type": "application/json; charset=utf-8"}, 0),
    ],
)
@pytest.mark.parametrize("path", [ACTIVITY, VOLUME])
async def test_credentials_are_checked(coinw: CoinwClient, path: str, changes: dict[str, str], code: int) -> None:
    assert await coinw.code(path, {"activityId": "ACT20260307"}, changes=changes) == code


@pytest.mark.parametrize(("offset_ms", "code"), [(-61_000, 6000), (-59_000, 0), (59_000, 0), (61_000, 6000)])
async def test_the_timestamp_must_be_fresh(coinw: CoinwClient, offset_ms: int, code: int) -> None:
    assert await coinw.code(VOLUME, {}, timestamp=str(ms(NOON) + offset_ms)) == code


async def test_no_parameters_are_sent_as_an_empty_object(coinw: CoinwClient) -> None:
    assert [await coinw.code(VOLUME, body) for body in (b"{}", b"", b"[]", b"{")] == [0, 6001, 1, 1]


async def test_a_key_needs_the_permission(coinw: CoinwClient) -> None:
    coinw.sandbox.coinw.access.permitted = False
    assert await coinw.code(VOLUME, {}) == 6003
    assert await coinw.code(VOLUME, {}, changes={"sign": "x"}) == 6001


async def test_refusals_have_the_envelope_of_the_endpoint(coinw: CoinwClient) -> None:
    assert await coinw.post(VOLUME, {}, changes={"sign": "x"}) == {
        "code": "6001",
        "msg": "signature verification failed",
        "data": None,
    }
    assert await coinw.post(ACTIVITY, {}) == {
        "success": False,
        "code": 402,
        "message": "missing parameter",
        "retry": False,
        "data": None,
    }


ACT = {"activityId": "ACT20260307"}
DAYS = {"startTime": "2025-03-01", "endTime": "2025-03-05"}
MONTH = {**ACT, "startTime": "2025-03-01 00:00:00", "endTime": "2025-03-31 23:59:59"}


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        (VOLUME, {**DAYS, "pageSize": 1000}, 0),
        (VOLUME, {**DAYS, "pageSize": "1000", "uid": "123456789"}, 0),
        (VOLUME, {**DAYS, "pageSize": 1001}, 1),
        (VOLUME, {**DAYS, "pageSize": 0}, 1),
        (VOLUME, {**DAYS, "pageNo": 0}, 1),
        (VOLUME, {**DAYS, "pageNo": True}, 1),
        (VOLUME, {**DAYS, "uid": "me"}, 1),
        (VOLUME, {**DAYS, "startTime": "2025-03-06"}, 1),
        (VOLUME, {**DAYS, "startTime": "2025-03-01 00:00:00"}, 1),
        (VOLUME, {**DAYS, "startTime": "2025-3-1"}, 1),
        (VOLUME, {**DAYS, "startTime": "2025-02-29"}, 1),
        (VOLUME, {**DAYS, "startTime": 20250301}, 1),
        (ACTIVITY, {}, 402),
        (ACTIVITY, {"activityId": ""}, 402),
        (ACTIVITY, {"activityId": "ACT00000000"}, 1),
        (ACTIVITY, {**MONTH, "pageSize": 1000, "showDetail": "yes"}, 0),
        (ACTIVITY, {**MONTH, "pageSize": 1001}, 1),
        (ACTIVITY, {**MONTH, "page": 0}, 1),
        (ACTIVITY, {**MONTH, "pageNo": "first"}, 1),
        (ACTIVITY, {**MONTH, "showDetail": "true"}, 1),
        (ACTIVITY, {**MONTH, "startTime": "2025-03-01"}, 1),
        (ACTIVITY, {**MONTH, "startTime": "2025-03-01 24:00:00"}, 1),
        (ACTIVITY, {**MONTH, "startTime": "2025-04-01 00:00:00"}, 1),
    ],
)
async def test_parameters_are_checked(coinw: CoinwClient, path: str, params: dict[str, object], code: int) -> None:
    assert await coinw.code(path, params) == code


async def test_the_twenty_first_request_in_ten_seconds_is_refused(world: World) -> None:
    async with running(world, rate_requests=None, monotonic=lambda: 0.0) as client:
        coinw = CoinwClient(client.session, client.sandbox)
        assert [await coinw.code(VOLUME, {}) for _ in range(21)] == [0] * 20 + [29001]
        assert (await coinw.post(ACTIVITY, ACT))["code"] == 200
        client.sandbox.coinw.limit_status = 429
        headers = {"api_key": client.sandbox.coinw.access.api_key}
        assert (await coinw.raw(VOLUME, b"{}", headers, status=429))["code"] == "29001"
        assert client.sandbox.requests[-1].error_code == 29001
