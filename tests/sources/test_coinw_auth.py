"""CoinW's signature against the vectors, its settings, and every documented answer code."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from etl.errors import AccessRefused, AnswerUnreadable, EtlError, ProviderBusy, RateLimited, RequestRefused
from etl.sources.coinw.auth import Settings, judge, sign
from etl.stream import Draft, Params, Request

VECTORS = json.loads((Path(__file__).parent / "coinw" / "signature_vectors.json").read_text(encoding="utf-8"))
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])


def settings_of(vector: dict[str, Any]) -> Settings:
    return Settings.model_validate({name: vector["input"][name] for name in ("api_key", "secret_key")})


def signed(vector: dict[str, Any], params: Params | None = None, *, later_ms: int = 0) -> Request:
    given = vector["input"]
    draft = Draft(given["method"], given["path"], given["params"] if params is None else params)
    return sign(draft, settings_of(vector), timestamp_ms=given["timestamp_ms"] + later_ms, nonce="not used")


# ------------------------------------------------------------------------------------------------ signature


@every_vector
def test_body_target_and_headers_are_those_of_the_vector(vector: dict[str, Any]) -> None:
    request = signed(vector)
    assert request.body == vector["body"].encode()
    assert dict(request.headers) == vector["headers"]
    assert request.headers["sign"] == vector["signature"]
    assert (request.method, request.target) == ("POST", vector["input"]["path"])


@every_vector
def test_what_is_signed_is_time_method_path_and_the_body_that_is_sent(vector: dict[str, Any]) -> None:
    request = signed(vector, {"activityId": 'ACT é漢 "&', "page": 2, "a": 1})
    assert request.body is not None
    assert json.loads(request.body) == {"activityId": 'ACT é漢 "&', "page": 2, "a": 1}
    assert request.body.endswith(b',"page":2,"a":1}'), "compact, in the order of the parameters"
    message = f"{vector['input']['timestamp_ms']}POST{vector['input']['path']}".encode() + request.body
    wanted = hmac.new(vector["input"]["secret_key"].encode(), message, hashlib.sha256).digest()
    assert base64.b64decode(request.headers["sign"], validate=True) == wanted


@every_vector
def test_time_parameters_and_their_order_change_the_signature(vector: dict[str, Any]) -> None:
    requests = [
        signed(vector),
        signed(vector, later_ms=1),
        signed(vector, {"a": 1, "b": 2}),
        signed(vector, {"b": 2, "a": 1}),
        signed(vector, {"a": "1", "b": 2}),
    ]
    assert len({request.headers["sign"] for request in requests}) == len(requests)


@every_vector
def test_a_request_does_not_show_its_key_and_signature(vector: dict[str, Any]) -> None:
    shown = repr(signed(vector))
    for secret in (vector["input"]["api_key"], vector["input"]["secret_key"], vector["signature"]):
        assert secret not in shown


# ------------------------------------------------------------------------------------------------ settings

GOOD = {"api_key": "canary-key", "secret_key": "canary-secret"}


def test_no_activities_is_the_default() -> None:
    assert Settings.model_validate(GOOD).activities == ()
    assert Settings.model_validate({**GOOD, "activities": ["A", "B"]}).activities == ("A", "B")


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"api_key": None}, "api_key", "valid string"),
        ({"api_key": ""}, "api_key", "sent as a header"),
        ({"api_key": "canary key"}, "api_key", "sent as a header"),
        ({"api_key": "canary-key\n"}, "api_key", "sent as a header"),
        ({"api_key": "canary-ключ"}, "api_key", "sent as a header"),
        ({"secret_key": ""}, "secret_key", "at least 1"),
        ({"activities": "canary-ACT1"}, "activities", "valid tuple"),
        ({"activities": [""]}, "activities", "at least 1"),
        ({"secret": "canary-x"}, "secret", "not permitted"),
    ],
)
def test_a_fault_names_its_key_and_shows_no_value(changes: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate({**GOOD, **changes})
    assert [fault["loc"][0] for fault in caught.value.errors()] == [place]
    assert "canary" not in f"{caught.value} {caught.value!r}"


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings.model_validate(GOOD)
    assert "canary" not in f"{settings} {settings!r}"


# ------------------------------------------------------------------------------------------------ the envelope

# FACTS, "CoinW": authentication, input, again after a wait.
CODES: dict[int, type[EtlError]] = {
    **dict.fromkeys((6000, 6001, 6003), AccessRefused),
    **dict.fromkeys((402, 1), RequestRefused),
    29001: RateLimited,
    **dict.fromkeys((500, 502, 503, 504), ProviderBusy),
}


def judged(**envelope: Any) -> Any:
    return judge(envelope, http_status=200)


@pytest.mark.parametrize("code", [0, 200, "0", "200"])
@pytest.mark.parametrize("flags", [{}, {"success": True, "retry": False}, {"success": "true", "retry": None}])
@pytest.mark.parametrize("data", [None, {"list": [], "total": 0}, {"list": None, "total": "0"}])
def test_success_comes_with_either_code_as_number_or_text(code: Any, flags: dict[str, Any], data: Any) -> None:
    assert judged(code=code, data=data, **flags) == data


@pytest.mark.parametrize(("code", "error"), CODES.items())
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("words_in", ["msg", "message"])
@pytest.mark.parametrize("http_status", [200, 400])
def test_every_documented_code_goes_to_what_happens_next(
    code: int, error: type[EtlError], as_text: bool, words_in: str, http_status: int
) -> None:
    envelope = {"code": str(code) if as_text else code, words_in: "it is so", "data": None}
    with pytest.raises(EtlError) as caught:
        judge(envelope, http_status=http_status)
    assert type(caught.value) is error
    assert f"{code} “it is so”" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (6000, ("secret_key", "clock", "Affiliate", "master account")),
        (6001, ("signature", "secret_key", "clock")),
        (6003, ("Affiliate", "master account")),
        (500, ("path",)),
    ],
)
def test_a_refusal_says_what_to_fix(code: int, advice: tuple[str, ...]) -> None:
    with pytest.raises(EtlError) as caught:
        judged(code=code, msg="no")
    assert all(word in str(caught.value) for word in advice)


@pytest.mark.parametrize("http_status", [401, 403])
@pytest.mark.parametrize("document", [None, "text", {"code": 200, "data": None}, {"code": 9, "msg": "who?"}])
def test_http_401_and_403_refuse_the_account(http_status: int, document: Any) -> None:
    with pytest.raises(AccessRefused, match=f"{http_status}.*secret_key.*clock.*Affiliate"):
        judge(document, http_status=http_status)


@pytest.mark.parametrize("retry", [True, "true"])
@pytest.mark.parametrize("rest", [{}, {"code": 9999}, {"code": 200, "success": False}, {"code": 200, "data": None}])
def test_retry_asks_for_another_try(retry: Any, rest: dict[str, Any]) -> None:
    with pytest.raises(ProviderBusy):
        judged(retry=retry, msg="later", **rest)


@pytest.mark.parametrize(("code", "error"), CODES.items())
def test_a_documented_code_decides_before_retry(code: int, error: type[EtlError]) -> None:
    with pytest.raises(error):
        judged(code=code, retry=True)


@pytest.mark.parametrize("retry", [False, "false", None, 0, "", "no"])
def test_what_is_not_true_is_no_retry(retry: Any) -> None:
    assert judged(code=200, retry=retry, data=None) is None


@pytest.mark.parametrize("success", [False, "false", "False"])
@pytest.mark.parametrize("code", [0, 200, "200"])
def test_a_good_code_without_success_is_unreadable(success: Any, code: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        judged(code=code, success=success, data={"list": []})


@pytest.mark.parametrize("code", [2, -1, 201, 404, 6002, 29000, "x", "", None, True, 1.5, [200], "200x"])
def test_an_undocumented_code_is_unreadable(code: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="not documented"):
        judged(code=code, success=True, data={"list": []})


def test_success_without_data_is_unreadable() -> None:
    with pytest.raises(AnswerUnreadable, match="no data"):
        judged(code=200, success=True)


@pytest.mark.parametrize("http_status", [200, 401, 403])
def test_a_documented_code_goes_before_the_status(http_status: int) -> None:
    with pytest.raises(RateLimited):
        judge({"code": 29001, "msg": "too many"}, http_status=http_status)


@pytest.mark.parametrize("http_status", [302, 404, 418])
def test_a_good_code_beside_a_failed_status_is_unreadable(http_status: int) -> None:
    with pytest.raises(AnswerUnreadable):
        judge({"code": 200, "data": None}, http_status=http_status)


@pytest.mark.parametrize("document", [None, [], "ok", 0, True, {}, {"data": []}, {"success": True, "data": None}])
def test_an_answer_without_an_envelope_is_unreadable(document: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="envelope"):
        judge(document, http_status=200)
