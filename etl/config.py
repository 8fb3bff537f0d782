"""Reads etl.toml into frozen settings: `${NAME}` and `*_file` for secrets, and all faults told at once.

`load` is called by `cli`, which hands in the known sources; nothing else reads configuration.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from etl.errors import ConfigurationError
from etl.exposure import exposed, secrets_of
from etl.stream import Account, Rate, Source, Stream

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no IANA time zone, such as Asia/Shanghai") from None
    return name


def _day(value: object) -> object:
    if not isinstance(value, str | date):
        raise ValueError("must be a day, such as 2026-01-31")  # noqa: TRY004  # pydantic wants ValueError
    return value


_THIS_MACHINE = (ip_network("127.0.0.0/8"), ip_network("::1"))


def _encrypted(base_url: str) -> str:
    """https, or http to this machine, where nobody listens between."""
    address = urlsplit(base_url)
    if address.scheme == "http" and not _is_this_machine(address.hostname or ""):
        raise ValueError(
            "must begin with https:// (over http the credentials could be read on the way; only this machine itself, "
            "localhost or 127.0.0.1, may be asked so)"
        )
    return base_url


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return any(address in network for network in _THIS_MACHINE)


FIRST_DAY = date(2000, 1, 1)
ZoneName = Annotated[str, AfterValidator(_zone)]
_Model = TypeVar("_Model", bound=BaseModel)
_STRICT = ConfigDict(extra="forbid", frozen=True)


class WarehouseSettings(BaseModel):
    """The `[warehouse]` table. Without a DSN the embedded Postgres under `data_dir` is used."""

    model_config = _STRICT

    dsn: SecretStr | None = None
    data_dir: Path = Path(".etl")
    raw_retention_days: int = Field(90, ge=1)


class ScheduleSettings(BaseModel):
    """The `[schedule]` table: a cron line of five fields, read in `time_zone`."""

    model_config = _STRICT

    nightly: str = Field("30 2 * * *", pattern=r"^([0-9*/,-]+\s+){4}[0-9*/,-]+$")
    time_zone: ZoneName = "UTC"


class RateSettings(BaseModel):
    """`rate_limit` of an account: holds for every endpoint of it."""

    model_config = _STRICT

    requests: int = Field(ge=1, le=10_000)
    period_seconds: float = Field(gt=0, le=3600)


class AccountSettings(BaseModel):
    """The keys of `[accounts.<name>]` that every source has; the source's own model checks the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start_date: Annotated[date, BeforeValidator(_day), Field(ge=FIRST_DAY)]
    base_url: Annotated[
        str | None, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s?#@]*)?$"), AfterValidator(_encrypted)
    ] = None
    day_zone: ZoneName | None = None
    rate_scope: Literal["account", "ip"] = "account"
    rate_limit: RateSettings | None = None
    streams: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that etl.toml says, checked. `warnings` are what a person should see to, one sentence each."""

    path: Path
    warehouse: WarehouseSettings
    schedule: ScheduleSettings
    accounts: tuple[Account, ...]
    warnings: tuple[str, ...] = ()


def load(path: Path, sources: Iterable[Source], environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `path`. Raises ConfigurationError with every fault, each with its key's path."""
    faults: list[str] = []
    written = _read(path)
    outside = _Outside(os.environ if environ is None else environ, path.parent, faults)
    document = outside.resolved(written, ())
    known = ("warehouse", "schedule", "accounts")
    faults += [f"{key}: unknown key (known are {', '.join(known)})" for key in document if key not in known]
    warehouse = _warehouse(path, document, faults)
    schedule = _checked(ScheduleSettings, document.get("schedule", {}), "schedule", faults)
    accounts = _accounts(document.get("accounts", {}), {source.name: source for source in sources}, faults)
    if faults or warehouse is None or schedule is None:
        raise _told(path, faults)
    secrets = {
        secret for each in (warehouse, *(account.settings for account in accounts)) for secret in secrets_of(each)
    }
    warnings = exposed(path, written, outside.files, secrets=secrets)
    return Config(path, warehouse, schedule, tuple(accounts), warnings)


