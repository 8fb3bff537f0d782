"""The affiliate as a broker of perpetual futures: its accounts and what they bring, by UTC days.

Everybody who ever was below the affiliate has one account. An account's numbers tell of itself, as direct where
the affiliate invited the person and as indirect where somebody below did, so that the accounts of a day add up
to the day in every column. Knows no exchange's protocol.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import NamedTuple

from etl.sandbox import amounts, identities
from etl.sandbox.activity import Trade
from etl.sandbox.horizon import DAY, Horizon
from etl.sandbox.people import Person
from etl.sandbox.team import Team
from etl.sandbox.trades import TradeBook
from etl.sandbox.views import BrokerAccountDaySeen, BrokerDaySeen


class Figures(NamedTuple):
    """Thirteen numbers of an account or of all; counts have no decimals."""

    direct_invites: Decimal
    indirect_invites: Decimal
    invites: Decimal
    direct_traded: Decimal
    indirect_traded: Decimal
    direct_volume: Decimal
    indirect_volume: Decimal
    volume: Decimal
    broker_fee: Decimal
    direct_rebate: Decimal
    indirect_rebate: Decimal
    direct_bonus_rebate: Decimal
    base_rebate: Decimal


class Account(NamedTuple):
    """A person's account and the rates, in millionths of the volume, at which it earns and is rewarded."""

    account_id: str
    wallet_address: str
    person: Person
    is_direct: bool
    fee_rate: int
    rebate_rate: int
    bonus_rate: int
    base_rate: int


