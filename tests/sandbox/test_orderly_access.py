"""Who may talk to the simulated Orderly, how often, and with which parameters."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from etl.sandbox import World
from etl.sandbox.orderly.access import OrderlyAccess, OrderlyRefusedError
from etl.sandbox.wire import Received
from tests.sandbox.lbank_client import NOON, ms, running
from tests.sandbox.orderly_client import SUMMARY, OrderlyClient

VECTORS = json.loads((Path(__file__).parent / "signatures.json").read_text())["orderly"]
NAMES = [vector["name"] for vector in VECTORS]


def access_of(vector: Mapping[str, Any]) -> OrderlyAccess:
    account_id = vector["headers"]["orderly-account-id"]
    return OrderlyAccess(account_id=account_id, secret_key=vector["orderly_secret"], clock=None)


def received(
    vector: Mapping[str, Any], *, method: str = "GET", target: str = "", body: bytes = b"", **headers: str
) -> Received:
    changed = {f"orderly-{name.replace('_', '-')}": value for name, value in headers.items()}
    target = target or vector["request_target"]
    return Received(method, SUMMARY, target, {}, {**vector["headers"], **changed}, body)


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_the_official_connectors_signature_is_accepted_in_both_alphabets(vector: Mapping[str, Any]) -> None:
    access = access_of(vector)
    assert access.public_key == vector["headers"]["orderly-key"]
    access.check(received(vector))
    access.check(received(vector, signature=vector["signature_base64_standard"]))
    with pytest.raises(OrderlyRefusedError, match="-1001"):
        access.check(received(vector, signature=vector["signature_base64url_unpadded"]))


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_one_changed_byte_is_not(vector: Mapping[str, Any]) -> None:
    target, signature = vector["request_target"], vector["headers"]["orderly-signature"]
    for changed in (
        received(vector, target=target.replace("size=100", "size=101")),
        received(vector, target=target.replace("summary", "Summary")),
        received(vector, target=target + "&"),
        received(vector, method="POST"),
        received(vector, body=b"{}"),
        received(vector, timestamp=str(int(vector["headers"]["orderly-timestamp"]) + 1)),
        received(vector, signature="t" + signature[1:]),
        received(vector, signature=""),
    ):
        with pytest.raises(OrderlyRefusedError, match="-1001"):
            access_of(vector).check(changed)
    for wrong in (received(vector, account_id="0x00"), received(vector, key="ed25519:1111")):
        with pytest.raises(OrderlyRefusedError, match="-1002"):
            access_of(vector).check(wrong)


async def test_the_vector_passes_the_server_too(world: World) -> None:
    async with running(world, clock=None) as client:
        client.sandbox.orderly.max_days = 31  # the vector asks for the whole of March
        for vector in VECTORS:
            client.sandbox.orderly.access = access_of(vector)
            orderly = OrderlyClient(client.session, client.sandbox)
            await orderly.raw(vector["request_target"], vector["headers"], status=200)


ASKED = {"start_date": "2025-03-01", "end_date": "2025-03-05", "aggregate_by": "date"}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, 200, None),
        ({"orderly-account-id": "0x00"}, 401, "-1002"),
        ({"orderly-key": "ed25519:1111"}, 401, "-1002"),
        ({"orderly-timestamp": "now"}, 401, "-1002"),
        ({"orderly-signature": "AAAA"}, 401, "-1001"),
        ({"orderly-signature": "?"}, 401, "-1001"),
    ],
)
async def test_credentials_are_checked(
    orderly: OrderlyClient, changes: dict[str, str], status: int, code: str | None
) -> None:
    assert (await orderly.get(ASKED, changes=changes, status=status)).get("code") == code


@pytest.mark.parametrize(("offset_ms", "status"), [(-300_000, 200), (300_000, 200), (-300_001, 401), (300_001, 401)])
async def test_the_clock_may_differ_by_300_seconds(orderly: OrderlyClient, offset_ms: int, status: int) -> None:
    await orderly.get(ASKED, timestamp=str(ms(NOON) + offset_ms), status=status)


async def test_the_query_is_signed_as_it_is_sent(orderly: OrderlyClient) -> None:
    plain = "start_date=2025-03-01&end_date=2025-03-05&aggregate_by=date"
    escaped = "start_date=2025%2D03%2D01&end_date=2025-03-05&aggregate_by=d%61te"
    moved = "end_date=2025-03-05&start_date=2025-03-01&aggregate_by=date"
    answers = [await orderly.get(query, status=200) for query in (plain, escaped, moved)]
    assert answers[0]["data"] == answers[1]["data"] == answers[2]["data"]
    for query in (escaped, moved):
        refused = await orderly.get(query, signs=f"{SUMMARY}?{plain}", status=401)
        assert refused["code"] == "-1001"


@pytest.mark.parametrize(
    "changes",
    [
        {"start_date": ""},
        {"end_date": ""},
        {"aggregate_by": ""},
        {"aggregate_by": "day"},
        {"start_date": "2025-3-01"},
        {"start_date": "2025-02-30"},
        {"start_date": "2025-03-06"},
        {"start_date": "2025-02-03"},  # 31 days
        {"page": 0},
        {"page": "one"},
        {"size": 0},
        {"size": -1},
        {"sort_by": "date"},
        {"account_id": "0x1", "user_address": "0x2"},
    ],
)
async def test_parameters_are_checked(orderly: OrderlyClient, changes: dict[str, object]) -> None:
    asked = {name: value for name, value in {**ASKED, **changes}.items() if value != ""}
    answer = await orderly.get(asked, status=400)
    assert answer.keys() == {"success", "code", "message"}
    assert (answer["success"], answer["code"]) == (False, "-1005")


async def test_thirty_days_are_answered_and_more_where_the_limit_is_higher(orderly: OrderlyClient) -> None:
    await orderly.get({**ASKED, "start_date": "2025-02-04"}, status=200)
    await orderly.get({**ASKED, "start_date": "2025-02-03"}, status=400)
    orderly.sandbox.orderly.max_days = 60
    await orderly.get({**ASKED, "start_date": "2025-02-03"}, status=200)


async def test_the_eleventh_request_in_a_second_is_refused(world: World) -> None:
    now = 0.0
    async with running(world, rate_requests=None, monotonic=lambda: now) as client:
        orderly = OrderlyClient(client.session, client.sandbox)
        for _ in range(10):
            await orderly.get(ASKED, status=200)
        refused = await orderly.get(ASKED, status=429)
        assert (refused["success"], refused["code"]) == (False, "-1003")
        now = 1.0
        await orderly.get(ASKED, status=200)
    assert [entry.error_code for entry in client.sandbox.requests] == [0] * 10 + [-1003, 0]


async def test_codes_can_be_text(orderly: OrderlyClient) -> None:
    async def text() -> str:
        async with orderly.session.get(orderly.sandbox.url + SUMMARY) as response:
            return await response.text()

    assert '"code": -1002' in await text()
    orderly.sandbox.orderly.codes_as_text = True
    assert '"code": "-1002"' in await text()
