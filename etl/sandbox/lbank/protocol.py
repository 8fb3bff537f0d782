"""The eight GET endpoints of LBank's affiliate document (V1.7), answered from a simulated world.

Protocol only: paths, parameters, field names, paging and the envelope. What is told comes from the world.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar, cast

from etl.sandbox import amounts
from etl.sandbox.activity import COMMISSION_COINS, MARKETS, TRANSFER_KINDS, Market, TransferKind
from etl.sandbox.horizon import DAY, from_ms, to_ms
from etl.sandbox.lbank.access import INVALID, MESSAGES, PAGE_TOO_LARGE, Parameters, RefusedError
from etl.sandbox.team import Scope
from etl.sandbox.views import MemberSeen
from etl.sandbox.wire import cut
from etl.sandbox.world import World

PREFIX: Final = "/affiliate-api/v2"
MOST_ROWS: Final = 100

TRADE_TYPES: Final[dict[str, tuple[Market, ...]]] = {"0": ("spot",), "1": ("futures",), "10": MARKETS}
USER_TYPES: Final[tuple[Scope, ...]] = ("SELF", "SUB", "SELF_SUB", "ALL")

# The request takes the enum, the row has a label; the document shows the first label only.
KIND_LABELS: Final[dict[TransferKind, str]] = {
    "IN_DEPOSIT": "On-chain Deposit",
    "OUT_WITHDRAW": "On-chain Withdrawal",
    "IN_OTC_BUY": "OTC Buy",
    "OUT_OTC_SELL": "OTC Sell",
    "IN_INNER_TRANSFER_IN": "Internal Transfer In",
    "OUT_INNER_TRANSFER_OUT": "Internal Transfer Out",
}

Row = dict[str, object]
Data = list[Row] | Row
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An envelope, ready for JSON, with what the request log tells of it."""

    body: Row
    error_code: int
    rows: int


def success(data: Data, now: datetime) -> Answer:
    """The documented envelope of a success."""
    body: Row = {"result": "true", "error_code": 0, "data": data, "ts": to_ms(now)}
    return Answer(body, 0, len(data) if isinstance(data, list) else 1)


def failure(error_code: int, now: datetime, message: str = "") -> Answer:
    """The documented envelope of a failure; the code's own message unless another is given."""
    body: Row = {"result": "false", "msg": message or MESSAGES[error_code], "error_code": error_code, "ts": to_ms(now)}
    return Answer(body, error_code, 0)


