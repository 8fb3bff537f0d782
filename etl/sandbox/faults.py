"""Faults to inject into the simulated exchanges: what strikes, when, and which requests.

A `Fault` is told in Python, as a line (`http_503,exchange=lbank,share=0.05`) or as a JSON object; a `Schedule` holds
those that are active and says which of them strike a request. What a fault does is in `faulty`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

from etl.sandbox.wire import Token, json_text

EXCHANGES: Final = ("lbank", "coinw", "orderly", "ztdx")

# Each kind with its own options and their defaults.
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "too_many_requests": {"retry_after": None},
    "rate_code": {},
    "http_500": {},
    "http_502": {},
    "http_503": {},
    "timeout": {"hold_seconds": 300.0},
    "slow": {"delay_seconds": 1.0},
    "reset": {},
    "reset_in_body": {},
    "truncated": {},
    "empty_body": {},
    "no_data": {"null": False},
    "repeated_page": {},
    "shifted_pages": {"rows": 1},
    "redirect": {"to": "https://elsewhere.invalid/"},
    "clock_skew": {"skew_seconds": 600.0},
    "expired_token": {},
    "echo": {"ok": False},
    "bad_value": {"field": "", "value": None, "missing": False, "row": 0, "envelope": False},
    "huge": {"megabytes": 10},
}
_LEAVE_NOTHING: Final = frozenset(
    {
        *("too_many_requests", "rate_code", "http_500", "http_502", "http_503"),
        *("timeout", "reset", "reset_in_body", "truncated", "empty_body", "redirect", "expired_token"),
    }
)
COMMON: Final = ("exchange", "path", "params.NAME", "skip", "times", "share", "seconds")

# A comma that ends a member: what follows is the next key, so that values may hold commas.
_COMMA: Final = re.compile(r",(?=[a-z_]+(?:\.[^=,]+)?=)")


class Fault:
    """A fault of one kind, and the requests that it strikes.

    `exchange`: the name of one, "" for all. `path`: the end of the path. `params`: only requests with these
    parameters. `skip` lets so many of them through first, then `times` are struck (None: all), each with the
    probability `share`. `seconds`: for so long after it was injected, by the sandbox's clock. `options` are the kind's
    own, as `KINDS` has them. Raises ValueError for what is not to be understood, naming what is known.
    """

    def __init__(
        self,
        kind: str,
        *,
        exchange: str = "",
        path: str = "",
        params: Mapping[str, str] | None = None,
        skip: int = 0,
        times: int | None = None,
        share: float = 1.0,
        seconds: float | None = None,
        **options: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"there is no kind of fault {kind!r}; known are {', '.join(KINDS)}")
        if exchange not in {"", *EXCHANGES}:
            raise ValueError(f"there is no exchange {exchange!r}; known are {', '.join(EXCHANGES)}")
        for name in options:
            if name not in KINDS[kind]:
                raise _unknown_key(kind, name)
        if skip < 0 or (times is not None and times < 1) or not 0 < share <= 1 or (seconds is not None and seconds < 0):
            raise ValueError("skip and seconds must not be negative, times at least 1, share above 0 and at most 1")
        self.kind = kind
        self.exchange = exchange
        self.path = path
        self.params = dict(params or {})
        self.skip = skip
        self.times = times
        self.share = share
        self.seconds = seconds
        self.options: Mapping[str, Any] = {**KINDS[kind], **options}
        if kind == "bad_value" and not self.options["field"]:
            raise ValueError("bad_value needs a field")

    @classmethod
    def parse(cls, spec: str) -> "Fault":
        """The fault of a line such as `http_503,exchange=lbank,path=trade/user,params.openId=LBA1,times=3`."""
        kind, *members = _COMMA.split(spec.strip())
        told: dict[str, str] = {}
        for member in members:
            name, _, value = member.partition("=")
            told[name] = value
        return cls._told(kind, told)

    @classmethod
    def of(cls, told: object) -> "Fault":
        """The fault of a line, or of a JSON object with the same keys, `kind` among them and `params` an object."""
        if isinstance(told, str):
            return cls.parse(told)
        members = dict(told) if isinstance(told, dict) else {}
        kind, params = members.pop("kind", None), members.pop("params", None) or {}
        if not (isinstance(kind, str) and isinstance(params, dict)):
            raise ValueError("a fault is a line, or an object with kind and params")  # noqa: TRY004  # wrong as a line is
        members |= {f"params.{name}": value for name, value in params.items()}
        return cls._told(kind, {name: _as_text(name, value) for name, value in members.items() if value is not None})

    @classmethod
    def _told(cls, kind: str, told: Mapping[str, str]) -> "Fault":
        params: dict[str, str] = {}
        settings: dict[str, Any] = {}
        for name, value in told.items():
            if name.startswith("params."):
                params[name.removeprefix("params.")] = value
            elif kind in KINDS and name not in _READERS:
                raise _unknown_key(kind, name)
            elif name in _READERS:
                settings[name] = _read(name, value)
        return cls(kind, params=params, **settings)

    @property
    def is_last(self) -> bool:
        """Whether it leaves nothing for another to change: no answer of the exchange's, or not a whole one."""
        return self.kind in _LEAVE_NOTHING or (self.kind == "echo" and not self.options["ok"])

    def matches(self, exchange: str, path: str, parameters: Mapping[str, str]) -> bool:
        """Whether a request is one of those that it is for."""
        return (
            self.exchange in {"", exchange}
            and path.endswith(self.path)
            and all(parameters.get(name) == value for name, value in self.params.items())
        )

    def as_json(self) -> dict[str, Any]:
        """The fault as `of` takes it."""
        common = ("kind", "exchange", "path", "params", "skip", "times", "share", "seconds")
        shown = {name: getattr(self, name) for name in common} | dict(self.options)
        return {name: value for name, value in shown.items() if value not in ("", None, {}) or name == "value"}


