"""The two POST endpoints of CoinW's affiliate documents, answered from a simulated world.

Protocol only: paths, parameters, field names, paging and the envelopes. What is told comes from the world.
"""

import json
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple, TypeVar

from etl.sandbox import amounts
from etl.sandbox.coinw.access import (
    INVALID,
    MESSAGES,
    MISSING,
    NOT_AUTHENTICATED,
    TOO_FREQUENT,
    CoinwAccess,
    CoinwRefusedError,
)
from etl.sandbox.horizon import DAY
from etl.sandbox.invitees import Participation
from etl.sandbox.stakes import Figures
from etl.sandbox.wire import JSON, Received, Reply, cut
from etl.sandbox.world import World

PREFIX: Final = "/api/v3/patener/openapi/v1/partner/invitation/user"  # the provider's own spelling
ACTIVITY_PATH: Final = f"{PREFIX}/activity/list"
VOLUME_PATH: Final = f"{PREFIX}/volume/list"
MOST_ROWS: Final = 1000
DEFAULT_DAYS: Final = 30

_DATE: Final = re.compile(r"[12]\d{3}-\d\d-\d\d", re.ASCII)
_DATE_TIME: Final = re.compile(r"[12]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_SECOND: Final = timedelta(seconds=1)

Row = dict[str, object]
Parameters = Mapping[str, object]
T = TypeVar("T")


class Found(NamedTuple):
    """A page of rows and the number of all of them."""

    rows: list[Row]
    total: int


class CoinW:
    """The exchange as its documents describe it.

    `success_code`: what a success has for `code`; None follows the samples, 200 for the activity and "200" for
    the volume. `limit_status`: the HTTP status of a refusal for frequency, 200 or 429.
    `roi_as_fraction`: whether contractRoi is the bare quotient, as the numbers of the sample have it, and not
    the percentage.
    """

    def __init__(self, world: World, access: CoinwAccess) -> None:
        self.world = world
        self.access = access
        self.success_code: int | str | None = None
        self.limit_status = 200
        self.roi_as_fraction = False
        self.shifted_by = 0
        self.endpoints: Mapping[str, Callable[[Parameters, datetime], Found]] = {
            ACTIVITY_PATH: self._activity,
            VOLUME_PATH: self._volume,
        }

    def method_of(self, path: str) -> str | None:
        """POST for both endpoints."""
        return "POST" if path in self.endpoints else None

    def credential_of(self, received: Received) -> str:
        """The API key."""
        return received.headers.get("api_key", "")

    def parameters_of(self, received: Received) -> dict[str, str]:
        """The members of the body as text; none where it is no JSON object."""
        try:
            members = _members(received.body)
        except CoinwRefusedError:
            return {}
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in members.items()}

    def receive(self, received: Received) -> Callable[[datetime], Reply]:
        """Judges key, timestamp and signature."""
        refusal: CoinwRefusedError | None = None
        try:
            self.access.check(received)
        except CoinwRefusedError as found:
            refusal = found
        return lambda now: self._reply(received, refusal)

    def too_frequent(self, received: Received, now: datetime) -> Reply:
        """Code 29001, the only one that may be asked again."""
        return _failure(received.path, TOO_FREQUENT, status=self.limit_status)

    def unauthenticated(self, received: Received, now: datetime) -> Reply:
        """Code 6000, since CoinW's credentials do not expire."""
        return _failure(received.path, NOT_AUTHENTICATED)

    def complain(self, received: Received, message: str, now: datetime) -> Reply:
        """Code 1."""
        return _failure(received.path, INVALID, message=message)

    def place_of_rows(self, path: str) -> tuple[str, ...]:
        """`data.list`."""
        return ("data", "list")

    def _reply(self, received: Received, refusal: CoinwRefusedError | None) -> Reply:
        try:
            if refusal:
                raise refusal
            found = self.endpoints[received.path](_asked(received), self.world.now)
        except CoinwRefusedError as refused:
            return _failure(received.path, refused.code)
        if received.path == ACTIVITY_PATH:
            data: Row = {"list": found.rows, "total": str(found.total), "context": None}
            code = 200 if self.success_code is None else self.success_code
            body: Row = {"success": True, "code": code, "message": "success", "retry": False, "data": data}
        else:
            code = "200" if self.success_code is None else self.success_code
            body = {"code": code, "msg": "success", "data": {"list": found.rows, "total": found.total}}
        return Reply(json.dumps(body), 0, len(found.rows))

    def _volume(self, parameters: Parameters, now: datetime) -> Found:
        last = _day(parameters, "endTime") or self.world.horizon.day_of(now)
        first = _day(parameters, "startTime") or last - (DEFAULT_DAYS - 1) * DAY
        if first > last:
            raise CoinwRefusedError(INVALID)
        offset, size = _page(parameters, ("pageNo",), default_size=100)
        rows = self.world.coinw.volumes(first, last, now=now, uid=_uid(parameters))
        page = [
            {"uid": row.uid, "volume": amounts.text(row.volume), "time": row.day.isoformat()}
            for row in cut(rows, offset, size, shifted_by=self.shifted_by)
        ]
        return Found(page, len(rows))

    def _activity(self, parameters: Parameters, now: datetime) -> Found:
        activity_id = _text(parameters, "activityId")
        if activity_id is None:
            raise CoinwRefusedError(MISSING)
        detail = _text(parameters, "showDetail") or "no"
        if activity_id not in self.world.coinw.activities or detail not in {"yes", "no"}:
            raise CoinwRefusedError(INVALID)
        start, end = self._span(parameters, now)
        offset, size = _page(parameters, ("page", "pageNo"), default_size=10)
        found = self.world.coinw.participations(activity_id, start, end, now=now, uid=_uid(parameters))
        day_after = self.world.horizon.day_of(end - _SECOND) + DAY
        rows = [
            self._activity_row(one) | (_detail(one, day_after) if detail == "yes" else {})
            for one in cut(found, offset, size, shifted_by=self.shifted_by)
        ]
        return Found(rows, len(found))

    def _activity_row(self, one: Participation) -> Row:
        whole, roi = one.whole, one.roi_pct
        if self.roi_as_fraction:
            roi = amounts.times(roi, amounts.of_scale(1, 2))
        return {
            "uid": str(one.uid),
            "contractTransIn": amounts.text(whole.transfer_in),
            "contractTransOut": amounts.text(whole.transfer_out),
            "contractNetTransIn": amounts.text(amounts.subtract(whole.transfer_in, whole.transfer_out)),
            "contractVolume": amounts.text(whole.volume),
            "contractProfit": amounts.text(whole.profit),
            "contractRoi": amounts.text(roi),
            "initialNetValue": amounts.text(one.initial_net_value),
        }

    def _span(self, parameters: Parameters, now: datetime) -> tuple[datetime, datetime]:
        """The first instant and the one after the last. The second that endTime names is within, all of it."""
        today = self.world.horizon.day_of(now)
        month_ends = today.replace(day=monthrange(today.year, today.month)[1])
        zone = self.world.horizon.zone
        start = _moment(parameters, "startTime") or datetime.combine(today.replace(day=1), time())
        end = _moment(parameters, "endTime") or datetime.combine(month_ends, time(23, 59, 59))
        if start > end:
            raise CoinwRefusedError(INVALID)
        return start.replace(tzinfo=zone), end.replace(tzinfo=zone) + _SECOND


