"""The affiliate's direct invitees as an exchange without agents sees them: trading volumes and activities.

They are the listed members right below the affiliate, called by numbers of nine digits. Knows no protocol.
"""

from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from etl.sandbox import amounts, identities, stakes
from etl.sandbox.activity import MARKETS, Trade
from etl.sandbox.horizon import DAY, MILLISECOND, Horizon, to_ms
from etl.sandbox.people import Person
from etl.sandbox.stakes import Entry, Figures, Move
from etl.sandbox.team import Team
from etl.sandbox.trades import TradeBook
from etl.sandbox.views import ActivityDaySeen, ActivityPeriodSeen, VolumeDaySeen, VolumeRowSeen

ACTIVITIES: Final = ("ACT20260307", "ACT20260401")

_WRITTEN_ROW_IDS: Final = 10**30  # above every id that is made from an instant


class VolumeRow(NamedTuple):
    """One row of volume: part of what a person traded on a day. Later rows have larger ids."""

    day: date
    row_id: int
    uid: int
    volume: Decimal


class Participation(NamedTuple):
    """What a person did for an activity within a span; `days` are those on which something happened."""

    uid: int
    whole: Figures
    initial_net_value: Decimal
    entry: Entry
    days: tuple[tuple[date, Figures], ...]

    @property
    def roi_pct(self) -> Decimal:
        """The profit as a percentage of the initial net value."""
        return amounts.percentage(self.whole.profit, self.initial_net_value)


