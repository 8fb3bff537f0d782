"""Who may talk to the simulated LBank, how often, and with which parameters."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from etl.sandbox import World
from etl.sandbox.limits import SlidingWindow
from tests.sandbox.lbank_client import NOON, Client, Params, ms, running

# A request/signature pair made with LBank's official connector.
VECTOR = {
    "startTime": "1721145600000",
    "endTime": "1721231999999",
    "start": "0",
    "pageSize": "100",
    "api_key": "7b1c9a52-3e4d-4f60-8a71-9c2b3d4e5f60",
    "sign": "e94117e27d000428830e24651c1c7191d3c775f4e7c8f5d678a13568663501da",
}
VECTOR_HEADERS = {
    "signature_method": "HmacSHA256",
    "timestamp": "1725330101487",
    "echostr": "P3LHfw6tUIYWc8R2VQNy0ilKmdg5pjhbxC7",
}
VECTOR_SECRET = "D41D8CD98F00B204E9800998ECF8427E"


async def test_the_official_connectors_signature_is_accepted_and_one_changed_byte_is_not(
    world: World,
) -> None:
    settings = {"api_key": VECTOR["api_key"], "secret_key": VECTOR_SECRET, "clock": None}
    async with running(world, **settings) as client:
        path = "/invite/user/team/list"
        assert (await client.raw(path, VECTOR, VECTOR_HEADERS))["error_code"] == 0
        changed = {**VECTOR, "pageSize": "10"}
        assert (await client.raw(path, changed, VECTOR_HEADERS))["error_code"] == 10007


@pytest.mark.parametrize("transport", ["headers", "query", "both"])
@pytest.mark.parametrize("with_rsa", [False, True])
async def test_credentials_travel_in_headers_in_the_query_or_in_both(
    world: World, transport: str, with_rsa: bool
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with running(world, rsa_public_key=key.public_key()) as client:
        private_key = key if with_rsa else None
        params = {"openId": "LBA0001001"}
        answer = await client.get("/invite/user/info", params, transport=transport, private_key=private_key)
        assert answer["result"] == "true"
        assert answer["data"]["openId"] == "LBA0001001"


async def test_another_rsa_key_is_refused(world: World) -> None:
    ours, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    async with running(world, rsa_public_key=ours.public_key()) as client:
        answer = await client.get("/invite/user/info", {"openId": "LBA0001001"}, private_key=other)
        assert answer["error_code"] == 10007


@pytest.mark.parametrize(
    ("changes", "error_code"),
    [
        ({"timestamp": str(ms(NOON) - 61_000)}, 10002),
        ({"timestamp": str(ms(NOON) + 61_000)}, 10002),
        ({"timestamp": str(ms(NOON) + 59_000)}, 0),
        ({"echostr": "a" * 29}, 10031),
        ({"echostr": "a" * 41}, 10031),
        ({"echostr": "a" * 34 + "-"}, 10031),
        ({"sign": "0" * 64}, 10007),
        ({"api_key": "somebody-else"}, 10022),
        ({"signature_method": "MD5"}, 10003),
    ],
)
async def test_credentials_are_checked(client: Client, changes: dict[str, str], error_code: int) -> None:
    answer = await client.get("/invite/user/info", {"openId": "LBA0001001"}, changes=changes)
    assert answer["error_code"] == error_code


async def test_an_echostr_can_be_used_once(client: Client) -> None:
    async def ask(echostr: str) -> object:
        params = {"openId": "LBA0001001"}
        return (await client.get("/invite/user/info", params, changes={"echostr": echostr}))["error_code"]

    assert [await ask("a" * 30), await ask("a" * 30), await ask("b" * 30)] == [0, 10600, 0]


async def test_the_echostr_of_a_request_refused_for_frequency_is_spent(world: World) -> None:
    now = 0.0
    async with running(world, rate_requests=1, monotonic=lambda: now) as client:
        params, changes = {"openId": "LBA0001001"}, {"echostr": "a" * 30}
        assert (await client.get("/invite/user/info", params))["error_code"] == 0
        assert (await client.get("/invite/user/info", params, changes=changes))["error_code"] == 10004
        now = 20.0
        assert (await client.get("/invite/user/info", params, changes=changes))["error_code"] == 10600


SPAN = {"startTime": 1, "endTime": 2}
TRADES = {**SPAN, "openId": "LBA0000001", "tradeType": "0"}
MONEY = {**SPAN, "openId": "LBA0000001", "userType": "ALL", "subInOutType": "IN_DEPOSIT", "pageSize": 100}


@pytest.mark.parametrize(
    ("path", "params", "error_code"),
    [
        ("/invite/user/team/list", {**SPAN, "pageSize": 100}, 0),
        ("/invite/user/team/list", {**SPAN, "pageSize": 101}, 20026),
        ("/invite/user/list", {**SPAN, "pageSize": 101}, 20026),
        ("/invite/user/team/list", SPAN, 10001),
        ("/invite/user/team/list", {"endTime": 2, "pageSize": 1}, 10001),
        ("/invite/user/team/list", {**SPAN, "pageSize": "many"}, 10003),
        ("/invite/user/team/list", {"startTime": 3, "endTime": 2, "pageSize": 1}, 10003),
        ("/invite/user/info", {}, 10001),
        ("/trade/user", {**TRADES, "tradeType": "2"}, 10003),
        ("/trade/user", {**TRADES, "openId": "LBA0999999"}, 10003),
        ("/trade/future", {**TRADES, "userType": "TEAM"}, 10003),
        ("/money/detail/list", MONEY, 0),
        ("/money/detail/list", {**MONEY, "subInOutType": "On-chain Deposit"}, 10003),
        ("/money/detail/list", {**MONEY, "pageSize": 1000}, 20026),
    ],
)
async def test_parameters_are_checked(client: Client, path: str, params: Params, error_code: int) -> None:
    answer = await client.get(path, params)
    assert answer["error_code"] == error_code
    assert answer["result"] == ("false" if error_code else "true")
    if error_code == 10001:
        assert answer["msg"] == "Parameter can not be null"


async def test_the_sixth_request_in_ten_seconds_is_refused_per_path_and_counts(world: World) -> None:
    now = 100.0
    async with running(world, rate_requests=5, monotonic=lambda: now) as client:

        async def ask(path: str = "/invite/user/info") -> int:
            code: int = (await client.get(path, {"openId": "LBA0001001"}))["error_code"]
            return code

        assert [await ask() for _ in range(6)] == [0, 0, 0, 0, 0, 10004]
        assert await ask("/trade/user") == 10001
        now = 109.999
        assert await ask() == 10004
        now = 110.0  # the six at 100 are out of the window; the refused one at 109.999 is not
        assert [await ask() for _ in range(5)] == [0, 0, 0, 0, 10004]
        assert [entry.error_code for entry in client.sandbox.requests].count(10004) == 3
        assert client.sandbox.requests[0].arrived == 100.0


def test_the_window_slides() -> None:
    now = 0.0
    window = SlidingWindow(2, 10.0, monotonic=lambda: now)

    def let_in_at(moment: float) -> bool:
        nonlocal now
        now = moment
        return window.arrive("key", "/path")[1]

    moments = (0.0, 6.0, 9.5, 10.0, 19.5, 19.75, 20.0)
    assert [let_in_at(moment) for moment in moments] == [True, True, False, False, True, False, False]
