"""etl.toml becomes frozen settings; all that is wrong is told at once, and secrets are never told."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from etl.config import Config, load, load_warehouse
from etl.errors import ConfigurationError
from etl.sources import SOURCES
from etl.stream import Rate

API_KEY, SECRET_KEY, DSN_PASSWORD = "key-4f60-8a71", "D41D8CD98F00B204", "pw-9c2b3d4e"
ENVIRON = {"LBANK_API_KEY": API_KEY, "LBANK_SECRET_KEY": SECRET_KEY, "PASSWORD": DSN_PASSWORD}
ACCOUNT = """
[accounts.lbank-main]
source = "lbank"
api_key = "${LBANK_API_KEY}"
secret_key = "${LBANK_SECRET_KEY}"
open_id = "LBA0000001"
start_date = 2024-07-01
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "etl.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, SOURCES, ENVIRON if environ is None else environ)


def faults(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is wrong, each without the file's name that it begins with."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text, environ)
    for fault in caught.value.faults:
        assert fault.startswith("etl.toml: ")
        assert fault in str(caught.value)
    assert_silent(caught.value)
    return [fault.removeprefix("etl.toml: ") for fault in caught.value.faults]


def assert_silent(told: object) -> None:
    for secret in (API_KEY, SECRET_KEY, DSN_PASSWORD):
        assert secret not in f"{told} {told!r}"


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


# ------------------------------------------------------------------------------------------------ what is read


def test_an_account_is_read_with_the_sources_defaults(folder: Path) -> None:
    [account] = loaded(folder, ACCOUNT).accounts
    assert (account.name, account.source.name, account.start_date) == ("lbank-main", "lbank", date(2024, 7, 1))
    assert (account.base_url, account.zone.key) == ("https://affiliate.lbankverify.com", "Asia/Shanghai")
    assert (account.subject_id, account.rate_scope, account.rate_limit) == ("LBA0000001", "account", None)
    assert account.settings.secret_key.get_secret_value() == SECRET_KEY
    assert "team_members" in [stream.name for stream in account.streams]
    assert "team_members_legacy" not in [stream.name for stream in account.streams]


def test_every_setting_of_an_account_can_be_given(folder: Path) -> None:
    text = f"""{ACCOUNT}
base_url = "http://127.0.0.1:8080"
day_zone = "UTC"
rate_scope = "ip"
rate_limit = {{ requests = 3, period_seconds = 1.5 }}
streams = ["commissions", "lbank.team_members_legacy"]
signature_transport = "both"
turnover_scopes = ["SELF", "ALL"]
turnover_symbols = ["btc_usdt"]
"""
    [account] = loaded(folder, text).accounts
    assert (account.base_url, account.zone.key, account.rate_scope) == ("http://127.0.0.1:8080", "UTC", "ip")
    assert account.rate_limit == Rate(3, 1.5)
    assert {stream.name for stream in account.streams} == {"commissions", "team_members_legacy"}
    assert account.settings.turnover_scopes == ("SELF", "ALL")


def test_an_empty_file_is_a_configuration_with_defaults(folder: Path) -> None:
    config = loaded(folder, "")
    assert (config.accounts, config.warehouse.dsn, config.warehouse.raw_retention_days) == ((), None, 90)
    assert config.warehouse.data_dir == folder / ".etl"
    assert (config.schedule.nightly, config.schedule.time_zone) == ("30 2 * * *", "UTC")


def test_variables_stand_inside_of_text_too(folder: Path) -> None:
    config = loaded(folder, '[warehouse]\ndsn = "postgresql://etl:${PASSWORD}@db/affiliates"\n')
    assert config.warehouse.dsn is not None
    assert config.warehouse.dsn.get_secret_value() == f"postgresql://etl:{DSN_PASSWORD}@db/affiliates"


def test_a_secret_can_lie_in_a_file_beside_the_configuration(folder: Path) -> None:
    (folder / "secret.txt").write_text(f"{SECRET_KEY}\n", encoding="utf-8")
    text = ACCOUNT.replace('secret_key = "${LBANK_SECRET_KEY}"', 'secret_key_file = "secret.txt"')
    [account] = loaded(folder, text).accounts
    assert account.settings.secret_key.get_secret_value() == SECRET_KEY


def test_rsa_signs_with_a_private_key_file(folder: Path) -> None:
    key = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    (folder / "key.pem").write_text(key, encoding="utf-8")
    text = ACCOUNT.replace('secret_key = "${LBANK_SECRET_KEY}"', 'private_key_file = "key.pem"')
    config = loaded(folder, f'{text}signature_method = "RSA"\n')
    assert config.accounts[0].settings.private_key.get_secret_value() == key.strip()
    assert "PRIVATE" not in repr(config)


def test_secrets_are_not_told_by_a_configuration(folder: Path) -> None:
    config = loaded(folder, f'[warehouse]\ndsn = "postgresql://etl:${{PASSWORD}}@db/x"\n{ACCOUNT}')
    for told in (config, config.accounts, config.accounts[0], config.accounts[0].settings, config.warehouse):
        assert_silent(told)
    assert_silent(config.accounts[0].settings.model_dump_json())


# ------------------------------------------------------------------------------------------------ who can read it

DSN = "postgresql://etl:{password}@db/affiliates"
IN_PLAIN = ACCOUNT.replace("${LBANK_SECRET_KEY}", SECRET_KEY)
MODES = [0o640, 0o604, 0o644, 0o444]


def warned(folder: Path, text: str, mode: int, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    """The warnings about an etl.toml of that mode."""
    path = folder / "etl.toml"
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    found = load(path, SOURCES, ENVIRON if environ is None else environ).warnings
    assert_silent(found)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_a_file_with_a_secret_that_others_may_read_is_warned_of(folder: Path, mode: int) -> None:
    [warning] = warned(folder, IN_PLAIN, mode)
    path = folder / "etl.toml"
    assert warning.startswith(f"{path} holds secrets")
    assert warning.endswith(f"(mode {mode:04o}): chmod 600 {path}")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700, 0o611])