def load_warehouse(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `path` without its schedule and accounts, which may be wrong or refer to what is not set:
    what commands need that call no exchange."""
    faults: list[str] = []
    written = {"warehouse": _read(path).get("warehouse", {})}
    outside = _Outside(os.environ if environ is None else environ, path.parent, faults)
    warehouse = _warehouse(path, outside.resolved(written, ()), faults)
    if faults or warehouse is None:
        raise _told(path, faults)
    warnings = exposed(path, written, outside.files, secrets=set(secrets_of(warehouse)))
    return Config(path, warehouse, ScheduleSettings(), (), warnings)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; `etl init` writes one that explains itself") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigurationError(f"{path} cannot be read: {fault}") from None
    except tomllib.TOMLDecodeError as fault:
        raise ConfigurationError(f"{path} is not valid TOML: {fault}") from None


def _told(path: Path, faults: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(*(f"{path.name}: {fault}" for fault in dict.fromkeys(faults)))


def _warehouse(path: Path, document: Mapping[str, Any], faults: list[str]) -> WarehouseSettings | None:
    settings = _checked(WarehouseSettings, document.get("warehouse", {}), "warehouse", faults)
    if settings is None:
        return None
    return settings.model_copy(update={"data_dir": path.parent / settings.data_dir.expanduser()})


def _accounts(tables: Any, sources: Mapping[str, Source], faults: list[str]) -> list[Account]:
    if not isinstance(tables, dict):
        faults.append("accounts: must be tables, as in [accounts.lbank-main]")
        return []
    accounts = (_account(name, table, sources, faults) for name, table in tables.items())
    return [account for account in accounts if account is not None]


def _account(name: str, table: Any, sources: Mapping[str, Source], faults: list[str]) -> Account | None:
    place = f"accounts.{name}"
    source = sources.get(str(table.get("source"))) if isinstance(table, dict) else None
    if source is None:
        faults.append(f"{place}.source: must be one of {', '.join(sources)}")
        return None
    common = _checked(AccountSettings, table, place, faults)
    own = {key: value for key, value in table.items() if key not in {"source", *AccountSettings.model_fields}}
    settings = _checked(source.settings, own, place, faults)
    if common is None or settings is None:
        return None
    return Account(
        name=name,
        source=source,
        base_url=common.base_url or source.base_url,
        zone=ZoneInfo(common.day_zone or source.day_zone),
        start_date=common.start_date,
        streams=_streams(source, common.streams, place, faults),
        settings=settings,
        rate_limit=_rate(common.rate_limit),
        rate_scope=common.rate_scope,
    )


def _rate(limit: RateSettings | None) -> Rate | None:
    return None if limit is None else Rate(limit.requests, limit.period_seconds)


def _streams(source: Source, names: Sequence[str] | None, place: str, faults: list[str]) -> tuple[Stream, ...]:
    if names is None:
        return tuple(stream for stream in source.streams if stream.on_by_default)
    short = [name.removeprefix(f"{source.name}.") for name in names]
    known = {stream.name for stream in source.streams}
    faults.extend(
        f"{place}.streams: {name!r} is no stream of {source.name} (known are {', '.join(sorted(known))})"
        for name in short
        if name not in known
    )
    return tuple(stream for stream in source.streams if stream.name in short)


def _checked(model: type[_Model], table: Any, place: str, faults: list[str]) -> _Model | None:
    try:
        return model.model_validate(table)
    except ValidationError as refused:
        for error in refused.errors(include_input=False, include_url=False, include_context=False):
            where = ".".join([place, *map(str, error["loc"])])
            what = "unknown key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
            faults.append(f"{where}: {what}")
        return None


@dataclass(frozen=True, slots=True)
class _Outside:
    """What values are taken from beside the file itself: the environment, and `files`, those read so far."""

    environ: Mapping[str, str]
    folder: Path
    faults: list[str]
    files: list[Path] = field(default_factory=list)

    def resolved(self, value: Any, at: tuple[str, ...]) -> Any:
        """`value` with every `${NAME}` replaced and every `key_file` read into `key`."""
        if isinstance(value, dict):
            return self._table(value, at)
        if isinstance(value, list):
            return [self.resolved(inner, (*at, str(n))) for n, inner in enumerate(value)]
        return self._text(value, at) if isinstance(value, str) else value

    def _table(self, value: dict[str, Any], at: tuple[str, ...]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, inner in value.items():
            if not key.isprintable():
                self.faults.append(f"{'.'.join(at)}: the key {key!r} holds a control character")
            resolved = self.resolved(inner, (*at, key))
            if key.endswith("_file") and isinstance(resolved, str):
                table[key.removesuffix("_file")] = self._contents(self.folder / Path(resolved).expanduser(), (*at, key))
            else:
                table[key] = resolved
        return table

    def _text(self, value: str, at: tuple[str, ...]) -> str:
        if _CONTROL.search(value):
            self.faults.append(f"{'.'.join(at)}: holds a control character")
        missing = [name for name in _VARIABLE.findall(value) if not self.environ.get(name)]
        self.faults.extend(f"{'.'.join(at)}: the environment variable {name} is not set, or empty" for name in missing)
        return _VARIABLE.sub(lambda match: self.environ.get(match[1]) or "?", value)

    def _contents(self, path: Path, at: tuple[str, ...]) -> str:
        try:
            contents = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            self.faults.append(f"{'.'.join(at)}: {path} cannot be read ({fault.__class__.__name__})")
            return "?"
        self.files.append(path)
        if _CONTROL.search(contents):
            self.faults.append(f"{'.'.join(at)}: {path} holds a control character")
        return contents
