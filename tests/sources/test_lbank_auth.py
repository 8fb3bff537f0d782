"""LBank's signature against the official connector's vectors, and every documented answer code."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from etl.errors import (
    AccessRefused,
    AnswerUnreadable,
    EndpointClosed,
    EtlError,
    ProviderBusy,
    RateLimited,
    Replayed,
    RequestRefused,
)
from etl.sources.lbank.auth import Settings, digest, judge, server_time_ms, sign
from etl.stream import Draft, Params, Request

VECTORS = json.loads((Path(__file__).parent / "lbank" / "signature_vectors.json").read_text(encoding="utf-8"))
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
STAMP = ("timestamp", "signature_method", "echostr")


def settings_of(vector: dict[str, Any], **changes: Any) -> Settings:
    given = vector["input"]
    return Settings.model_validate(
        {"api_key": given["api_key"], "secret_key": given["secret_key"], "open_id": "LBA1", **changes}
    )


def signed(vector: dict[str, Any], params: Params | None = None, *, settings: Settings | None = None) -> Request:
    """The vector's request, with some business parameters changed."""
    given = vector["input"]
    draft = Draft(given["method"], given["path"], {**given["params"], **(params or {})})
    return sign(
        draft,
        settings or settings_of(vector),
        timestamp_ms=int(given["timestamp_ms"]),
        nonce=given["echostr"],
    )


def query_of(request: Request) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def canonical_of(vector: dict[str, Any]) -> dict[str, str]:
    """The parameters of the vector's canonical string, which holds raw values."""
    return dict(part.split("=", 1) for part in vector["canonical_string"].split("&"))


# ------------------------------------------------------------------------------------------------ signature


@every_vector
def test_the_canonical_string_is_digested_as_the_connector_does(vector: dict[str, Any]) -> None:
    shuffled = dict(sorted(canonical_of(vector).items(), key=lambda item: item[1]))
    assert digest(shuffled) == vector["md5_upper"]
    assert hashlib.md5(vector["canonical_string"].encode()).hexdigest().upper() == vector["md5_upper"]


@every_vector
def test_signature_headers_and_query_string_are_those_of_the_connector(vector: dict[str, Any]) -> None:
    request = signed(vector)
    assert query_of(request)["sign"] == vector["signature"]
    assert dict(request.headers) == vector["headers"]
    assert request.target == f"{vector['input']['path']}?{vector['query_string_as_requests_encodes_it']}"
    assert (request.method, request.body) == (vector["input"]["method"], None)


@every_vector
def test_everything_can_travel_in_the_query(vector: dict[str, Any]) -> None:
    request = signed(vector, settings=settings_of(vector, signature_transport="query"))
    wanted = {name: str(value) for name, value in vector["query_if_all_params_travel_in_query"].items()}
    assert query_of(request) == wanted
    assert not set(STAMP) & set(request.headers)


@every_vector
def test_the_stamp_can_travel_in_both(vector: dict[str, Any]) -> None:
    request = signed(vector, settings=settings_of(vector, signature_transport="both"))
    wanted = {name: str(value) for name, value in vector["query_if_all_params_travel_in_query"].items()}
    assert query_of(request) == wanted
    assert dict(request.headers) == vector["headers"]


@every_vector
def test_a_changed_parameter_changes_the_signature(vector: dict[str, Any]) -> None:
    changed: list[Params] = [{"start": 100}, {"startTime": 1721145600001}, {"coin": "usdt"}]
    signatures = {query_of(signed(vector, change))["sign"] for change in [{}, *changed]}
    given = vector["input"]
    draft = Draft(given["method"], given["path"], given["params"])
    later = sign(draft, settings_of(vector), timestamp_ms=int(given["timestamp_ms"]) + 1, nonce=given["echostr"])
    other = sign(draft, settings_of(vector), timestamp_ms=int(given["timestamp_ms"]), nonce="a" * 35)
    signatures |= {query_of(later)["sign"], query_of(other)["sign"]}
    assert len(signatures) == len(changed) + 3


@every_vector
def test_values_are_signed_raw_and_sent_encoded(vector: dict[str, Any]) -> None:
    awkward = "a b&c=d/é+%"
    request = signed(vector, {"openId": awkward})
    canonical = {**canonical_of(vector), "openId": awkward}
    # ASCII order of the names, as an independent reading of FACTS: "values raw, not URL-encoded".
    text = "&".join(f"{name}={canonical[name]}" for name in sorted(canonical, key=lambda name: name.encode()))
    md5 = hashlib.md5(text.encode()).hexdigest().upper()
    wanted = hmac.new(vector["input"]["secret_key"].encode(), md5.encode(), hashlib.sha256).hexdigest()
    assert query_of(request)["sign"] == wanted
    assert query_of(request)["openId"] == awkward
    assert "openId=a%20b%26c%3Dd%2F%C3%A9%2B%25" in request.target


