"""ZTDX's two ways to sign, the end of its tokens, its settings, and what its answers stand for."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from etl.errors import AccessRefused, AnswerUnreadable, EtlError, ProviderBusy, RateLimited, RequestRefused
from etl.sources.ztdx.auth import Settings, expires_at, judge, sign
from etl.stream import Draft, Params, Request

TOKEN = {"token": "canary.token.1"}
KEYS = {"api_key": "canary-key", "secret_key": "canary-secret"}
PAGE: Params = {"page": 1, "page_size": 20, "action": "bind"}


def signed(settings: dict[str, Any], params: Params = PAGE) -> Request:
    draft = Draft("GET", "/referral/logs", params)
    return sign(draft, Settings.model_validate(settings), timestamp_ms=1772582400123, nonce="not used")


# ------------------------------------------------------------------------------------------------ signature


def test_a_token_is_sent_as_bearer_beside_the_documented_query() -> None:
    request = signed(TOKEN)
    assert request.target == "/referral/logs?page=1&page_size=20&action=bind"
    assert dict(request.headers) == {"Authorization": "Bearer canary.token.1"}
    assert (request.method, request.body) == ("GET", None)


def test_a_key_signs_the_query_with_its_timestamp() -> None:
    request = signed(KEYS)
    query = "page=1&page_size=20&action=bind&timestamp=1772582400123"
    # echo -n "$query" | openssl dgst -sha256 -hmac canary-secret
    wanted = hmac.new(b"canary-secret", query.encode(), hashlib.sha256).hexdigest()
    assert request.target == f"/referral/logs?{query}&signature={wanted}"
    assert dict(request.headers) == {"X-MBX-APIKEY": "canary-key"}


def test_values_are_signed_as_they_are_sent() -> None:
    query, _, signature = signed(KEYS, {"action": "a b&c=é"}).target.partition("?")[2].partition("&signature=")
    assert query == "action=a%20b%26c%3D%C3%A9&timestamp=1772582400123"
    assert signature == hmac.new(b"canary-secret", query.encode(), hashlib.sha256).hexdigest()


def test_a_request_without_parameters_has_no_empty_query() -> None:
    assert signed(TOKEN, {}).target == "/referral/logs"
    assert signed(KEYS, {}).target.startswith("/referral/logs?timestamp=1772582400123&signature=")


@pytest.mark.parametrize("prefix", ["api/v1", "/api/v1", "api/v1/", "/api/v1/"])
@pytest.mark.parametrize("keys", [TOKEN, KEYS])
def test_a_prefix_goes_before_the_path(prefix: str, keys: dict[str, Any]) -> None:
    assert signed({**keys, "path_prefix": prefix}).target.startswith("/api/v1/referral/logs?page=1")


@pytest.mark.parametrize("keys", [TOKEN, KEYS])
def test_a_request_does_not_show_its_credentials(keys: dict[str, Any]) -> None:
    assert "canary" not in repr(signed(keys))
    assert signed(keys).target not in repr(signed(keys))


# ------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("given_prefix", "kept"), [("", ""), ("/", ""), ("//", ""), ("api", "/api"), ("/api/v1/", "/api/v1")]
)
def test_a_prefix_has_a_leading_slash_and_no_trailing_one(given_prefix: str, kept: str) -> None:
    assert Settings.model_validate({**TOKEN, "path_prefix": given_prefix}).path_prefix == kept
    assert Settings.model_validate(TOKEN).path_prefix == ""


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"token is missing \(or api_key and secret_key"),
        ({**TOKEN, **KEYS}, "not both"),
        ({**TOKEN, "api_key": "canary-key"}, "not both"),
        ({**TOKEN, "secret_key": "canary-secret"}, "not both"),
        ({"api_key": "canary-key"}, r"secret_key is missing \(api_key is given\)"),
        ({"secret_key": "canary-secret"}, r"api_key is missing \(secret_key is given\)"),
        ({"token": ""}, "sent as a header"),
        ({"token": "Bearer canary.token"}, "without a word like Bearer"),
        ({"token": "canary\n.token"}, "sent as a header"),
        ({**KEYS, "api_key": "canary key"}, "sent as a header"),
        ({**KEYS, "secret_key": ""}, "at least 1"),
        ({**TOKEN, "path_prefix": "/api?canary=1"}, "part of a path"),
        ({**TOKEN, "path_prefix": "https://canary.io/api"}, "part of a path"),
        ({**TOKEN, "path_prefix": "/api v1"}, "part of a path"),
        ({**TOKEN, "secret": "canary"}, "not permitted"),
    ],
)
def test_a_fault_says_what_is_wrong_and_shows_no_value(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate(settings)
    assert "canary" not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("keys", [TOKEN, KEYS])
def test_settings_do_not_show_their_secrets(keys: dict[str, Any]) -> None:
    settings = Settings.model_validate(keys)
    assert "canary" not in f"{settings} {settings!r}"


# ------------------------------------------------------------------------------------------------ the token's end


def jwt(claims: str) -> str:
    """A token of which only the claims matter: nothing is verified."""
    return f"e30.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.c2ln"


def end_of(token: str) -> datetime | None:
    return expires_at(Settings.model_validate({"token": token}))


@pytest.mark.parametrize(
    ("exp", "moment"),
    [
        # 1772010604 is 2026-02-25 09:10:04 UTC, as in the page's example.
        ("1772010604", datetime(2026, 2, 25, 9, 10, 4, tzinfo=UTC)),
        ("1772010604.5", datetime(2026, 2, 25, 9, 10, 4, 500_000, tzinfo=UTC)),
        ('"1772010604"', datetime(2026, 2, 25, 9, 10, 4, tzinfo=UTC)),
        ('"1772010604.25"', datetime(2026, 2, 25, 9, 10, 4, 250_000, tzinfo=UTC)),
        ("1.772010604e9", datetime(2026, 2, 25, 9, 10, 4, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("253402300799", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_claim_exp_tells_when_a_token_ends(exp: str, moment: datetime) -> None:
    assert end_of(jwt(f'{{"sub": "é", "exp": {exp}, "iat": 1}}')) == moment


def test_a_real_token_is_read_whatever_its_padding() -> None:
    for filler in ("", "a", "ab", "abc"):
        assert end_of(jwt(json.dumps({"sub": filler, "exp": 1772010604}))) == datetime(
            2026, 2, 25, 9, 10, 4, tzinfo=UTC
        )


@pytest.mark.parametrize(
    "exp",
    [
        *("null", "true", "false", '""', '"soon"', "[]", "{}", "[1772010604]", '"1_772"', '" 1772010604"'),
        *("NaN", "Infinity", "-Infinity", '"NaN"', "-1", "1772010604000000", "253402300800", "1e39", "1e99999999999"),
        pytest.param("9" * 5000, id="5000 digits"),
        pytest.param("0." + "1" * 5000, id="5000 decimals"),
        "253402300799.99999999999999999999999999999",
    ],
)
def test_a_token_whose_exp_is_no_moment_does_not_end(exp: str) -> None:
    assert end_of(jwt(f'{{"exp": {exp}}}')) is None


@pytest.mark.parametrize(
    "claims",
    [
        "{}",
        '{"iat": 1}',
        "[]",
        "1",
        '"x"',
        "null",
        "",
        "{",
        '{"exp": 1772010604',
        pytest.param("[" * 100_000, id="nested"),
    ],
)
def test_a_token_without_claims_does_not_end(claims: str) -> None:
    assert end_of(jwt(claims)) is None


@pytest.mark.parametrize("token", ["x", "a.b", "..", "a.b.c.d", "a.%%%.c", "a.A.c", "a.____.c", "a.wA.c", "-"])
def test_what_is_no_jwt_does_not_end(token: str) -> None:
    assert end_of(token) is None


def test_claims_in_a_token_of_two_or_four_parts_are_not_believed() -> None:
    token = jwt('{"exp": 1772010604}')
    assert end_of(token) is not None
    assert end_of(token.rpartition(".")[0]) is None
    assert end_of(f"{token}.c2ln") is None


def test_a_key_does_not_end() -> None:
    assert expires_at(Settings.model_validate(KEYS)) is None


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_no_token_makes_reading_its_end_fail(middle: str) -> None:
    for token in (middle, f"a.{middle}.c", jwt(middle), jwt(f'{{"exp": {middle}}}')):
        assert end_of(token) is None or isinstance(end_of(token), datetime)


# ------------------------------------------------------------------------------------------------ answers

GOOD: dict[str, Any] = {"logs": [], "total": 0, "page": 1, "page_size": 20}


@pytest.mark.parametrize("rest", [{}, {"error": None}, {"error": ""}, {"logs": [{"id": "x"}], "total": 1}])
def test_an_object_with_logs_is_the_payload(rest: dict[str, Any]) -> None:
    assert judge({**GOOD, **rest}, http_status=200) == {**GOOD, **rest}


STATUSES: dict[int, type[EtlError]] = {
    401: AccessRefused,
    403: AccessRefused,
    400: RequestRefused,
    404: RequestRefused,
    418: AnswerUnreadable,
    302: AnswerUnreadable,
}


@pytest.mark.parametrize(("status", "error"), STATUSES.items())
@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": "it is so", "code": 7}, "it is so"),
        ({"error": {"code": "X", "message": "it is so"}}, "it is so"),
        ({"error": {"code": "UNAUTHORIZED"}}, "UNAUTHORIZED"),
        ({"error": {}}, "no message"),
        ({"error": ["a"]}, "a"),
        (GOOD, "no message"),
        ({}, "no message"),
        (None, "no message"),  # text, HTML or nothing
        ("text", "no message"),
        ([], "no message"),
    ],
)
def test_a_status_goes_to_what_happens_next_whatever_the_body(
    status: int, error: type[EtlError], document: Any, words: str
) -> None:
    with pytest.raises(EtlError) as caught:
        judge(document, http_status=status)
    assert type(caught.value) is error
    assert str(status) in str(caught.value)
    assert words in str(caught.value)


def test_refusals_say_what_to_fix() -> None:
    with pytest.raises(AccessRefused, match=r"new token.*24 h.*api_key.*clock"):
        judge(None, http_status=401)
    with pytest.raises(RequestRefused, match=r"path_prefix.*/api/v1"):
        judge(None, http_status=404)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *((401, AccessRefused), (403, AccessRefused), (400, RequestRefused), (404, RequestRefused)),
        *((429, RateLimited), (500, ProviderBusy), (503, ProviderBusy)),
        *((None, AnswerUnreadable), (7, AnswerUnreadable), (200, AnswerUnreadable), ("TOKEN", AnswerUnreadable)),
    ],
)
@pytest.mark.parametrize("rest", [{}, GOOD])
def test_an_error_with_http_200_is_a_failure(code: Any, error: type[EtlError], rest: dict[str, Any]) -> None:
    told: list[dict[str, Any]] = [
        {"error": "it is so", "code": code},
        {"error": {"message": "it is so", "code": code}},
    ]
    if isinstance(code, int):
        told.append({"error": "it is so", "code": str(code)})
    for answer in told:
        with pytest.raises(EtlError, match="it is so") as caught:
            judge({**rest, **answer}, http_status=200)
        assert type(caught.value) is error


@pytest.mark.parametrize(
    "document",
    [None, [], "ok", 1, {}, {"total": 0}, {"logs": None}, {"logs": {}}, {"logs": "x"}, {"data": {"logs": []}}],
)
def test_an_answer_without_a_list_of_logs_is_unreadable(document: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="logs"):
        judge(document, http_status=200)