class Invitees:
    """Who they are and what they did, as seen at a moment; the methods without a moment tell the truth of now."""

    def __init__(
        self, *, seed: int, horizon: Horizon, team: Team, trades: TradeBook, now: Callable[[], datetime]
    ) -> None:
        self.activities: tuple[str, ...] = ACTIVITIES
        self.horizon = horizon
        self._seed = seed
        self._team = team
        self._trades = trades
        self._now = now
        self._settled: dict[tuple[int, date], list[VolumeRow]] = {}
        self._settled_version = 0
        self._written: dict[tuple[int, date], list[VolumeRow]] = {}
        self._replaced: set[tuple[int, date]] = set()
        self._next_row_id = _WRITTEN_ROW_IDS
        self._moves: dict[int, Mapping[date, tuple[Move, ...]]] = {}
        self._restated: dict[tuple[str, int, date], Figures] = {}

    def people(self, now: datetime) -> dict[int, Person]:
        """The direct invitees by uid, ascending."""
        listed = (one for one in self._team.listed(now) if one.parent_id == self._team.affiliate.open_id)
        return dict(sorted((identities.uid(self._seed, one.number), one) for one in listed))

    # What servers ask, as seen at a given moment

    def volumes(self, first: date, last: date, *, now: datetime, uid: int | None = None) -> list[VolumeRow]:
        """The rows of the days from first to last, newest day first and then the largest id."""
        last = min(last, self.horizon.day_of(now))
        people = self.people(now)
        rows = [
            row
            for number, person in people.items()
            if uid in {None, number}
            for day in self._trades.days(first, last)
            if (number, day) not in self._replaced
            for row in self._rows(number, person, day, now=now)
        ]
        for (number, day), written in self._written.items():
            if first <= day <= last and number in people and uid in {None, number}:
                rows += written
        return sorted(rows, reverse=True)

    def participations(
        self, activity_id: str, start: datetime, end: datetime, *, now: datetime, uid: int | None = None
    ) -> list[Participation]:
        """Everyone who takes part in the activity and was there before `end`: what happened at start <= t < end."""
        found: list[Participation] = []
        firsts = self._first_numbers()
        for number, person in self.people(now).items():
            source = Random(f"{self._seed}/{person.number}/{activity_id}")
            entry = stakes.draw_entry(source, firsts.get(person.number))
            if not entry.joined or person.registered_at >= end or uid not in {None, number}:
                continue
            days = tuple(self._active_days(activity_id, number, person, span=(start, min(end, now + MILLISECOND))))
            worth = Random(f"{self._seed}/{person.number}/worth/{self.horizon.day_of(start)}")
            whole = stakes.together(part for _, part in days)
            found.append(Participation(number, whole, stakes.initial_net_value(worth), entry, days))
        return found

    # Truth: what a complete and exact reading holds

    def volume_rows(self) -> list[VolumeRowSeen]:
        """Every row, newest first."""
        rows = self.volumes(date.min, date.max, now=self._now())
        return [VolumeRowSeen(str(row.uid), row.day, amounts.text(row.volume), row.row_id) for row in rows]

    def volume_days(self) -> list[VolumeDaySeen]:
        """The rows of each person and day added up."""
        days: dict[tuple[int, date], list[Decimal]] = {}
        for row in self.volumes(date.min, date.max, now=self._now()):
            days.setdefault((row.uid, row.day), []).append(row.volume)
        return [VolumeDaySeen(str(uid), day, amounts.text(amounts.sum_of(days[uid, day]))) for uid, day in sorted(days)]

    def activity_periods(self) -> list[ActivityPeriodSeen]:
        """Every participation by whole calendar months, from the horizon's first to the present one."""
        return [
            ActivityPeriodSeen(
                activity_id,
                str(one.uid),
                first,
                last,
                amounts.text(one.whole.transfer_in),
                amounts.text(one.whole.transfer_out),
                amounts.text(amounts.subtract(one.whole.transfer_in, one.whole.transfer_out)),
                amounts.text(one.whole.volume),
                amounts.text(one.whole.profit),
                amounts.text(one.roi_pct),
                amounts.text(one.initial_net_value),
            )
            for activity_id, first, last, one in self._by_month()
        ]

    def activity_days(self) -> list[ActivityDaySeen]:
        """The days of those participations, for whoever has days told of."""
        return [
            ActivityDaySeen(
                activity_id,
                str(one.uid),
                day,
                amounts.text(part.transfer_in),
                amounts.text(part.transfer_out),
                amounts.text(part.volume),
            )
            for activity_id, _, _, one in self._by_month()
            if one.entry.detail in {"days", "stray"}
            for day, part in one.days
        ]

    # Changes, for tests: they show in what servers send and in the truth alike

    def add_volume(self, uid: int | str, day: date, volume: Decimal) -> None:
        """One more row, newer than all others of its day, beside what the person traded."""
        self._written.setdefault((self._known(uid), day), []).append(self._row(int(uid), day, volume))

    def restate_volume(self, uid: int | str, day: date, volume: Decimal | None) -> None:
        """One row in place of all of the day; None leaves the day without any."""
        key = self._known(uid), day
        self._replaced.add(key)
        self._written[key] = [] if volume is None else [self._row(int(uid), day, volume)]

    def restate_activity(
        self,
        activity_id: str,
        uid: int | str,
        day: date,
        *,
        transfer_in: Decimal = Decimal(0),
        transfer_out: Decimal = Decimal(0),
        volume: Decimal = Decimal(0),
        profit: Decimal = Decimal(0),
    ) -> None:
        """Gives a day of a participation other figures; every span with the day's midnight has them, too."""
        key = activity_id, self._known(uid), day
        self._restated[key] = Figures(transfer_in, transfer_out, volume, profit)

    def _known(self, uid: int | str) -> int:
        if int(uid) not in self.people(self._now()):
            raise ValueError(f"no direct invitee has the uid {uid}")
        return int(uid)

    def _row(self, uid: int, day: date, volume: Decimal) -> VolumeRow:
        self._next_row_id += 1
        return VolumeRow(day, self._next_row_id, uid, volume)

    def _rows(self, uid: int, person: Person, day: date, *, now: datetime) -> list[VolumeRow]:
        """The rows of a day; those of a day that is over are kept, since nothing but a test changes them."""
        if self._settled_version != self._trades.version:
            self._settled.clear()
            self._settled_version = self._trades.version
        if now < self.horizon.midnight(day + DAY):
            return list(self._drawn_rows(uid, person, day, now=now))
        found = self._settled.get((uid, day))
        if found is None:
            found = self._settled[uid, day] = list(self._drawn_rows(uid, person, day, now=now))
        return found

    def _drawn_rows(self, uid: int, person: Person, day: date, *, now: datetime) -> Iterator[VolumeRow]:
        """Mostly one row; now and then one for each market, or three among which the trades are dealt out."""
        known = [self._trades.get(person.open_id, market, day) for market in MARKETS]
        markets = [list(one.trades) for one in known if one]
        if not markets:
            return
        rng = Random(f"{self._seed}/{person.number}/rows/{day}")
        in_order = sorted((trade for trades in markets for trade in trades), key=lambda trade: trade.at)
        dealt: list[list[Trade]] = rng.choices(
            ([in_order], markets, [in_order[index::3] for index in range(3)]), (75, 13, 12)
        )[0]
        scale = rng.choices((0, 8, 18), (70, 22, 8))[0]
        for index, trades in enumerate(dealt):
            seen = [trade.volume for trade in trades if trade.at <= now]
            if seen:
                row_id = to_ms(trades[0].at) * 10**8 + person.number * 10 + index
                yield VolumeRow(day, row_id, uid, amounts.padded(amounts.sum_of(seen), scale))

    def _by_month(self) -> Iterator[tuple[str, date, date, Participation]]:
        now = self._now()
        first = self.horizon.first_day.replace(day=1)
        while first <= self.horizon.day_of(now):
            last = first.replace(day=monthrange(first.year, first.month)[1])
            span = self.horizon.midnight(first), self.horizon.midnight(last + DAY)
            for activity_id in self.activities:
                for one in self.participations(activity_id, *span, now=now):
                    yield activity_id, first, last, one
            first = last + DAY

    def _first_numbers(self) -> dict[int, int]:
        """The places of the first few persons ever invited, one for each style of detail."""
        affiliate = self._team.affiliate.open_id
        numbers = sorted(one.number for one in self._team.people.values() if one.parent_id == affiliate)
        return {number: index for index, number in enumerate(numbers[: len(stakes.DETAIL_STYLES)])}

    def _active_days(
        self, activity_id: str, uid: int, person: Person, *, span: tuple[datetime, datetime]
    ) -> Iterator[tuple[date, Figures]]:
        start, end = span
        first = max(self.horizon.day_of(start), self.horizon.first_day)
        last = min(self.horizon.day_of(end), self.horizon.last_day)
        for day in self.horizon.days(first, last):
            if (activity_id, uid, day) in self._restated:
                if start <= self.horizon.midnight(day) < end:
                    yield day, self._restated[activity_id, uid, day]
                continue
            known = self._trades.get(person.open_id, "futures", day)
            trades = [one for one in (known.trades if known else ()) if start <= one.at < end]
            moves = [one for one in self._moves_of(person).get(day, ()) if start <= one.at < end]
            if trades or moves:
                yield day, stakes.figures(trades, moves)

    def _moves_of(self, person: Person) -> Mapping[date, tuple[Move, ...]]:
        found = self._moves.get(person.number)
        if found is None:
            found = self._moves[person.number] = stakes.draw_moves(
                Random(f"{self._seed}/{person.number}/moves"),
                first_day=max(self.horizon.first_day, self.horizon.day_of(person.registered_at)),
                registered_at=person.registered_at,
                horizon=self.horizon,
            )
        return found
