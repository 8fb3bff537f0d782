"""The people of a simulated affiliate: its members, their agents, and two whom the team list leaves out.

Who they are depends on the seed and the horizon alone. Knows nothing of any exchange's protocol.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from etl.sandbox.horizon import Horizon

GENERAL_AGENT_LEVEL: Final = 21
REGULAR_USER_LEVEL: Final = 99
INVITEE_LEVEL: Final = 0

FIRST_NUMBER: Final = 1001
UNLISTED_NUMBERS: Final = (900_001, 900_002)

_CODE_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_RATES_PCT: Final = ("90", "85", "80", "72.5", "60", "50")
_OLDEST_REGISTRATION_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Person:
    """One user of the exchange. `parent_id` is the open id of the agent who invited the person."""

    number: int
    open_id: str
    referral_code: str
    registered_at: datetime
    parent_id: str
    level: int
    kyc_verified: bool
    spot_rate_pct: str | None
    futures_rate_pct: str | None
    listed: bool = True
    in_team: bool = True

    @property
    def is_agent(self) -> bool:
        """Whether the person has a team of its own and earns commission."""
        return 1 <= self.level <= GENERAL_AGENT_LEVEL


def open_id_of(number: int) -> str:
    """The open id that goes with a number."""
    return f"LBA{number:07d}"


def make_person(
    rng: Random, *, number: int, registered_at: datetime, parent_id: str, level: int, listed: bool = True
) -> Person:
    """A person with the remaining particulars drawn from `rng`; only agents have commission rates."""
    agent = 1 <= level <= GENERAL_AGENT_LEVEL
    return Person(
        number=number,
        open_id=open_id_of(number),
        referral_code="".join(rng.choices(_CODE_LETTERS, k=4)),
        registered_at=registered_at,
        parent_id=parent_id,
        level=level,
        kyc_verified=rng.random() < 0.7,
        spot_rate_pct=rng.choice(_RATES_PCT) if agent else None,
        futures_rate_pct=rng.choice(_RATES_PCT) if agent else None,
        listed=listed,
    )


def make_people(rng: Random, *, affiliate_id: str, members: int, horizon: Horizon) -> tuple[list[Person], list[Person]]:
    """The members, numbered in the order of registration, and the unlisted persons.

    Exactly `members` of them are registered on the anchor day, from its first instant to its last; a few more
    register on each day that follows. The second list has first the person who is in the team after all,
    then the one who is not.
    """
    instants = _registrations(rng, members, horizon)
    agents = min(members, 10, max(3, members // 5))
    levels = rng.sample(range(1, 21), agents)
    people: list[Person] = []
    for index, registered_at in enumerate(instants):
        if index < agents:
            level, parent_id = levels[index], _parent_of_agent(rng, index, affiliate_id, people)
        else:
            level = REGULAR_USER_LEVEL if index == agents or rng.random() < 0.015 else INVITEE_LEVEL
            parent_id = affiliate_id if rng.random() < 0.35 else rng.choice(people[:agents]).open_id
        number = FIRST_NUMBER + index
        people.append(make_person(rng, number=number, registered_at=registered_at, parent_id=parent_id, level=level))
    return people, _unlisted(rng, affiliate_id, people, horizon)


def _parent_of_agent(rng: Random, index: int, affiliate_id: str, earlier: Sequence[Person]) -> str:
    """The first three agents stand one below the other, so that every world has a deep branch."""
    if index == 0:
        return affiliate_id
    if index < 3:
        return earlier[index - 1].open_id
    return affiliate_id if rng.random() < 0.5 else rng.choice(earlier).open_id


def _registrations(rng: Random, members: int, horizon: Horizon) -> list[datetime]:
    """Instants of registration in ascending order: half of them before the horizon, some at midnight."""
    days_within = (horizon.anchor_day - horizon.first_day).days
    past: list[datetime] = []
    for index in range(members):
        if index == 0:
            past.append(horizon.midnight(horizon.anchor_day))
        elif index == 1:
            past.append(horizon.midnight(horizon.first_day))
        else:
            before = rng.random() < 0.5
            offset = -rng.randint(1, _OLDEST_REGISTRATION_DAYS) if before else rng.randrange(max(1, days_within))
            day = horizon.first_day + timedelta(days=offset)
            past.append(horizon.midnight(day) if rng.random() < 0.04 else horizon.some_second(rng, day))
    days_after = (horizon.last_day - horizon.anchor_day).days
    future: list[datetime] = []
    for index in range(members // 25 + 3 if days_after else 0):
        day = horizon.anchor_day + timedelta(days=rng.randint(1, days_after))
        future.append(horizon.midnight(day) if index == 0 else horizon.some_second(rng, day))
    return sorted(past) + sorted(future)


def _unlisted(rng: Random, affiliate_id: str, people: Sequence[Person], horizon: Horizon) -> list[Person]:
    registered_at = horizon.some_second(rng, horizon.first_day - timedelta(days=200))
    agents = [person.open_id for person in people if person.is_agent] or [affiliate_id]
    within, outside = (
        make_person(
            rng,
            number=number,
            registered_at=registered_at,
            parent_id=parent_id,
            level=INVITEE_LEVEL,
            listed=False,
        )
        for number, parent_id in zip(UNLISTED_NUMBERS, (agents[0], affiliate_id), strict=True)
    )
    return [within, replace(outside, in_team=False)]
