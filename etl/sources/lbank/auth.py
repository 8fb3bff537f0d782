"""LBank's credentials, signature and answer envelope: pure functions.

Follows lbank-affiliate.md, "Signature Authentication" and "Response Examples", and FACTS.md, "LBank affiliate".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

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
from etl.normalize.fields import whole
from etl.signing import encoded
from etl.stream import Draft, Params, Request


class Settings(BaseModel):
    """The account keys that only LBank has."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: SecretStr = Field(min_length=1, description="API key of the affiliate account")
    open_id: str = Field(min_length=1, description="the affiliate's own open id")
    secret_key: SecretStr | None = Field(None, min_length=1, description="secret of the key, for HmacSHA256")
    private_key: SecretStr | None = Field(None, description="RSA private key as PEM text, for RSA")
    signature_method: Literal["HmacSHA256", "RSA"] = "HmacSHA256"
    signature_transport: Literal["headers", "query", "both"] = "headers"
    turnover_scopes: tuple[Literal["SELF", "SUB", "SELF_SUB", "ALL"], ...] = ("ALL",)
    turnover_symbols: tuple[str, ...] = Field((), description="trading pairs; none: all together")

    @model_validator(mode="after")
    def _has_the_key_it_signs_with(self) -> Settings:
        if self.signature_method == "HmacSHA256" and self.secret_key is None:
            raise ValueError("secret_key is missing (signature_method is HmacSHA256)")
        if self.signature_method == "RSA":
            if self.private_key is None:
                raise ValueError("private_key_file is missing (signature_method is RSA)")
            _rsa_key(self.private_key)
        return self


def sign(draft: Draft, settings: Settings, *, timestamp_ms: int, nonce: str) -> Request:
    """The signed GET request. `nonce` is the echostr, 30-40 letters and digits.

    FACTS.md: business parameters, api_key, timestamp, signature_method and echostr, joined k=v by & in ASCII order,
    values raw; MD5 as upper-case hex; that is signed."""
    api_key = settings.api_key.get_secret_value()
    stamp = {"timestamp": str(timestamp_ms), "signature_method": settings.signature_method, "echostr": nonce}
    signature = _signature(digest({**draft.params, "api_key": api_key, **stamp}), settings)
    query = {**draft.params, "api_key": api_key, "sign": signature}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if settings.signature_transport != "headers":
        query |= stamp
    if settings.signature_transport != "query":
        headers |= stamp
    return Request(draft.method, f"{draft.path}?{encoded(query)}", headers)


def digest(params: Params) -> str:
    """MD5 of the canonical string as upper-case hex."""
    canonical = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return hashlib.md5(canonical.encode(), usedforsecurity=False).hexdigest().upper()


def _signature(md5_upper: str, settings: Settings) -> str:
    if settings.signature_method == "RSA" and settings.private_key is not None:
        signed = _rsa_key(settings.private_key).sign(md5_upper.encode(), PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signed).decode()
    if settings.secret_key is None:
        raise TypeError("settings were not validated: no key to sign with")
    key = settings.secret_key.get_secret_value().encode()
    return hmac.new(key, md5_upper.encode(), hashlib.sha256).hexdigest()


def _rsa_key(pem: SecretStr) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.get_secret_value().encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("private_key_file holds no unencrypted PEM private key") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("private_key_file holds a key that is not RSA")  # noqa: TRY004  # pydantic wants ValueError
    return key


_SIGNATURE_ADVICE = "check api_key, secret_key and signature_method, and that this machine's clock is right"
_ALLOW_LIST_ADVICE = "add this machine's IP to the key's allow-list and give the key the affiliate permission"

# FACTS.md, "LBank affiliate": what happens next after a code, and what there is to say beside the provider's words.
_FAULTS: dict[int | None, tuple[type[EtlError], str]] = {
    **dict.fromkeys((10002, 10005, 10006, 10007, 10031), (AccessRefused, f": {_SIGNATURE_ADVICE}")),
    10022: (AccessRefused, f": {_ALLOW_LIST_ADVICE}"),
    10601: (EndpointClosed, ": the interface is closed; ask LBank, or leave the stream out in `streams`"),
    **dict.fromkeys((10001, 10003, 20026), (RequestRefused, ": a parameter of the request is refused")),
    10004: (RateLimited, ""),
    10600: (Replayed, ""),
    **dict.fromkeys((10000, 10017, 10116), (ProviderBusy, "")),
}


def judge(document: Any, *, http_status: int) -> Any:
    """The envelope's `data`, or the error that its code stands for (lbank-affiliate.md, "Response Examples").

    `result` comes as text or bool, `error_code` as number or text."""
    if http_status in (401, 403):
        raise AccessRefused(f"LBank answered HTTP {http_status}; {_ALLOW_LIST_ADVICE}")
    if not isinstance(document, dict) or "error_code" not in document:
        raise AnswerUnreadable(f"LBank's answer (HTTP {http_status}) has no envelope with an error_code")
    code = whole(document["error_code"])
    if code == 0 and str(document.get("result")).lower() == "true":
        if "data" not in document:
            raise AnswerUnreadable("LBank's answer says success but has no data")
        return document["data"]
    said = f"LBank says {document['error_code']} “{document.get('msg') or document.get('message') or 'no message'}”"
    kind, advice = _FAULTS.get(code, (AnswerUnreadable, ": the code is not documented"))
    raise kind(said + advice)


def server_time_ms(document: Any) -> int | None:
    """The envelope's `ts`: LBank's clock in milliseconds."""
    return whole(document.get("ts")) if isinstance(document, dict) else None