def test_a_file_that_nobody_else_may_read_is_not_warned_of(folder: Path, mode: int) -> None:
    assert warned(folder, IN_PLAIN, mode) == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"# secret_key = {SECRET_KEY}\n{ACCOUNT}", id="in a comment"),
        pytest.param(ACCOUNT.replace("${LBANK_API_KEY}", API_KEY), id="an API key"),
        pytest.param(ACCOUNT.replace("${LBANK_API_KEY}", r"key-4f60-8a\u00371"), id="escaped"),
        pytest.param(f'[warehouse]\ndsn = "{DSN.format(password=DSN_PASSWORD)}"', id="in a DSN"),
        pytest.param(f'[warehouse]\ndsn = "{DSN.format(password="a%2Fb")}"', id="short, in a DSN"),
        pytest.param('[warehouse]\ndsn = "postgresql://db/x?user=etl&password=short"', id="after a DSN"),
        pytest.param(ACCOUNT.replace("${LBANK_SECRET_KEY}", "short"), id="short"),
    ],
)
def test_a_secret_is_found_wherever_it_stands(folder: Path, text: str) -> None:
    environ = {**ENVIRON, "LBANK_SECRET_KEY": SECRET_KEY}
    assert len(warned(folder, text, 0o644, environ)) == 1
    assert load_warehouse(folder / "etl.toml", environ).warnings == (
        () if "dsn" not in text else warned(folder, text, 0o644)
    )


def test_references_to_the_environment_may_be_read_by_everybody(folder: Path) -> None:
    """A container's configuration is: docker-compose mounts it."""
    text = f'[warehouse]\ndsn = "{DSN.format(password="${PASSWORD}")}"\n{ACCOUNT}'
    assert warned(folder, text, 0o644) == ()
    assert warned(folder, text, 0o644, {**ENVIRON, "PASSWORD": "db", "LBANK_SECRET_KEY": "secret"}) == ()


@pytest.mark.parametrize("mode", [0o600, *MODES])
def test_a_secret_file_that_others_may_read_is_warned_of(folder: Path, mode: int) -> None:
    file = folder / "secret.txt"
    file.write_text(f"{SECRET_KEY}\n", encoding="utf-8")
    file.chmod(mode)
    text = ACCOUNT.replace('secret_key = "${LBANK_SECRET_KEY}"', 'secret_key_file = "secret.txt"')
    wanted = f"{file} holds secrets and may be read by others than its owner (mode {mode:04o}): chmod 600 {file}"
    assert warned(folder, text, 0o644) == (() if mode == 0o600 else (wanted,))