class LBank:
    """The exchange as its document describes it; `ask` answers one admitted request.

    `end_inclusive`: whether endTime itself is within the span, which the document does not say.
    `newest_first`: the order of rows, which it does not say either.
    """

    def __init__(self, world: World, *, end_inclusive: bool = True, newest_first: bool = False) -> None:
        self.world = world
        self.end_inclusive = end_inclusive
        self.newest_first = newest_first
        self.shifted_by = 0
        self.endpoints: Mapping[str, Callable[[Parameters, datetime], Data]] = {
            f"{PREFIX}/invite/user/team/list": self._team_list,
            f"{PREFIX}/invite/user/list": self._user_list,
            f"{PREFIX}/invite/user/info": self._user_info,
            f"{PREFIX}/commission/stats/symbol/list": self._commissions,
            f"{PREFIX}/trade/user": self._member_trades,
            f"{PREFIX}/trade/user/team": self._team_trades,
            f"{PREFIX}/trade/future": self._turnover,
            f"{PREFIX}/money/detail/list": self._transfers,
        }

    def ask(self, path: str, parameters: Parameters) -> Data:
        """The data of an answer, as seen at the world's present moment; raises RefusedError."""
        return self.endpoints[path](parameters, self.world.now)

    def _team_list(self, parameters: Parameters, now: datetime) -> Data:
        start, end = self._span(parameters)
        offset, size = _page(parameters)
        people = [one for one in self.world.team.listed(now) if start <= to_ms(one.registered_at) < end]
        page = cut(self._ordered(people), offset, size, shifted_by=self.shifted_by)
        return [_member_row(self.world.member_seen(one, now)) for one in page]

    def _user_list(self, parameters: Parameters, now: datetime) -> Data:
        # "Starting data ID, default 0. For next page, use max ID of current page": ascending ids.
        start, end = self._span(parameters)
        after, size = _page(parameters)
        listed = self.world.team.listed(now)
        people = [one for one in listed if one.number > after and start <= to_ms(one.registered_at) < end]
        return [_member_row(self.world.member_seen(one, now)) for one in people[:size]]

    def _user_info(self, parameters: Parameters, now: datetime) -> Data:
        person = self.world.team.member(parameters.text("openId"), now)
        if person is None:
            return dict(_NOBODY)
        row = _member_row(self.world.member_seen(person, now))
        del row["id"]
        return {**row, "inviteResult": True}

    def _commissions(self, parameters: Parameters, now: datetime) -> Data:
        open_id = self._known_id(parameters, now)
        markets = TRADE_TYPES[parameters.choice("tradeType", tuple(TRADE_TYPES))]
        start, end = self._span(parameters)
        offset, size = _page(parameters)
        # "Coin ID for commission; null for all coins", a Long; yet rows tell a symbol: symbols are taken.
        coin = (parameters.optional("coin") or "").lower()
        if coin and coin not in COMMISSION_COINS:
            raise RefusedError(INVALID)
        found = [
            one
            for one in self.world.commissions_paid(open_id, now)
            if one.market in markets
            and coin in {"", one.coin}
            and start <= to_ms(self.world.horizon.midnight(one.day)) < end
        ]
        return [
            {
                "openId": one.recipient_id,
                "coinSymbol": one.coin,
                "amount": amounts.text(one.amount),
                "tradeType": MARKETS.index(one.market),  # "String" in the table, a number in the sample
                "statsDate": to_ms(self.world.horizon.midnight(one.day)),
                "usdtAmount": amounts.text(one.amount_usdt),
            }
            for one in cut(self._ordered(found), offset, size, shifted_by=self.shifted_by)
        ]

    def _member_trades(self, parameters: Parameters, now: datetime) -> Data:
        return self._trade_rows(parameters, self.world.trade_totals, now)

    def _team_trades(self, parameters: Parameters, now: datetime) -> Data:
        return self._trade_rows(parameters, self.world.team_totals, now)

    def _trade_rows(self, parameters: Parameters, totals: Callable[..., amounts.Totals | None], now: datetime) -> Data:
        open_id = self._known_id(parameters, now)
        markets = TRADE_TYPES[parameters.choice("tradeType", tuple(TRADE_TYPES))]
        start, end = self._span(parameters)
        horizon = self.world.horizon
        rows: list[Row] = []
        for day in self.world.trades.days(horizon.day_of(from_ms(start)), horizon.day_of(from_ms(end))):
            midnight_ms = to_ms(horizon.midnight(day))
            if not start <= midnight_ms < end:
                continue
            found = (totals(open_id, market, day, now=now) for market in markets)
            both = amounts.total(part for part in found if part is not None)
            if both is not None:
                rows.append(
                    {
                        "openId": open_id,
                        "statsDate": midnight_ms,
                        "tradeAmt": amounts.text(both.volume),
                        "feeAmt": amounts.text(both.fee),
                    }
                )
        return self._ordered(rows)

    def _turnover(self, parameters: Parameters, now: datetime) -> Data:
        open_id = self._known_id(parameters, now)
        scope = cast("Scope", parameters.choice("userType", USER_TYPES))
        start, end = self._span(parameters)
        symbol = parameters.optional("symbol")
        found = self.world.turnover(
            self.world.team.scope(open_id, scope), from_ms(start), from_ms(end), now=now, symbol=symbol
        )
        return {"turnover": amounts.text(found.volume), "fee": amounts.text(found.fee)}

    def _transfers(self, parameters: Parameters, now: datetime) -> Data:
        open_id = self._known_id(parameters, now)
        scope = cast("Scope", parameters.choice("userType", USER_TYPES))
        kind = cast("TransferKind", parameters.choice("subInOutType", TRANSFER_KINDS))
        start, end = self._span(parameters)
        updated_from, updated_to = self._update_span(parameters)
        offset, size = _page(parameters)
        asset = parameters.optional("assetCode")
        ids = self.world.team.scope(open_id, scope)
        found = [
            self.world.transfer_seen(one, now)
            for one in self.world.transfers_created(kind, from_ms(start), from_ms(end), now=now)
            if one.open_id in ids and asset in {None, one.asset}
        ]
        found = [one for one in found if updated_from <= to_ms(one.updated_at) < updated_to]
        return [
            {
                "openId": one.open_id,
                "userLevel": one.level,
                "subInOutType": KIND_LABELS[one.kind],
                "assetCode": one.asset,
                "assetNum": one.amount,
                "status": one.status,
                "subStatus": one.sub_status,
                "createTime": to_ms(one.created_at),
                "updateTime": to_ms(one.updated_at),
                "withdrawOrderId": one.order_id,
            }
            for one in cut(self._ordered(found), offset, size, shifted_by=self.shifted_by)
        ]

    def _span(self, parameters: Parameters) -> tuple[int, int]:
        """startTime and the first millisecond that is no longer in the span."""
        start, end = parameters.milliseconds("startTime"), parameters.milliseconds("endTime")
        if start > end:
            raise RefusedError(INVALID)
        return start, end + 1 if self.end_inclusive else end

    def _update_span(self, parameters: Parameters) -> tuple[int, int]:
        start, end = 0, to_ms(self.world.now + DAY)
        if parameters.optional("updateStartTime"):
            start = parameters.milliseconds("updateStartTime")
        if parameters.optional("updateEndTime"):
            end = parameters.milliseconds("updateEndTime") + (1 if self.end_inclusive else 0)
        return start, end

    def _known_id(self, parameters: Parameters, now: datetime) -> str:
        """openId, if it is in the team. What LBank answers for others is not documented."""
        open_id = parameters.text("openId")
        if self.world.team.member(open_id, now) is None:
            raise RefusedError(INVALID)
        return open_id

    def _ordered(self, oldest_first: Sequence[T]) -> list[T]:
        return list(reversed(oldest_first)) if self.newest_first else list(oldest_first)