def _unknown_key(kind: str, name: str) -> ValueError:
    return ValueError(f"{kind} has no key {name!r}; known are {', '.join((*COMMON, *KINDS[kind]))}")


def _as_text(name: str, value: object) -> str:
    return value if isinstance(value, str) and name != "value" else json_text(value)


def _read(name: str, value: str) -> Any:
    try:
        return _READERS[name](value)
    except ValueError:
        raise ValueError(f"{name}={value} cannot be read") from None


def _truth(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError(value)
    return value == "true"


def _word(value: str) -> str:
    if "," in value:
        raise ValueError(value)
    return value


def json_value(value: str) -> Any:
    """A JSON value whose numbers stay the tokens they are, NaN, Infinity and 1e400 too; what is no JSON is text."""
    try:
        return json.loads(value, parse_float=Token, parse_int=Token, parse_constant=Token)
    except ValueError:
        return value


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("exchange", "path", "field"), _word),
    "to": str,
    **dict.fromkeys(("skip", "times", "retry_after", "rows", "row", "megabytes"), int),
    **dict.fromkeys(("share", "seconds", "hold_seconds", "delay_seconds", "skew_seconds"), float),
    **dict.fromkeys(("ok", "null", "missing", "envelope"), _truth),
    "value": json_value,
}


@dataclass(slots=True)
class Active:
    """A fault that was injected, and what has come of it."""

    fault: Fault
    since: datetime
    passed: int = 0
    struck: int = 0

    def is_over(self, now: datetime) -> bool:
        """Whether its time is up, or it has struck as often as it was to."""
        elapsed = (now - self.since).total_seconds()
        times, seconds = self.fault.times, self.fault.seconds
        return (times is not None and self.struck >= times) or (seconds is not None and elapsed >= seconds)

    def strikes(self, rng: Random) -> bool:
        """Counts a request that it is for; tells whether this one is struck."""
        if self.passed < self.fault.skip:
            self.passed += 1
            return False
        if self.fault.share < 1 and rng.random() >= self.fault.share:
            return False
        self.struck += 1
        return True


class Schedule:
    """The faults that are active, asked in order. `clock` tells the sandbox's time; `rng` draws for `share`."""

    def __init__(self, clock: Callable[[], datetime], rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self.active: list[Active] = []

    def inject(self, *faults: Fault) -> None:
        """Adds faults, from now on."""
        self.active += [Active(fault, self._clock()) for fault in faults]

    def heal(self) -> None:
        """Ends all."""
        self.active.clear()

    def has(self, kind: str) -> bool:
        """Whether a fault of that kind is active."""
        return any(each.fault.kind == kind for each in self.active)

    def struck(
        self, exchange: str, path: str, parameters: Mapping[str, str], *, can_strike: Callable[[Fault], bool]
    ) -> list[Fault]:
        """The faults that strike a request, up to the first after which there is nothing left to change. `can_strike`
        tells of one that matches whether it could do anything here; where not, the request does not count for it."""
        found: list[Fault] = []
        now = self._clock()
        for each in self.active:
            matches = each.fault.matches(exchange, path, parameters) and not each.is_over(now)
            if matches and can_strike(each.fault) and each.strikes(self._rng):
                found.append(each.fault)
                if each.fault.is_last:
                    break
        return found