def test_names_are_joined_in_ascii_order_capitals_first() -> None:
    assert digest({"b": 1, "B": 2, "a": 3}) == hashlib.md5(b"B=2&a=3&b=1").hexdigest().upper()


@every_vector
def test_rsa_signatures_verify_with_the_public_key(vector: dict[str, Any]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings = settings_of(vector, secret_key=None, private_key=pem, signature_method="RSA")
    request = signed(vector, settings=settings)
    signature = base64.b64decode(query_of(request)["sign"], validate=True)
    text = vector["canonical_string"].replace("signature_method=HmacSHA256", "signature_method=RSA")
    md5 = hashlib.md5(text.encode()).hexdigest().upper()
    key.public_key().verify(signature, md5.encode(), PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, md5.lower().encode(), PKCS1v15(), hashes.SHA256())
    assert request.headers["signature_method"] == "RSA"


@every_vector
def test_a_request_does_not_show_its_headers(vector: dict[str, Any]) -> None:
    assert vector["input"]["secret_key"] not in repr(signed(vector))
    assert vector["input"]["echostr"] not in repr(signed(vector))


@every_vector
def test_a_request_does_not_show_its_key_and_signature(vector: dict[str, Any]) -> None:
    shown = repr(signed(vector))
    assert vector["input"]["api_key"] not in shown
    assert vector["signature"] not in shown


# ------------------------------------------------------------------------------------------------ the envelope

# FACTS, "LBank affiliate": again after a wait, once, never again.
CODES: dict[int, type[EtlError]] = {
    **dict.fromkeys((10000, 10017, 10116), ProviderBusy),
    10004: RateLimited,
    10600: Replayed,
    **dict.fromkeys((10001, 10003, 20026), RequestRefused),
    **dict.fromkeys((10002, 10005, 10006, 10007, 10022, 10031), AccessRefused),
    10601: EndpointClosed,
}


def judged(**envelope: Any) -> Any:
    return judge(envelope, http_status=200)


@pytest.mark.parametrize("result", ["true", True, "True", "TRUE"])
@pytest.mark.parametrize("code", [0, "0"])
@pytest.mark.parametrize("data", [[], None, {}, [{"openId": "LBA1"}]])
def test_success_comes_as_text_or_as_value(result: Any, code: Any, data: Any) -> None:
    assert judged(result=result, error_code=code, data=data, ts=1721305060631) == data


@pytest.mark.parametrize(("code", "error"), CODES.items())
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("result", ["false", False])
def test_every_documented_code_goes_to_what_happens_next(
    code: int, error: type[EtlError], as_text: bool, result: Any
) -> None:
    with pytest.raises(EtlError) as caught:
        judged(result=result, error_code=str(code) if as_text else code, msg="Parameter can not be null")
    assert type(caught.value) is error
    assert str(code) in str(caught.value)
    assert "Parameter can not be null" in str(caught.value)


@pytest.mark.parametrize(("code", "error"), CODES.items())
def test_a_failure_code_counts_also_beside_a_result_of_true(code: int, error: type[EtlError]) -> None:
    with pytest.raises(error):
        judged(result="true", error_code=code, data=[])


@pytest.mark.parametrize("code", [1, -1, 99999, "10004x", "", None, 1.5, [10004]])
def test_an_undocumented_code_is_unreadable(code: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        judged(result="false", error_code=code, msg="?")


@pytest.mark.parametrize("result", ["false", False, None, "", 0])
def test_code_0_without_success_is_unreadable(result: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        judged(result=result, error_code=0, data=[])


def test_success_without_data_is_unreadable() -> None:
    with pytest.raises(AnswerUnreadable, match="no data"):
        judged(result="true", error_code=0)


@pytest.mark.parametrize("document", [None, [], "ok", 0, True, {}, {"data": []}, {"result": "true"}])
def test_an_answer_without_an_envelope_is_unreadable(document: Any) -> None:
    with pytest.raises(AnswerUnreadable, match="envelope"):
        judge(document, http_status=200)


@pytest.mark.parametrize("document", [None, {"result": "true", "error_code": 0, "data": []}])
@pytest.mark.parametrize("status", [401, 403])
def test_http_401_and_403_refuse_the_account(status: int, document: Any) -> None:
    with pytest.raises(AccessRefused, match=str(status)):
        judge(document, http_status=status)


@pytest.mark.parametrize(
    ("ts", "clock"), [(1721305060631, 1721305060631), ("1725330101487", 1725330101487), ("x", None)]
)
def test_the_providers_clock_is_read_from_the_envelope(ts: Any, clock: int | None) -> None:
    assert server_time_ms({"ts": ts}) == clock
    assert server_time_ms({}) is None
    assert server_time_ms(None) is None
