"""Who may talk to the simulated ZTDX, and the shapes in which it refuses."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from etl.sandbox import World
from etl.sandbox.credentials import ZTDX_API_KEY, ZTDX_SECRET_KEY, ZTDX_TOKEN_SECRET, ztdx_token
from tests.sandbox.lbank_client import NOON, ms, running
from tests.sandbox.ztdx_client import ZtdxClient


def part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def jwt(head: dict[str, object], claims: dict[str, object], secret: str = ZTDX_TOKEN_SECRET) -> str:
    """A token by RFC 7519, made here once more."""
    signed = f"{part(head)}.{part(claims)}"
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


HEAD: dict[str, object] = {"alg": "HS256", "typ": "JWT"}
ENDS = int(NOON.timestamp()) + 60


async def test_a_token_is_good_until_it_ends(world: World) -> None:
    now = NOON
    async with running(world, clock=lambda: now) as client:
        ztdx = ZtdxClient(client.session, client.sandbox)
        token = ztdx_token(NOON + timedelta(hours=1))
        await ztdx.get({}, token=token)
        now = NOON + timedelta(minutes=59, seconds=59)
        await ztdx.get({}, token=token)
        now = NOON + timedelta(hours=1)
        answer = await ztdx.get({}, token=token, status=401)
        assert answer == {"error": {"code": "UNAUTHORIZED", "message": "token expired"}}


async def test_the_sandbox_gives_a_token_for_a_day_that_says_when_it_ends(ztdx: ZtdxClient) -> None:
    head, claims, _ = ztdx.sandbox.ztdx_token().split(".")
    told = [json.loads(base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))) for one in (head, claims)]
    assert told[0] == HEAD
    assert told[1]["exp"] == int((NOON + timedelta(hours=24)).timestamp())


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (jwt(HEAD, {"exp": ENDS}), 200),
        (jwt(HEAD, {"exp": ENDS}, "another secret"), 401),
        (jwt(HEAD, {"exp": ENDS - 60}), 401),
        (jwt(HEAD, {}), 401),
        (jwt(HEAD, {"exp": str(ENDS)}), 401),
        (jwt({"alg": "none"}, {"exp": ENDS}), 401),
        (jwt(HEAD, {"exp": ENDS})[:-4], 401),
        (jwt(HEAD, {"exp": ENDS}).replace(".", "", 1), 401),
        (f"{part(HEAD)}.{part({'exp': ENDS})}.", 401),
        ("x", 401),
    ],
)
async def test_tokens_are_checked(ztdx: ZtdxClient, token: str, status: int) -> None:
    await ztdx.get({}, token=token, status=status)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic x"}, {"Authorization": "Bearer"}, {"X-MBX-APIKEY": "somebody-else"}]
)
async def test_requests_without_credentials_are_refused_with_an_object(
    ztdx: ZtdxClient, headers: dict[str, str]
) -> None:
    status, kind, text = await ztdx.text("page=1", headers)
    assert (status, kind) == (401, "application/json")
    assert isinstance(json.loads(text)["error"], dict)
    assert ztdx.sandbox.requests[-1].error_code == 401


async def test_a_signed_query_does_instead_of_a_token(ztdx: ZtdxClient) -> None:
    assert await ztdx.signed("page=1&action=bind") == 200
    assert await ztdx.signed("page=1", signature="0" * 64) == 401
    for offset_ms, status in ((-59_000, 200), (59_000, 200), (-61_000, 401), (61_000, 401)):
        assert await ztdx.signed("page=1", timestamp=ms(NOON) + offset_ms) == status
    headers = {"X-MBX-APIKEY": ZTDX_API_KEY}
    signed = f"page=1&timestamp={ms(NOON)}"
    sign = hmac.new(ZTDX_SECRET_KEY.encode(), signed.encode(), hashlib.sha256).hexdigest()
    for query, expected in (
        (f"{signed}&signature={sign}", 200),
        (f"{signed.replace('page=1', 'page=2')}&signature={sign}", 401),
        (f"{signed}&signature={sign}&page=2", 401),
        (f"signature={sign}&{signed}", 401),
        (signed, 401),
        (f"{signed}&signature=%FF%FE", 401),
    ):
        assert (await ztdx.text(query, headers))[0] == expected
    assert ztdx.sandbox.requests[0].params == {"page": "1", "action": "bind"}


@pytest.mark.parametrize("query", [{"page": 0}, {"page": -1}, {"page": "x"}, {"page_size": "many"}])
async def test_bad_pages_are_refused_with_a_text(ztdx: ZtdxClient, query: dict[str, object]) -> None:
    answer = await ztdx.get(query, status=400)
    assert answer.keys() == {"error", "code"}
    assert isinstance(answer["error"], str)
    assert ztdx.sandbox.requests[-1].error_code == answer["code"]


async def test_the_second_request_in_a_second_is_refused_in_plain_text(world: World) -> None:
    now = 0.0
    async with running(world, rate_requests=None, monotonic=lambda: now) as client:
        ztdx = ZtdxClient(client.session, client.sandbox)
        bearer = {"Authorization": f"Bearer {client.sandbox.ztdx_token()}"}
        seen = []
        for moment in (0.0, 0.75, 1.75):
            now = moment
            seen.append((await ztdx.text("page=1", bearer))[:2])
        assert seen == [(200, "application/json"), (429, "text/plain"), (200, "application/json")]
        assert [entry.error_code for entry in client.sandbox.requests] == [0, 429, 0]


async def test_unknown_paths_are_told_in_html(ztdx: ZtdxClient) -> None:
    ztdx.path = "/referral/log"
    status, kind, text = await ztdx.text("", {})
    assert (status, kind) == (404, "text/html")
    assert text.startswith("<html>")


async def test_a_prefix_can_stand_before_the_path(ztdx: ZtdxClient) -> None:
    ztdx.sandbox.ztdx.path_prefix = "/api/v1"
    bearer = {"Authorization": f"Bearer {ztdx.sandbox.ztdx_token()}"}
    assert (await ztdx.text("", bearer))[0] == 404
    ztdx.path = "/api/v1/referral/logs"
    await ztdx.get({})
