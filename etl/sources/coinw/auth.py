"""CoinW's credentials, signature and answer envelope: pure functions.

Follows FACTS.md, "CoinW", and the response examples of coinw-activity.txt and coinw-volume.txt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from etl.errors import AccessRefused, AnswerUnreadable, EtlError, ProviderBusy, RateLimited, RequestRefused
from etl.normalize.fields import whole
from etl.signing import HeaderSecret
from etl.stream import Draft, Request


class Settings(BaseModel):
    """The account keys that only CoinW has."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: HeaderSecret = Field(description='API key of the master account, with the permission "Affiliate"')
    secret_key: SecretStr = Field(min_length=1, description="secret of the key")
    activities: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="activity ids; none: the stream activity has nothing to ask for"
    )


def sign(draft: Draft, settings: Settings, *, timestamp_ms: int, nonce: str) -> Request:
    """The signed request: base64(HMAC_SHA256(secret, timestamp + method + path + body)) (FACTS.md, "CoinW").

    The server checks the raw body: it is written once, and those bytes are signed and sent. `nonce` is not used."""
    body = json.dumps(dict(draft.params), separators=(",", ":")).encode()
    message = f"{timestamp_ms}{draft.method}{draft.path}".encode() + body
    signed = hmac.new(settings.secret_key.get_secret_value().encode(), message, hashlib.sha256).digest()
    headers = {
        "sign": base64.b64encode(signed).decode(),
        "api_key": settings.api_key.get_secret_value(),
        "timestamp": str(timestamp_ms),
        "Content-Type": "application/json",
    }
    return Request(draft.method, draft.path, headers, body)


_KEY_ADVICE = "check api_key and secret_key, and that this machine's clock is right"
_PERMISSION_ADVICE = 'give the key the permission "Affiliate"; it must be a key of the master account'
_REFUSED_ADVICE = f"{_KEY_ADVICE}; {_PERMISSION_ADVICE}"

# FACTS.md, "CoinW": what happens next after a code, and what there is to say beside the provider's words.
_FAULTS: dict[int | None, tuple[type[EtlError], str]] = {
    6000: (AccessRefused, f": {_REFUSED_ADVICE}"),
    6001: (AccessRefused, f": the signature is refused; {_KEY_ADVICE}"),
    6003: (AccessRefused, f": {_PERMISSION_ADVICE}"),
    # Failures can come with HTTP 200: HTTP's own numbers mean in the envelope what they mean outside.
    **dict.fromkeys((401, 403), (AccessRefused, f": {_REFUSED_ADVICE}")),
    **dict.fromkeys((29001, 429), (RateLimited, "")),
    402: (RequestRefused, ": a parameter of the request is missing"),
    1: (RequestRefused, ": a parameter of the request is refused"),
    **dict.fromkeys(range(500, 600), (ProviderBusy, ": if it stays so, the path is often wrong")),
}
_GOOD_CODES = (0, 200)


def judge(document: Any, *, http_status: int) -> Any:
    """The envelope's `data`, or the error that its code stands for (FACTS.md, "CoinW").

    `code` comes as number or text, the provider's words in `msg` or `message`; `success` and `retry` may be missing.
    A documented code decides before `retry`, and `retry` before the rest."""
    envelope = document if isinstance(document, dict) else {}
    words = f"“{envelope.get('msg') or envelope.get('message') or 'no message'}”"
    said = f"CoinW says {envelope.get('code')} {words}"
    code = whole(envelope.get("code"))
    if code in _FAULTS:
        kind, advice = _FAULTS[code]
        raise kind(said + advice)
    if http_status in (401, 403):
        raise AccessRefused(f"CoinW answered HTTP {http_status} {words}: {_REFUSED_ADVICE}")
    if _is(envelope.get("retry"), "true"):
        raise ProviderBusy(f"{said} and asks for another try")
    if "code" not in envelope:
        raise AnswerUnreadable(f"CoinW's answer (HTTP {http_status}) has no envelope with a code")
    if code not in _GOOD_CODES or _is(envelope.get("success"), "false") or http_status >= 300:
        raise AnswerUnreadable(f"{said} (HTTP {http_status}): what that means is not documented")
    if "data" not in envelope:
        raise AnswerUnreadable("CoinW's answer says success but has no data")
    return envelope["data"]


def _is(value: Any, word: str) -> bool:
    """Whether a flag, sent as value or as text, says `word`."""
    return isinstance(value, bool | str) and str(value).lower() == word
