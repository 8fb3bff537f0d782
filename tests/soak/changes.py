"""What happens in the world during a sequence. Each change says what it did.

`open` changes concern days that no reading can have made final yet; `settled` ones days that are final, which only a
forced backfill reads again.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from etl.sandbox import identities
from etl.sandbox.activity import MARKETS, TRANSFER_KINDS, make_transfer, order_id
from etl.sandbox.horizon import DAY
from etl.sandbox.people import Person
from etl.sandbox.world import World
from tests.soak.play import HOUR, Play

_EARLIER_AT_ORDERLY = timedelta(hours=16)
"""A trade of a day in Shanghai may be one of the UTC day before, which is settled so much earlier."""


def days_before(world: World) -> list[date]:
    """The days of the horizon up to today."""
    return list(world.horizon.days(world.horizon.first_day, world.horizon.day_of(world.now)))


def open_days(play: Play) -> list[date]:
    """Those that are settled at none of the sequence's exchanges."""
    world, earlier = play.world, _EARLIER_AT_ORDERLY if "orderly" in play.sources else timedelta(0)
    return [day for day in days_before(world) if world.horizon.midnight(day + 2 * DAY) - earlier > world.now]


def settled_days(world: World) -> list[date]:
    """Those that are settled at all."""
    return [day for day in days_before(world) if world.horizon.midnight(day + 2 * DAY) + 10 * HOUR <= world.now]


def people(world: World) -> list[Person]:
    """Everybody in the team who is registered, the affiliate apart."""
    there = [one for one in world.team.people.values() if one.in_team and one.registered_at <= world.now]
    return [one for one in there if one is not world.affiliate]


def amount(chance: Random) -> Decimal:
    """An amount of some scale."""
    return Decimal(chance.randrange(1, 10**9)).scaleb(-chance.choice((0, 2, 6, 8)))


def _traded(play: Play, chance: Random, days: list[date]) -> str:
    """Another volume on a market on one of the days, of somebody who was there."""
    world = play.world
    pairs = [(one, day) for one in people(world) for day in days if world.horizon.day_of(one.registered_at) <= day]
    if not pairs:
        return "nobody to trade"
    person, day = chance.choice(pairs)
    market, volume = chance.choice(MARKETS), amount(chance)
    world.restate_trade(person.open_id, market, day, volume, fee=chance.choice((None, amount(chance))))
    return f"{person.open_id} traded {volume} of {market} on {day}"


def trade(play: Play, chance: Random) -> str:
    """Somebody trades, or has traded otherwise."""
    return _traded(play, chance, open_days(play))


def join(play: Play, chance: Random) -> str:
    """Somebody comes, perhaps below an agent."""
    parents = [one.open_id for one in people(play.world) if one.is_agent] + [play.world.affiliate.open_id]
    person = play.world.add_member(parent_id=chance.choice(parents), level=chance.choice((0, 0, 3, 99)))
    return f"{person.open_id} joined below {person.parent_id} at level {person.level}"


def leave(play: Play, chance: Random) -> str:
    """Somebody leaves, unless only two would be left."""
    listed = [one for one in people(play.world) if one.listed]
    if len(listed) < 4:
        return "nobody to leave"
    gone = chance.choice(listed).open_id
    play.world.remove_member(gone)
    play.gone.add(gone)
    return f"{gone} left"


def transfer(play: Play, chance: Random) -> str:
    """Money moves, and settles at once, later or never; twins come together."""
    world = play.world
    created_at = world.now.replace(second=0, microsecond=0) - timedelta(minutes=chance.randrange(600))
    there = [one for one in people(world) if one.registered_at <= created_at]
    if not there:
        return "nobody to move money"
    kind = chance.choice(TRANSFER_KINDS)
    made = make_transfer(
        chance.choice(there).open_id,
        kind,
        asset=chance.choice(("USDT", "btc")),
        amount=amount(chance),
        created_at=created_at,
        settled_after=chance.choice((timedelta(0), timedelta(hours=3), timedelta(days=3), None)),
        outcome=chance.choice(("Completed", "Failed")),
        order_id=order_id(chance, created_at) if kind == "OUT_WITHDRAW" else None,
    )
    count = chance.choice((1, 1, 2))
    for _ in range(count):
        world.add_transfer(made)
    return f"{count} × {kind} of {made.amount} {made.asset} at {created_at:%m-%d %H:%M}"