def _detail(one: Participation, day_after: date) -> Row:
    """The daily details as the person's entry has them: told, with a day outside the span, empty or missing."""
    if one.entry.detail == "missing":
        return {}
    days = [] if one.entry.detail == "empty" else [_detail_row(day, part) for day, part in one.days]
    if one.entry.detail == "stray":
        nothing = dict.fromkeys(("contractTransIn", "contractTransOut", "contractVolume"), "0")
        days.append({"date": day_after.isoformat(), **nothing})
    return {"detail": days}


def _detail_row(day: date, part: Figures) -> Row:
    return {
        "date": day.isoformat(),
        "contractTransIn": amounts.text(part.transfer_in),
        "contractTransOut": amounts.text(part.transfer_out),
        "contractVolume": amounts.text(part.volume),
    }


def _failure(path: str, code: int, *, status: int = 200, message: str = "") -> Reply:
    """An envelope in the manner of the endpoint's own; the code's own message unless another is given."""
    message = message or MESSAGES[code]
    body: Row = {"code": str(code), "msg": message, "data": None}
    if path == ACTIVITY_PATH:
        retry = code == TOO_FREQUENT
        body = {"success": False, "code": code, "message": message, "retry": retry, "data": None}
    return Reply(json.dumps(body), code, status=status)


def _asked(received: Received) -> Parameters:
    if received.headers.get("Content-Type", "").partition(";")[0].strip().lower() != JSON:
        raise CoinwRefusedError(INVALID)
    return _members(received.body)


def _members(body: bytes) -> Parameters:
    try:
        found = json.loads(body)
    except ValueError:
        raise CoinwRefusedError(INVALID) from None
    if not isinstance(found, dict):
        raise CoinwRefusedError(INVALID)
    return found


def _text(parameters: Parameters, name: str) -> str | None:
    """A text; None when it is left out, null or empty."""
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise CoinwRefusedError(INVALID)
    return value or None


def _integer(parameters: Parameters, name: str) -> int | None:
    """A whole number that is not negative, as a number or as text; None when it is left out."""
    value = parameters.get(name)
    if value is None or value == "":
        return None
    shown = str(value)
    if isinstance(value, bool) or not (shown.isascii() and shown.isdigit()) or len(shown) > 18:
        raise CoinwRefusedError(INVALID)
    return int(shown)


def _uid(parameters: Parameters) -> int | None:
    return _integer(parameters, "uid")


def _page(parameters: Parameters, names: tuple[str, ...], *, default_size: int) -> tuple[int, int]:
    """How many rows come before the page, and how many it has at most."""
    given = [number for name in names if (number := _integer(parameters, name)) is not None]
    page = given[0] if given else 1
    size = _integer(parameters, "pageSize")
    size = default_size if size is None else size
    if page < 1 or not 1 <= size <= MOST_ROWS:
        raise CoinwRefusedError(INVALID)
    return (page - 1) * size, size


def _day(parameters: Parameters, name: str) -> date | None:
    return _read(parameters, name, _DATE, date.fromisoformat)


def _moment(parameters: Parameters, name: str) -> datetime | None:
    """A wall-clock time, without a zone."""
    return _read(parameters, name, _DATE_TIME, datetime.fromisoformat)


def _read(parameters: Parameters, name: str, shape: re.Pattern[str], read: Callable[[str], T]) -> T | None:
    value = _text(parameters, name)
    if value is None:
        return None
    if not shape.fullmatch(value):
        raise CoinwRefusedError(INVALID)
    try:
        return read(value)
    except ValueError:
        raise CoinwRefusedError(INVALID) from None
