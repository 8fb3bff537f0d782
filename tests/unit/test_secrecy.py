"""Secrets that an answer quotes are struck out, however they are spelled, and nothing else is touched."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from etl.extract.secrecy import bytes_without_secrets, secrets_in, without_secrets
from etl.sources.orderly import ORDERLY
from etl.stream import Account, Draft
from tests.unit.samples import API_KEY, SECRET_KEY, enveloped, lbank_account

SECRET = "Ab3/9+x=&'\"<% ~\\\n-_.é"
DRAFT = Draft("GET", "/affiliate-api/v2/invite/user/info", {"openId": "LBA0000001LBA0000001"})
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "with a slash left": quote,
    "as of a form": quote_plus,
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "in JSON": lambda text: json.dumps(text, ensure_ascii=False),
    "in JSON of ASCII": json.dumps,
    "in JSON as PHP spells it": lambda text: json.dumps(text).replace("/", r"\/"),
    "in JSON as Java's libraries spell it": lambda text: (
        json.dumps(text).replace("=", r"\u003d").replace("&", r"\u0026")
    ),
    "in JSON as .NET spells it": lambda text: json.dumps(text).replace("+", r"\u002B").replace("'", r"\u0027"),
    "in JSON within JSON": lambda text: json.dumps(json.dumps(text)),
    "a URL in JSON as PHP spells it": lambda text: json.dumps(quote(text)).replace("/", r"\/"),
    "in HTML": html.escape,
    "a URL in HTML": lambda text: html.escape(quote(text, safe="&=+")),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_struck_out_however_it_is_spelled(spelling: str) -> None:
    told = f"<a>{SPELLINGS[spelling](SECRET)}</a>"
    struck_out = bytes_without_secrets(told.encode(), [SECRET]).decode()
    assert struck_out.replace('"', "").replace("\\", "") == "<a>***</a>"
    assert "***" in without_secrets(told, [SECRET])


def test_what_is_json_stays_json() -> None:
    row = {"echo": f"x{SECRET}y", "volume": "1.50"}
    for text in (json.dumps(row), json.dumps(row).replace("/", r"\/")):
        assert json.loads(bytes_without_secrets(text.encode(), [SECRET])) == {"echo": "x***y", "volume": "1.50"}


def test_an_ordinary_answer_is_the_same_object() -> None:
    body = enveloped(json.dumps([{"openId": "LBA1", "tradeAmt": "1.50"}]))
    assert bytes_without_secrets(body, [SECRET, API_KEY, SECRET_KEY]) is body


@pytest.mark.parametrize(("secret", "struck_out"), [("1234567", False), ("12345678", True)])
def test_what_is_shorter_than_8_characters_stays_in_an_answer(secret: str, struck_out: bool) -> None:
    body = f'{{"volume": "{secret}"}}'.encode()
    assert (b"***" in bytes_without_secrets(body, [secret])) is struck_out
    assert "***" in without_secrets(body.decode(), [secret]), "a message needs no digits"


def hidden_of(account: Account) -> tuple[str, ...]:
    request = account.source.sign(DRAFT, account.settings, timestamp_ms=1724817600000, nonce="N" * 35)
    return secrets_in(account, DRAFT, request)


@pytest.mark.parametrize("transport", ["headers", "query", "both"])
def test_keys_signature_and_nonce_are_secret_and_ids_and_times_are_not(transport: str) -> None:
    account = lbank_account(settings={"signature_transport": transport})
    hidden = hidden_of(account)
    assert {API_KEY, SECRET_KEY, "N" * 35} <= set(hidden)
    assert len(hidden) == 4, "the fourth is the signature"
    assert list(hidden) == sorted(hidden, key=len, reverse=True)


def test_an_account_id_that_travels_in_a_header_may_stand_in_rows() -> None:
    key = "ed25519:6bzbYhxKHa5py9fdf3FRGN2C2oQEwf9KRnghhnur9gp2"
    account_id = "0x" + "5a4db0c5" * 8
    settings = ORDERLY.settings.model_validate({"account_id": account_id, "secret_key": key})
    account = Account(**{**vars(lbank_account()), "source": ORDERLY, "settings": settings})
    hidden = hidden_of(account)
    assert {key, key.removeprefix("ed25519:")} <= set(hidden)
    assert account_id not in hidden
    assert sum(each.startswith("ed25519:") for each in hidden) == 2, "the public key names the account at the exchange"
