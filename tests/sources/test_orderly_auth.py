"""Orderly's signature against the official connector's vector, its settings, and every documented answer code."""

import base64
import json
from pathlib import Path
from typing import Any

import base58
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from etl.errors import AccessRefused, AnswerUnreadable, EtlError, ProviderBusy, RateLimited, RequestRefused
from etl.sources.orderly.auth import Settings, judge, server_time_ms, sign
from etl.stream import Draft, Params, Request

VECTORS = json.loads((Path(__file__).parent / "orderly" / "signature_vectors.json").read_text(encoding="utf-8"))
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])


def settings_of(vector: dict[str, Any], **changes: Any) -> Settings:
    given = vector["input"]
    return Settings.model_validate(
        {"account_id": given["orderly_account_id"], "secret_key": given["orderly_secret"], **changes}
    )


def signed(vector: dict[str, Any], params: Params | None = None, *, later_ms: int = 0, **changes: Any) -> Request:
    given = vector["input"]
    draft = Draft(given["method"], given["path"], given["params"] if params is None else params)
    return sign(draft, settings_of(vector, **changes), timestamp_ms=given["timestamp_ms"] + later_ms, nonce="not used")


def public_key(request: Request) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base58.b58decode(request.headers["orderly-key"].removeprefix("ed25519:")))


# ------------------------------------------------------------------------------------------------ signature


@every_vector
def test_target_and_headers_are_those_of_the_vector(vector: dict[str, Any]) -> None:
    request = signed(vector)
    assert request.target == vector["request_target"]
    assert dict(request.headers) == vector["headers"]
    assert request.headers["orderly-signature"] == vector["signature_base64url_padded"]
    assert base64.urlsafe_b64decode(request.headers["orderly-signature"]).hex() == vector["signature_hex"]
    assert request.headers["orderly-key"] == vector["input"]["orderly_key"]
    assert (request.method, request.body) == ("GET", None)


@every_vector
def test_what_is_signed_is_byte_for_byte_what_is_sent(vector: dict[str, Any]) -> None:
    request = signed(vector, {"user_address": "a b&c=d/é+%", "page": 1})
    assert request.target == f"{vector['input']['path']}?user_address=a%20b%26c%3Dd%2F%C3%A9%2B%25&page=1"
    signature = base64.urlsafe_b64decode(request.headers["orderly-signature"])
    message = f"{vector['input']['timestamp_ms']}GET{request.target}"
    public_key(request).verify(signature, message.encode())
    with pytest.raises(InvalidSignature):
        public_key(request).verify(signature, message.replace("%20", "+").encode())


@every_vector
def test_a_request_without_parameters_has_no_question_mark(vector: dict[str, Any]) -> None:
    request = signed(vector, {})
    assert request.target == vector["input"]["path"]
    message = f"{vector['input']['timestamp_ms']}GET{vector['input']['path']}".encode()
    public_key(request).verify(base64.urlsafe_b64decode(request.headers["orderly-signature"]), message)


@every_vector
def test_the_seed_is_the_first_32_bytes_of_a_longer_key(vector: dict[str, Any]) -> None:
    public = base58.b58decode(vector["input"]["orderly_key"].removeprefix("ed25519:"))
    whole = base58.b58encode(bytes.fromhex(vector["input"]["seed_hex"]) + public).decode()
    assert dict(signed(vector, secret_key=f"ed25519:{whole}").headers) == vector["headers"]


@every_vector
def test_time_and_parameters_change_the_signature(vector: dict[str, Any]) -> None:
    requests = [signed(vector), signed(vector, later_ms=1), signed(vector, {"page": 1}), signed(vector, {"page": 2})]
    assert len({request.headers["orderly-signature"] for request in requests}) == len(requests)


@every_vector
def test_a_request_does_not_show_its_key_and_signature(vector: dict[str, Any]) -> None:
    shown = repr(signed(vector))
    for secret in (
        vector["input"]["orderly_secret"],
        vector["input"]["orderly_key"],
        vector["headers"]["orderly-signature"],
    ):
        assert secret not in shown


# ------------------------------------------------------------------------------------------------ settings

SECRET = VECTORS[0]["input"]["orderly_secret"]
SEED = SECRET.removeprefix("ed25519:")


