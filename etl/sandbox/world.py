"""A simulated affiliate: its people and what they do, as seen at a settable moment.

The same seed, sizes and anchor day give the same world. It knows no exchange's protocol: servers ask it,
tests compare the warehouse with it, and both see only what lies at or before `now`.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, Literal, Self
from zoneinfo import ZoneInfo

from etl.sandbox import activity, amounts
from etl.sandbox.activity import MARKETS, TRANSFER_KINDS, Commission, Market, Trade, Transfer, TransferKind
from etl.sandbox.broker import Broker
from etl.sandbox.horizon import DAY, MILLISECOND, Horizon
from etl.sandbox.invitees import Invitees
from etl.sandbox.lives import make_lives
from etl.sandbox.occasions import certain_transfers
from etl.sandbox.people import (
    FIRST_NUMBER,
    GENERAL_AGENT_LEVEL,
    INVITEE_LEVEL,
    UNLISTED_NUMBERS,
    Person,
    make_people,
    make_person,
)
from etl.sandbox.referral_log import ReferralLog
from etl.sandbox.team import Scope, Team
from etl.sandbox.trades import TradeBook
from etl.sandbox.views import CommissionDaySeen, MemberSeen, TradeDaySeen, TransferSeen, TurnoverSeen

AFFILIATE_ID: Final = "LBA0000001"
DAY_ZONE: Final = "Asia/Shanghai"


class World:
    """The affiliate, its members, their trades, commissions and transfers. Make one with `World.make`.

    `coinw`, `orderly` and `ztdx` are the same people and trades as those exchanges know them; what they hold is
    drawn when it is first asked for.
    """

    def __init__(self, *, seed: int, horizon: Horizon, affiliate: Person, clock: Callable[[], datetime]) -> None:
        self.seed = seed
        self.horizon = horizon
        self.affiliate = affiliate
        self.clock = clock
        self.team = Team(affiliate)
        self.trades = TradeBook()
        self.coinw = Invitees(seed=seed, horizon=horizon, team=self.team, trades=self.trades, now=lambda: self.now)
        self.orderly = Broker(seed=seed, horizon=horizon, team=self.team, trades=self.trades, now=lambda: self.now)
        self.ztdx = ReferralLog(seed=seed, horizon=horizon, team=self.team, now=lambda: self.now)
        self._commissions: dict[str, list[Commission]] = {}
        self._transfers: dict[TransferKind, list[Transfer]] = {kind: [] for kind in TRANSFER_KINDS}
        self._first_transfer: dict[str, datetime] = {}
        self._balances: dict[tuple[str, date], tuple[str, str, str, str]] = {}
        self._team_sums: dict[tuple[str, Market, date], amounts.Totals | None] = {}

    @classmethod
    def make(
        cls,
        *,
        seed: int = 1,
        members: int = 200,
        days: int = 90,
        days_after: int = 14,
        end: datetime | None = None,
        clock: Callable[[], datetime] | None = None,
        affiliate_id: str = AFFILIATE_ID,
        day_zone: str = DAY_ZONE,
    ) -> Self:
        """A world with `days` whole days of history before the day of `end` (default: the real now).

        Only the day of `end` matters to what happens, not the time. Activity goes on for `days_after` days.
        `now` stands still at `end` until it is set, unless a running `clock` is given.
        """
        anchor = datetime.now(UTC) if end is None else end
        if anchor.tzinfo is None:
            raise ValueError("end needs a time zone")
        if members < 1 or days < 1 or days_after < 0:
            raise ValueError("a world needs at least one member and one day of history")
        zone = ZoneInfo(day_zone)
        today = anchor.astimezone(zone).date()
        horizon = Horizon(today - timedelta(days=days), today, today + timedelta(days=days_after), zone)
        rng = Random(f"{seed}/people")
        affiliate = replace(
            make_person(
                rng,
                number=1,
                registered_at=horizon.some_second(rng, horizon.first_day - timedelta(days=500)),
                parent_id="",
                level=GENERAL_AGENT_LEVEL,
                listed=False,
            ),
            open_id=affiliate_id,
        )
        world = cls(seed=seed, horizon=horizon, affiliate=affiliate, clock=clock or (lambda: anchor))
        people, unlisted = make_people(rng, affiliate_id=affiliate_id, members=members, horizon=horizon)
        world.team.join([*people, *unlisted])
        for life in make_lives(seed, people, affiliate, horizon=horizon):
            for (market, day), trades in life.trades.items():
                world.trades.put(life.person.open_id, market, day, trades)
            world._commissions[life.person.open_id] = life.commissions
            for transfer in life.transfers:
                world._file(transfer)
        for transfer in certain_transfers(Random(f"{seed}/certain"), people, unlisted, horizon=horizon):
            world._file(transfer)
        return world

    @property
    def now(self) -> datetime:
        """The moment as of which everything is seen; setting it stops the clock there."""
        return self.clock()

    @now.setter
    def now(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ValueError("now needs a time zone")
        self.clock = lambda: moment

    # What servers ask, as seen at a given moment

    def member_seen(self, person: Person, now: datetime) -> MemberSeen:
        """What the exchange tells of a person. Balances are those at the start of the day of `now`."""
        first_trade = self.trades.first_at(person.open_id)
        first_transfer = self._first_transfer.get(person.open_id)
        return MemberSeen(
            person.open_id,
            person.number,
            person.referral_code,
            person.registered_at,
            person.parent_id == self.affiliate.open_id,
            first_transfer is not None and first_transfer <= now,
            first_trade is not None and first_trade <= now,
            person.kyc_verified,
            person.level,
            person.spot_rate_pct,
            person.futures_rate_pct,
            *self._balances_on(person, self.horizon.day_of(now)),
        )

    def trade_totals(self, open_id: str, market: Market, day: date, *, now: datetime) -> amounts.Totals | None:
        """What a person traded on a day so far; None without trades."""
        known = self.trades.get(open_id, market, day)
        return known.seen(now) if known else None

    def team_totals(self, open_id: str, market: Market, day: date, *, now: datetime) -> amounts.Totals | None:
        """What a person and everyone below traded on a day so far; None without trades.

        The document says "team" and no more; that the head counts, and every level below, is chosen here.
        """
        ids = self.team.scope(open_id, "ALL")
        if now < self.horizon.midnight(day + DAY):
            return self.trades.sum_of(ids, market, day, now=now)
        key = (open_id, market, day)
        if key not in self._team_sums:
            self._team_sums[key] = self.trades.sum_of(ids, market, day, now=now)
        return self._team_sums[key]

    def turnover(
        self, ids: frozenset[str], start: datetime, end: datetime, *, now: datetime, symbol: str | None = None
    ) -> amounts.Totals:
        """Sums of futures trades at start <= t < end, of one symbol or of all; "0" when there are none."""
        end = min(end, now + MILLISECOND)
        days = self.trades.days(self.horizon.day_of(start), self.horizon.day_of(end))
        found = self.trades.between(ids, "futures", days, start=start, end=end)
        parts = (amounts.Totals(one.volume, one.fee) for one in found if symbol in {None, one.symbol})
        return amounts.total(parts) or amounts.Totals(Decimal(0), Decimal(0))

    def commissions_paid(self, recipient_id: str, now: datetime) -> list[Commission]:
        """A recipient's commissions that have been paid, oldest day first."""
        return [one for one in self._commissions.get(recipient_id, ()) if one.paid_at <= now]

    def transfers_created(self, kind: TransferKind, start: datetime, end: datetime, *, now: datetime) -> list[Transfer]:
        """The transfers of a kind created at start <= t < end and not after `now`, oldest first."""
        known = self._transfers[kind]
        low, high = (
            bisect_left(known, bound, key=lambda one: one.created_at) for bound in (start, min(end, now + MILLISECOND))
        )
        return known[low:high]

    # Truth: what a complete and exact reading at `now` holds

    def listed_members(self) -> list[MemberSeen]:
        """Everyone whom the team list names."""
        now = self.now
        return [self.member_seen(person, now) for person in self.team.listed(now)]

    def unlisted_members(self) -> list[MemberSeen]:
        """Persons in the team whom the list leaves out (their transfers mention them)."""
        now = self.now
        unlisted = (one for one in self.team.people.values() if one.in_team and not one.listed)
        return [self.member_seen(one, now) for one in unlisted if one is not self.affiliate]

    def strangers(self) -> list[str]:
        """Open ids that transfers mention and that are not in the team, or not any more."""
        return [open_id for open_id, person in self.team.people.items() if not person.in_team]

    def agents(self) -> list[str]:
        """The open ids of the affiliate and of every listed member who is an agent."""
        listed = self.team.listed(self.now)
        return [self.affiliate.open_id, *(one.open_id for one in listed if one.is_agent)]

    def trade_days(self, scope: Literal["member", "team"] = "member") -> list[TradeDaySeen]:
        """The trade rows of every listed member, or of the teams of the affiliate and its agents."""
        now = self.now
        team = scope == "team"
        subjects = self.agents() if team else [one.open_id for one in self.team.listed(now)]
        totals = self.team_totals if team else self.trade_totals
        return [
            TradeDaySeen(subject, market, day, amounts.text(found.volume), amounts.text(found.fee))
            for subject in subjects
            for market in MARKETS
            for day in self.trades.days(date.min, date.max)
            if (found := totals(subject, market, day, now=now))
        ]

    def commission_days(self) -> list[CommissionDaySeen]:
        """The commissions paid to the affiliate and its agents."""
        now = self.now
        return [
            CommissionDaySeen(
                one.recipient_id,
                one.market,
                one.coin,
                one.day,
                amounts.text(one.amount),
                amounts.text(one.amount_usdt),
            )
            for recipient_id in self.agents()
            for one in self.commissions_paid(recipient_id, now)
        ]

    def transfers(self) -> list[TransferSeen]:
        """Every transfer of the affiliate and of everybody below it, twins twice, by kind and creation."""
        now = self.now
        everybody = self.team.scope(self.affiliate.open_id, "ALL")
        return [
            self.transfer_seen(one, now)
            for known in self._transfers.values()
            for one in known
            if one.created_at <= now and one.open_id in everybody
        ]

    def transfer_seen(self, transfer: Transfer, now: datetime) -> TransferSeen:
        """A transfer in the state that holds at `now`."""
        state = transfer.state(now)
        return TransferSeen(
            transfer.open_id,
            self.team.people[transfer.open_id].level,
            transfer.kind,
            transfer.asset,
            amounts.text(transfer.amount),
            state.status,
            state.sub_status,
            transfer.created_at,
            state.at,
            transfer.order_id,
        )

    def futures_turnover(self, open_id: str, user_type: Scope, start: datetime, end: datetime) -> TurnoverSeen:
        """Sums of the futures trades of a scope at start <= t < end."""
        found = self.turnover(self.team.scope(open_id, user_type), start, end, now=self.now)
        return TurnoverSeen(amounts.text(found.volume), amounts.text(found.fee))

    # Changes, for tests: they show in what servers send and in the truth alike

    def restate_trade(
        self, open_id: str, market: Market, day: date, volume: Decimal, *, fee: Decimal | None = None
    ) -> None:
        """Gives a day another volume (and fee): one trade in place of those that were there.

        A day without trades gets one at its first instant, with no fee unless one is given.
        """
        known = self.trades.get(open_id, market, day)
        at = known.trades[0].at if known else self.horizon.midnight(day)
        kept_fee = known.whole.fee if known else Decimal(0)
        trade = Trade(at, activity.SYMBOLS[0], volume, kept_fee if fee is None else fee)
        self.trades.put(open_id, market, day, (trade,))
        self._team_sums.clear()

    def remove_member(self, open_id: str) -> None:
        """The person leaves the team: no list names it and questions about it are refused.

        What it did stays in the sums of its teams, and its transfers stay in their list.
        """
        self.team.leave(open_id)

    def add_member(
        self,
        *,
        registered_at: datetime | None = None,
        parent_id: str | None = None,
        level: int = INVITEE_LEVEL,
        listed: bool = True,
    ) -> Person:
        """A new member without any history, registered at the present second unless told otherwise."""
        taken = {one.number for one in self.team.people.values()} - set(UNLISTED_NUMBERS)
        number = max(taken | {FIRST_NUMBER - 1}) + 1
        person = make_person(
            Random(f"{self.seed}/{number}/added"),
            number=number,
            registered_at=registered_at or self.now.replace(microsecond=0),
            parent_id=parent_id or self.affiliate.open_id,
            level=level,
            listed=listed,
        )
        self.team.join([person])
        self._team_sums.clear()
        return person

    def add_transfer(self, transfer: Transfer) -> None:
        """Files a transfer; make one with `activity.make_transfer`."""
        if transfer.open_id not in self.team.people:
            raise ValueError(f"nobody has the open id {transfer.open_id}")
        self._file(transfer)

    def _file(self, transfer: Transfer) -> None:
        insort(self._transfers[transfer.kind], transfer, key=lambda known: known.created_at)
        first = self._first_transfer.get(transfer.open_id, transfer.created_at)
        self._first_transfer[transfer.open_id] = min(first, transfer.created_at)

    def _balances_on(self, person: Person, day: date) -> tuple[str, str, str, str]:
        """Spot assets, those in USDT, futures assets and futures bonus; zero before any transfer."""
        found = self._balances.get((person.open_id, day))
        if found is None:
            rng = Random(f"{self.seed}/{person.number}/balances/{day}")
            first = self._first_transfer.get(person.open_id)
            owns = first is not None and first < self.horizon.midnight(day)
            spot, usdt, futures, bonus = (
                amounts.text(amounts.of_scale(rng.randrange(bound) if owns else 0, 4))
                for bound in (10**9, 10**8, 10**8, 10**6)
            )
            found = self._balances[person.open_id, day] = (spot, usdt, futures, bonus)
        return found