def test_a_file_that_holds_no_secret_may_be_read_by_everybody(folder: Path) -> None:
    (folder / "id.txt").write_text("LBA0000001\n", encoding="utf-8")
    (folder / "id.txt").chmod(0o644)
    assert warned(folder, ACCOUNT.replace('open_id = "LBA0000001"', 'open_id_file = "id.txt"'), 0o644) == ()


# ------------------------------------------------------------------------------------------------ where it leads


@pytest.mark.parametrize(
    "url", ["https://api.example", "http://localhost:8080", "http://127.0.0.1/x", "http://127.9.8.7", "http://[::1]:80"]
)
def test_https_leads_anywhere_and_http_to_this_machine(folder: Path, url: str) -> None:
    assert loaded(folder, f'{ACCOUNT}base_url = "{url}"').accounts[0].base_url == url


@pytest.mark.parametrize(
    "host",
    [
        *("api.example", "api.example:443", "10.0.0.1", "0.0.0.0", "128.0.0.1", "[::2]", "[::ffff:10.0.0.1]"),
        *("localhost.example", "127.0.0.1.example", "127.1", "2130706433", r"127.0.0.1\\.example"),
    ],
)
def test_http_leads_nowhere_else(folder: Path, host: str) -> None:
    [fault] = faults(folder, f'{ACCOUNT}base_url = "http://{host}/v1"')
    assert fault.startswith("accounts.lbank-main.base_url: must begin with https:// (over http the credentials")


def test_the_addresses_that_the_sources_have_are_encrypted() -> None:
    assert {source.base_url.partition("://")[0] for source in SOURCES} == {"https"}


# ------------------------------------------------------------------------------------------------ what is wrong


def test_all_faults_are_told_at_once_each_with_its_keys_path(folder: Path) -> None:
    told = faults(
        folder,
        """
        colour = "red"
        [warehouse]
        raw_retention_days = 0
        keep = true
        [schedule]
        nightly = "every night"
        time_zone = "Mars/Olympus"
        [accounts.one]
        source = "lbank"
        api_key = "${NOT_SET}"
        open_id = ""
        start_date = "yesterday"
        signature_transport = "pigeon"
        password = "x"
        streams = ["commissions", "dividends"]
        [accounts.two]
        source = "lbnak"
        [accounts.three]
        source = "lbank"
        api_key = "k"
        secret_key = "s"
        open_id = "LBA2"
        day_zone = "Nowhere"
        start_date = 2024-07-01
        rate_limit = { requests = 0, period_seconds = 10 }
        """,
    )
    wanted = {
        "colour": "unknown key",
        "warehouse.raw_retention_days": "greater than or equal to 1",
        "warehouse.keep": "unknown key",
        "schedule.nightly": "pattern",
        "schedule.time_zone": "'Mars/Olympus' is no IANA time zone",
        "accounts.one.api_key": "NOT_SET is not set",
        "accounts.one.open_id": "at least 1 character",
        "accounts.one.start_date": "valid date",
        "accounts.one.signature_transport": "'headers', 'query' or 'both'",
        "accounts.one.password": "unknown key",
        "accounts.two.source": "must be one of coinw, lbank, orderly, ztdx",
        "accounts.three.day_zone": "'Nowhere' is no IANA time zone",
        "accounts.three.rate_limit.requests": "greater than or equal to 1",
    }
    for path, part in wanted.items():
        assert [fault for fault in told if fault.startswith(f"{path}: ") and part in fault], (path, told)
    assert len(told) == len(wanted)


def test_an_unknown_stream_is_told_with_those_that_there_are(folder: Path) -> None:
    [fault] = faults(folder, f'{ACCOUNT}streams = ["commissions", "dividends", "coinw.activity"]\n')[:1]
    assert fault.startswith("accounts.lbank-main.streams: 'dividends' is no stream of lbank (known are commissions, ")
    assert len(faults(folder, f'{ACCOUNT}streams = ["dividends", "coinw.activity"]\n')) == 2


def test_a_variable_that_is_not_set_is_told_by_name_and_place(folder: Path) -> None:
    [fault] = faults(folder, ACCOUNT, {"LBANK_API_KEY": API_KEY})
    assert fault.startswith("accounts.lbank-main.secret_key: the environment variable LBANK_SECRET_KEY is not set")


