"""Takes secrets out of what an exchange answers, which may quote the request: before it is judged, kept or told. Pure.

Each secret is sought as servers may spell it: plain, percent-encoded, or escaped as in JSON and HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape as escape_html
from urllib.parse import parse_qsl

from pydantic import SecretStr

from etl.stream import Account, Draft, Request

LONGEST_MESSAGE = 500
SHORTEST_SECRET = 8
"""A shorter one could stand anywhere in an answer by chance."""
_SHORTEST_SENT = 16
"""What only the signed request carries is a signature, a nonce or a token if it is as long as this; a timestamp, which
rows may hold as well, is not."""
_BACKSLASHES = r"(?:\\{1,8})"
"""Bounded, so that a body of nothing else costs no more than its length."""
_PLAIN = re.compile(r"[A-Za-z0-9]+")
"""What is spelled alike everywhere."""


def secrets_in(account: Account, draft: Draft, request: Request) -> tuple[str, ...]:
    """The secrets of a signed request, longest first: those of the settings, and what only the request carried.

    An id of the account is none: rows may tell it."""
    configured = [value for _, value in account.settings]
    keys = {value.get_secret_value() for value in configured if isinstance(value, SecretStr)}
    known = {str(value) for value in (*configured, *draft.params.values())}
    query = parse_qsl(request.target.partition("?")[2], keep_blank_values=True)
    sent = {value for name, value in [*query, *request.headers.items()] if name != "Content-Type"}
    found = keys | {value for value in sent if len(value) >= _SHORTEST_SENT and value not in known}
    parts = (value.rpartition(":")[2] for value in found)  # a key may carry the name of its kind, as in ed25519:…
    bare = {part for part in parts if len(part) >= SHORTEST_SECRET}
    return tuple(sorted(filter(None, found | bare), key=len, reverse=True))


def bytes_without_secrets(body: bytes, secrets: Iterable[str]) -> bytes:
    """An answer's body, the same object where it quotes no secret."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            body = _struck_out(body, secret)
    return body


def without_secrets(message: str, secrets: Iterable[str]) -> str:
    """A message without secrets, of any length, and without what Postgres cannot hold."""
    told = message.replace("\x00", "\ufffd").encode("utf-8", "replace")
    for secret in secrets:
        told = _struck_out(told, secret)
    return told.decode()[:LONGEST_MESSAGE]


def _struck_out(told: bytes, secret: str) -> bytes:
    # An ordinary page costs one search: what no spelling changes is not in it.
    plain = max(_PLAIN.findall(secret), key=len, default="")
    return _pattern(secret).sub(b"***", told) if plain.encode() in told else told


@lru_cache(maxsize=64)
def _pattern(secret: str) -> re.Pattern[bytes]:
    return re.compile("".join(map(_spelling, secret)).encode("utf-8", "replace"))


def _spelling(character: str) -> str:
    """What a character may be written as: plain or behind a backslash, percent-encoded, or as a number or name of JSON
    or HTML; also twice over, where one quotation stands in another."""
    if _PLAIN.fullmatch(character):
        return character
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace"))
    escape = json.dumps(character)[1:-1].lstrip("\\") or character
    name = escape_html(character).removeprefix("&")
    entities = f"&(?:amp;)*(?:#0*{ord(character)};|#x0*{ord(character):x};|{re.escape(name)})"
    encoded = f"(?i:{percent}|{_BACKSLASHES}u{ord(character):04x}|{entities})"
    spaced = r"|\+" if character == " " else ""
    return rf"(?:{_BACKSLASHES}?{re.escape(character)}|{_BACKSLASHES}{re.escape(escape)}|{encoded}{spaced})"
