"""Who stands below whom in a simulated world, and whom the affiliate's list names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Literal

from etl.sandbox.people import Person

Scope = Literal["SELF", "SUB", "SELF_SUB", "ALL"]


class Team:
    """The affiliate and everybody who ever was below it, found by open id, in the order of their numbers."""

    def __init__(self, affiliate: Person) -> None:
        self.affiliate = affiliate
        self.people: dict[str, Person] = {affiliate.open_id: affiliate}
        self._scopes: dict[tuple[str, Scope], frozenset[str]] = {}

    def join(self, people: Iterable[Person]) -> None:
        """Adds persons below those that are there."""
        self.people.update((person.open_id, person) for person in people)
        self._scopes.clear()

    def leave(self, open_id: str) -> None:
        """Takes a person off the list and out of the team; what it did stays counted where it was."""
        self.people[open_id] = replace(self.people[open_id], listed=False, in_team=False)

    def listed(self, now: datetime) -> list[Person]:
        """The members that the team list names, in the order of their numbers."""
        found = (one for one in self.people.values() if one.listed and one.registered_at <= now)
        return sorted(found, key=lambda one: one.number)

    def member(self, open_id: str, now: datetime) -> Person | None:
        """The affiliate itself or anyone below it who is registered by now; None for everybody else."""
        person = self.people.get(open_id)
        return person if person and person.in_team and person.registered_at <= now else None

    def scope(self, open_id: str, scope: Scope) -> frozenset[str]:
        """Open ids: the person, those right below, both, or the person and every level below."""
        found = self._scopes.get((open_id, scope))
        if found is None:
            found = self._scopes[open_id, scope] = frozenset(self._in_scope(open_id, scope))
        return found

    def _in_scope(self, open_id: str, scope: Scope) -> Iterator[str]:
        if scope != "SUB":
            yield open_id
        if scope == "SELF":
            return
        below: dict[str, list[str]] = defaultdict(list)
        for person in self.people.values():
            below[person.parent_id].append(person.open_id)
        level = below[open_id]
        while level:
            yield from level
            level = [child for parent in level for child in below[parent]] if scope == "ALL" else []
