"""Takes secrets out of what an exchange answers, which may quote the request: before it is judged, kept or told. Pure.

What is sought is each secret in the forms in which servers quote: plain, percent-encoded, and escaped as in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl, quote, quote_plus

from pydantic import SecretStr

from etl.stream import Account, Draft, Request

LONGEST_MESSAGE = 500
SHORTEST_SECRET = 8
"""A shorter one could stand anywhere in an answer by chance."""
_SHORTEST_SENT = 16
"""What only the signed request carries is a signature, a nonce or a token if it is as long as this; a timestamp, which
rows may hold as well, is not."""
_IN_PLACE = "***"
_ESCAPED = "<>&='\"+/"
"""What some writers of JSON spell as a number of Unicode, so that it may stand in HTML."""


def secrets_in(account: Account, draft: Draft, request: Request) -> tuple[str, ...]:
    """The secrets of a signed request, longest first: those of the settings, and what only the request carried.

    An id of the account is none: rows may tell it."""
    configured = [value for _, value in account.settings]
    keys = {value.get_secret_value() for value in configured if isinstance(value, SecretStr)}
    known = {str(value) for value in (*configured, *draft.params.values())}
    query = parse_qsl(request.target.partition("?")[2], keep_blank_values=True)
    sent = {value for name, value in [*query, *request.headers.items()] if name != "Content-Type"}
    found = keys | {value for value in sent if len(value) >= _SHORTEST_SENT and value not in known}
    bare = {value.rpartition(":")[2] for value in found}  # a key may carry the name of its kind, as in ed25519:…
    return tuple(sorted(filter(None, found | bare), key=len, reverse=True))


def bytes_without_secrets(body: bytes, secrets: Iterable[str]) -> bytes:
    """An answer's body, the same object where it quotes no secret."""
    for secret in secrets:
        if len(secret) < SHORTEST_SECRET:
            continue
        for form in _forms(secret):
            if form in body:
                body = body.replace(form, _IN_PLACE.encode())
    return body


def without_secrets(message: str, secrets: Iterable[str]) -> str:
    """A message without secrets, of any length, and without what Postgres cannot hold."""
    for secret in secrets:
        for form in _forms(secret):
            message = message.replace(form.decode("utf-8", "replace"), _IN_PLACE)
    return message.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:LONGEST_MESSAGE]


@lru_cache(maxsize=256)
def _forms(secret: str) -> tuple[bytes, ...]:
    """The ways in which a secret may be written, each once; most secrets have but one."""
    percent = {quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="/:@!$&'()*+,;=-._~")}
    escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
    as_json = {escaped, json.dumps(secret)[1:-1], escaped.replace("/", r"\/")}
    numbered = {_numbered(secret, upper=upper) for upper in (False, True)}
    forms = {secret, *percent, *map(_lower_percent, percent), *as_json, *numbered}
    return tuple(form.encode("utf-8", "surrogateescape") for form in forms)


def _lower_percent(text: str) -> str:
    return "%".join(part[:2].lower() + part[2:] if n else part for n, part in enumerate(text.split("%")))


def _numbered(secret: str, *, upper: bool) -> str:
    def spelled(character: str) -> str:
        number = f"{ord(character):04X}" if upper else f"{ord(character):04x}"
        return f"\\u{number}"

    return "".join(spelled(one) if one in _ESCAPED else json.dumps(one, ensure_ascii=False)[1:-1] for one in secret)