@pytest.mark.parametrize(
    ("secret_key", "words"),
    [
        ("", "must begin with ed25519:"),
        (SEED, "must begin with ed25519:"),
        (f"ED25519:{SEED}", "must begin with ed25519:"),
        (f" {SECRET}", "must begin with ed25519:"),
        (f"ed25519:{SEED}0", "not base58"),
        (f"ed25519:{SEED[:20]} {SEED[20:]}", "not base58"),
        (f"ed25519:{SEED}é", "not base58"),
        ("ed25519:canaryOIl", "not base58"),
        ("ed25519:", "holds 0 bytes"),
        (f"ed25519:{SEED[:-2]}", "holds 31 bytes"),
        (f"ed25519:{SEED}z", "holds 33 bytes"),
    ],
)
def test_a_secret_that_holds_no_key_is_refused_without_being_shown(secret_key: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate({"account_id": "0x1", "secret_key": secret_key})
    told = f"{caught.value} {caught.value!r}"
    assert [fault["loc"] for fault in caught.value.errors()] == [("secret_key",)]
    assert SEED[:20] not in told
    assert "canary" not in told
    messages = [fault["msg"] for fault in caught.value.errors(include_input=False, include_context=False)]
    assert not any(SEED[:20] in message or "canary" in message for message in messages)


@pytest.mark.parametrize("account_id", ["", "0x1 ", "0x1\n", "0x…", None])
def test_an_account_id_that_fits_no_header_is_refused(account_id: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"account_id": account_id, "secret_key": SECRET})
    assert [fault["loc"] for fault in caught.value.errors()] == [("account_id",)]
    assert SEED not in f"{caught.value} {caught.value!r}"


def test_settings_do_not_show_their_secret() -> None:
    settings = Settings.model_validate({"account_id": "0x1", "secret_key": SECRET})
    assert SEED not in f"{settings} {settings!r}"


# ------------------------------------------------------------------------------------------------ the envelope

# FACTS, "Orderly": again after a wait, never again.
CODES: dict[int, type[EtlError]] = {
    -1003: RateLimited,
    **dict.fromkeys((-1011, -1000), ProviderBusy),
    **dict.fromkeys((-1001, -1002), AccessRefused),
    **dict.fromkeys((-1004, -1005, -1006, -1100, -1101, -1199, -1200, -1299), RequestRefused),
}


@pytest.mark.parametrize("success", [True, "true", "True"])
def test_success_comes_as_value_or_as_text(success: Any) -> None:
    data: dict[str, Any] = {"rows": [], "meta": "<unknown>"}
    assert judge({"success": success, "timestamp": 1, "data": data}, http_status=200) == data


@pytest.mark.parametrize(("code", "error"), CODES.items())
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("success", [False, "false"])
@pytest.mark.parametrize("http_status", [200, 400])
def test_every_documented_code_goes_to_what_happens_next(
    code: int, error: type[EtlError], as_text: bool, success: Any, http_status: int
) -> None:
    envelope = {"success": success, "code": str(code) if as_text else code, "message": "it is so"}
    with pytest.raises(EtlError) as caught:
        judge(envelope, http_status=http_status)
    assert type(caught.value) is error
    assert f"{code} “it is so”" in str(caught.value)


@pytest.mark.parametrize("document", [{"success": False, "code": -1002, "message": "no"}, None, "text", {}])
@pytest.mark.parametrize("http_status", [401, 403])
def test_http_401_and_403_refuse_the_account(http_status: int, document: Any) -> None:
    with pytest.raises(AccessRefused, match=f"{http_status}.*secret_key.*clock.*300 s"):
        judge(document, http_status=http_status)


@pytest.mark.parametrize("code", [-1001, -1002])
def test_a_refusal_says_what_to_fix(code: int) -> None:
    with pytest.raises(AccessRefused, match=r"account_id and secret_key.*builder-admin.*clock.*300 s"):
        judge({"success": False, "code": code}, http_status=200)


@pytest.mark.parametrize("code", [0, 1, -1, 1003, -999, -1007, -1012, -1099, -1300, "x", "", None, True, 1.5, [-1003]])
def test_an_undocumented_code_is_unreadable(code: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="not documented"):
        judge({"success": False, "code": code, "message": "?"}, http_status=200)


@pytest.mark.parametrize("success", [None, "", 0, 1, "yes"])
def test_what_is_neither_success_nor_a_code_is_unreadable(success: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        judge({"success": success, "data": {"rows": []}}, http_status=200)


@pytest.mark.parametrize("envelope", [{}, {"data": None}, {"data": []}, {"data": "x"}])
def test_success_without_an_object_of_data_is_unreadable(envelope: dict[str, Any]) -> None:
    with pytest.raises(AnswerUnreadable, match="data"):
        judge({"success": True, **envelope}, http_status=200)


@pytest.mark.parametrize("http_status", [302, 404])
def test_success_beside_a_failed_status_is_unreadable(http_status: int) -> None:
    with pytest.raises(AnswerUnreadable):
        judge({"success": True, "data": {"rows": []}}, http_status=http_status)


@pytest.mark.parametrize("document", [None, [], "ok", 0, {}, {"data": {"rows": []}}, {"code": -1003}])
def test_an_answer_without_an_envelope_is_unreadable(document: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="envelope"):
        judge(document, http_status=200)


@pytest.mark.parametrize(
    ("told", "clock"), [(1702989203989, 1702989203989), ("1702989203989", 1702989203989), ("x", None)]
)
def test_the_providers_clock_is_read_from_the_envelope(told: Any, clock: int | None) -> None:
    assert server_time_ms({"timestamp": told}) == clock
    assert server_time_ms({}) is None
    assert server_time_ms(None) is None