def invitee_volume(play: Play, chance: Random) -> str:
    """CoinW has one more row of somebody's day, or another in place of all."""
    uids = list(play.world.coinw.people(play.world.now))
    if not uids:
        return "no direct invitee"
    uid, day = chance.choice(uids), chance.choice(open_days(play))
    if chance.random() < 0.6:
        volume = amount(chance)
        play.world.coinw.add_volume(uid, day, volume)
        return f"CoinW has {volume} more of {uid} on {day}"
    restated = chance.choice((None, amount(chance)))
    play.world.coinw.restate_volume(uid, day, restated)
    return f"CoinW has {restated} of {uid} on {day}"


def activity(play: Play, chance: Random) -> str:
    """CoinW tells other figures of somebody's day in an activity."""
    return _took_part(play, chance, open_days(play))


def _took_part(play: Play, chance: Random, days: list[date]) -> str:
    uids = list(play.world.coinw.people(play.world.now))
    if not uids or not days:
        return "nobody to take part"
    uid, day, name = chance.choice(uids), chance.choice(days), chance.choice(play.world.coinw.activities)
    figures = {each: amount(chance) for each in ("transfer_in", "transfer_out", "volume")}
    play.world.coinw.restate_activity(name, uid, day, **figures, profit=amount(chance) - amount(chance))
    return f"{uid} took part in {name} on {day}"


def broker_account(play: Play, chance: Random) -> str:
    """Orderly has another volume of an account's day."""
    return _brokered(play, chance, _open_at_orderly(play.world))


def _open_at_orderly(world: World) -> list[date]:
    """Yesterday and today in UTC, oldest first."""
    today = world.now.date()
    return [day for day in (today - DAY, today) if day >= world.horizon.first_day]


def _brokered(play: Play, chance: Random, days: list[date]) -> str:
    world = play.world
    person = chance.choice(people(world) or list(world.team.people.values())[1:])
    account, day, volume = identities.account_id(world.seed, person.number), chance.choice(days), amount(chance)
    world.orderly.restate(day, account, volume)
    return f"Orderly has {volume} of {account[:8]} on {day}"


def events(play: Play, chance: Random) -> str:
    """ZTDX's log grows, now and then by pages."""
    count = chance.choice((1, 3, 40, 130, 230))
    play.world.ztdx.add_events(count)
    return f"{count} events"


Change = Callable[[Play, Random], str]
_OF: dict[str, tuple[Change, ...]] = {
    "lbank": (trade, trade, join, leave, transfer, transfer),
    "coinw": (trade, invitee_volume, invitee_volume, activity, leave),
    "orderly": (trade, broker_account, join),
    "ztdx": (events, events, join),
}


def change(play: Play, chance: Random) -> None:
    """Changes something that one of the sequence's exchanges tells of, on days that are open."""
    what = chance.choice(_OF[chance.choice(play.sources)])
    play.note(f"world: {what(play, chance)}")


def correct(play: Play, chance: Random) -> None:
    """Changes something of the oldest day that is open, at each exchange that has days."""
    if "orderly" in play.sources:
        play.note(f"world: {_brokered(play, chance, _open_at_orderly(play.world)[:1])}")
    for _ in range(3):
        play.note(f"world: {_traded(play, chance, open_days(play)[:1])}")


def restate(play: Play, chance: Random) -> None:
    """Changes something on days that are final."""
    for what in _settled_changes(play, chance):
        play.note(f"final days: {what}")


def _settled_changes(play: Play, chance: Random) -> Iterator[str]:
    world, days = play.world, settled_days(play.world)
    if not days:
        return
    for _ in range(chance.randint(1, 3)):
        yield _traded(play, chance, days)
    if "orderly" in play.sources:
        yield _brokered(play, chance, days)
    if "coinw" in play.sources and (uids := list(world.coinw.people(world.now))):
        uid, day, volume = chance.choice(uids), chance.choice(days), chance.choice((None, amount(chance)))
        world.coinw.restate_volume(uid, day, volume)
        yield f"CoinW has {volume} of {uid} on {day}"
        yield _took_part(play, chance, days)
