"""Orderly's credentials, signature and answer envelope: pure functions.

Follows orderly-summary.txt, "Headers" and "Response", and FACTS.md, "Orderly".
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from etl.errors import AccessRefused, AnswerUnreadable, EtlError, ProviderBusy, RateLimited, RequestRefused
from etl.normalize.fields import whole
from etl.signing import encoded
from etl.stream import Draft, Request

KEY_PREFIX = "ed25519:"


def _seed(secret_key: SecretStr) -> bytes:
    """The 32 bytes that the key pair is made of: the first ones of the key (FACTS.md, "Orderly")."""
    prefix, key = secret_key.get_secret_value()[: len(KEY_PREFIX)], secret_key.get_secret_value()[len(KEY_PREFIX) :]
    if prefix != KEY_PREFIX:
        raise ValueError(f"must begin with {KEY_PREFIX}")
    try:
        decoded = base58.b58decode(key)
    except ValueError:
        raise ValueError(f"has characters after {KEY_PREFIX} that are not base58 (no 0, O, I, l or spaces)") from None
    if len(decoded) not in (32, 64):
        raise ValueError(f"holds {len(decoded)} bytes; an Ed25519 key has 32, or 64 with its public key")
    return decoded[:32]


def _holds_a_seed(secret_key: SecretStr) -> SecretStr:
    _seed(secret_key)
    return secret_key


class Settings(BaseModel):
    """The account keys that only Orderly has."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account_id: str = Field(pattern=r"^[!-~]+$", description="the broker's admin account id, 0x…")
    secret_key: Annotated[SecretStr, AfterValidator(_holds_a_seed)] = Field(
        description="secret of the builder-admin key: ed25519: and base58"
    )


def sign(draft: Draft, settings: Settings, *, timestamp_ms: int, nonce: str) -> Request:
    """The signed request: Ed25519 over timestamp, method, path with query, and body (FACTS.md, "Orderly").

    The query is encoded once: the text that is signed is the one that is sent. There is no body, and `nonce` is not
    used."""
    query = encoded(draft.params)
    target = f"{draft.path}?{query}" if query else draft.path
    key = Ed25519PrivateKey.from_private_bytes(_seed(settings.secret_key))
    signature = key.sign(f"{timestamp_ms}{draft.method}{target}".encode())
    headers = {
        "orderly-timestamp": str(timestamp_ms),
        "orderly-account-id": settings.account_id,
        "orderly-key": KEY_PREFIX + base58.b58encode(key.public_key().public_bytes_raw()).decode(),
        "orderly-signature": base64.urlsafe_b64encode(signature).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Request(draft.method, target, headers)


_ACCESS_ADVICE = (
    "check account_id and secret_key, that the key is a builder-admin key, and that this machine's clock is right "
    "(300 s are allowed)"
)

# FACTS.md, "Orderly": what happens next after a code, and what there is to say beside the provider's words.
_FAULTS: dict[int | None, tuple[type[EtlError], str]] = {
    **dict.fromkeys((-1001, -1002), (AccessRefused, f": {_ACCESS_ADVICE}")),
    -1003: (RateLimited, ""),
    **dict.fromkeys((-1000, -1011), (ProviderBusy, "")),
    **dict.fromkeys(
        (-1004, -1005, -1006, *range(-1299, -1099)), (RequestRefused, ": a parameter of the request is refused")
    ),
}


def judge(document: Any, *, http_status: int) -> Any:
    """The envelope's `data`, or the error that its code stands for (orderly-summary.txt, "Response"; FACTS.md).

    `success` comes as value or as text, `code` as number or text."""
    envelope = document if isinstance(document, dict) else {}
    words = f"“{envelope.get('message') or 'no message'}”"
    if http_status in (401, 403):
        raise AccessRefused(f"Orderly answered HTTP {http_status} {words}: {_ACCESS_ADVICE}")
    if "success" not in envelope:
        raise AnswerUnreadable(f"Orderly's answer (HTTP {http_status}) has no envelope that says success or not")
    if str(envelope["success"]).lower() == "true" and http_status < 300:
        if not isinstance(envelope.get("data"), dict):
            raise AnswerUnreadable("Orderly's answer says success but its data is no object")
        return envelope["data"]
    undocumented = (AnswerUnreadable, f" (HTTP {http_status}): what that means is not documented")
    kind, advice = _FAULTS.get(whole(envelope.get("code")), undocumented)
    raise kind(f"Orderly says {envelope.get('code')} {words}{advice}")


def server_time_ms(document: Any) -> int | None:
    """The envelope's `timestamp`: Orderly's clock in milliseconds."""
    return whole(document.get("timestamp")) if isinstance(document, dict) else None