_NOBODY: Final[Row] = {
    "openId": None,
    "code": None,
    "createTime": None,
    "directInvitation": False,
    "deposit": False,
    "transaction": False,
    "kycStatus": None,
    "userLevel": None,
    "currencyFeeAmt": None,
    "contractFeeAmt": None,
    "inviteResult": False,
    "currencyTotalFeeAmt": "0.0000",
    "currencyTotalFeeAmtUsdt": "0.0000",
    "contractTotalFeeAmt": "0.0000",
    "reserveAmt": "0.0000",
}


def _page(parameters: Parameters) -> tuple[int, int]:
    """start ("if not provided, it defaults to 0") and pageSize, of which more than 100 is error 20026."""
    start, size = parameters.integer("start", default=0), parameters.integer("pageSize")
    if size > MOST_ROWS:
        raise RefusedError(PAGE_TOO_LARGE)
    if size == 0:
        raise RefusedError(INVALID)
    return start, size


def _member_row(seen: MemberSeen) -> Row:
    return {
        "id": seen.number,
        "openId": seen.open_id,
        "code": seen.referral_code,
        "createTime": to_ms(seen.registered_at),
        "directInvitation": seen.is_direct,
        "deposit": seen.has_deposited,
        "transaction": seen.has_traded,
        "kycStatus": int(seen.kyc_verified),
        "userLevel": seen.level,
        "currencyFeeAmt": seen.spot_rate_pct,
        "contractFeeAmt": seen.futures_rate_pct,
        "currencyTotalFeeAmt": seen.spot_assets,
        "currencyTotalFeeAmtUsdt": seen.spot_assets_usdt,
        "contractTotalFeeAmt": seen.futures_assets,
        "reserveAmt": seen.futures_bonus,
    }