class Broker:
    """Who has an account and what they did, as seen at a moment.

    Only days from the horizon's first, taken as a UTC day, to the present one are told of, each of them whether
    anything happened or not. An account is told of where it traded or was opened. The present day grows.
    """

    def __init__(
        self, *, seed: int, horizon: Horizon, team: Team, trades: TradeBook, now: Callable[[], datetime]
    ) -> None:
        self.horizon = horizon
        self._seed = seed
        self._team = team
        self._trades = trades
        self._now = now
        self._accounts: dict[str, Account] = {}
        self._by_day: dict[date, dict[str, list[Trade]]] = {}
        self._by_day_version = -1
        self._restated: dict[tuple[str, date], Decimal] = {}

    # What servers ask, as seen at a given moment

    def days(self, first: date, last: date, *, now: datetime, account_id: str | None = None) -> Iterator[date]:
        """The days from first to last that are told of; none at all for an account that nobody has."""
        if account_id is None or account_id in {one.account_id for one in self._everyone(now)}:
            today = now.astimezone(UTC).date()
            yield from self.horizon.days(max(first, self.horizon.first_day), min(last, today))

    def by_day(
        self, first: date, last: date, *, now: datetime, account_id: str | None = None
    ) -> list[tuple[date, Figures]]:
        """The sums of each day, oldest first, of all accounts or of one."""
        return [
            (day, together(part for _, part in self.by_account(day, day, now=now, account_id=account_id)))
            for day in self.days(first, last, now=now, account_id=account_id)
        ]

    def by_account(
        self, first: date, last: date, *, now: datetime, account_id: str | None = None
    ) -> list[tuple[Account, Figures]]:
        """The sums of each account over all the days, in the order of account ids; who traded counts once."""
        days = dict.fromkeys(self.days(first, last, now=now))
        found: list[tuple[Account, Figures]] = []
        for account in self._everyone(now):
            if account_id not in {None, account.account_id}:
                continue
            volumes = [volume for day in days if (volume := self._volume(account, day, now=now)) is not None]
            opened = account.person.registered_at.astimezone(UTC).date() in days
            if volumes or opened:
                found.append((account, _figures(account, volumes, opened=opened)))
        return sorted(found)

    def account_of(self, wallet_address: str, now: datetime) -> str:
        """The id of the account with that wallet; "" where there is none."""
        matches = (one.account_id for one in self._everyone(now) if one.wallet_address == wallet_address.lower())
        return next(matches, "")

    # Truth: what a complete and exact reading holds

    def broker_days(self) -> list[BrokerDaySeen]:
        """Every day from the horizon's first to the present one, oldest first."""
        return [
            BrokerDaySeen(day, *map(amounts.text, figures))
            for day, figures in self.by_day(date.min, date.max, now=self._now())
        ]

    def account_days(self) -> list[BrokerAccountDaySeen]:
        """Every account of each of those days, as readings of one day at a time tell them."""
        now = self._now()
        return [
            BrokerAccountDaySeen(account.account_id, day, account.wallet_address, *map(amounts.text, figures))
            for day in self.days(date.min, date.max, now=now)
            for account, figures in self.by_account(day, day, now=now)
        ]

    # Changes, for tests: they show in what servers send and in the truth alike

    def restate(self, day: date, account_id: str, volume: Decimal) -> None:
        """Gives a day of an account another volume, and with it the fee and the rebates that follow from it."""
        if not any(one.account_id == account_id for one in self._everyone(self._now())):
            raise ValueError(f"nobody has the account {account_id}")
        self._restated[account_id, day] = volume

    def _everyone(self, now: datetime) -> list[Account]:
        people = (one for one in self._team.people.values() if one is not self._team.affiliate)
        return [self._account(one) for one in people if one.registered_at <= now]

    def _account(self, person: Person) -> Account:
        found = self._accounts.get(person.open_id)
        if found is None:
            rng = Random(f"{self._seed}/{person.number}/rates")
            found = self._accounts[person.open_id] = Account(
                identities.account_id(self._seed, person.number),
                identities.wallet_address(self._seed, person.number),
                person,
                person.parent_id == self._team.affiliate.open_id,
                fee_rate=rng.randrange(250, 600),
                rebate_rate=rng.randrange(100, 240),
                bonus_rate=rng.randrange(11, 50),
                base_rate=rng.randrange(51, 99),
            )
        return found

    def _volume(self, account: Account, day: date, *, now: datetime) -> Decimal | None:
        """What the account traded on the day so far; None without trades."""
        if (account.account_id, day) in self._restated:
            return self._restated[account.account_id, day]
        trades = self._trades_of(day).get(account.person.open_id, ())
        seen = [one.volume for one in trades if one.at <= now]
        return amounts.sum_of(seen) if seen else None

    def _trades_of(self, day: date) -> dict[str, list[Trade]]:
        """The futures trades of a UTC day by open id; the world keeps them by its own days."""
        if self._by_day_version != self._trades.version:
            self._by_day.clear()
            self._by_day_version = self._trades.version
        if day not in self._by_day:
            found: dict[str, list[Trade]] = defaultdict(list)
            for own_day in self.horizon.days(day - DAY, day + DAY):
                for open_id, known in self._trades.on("futures", own_day).items():
                    found[open_id] += [one for one in known.trades if one.at.astimezone(UTC).date() == day]
            self._by_day[day] = found
        return self._by_day[day]


def together(parts: Iterable[Figures]) -> Figures:
    """The sums of each column."""
    return Figures(*(amounts.sum_of(column) for column in zip(_NOTHING, *parts, strict=True)))


_NOTHING = Figures(*[Decimal(0)] * len(Figures._fields))


def _figures(account: Account, volumes: list[Decimal], *, opened: bool) -> Figures:
    volume = amounts.sum_of(volumes)
    invited, traded = Decimal(opened), Decimal(bool(volumes))
    none = Decimal(0)
    fee, rebate, bonus, base = (
        amounts.times(volume, amounts.of_scale(rate, 6)) if volume else none
        for rate in (account.fee_rate, account.rebate_rate, account.bonus_rate, account.base_rate)
    )
    of_direct, of_indirect = (invited, traded, volume, rebate), (none, none, none, none)
    if not account.is_direct:
        of_direct, of_indirect = of_indirect, of_direct
    return Figures(
        direct_invites=of_direct[0],
        indirect_invites=of_indirect[0],
        invites=invited,
        direct_traded=of_direct[1],
        indirect_traded=of_indirect[1],
        direct_volume=of_direct[2],
        indirect_volume=of_indirect[2],
        volume=volume,
        broker_fee=fee,
        direct_rebate=of_direct[3],
        indirect_rebate=of_indirect[3],
        direct_bonus_rebate=bonus if account.is_direct else none,
        base_rebate=base,
    )
