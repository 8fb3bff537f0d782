"""The whole road from LBank's API to the warehouse, held against the world that the exchange was made of."""

from collections import Counter

from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world, expected, loaded


async def test_every_table_equals_the_world_digit_for_digit(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        assert exit_code(await night.sync()) == 0
        await assert_equals_world(night)


async def test_a_servers_exclusive_end_and_newest_first_order_change_nothing(warehouse_dsn: str) -> None:
    async with exchange(small_world(), end_inclusive=False, newest_first=True) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        assert exit_code(await night.sync()) == 0
        world_rows = expected(night)
        # The one day whose sum the server's own end decides is checked by the inclusive server above.
        del world_rows["futures_turnover"]
        for table, rows in world_rows.items():
            assert await loaded(night, table) == rows


async def test_events_at_midnight_are_loaded_once_and_on_the_day_that_begins(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        at_midnight = [
            one
            for one in sandbox.world.transfers()
            if one.created_at.astimezone(sandbox.world.horizon.zone).hour == 0
            and one.created_at.minute == 0
            and one.created_at.second == 0
        ]
        assert at_midnight
        for one in at_midnight:
            found = await night.rows(
                """SELECT count(*) FROM warehouse.transfer WHERE created_at = $1 AND invitee_id = $2 AND kind = $3
                    AND amount::text = $4""",
                *(one.created_at, one.open_id, one.kind, one.amount),
            )
            alike = [
                other
                for other in sandbox.world.transfers()
                if (other.created_at, other.open_id, other.kind, other.amount)
                == (one.created_at, one.open_id, one.kind, one.amount)
            ]
            assert found == [(len(alike),)]


async def test_people_that_only_facts_mention_are_asked_about_and_kept_for_joins(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        origins = dict(await night.rows("SELECT invitee_id, origin FROM warehouse.invitee"))
        unlisted = [one.open_id for one in sandbox.world.unlisted_members()]
        assert [origins[open_id] for open_id in unlisted] == ["info"] * len(unlisted)
        assert [origins[open_id] for open_id in sandbox.world.strangers()] == ["inferred"]
        assert origins[sandbox.open_id] == "self"
        orphans = await night.rows(
            """SELECT count(*) FROM warehouse.transfer t
                WHERE NOT EXISTS (SELECT FROM warehouse.invitee i WHERE i.invitee_id = t.invitee_id)"""
        )
        assert orphans == [(0,)]
        notes = await night.rows("SELECT partition, message FROM ops.issue WHERE kind = 'note'")
        assert notes == [(sandbox.world.strangers()[0], "LBank says that this open id is not in the team")]


async def test_a_day_is_final_when_its_settlement_is_over(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        # It is 2026-03-10 21:00 in Shanghai. Trades settle a day after the day's end, commissions 58 hours after it.
        finals = dict(
            await night.rows(
                """SELECT stream, max(upper(final))::text FROM ops.coverage WHERE final <> '{}' GROUP BY stream"""
            )
        )
        assert finals == {
            "commissions": "2026-03-08",
            "member_trades": "2026-03-09",
            "team_trades": "2026-03-09",
            "futures_turnover": "2026-03-09",
            "transfers": "2026-03-09",
        }
        flags = await night.rows("SELECT bool_and(is_final) FROM warehouse.trade_day WHERE day < '2026-03-09'")
        later = await night.rows("SELECT bool_or(is_final) FROM warehouse.trade_day WHERE day >= '2026-03-09'")
        assert (flags, later) == ([(True,)], [(False,)])


async def test_the_deprecated_list_gives_the_same_people(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=230, days=3)) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members_legacy",))
        assert exit_code(await night.sync()) == 0
        listed = Counter(one.open_id for one in sandbox.world.listed_members())
        invitees = await night.rows("SELECT invitee_id FROM warehouse.invitee WHERE origin = 'list'")
        assert Counter(row[0] for row in invitees) == listed
        assert len(sandbox.requests) == 3  # 230 people in pages of 100


async def test_a_members_horizon_begins_with_the_registration(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members", "member_trades"))
        await night.sync()
        world = sandbox.world
        registered = {one.open_id: world.horizon.day_of(one.registered_at) for one in world.listed_members()}
        asked: dict[str, list[int]] = {}
        for request in sandbox.requests:
            if request.path.endswith("/trade/user"):
                asked.setdefault(request.params["openId"], []).append(int(request.params["startTime"]))
        assert asked
        for open_id, starts in asked.items():
            first = max(registered[open_id], world.horizon.first_day)
            assert min(starts) == round(world.horizon.midnight(first).timestamp() * 1000)


async def test_people_who_never_traded_are_asked_only_in_a_full_run(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members", "member_trades"))
        await night.sync()
        idle = {one.open_id for one in sandbox.world.listed_members() if not one.has_traded}
        asked = {request.params.get("openId") for request in sandbox.requests}
        assert idle
        assert not asked & idle
        await night.sync(Asked(full=True))
        asked = {request.params.get("openId") for request in sandbox.requests}
        assert idle <= asked


async def test_raw_pages_keep_answers_byte_for_byte_and_no_secret(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        pages = await night.rows("SELECT body, request::text FROM raw.page")
        assert len(pages) == len(sandbox.requests)
        assert all(body.startswith(b"{") and body.endswith(b"}") for body, _ in pages)
        for _, request in pages:
            assert not {"sign", "api_key", "echostr", "timestamp"} & set(request.replace('"', " ").split())
