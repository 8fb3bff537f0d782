"""The log of what happened to the affiliate's referral codes: made, bound, rebound, unbound, earnings claimed.

Entries follow from the people of the world; the log only ever grows. Knows no exchange's protocol.
"""

from bisect import insort
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal, NamedTuple, get_args
from uuid import UUID

from etl.sandbox import amounts, identities
from etl.sandbox.horizon import Horizon, from_ms, to_ms
from etl.sandbox.people import UNLISTED_NUMBERS, Person
from etl.sandbox.team import Team
from etl.sandbox.views import ReferralEventSeen

Action = Literal["create_code", "bind", "rebind", "unbind", "claim"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

# target_address, referral_code, amount, old_value, new_value
_Values = tuple[str | None, str | None, str | None, str | None, str | None]


class _Entry(NamedTuple):
    """An entry and its place in the log: `turn` decides between entries of one millisecond."""

    at: datetime
    turn: int
    seen: ReferralEventSeen


class ReferralLog:
    """The log as seen at a moment, oldest entry first."""

    def __init__(self, *, seed: int, horizon: Horizon, team: Team, now: Callable[[], datetime]) -> None:
        self.horizon = horizon
        self._seed = seed
        self._team = team
        self._now = now
        self._entries: list[_Entry] = []
        self._drawn: set[str] = set()
        self._added = Random(f"{seed}/added events")

    def seen(self, now: datetime) -> list[ReferralEventSeen]:
        """The entries at or before `now`, those of one millisecond in the order in which they were made."""
        self._draw()
        return [entry.seen for entry in self._entries if entry.at <= now]

    def events(self) -> list[ReferralEventSeen]:
        """Truth: what a complete reading holds now."""
        return self.seen(self._now())

    # Changes, for tests: they show in what servers send and in the truth alike

    def add_event(
        self,
        action: str = "bind",
        *,
        target_address: str | None = None,
        referral_code: str | None = None,
        amount: str | None = None,
        old_value: str | None = None,
        new_value: str | None = None,
    ) -> ReferralEventSeen:
        """One more entry, of the present millisecond."""
        self._draw()
        values = (target_address, referral_code, amount, old_value, new_value)
        return self._append(self._added, action, self._now(), values)

    def add_events(self, count: int) -> list[ReferralEventSeen]:
        """So many entries of the present millisecond, of all actions in turn."""
        rng = self._added
        made: list[ReferralEventSeen] = []
        for index in range(count):
            action = ACTIONS[index % len(ACTIONS)]
            address = identities.wallet_address(self._seed, rng.randrange(10**6, 10**7))
            old, new = _code(rng), _code(rng)
            self._draw()
            made.append(self._of_action(rng, action, self._now(), address=address, codes=(old, new)))
        return made

    def _draw(self) -> None:
        """Makes the entries of whoever has joined since the last time, so that none ever goes away."""
        for person in list(self._team.people.values()):
            if person.open_id not in self._drawn and person.number not in UNLISTED_NUMBERS:
                self._drawn.add(person.open_id)
                self._draw_for(person, Random(f"{self._seed}/{person.number}/referrals"))

    def _draw_for(self, person: Person, rng: Random) -> None:
        at = person.registered_at
        address = identities.wallet_address(self._seed, person.number)
        if person is not self._team.affiliate:
            inviter = self._team.people.get(person.parent_id, self._team.affiliate)
            codes = inviter.referral_code, _code(rng)
            self._of_action(rng, "bind", at, address=address, codes=codes)
            self._draw_changes(rng, at, address=address, codes=codes)
        if person.is_agent:
            self._of_action(rng, "create_code", at, address=None, codes=(person.referral_code, ""))
            for moment in self._claims(rng, at):
                self._of_action(rng, "claim", moment, address=None, codes=("", ""))

    def _draw_changes(self, rng: Random, at: datetime, *, address: str, codes: tuple[str, str]) -> None:
        """A tenth move to another code later, a twentieth leave theirs."""
        later = at + timedelta(milliseconds=rng.randrange(1, 40 * 86_400_000))
        if rng.random() < 0.1:
            self._of_action(rng, "rebind", later, address=address, codes=codes)
        elif rng.random() < 0.05:
            self._of_action(rng, "unbind", later, address=address, codes=codes)

    def _claims(self, rng: Random, since: datetime) -> Iterator[datetime]:
        """Weekly at ten o'clock, so that the claims of several fall on one millisecond; now and then at another."""
        for day in self.horizon.days(self.horizon.first_day, self.horizon.last_day):
            moment = self.horizon.midnight(day) + timedelta(hours=10)
            if day.weekday() == 0 and moment > since and rng.random() < 0.8:
                yield moment if rng.random() < 0.7 else moment + timedelta(milliseconds=rng.randrange(1, 10**7))

    def _of_action(
        self, rng: Random, action: Action, at: datetime, *, address: str | None, codes: tuple[str, str]
    ) -> ReferralEventSeen:
        old, new = codes
        if action == "claim":
            return self._append(rng, action, at, (None, None, _amount(rng), None, None))
        if action == "rebind":
            return self._append(rng, action, at, (address, new, None, old, new))
        return self._append(rng, action, at, (None if action == "create_code" else address, old, None, None, None))

    def _append(self, rng: Random, action: str, at: datetime, values: _Values) -> ReferralEventSeen:
        at = from_ms(to_ms(at))
        event_id = str(UUID(int=rng.getrandbits(128), version=4))
        seen = ReferralEventSeen(event_id, action, *values, occurred_at=at)
        insort(self._entries, _Entry(at, len(self._entries), seen))
        return seen


def _code(rng: Random) -> str:
    """A referral code of the shape of the document's 4DDDC2D4."""
    return f"{rng.getrandbits(32):08X}"


def _amount(rng: Random) -> str:
    scale = rng.choice((0, 2, 2, 6, 18))
    units = amounts.draw_units(rng, 10**scale, 10 ** (scale + 4), trailing_zeros=scale > 0 and rng.random() < 0.3)
    return amounts.text(amounts.of_scale(units, scale))