@pytest.mark.parametrize("name", ["LBANK_API_KEY", "LBANK_SECRET_KEY"])
def test_a_variable_that_is_empty_is_missing(folder: Path, name: str) -> None:
    [fault] = faults(folder, ACCOUNT, {**ENVIRON, name: ""})
    assert fault.startswith(f"accounts.lbank-main.{name.removeprefix('LBANK_').lower()}: ")


@pytest.mark.parametrize("key", ["api_key", "secret_key", "open_id"])
def test_an_empty_text_is_missing(folder: Path, key: str) -> None:
    lines = (f'{key} = ""' if line.startswith(key) else line for line in ACCOUNT.splitlines())
    [fault] = faults(folder, "\n".join(lines))
    assert fault.startswith(f"accounts.lbank-main.{key}: ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_secret_file_that_cannot_be_read_is_told(folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "secret.txt").write_bytes(content)
    text = ACCOUNT.replace('secret_key = "${LBANK_SECRET_KEY}"', 'secret_key_file = "secret.txt"')
    [fault] = faults(folder, text)
    assert fault.startswith("accounts.lbank-main.secret_key_file: ")
    assert "cannot be read" in fault


@pytest.mark.parametrize("key", ["api_key", "open_id", "start_date", "secret_key"])
def test_a_missing_key_is_told(folder: Path, key: str) -> None:
    text = "\n".join(line for line in ACCOUNT.splitlines() if not line.startswith(key))
    [fault] = faults(folder, text)
    assert fault.startswith("accounts.lbank-main")
    assert key in fault or fault.startswith(f"accounts.lbank-main.{key}: ")


def test_rsa_needs_a_private_key_file(folder: Path) -> None:
    [fault] = faults(folder, f'{ACCOUNT}signature_method = "RSA"\n')
    assert "private_key_file is missing" in fault


@pytest.mark.parametrize("content", ["", "not a key", pem(ec.generate_private_key(ec.SECP256R1()))])
def test_rsa_refuses_a_file_that_holds_no_rsa_key(folder: Path, content: str) -> None:
    (folder / "key.pem").write_text(content, encoding="utf-8")
    [fault] = faults(folder, f'{ACCOUNT}private_key_file = "key.pem"\nsignature_method = "RSA"\n')
    assert "private_key_file holds" in fault
    assert "PRIVATE KEY" not in fault


@pytest.mark.parametrize(
    ("text", "path"),
    [
        *(("accounts = 5", "accounts"), ("[[accounts]]\nsource='lbank'", "accounts"), ("warehouse = 5", "warehouse")),
        *(("accounts = { a = 1 }", "accounts.a.source"), ("schedule = []", "schedule")),
        (ACCOUNT + 'rate_limit = "fast"', "accounts.lbank-main.rate_limit"),
        (ACCOUNT + 'base_url = "ftp://x"', "accounts.lbank-main.base_url"),
        # A password in the address would be told by every message that names the address.
        (ACCOUNT + 'base_url = "https://user:word@x"', "accounts.lbank-main.base_url"),
        (ACCOUNT + 'base_url = "https://x/y?z=1"', "accounts.lbank-main.base_url"),
        (ACCOUNT + 'turnover_symbols = ["A\\u0000"]', "accounts.lbank-main.turnover_symbols.0"),
        ('["accounts"."a\\u0007"]\nsource = "lbank"', "accounts"),
    ],
)
def test_values_of_another_shape_are_told(folder: Path, text: str, path: str) -> None:
    assert faults(folder, text)[0].startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["[accounts", "start_date = 2024-13-01", 'a = "1"\na = "2"', f'key = "{SECRET_KEY}'])
def test_what_is_no_toml_is_told_with_its_place_and_without_its_content(folder: Path, text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"is not valid TOML: .*\((at line \d+, column \d+|at end of document)"
    ):
        loaded(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    assert_silent(caught.value)


def test_a_file_that_does_not_exist_says_what_writes_one(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist; `etl init` writes one"):
        load(folder / "missing.toml", SOURCES, {})


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff")])
def test_a_file_that_cannot_be_read_is_told(folder: Path, make: Any) -> None:
    make(folder / "etl.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(folder / "etl.toml", SOURCES, {})
