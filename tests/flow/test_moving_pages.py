"""A list that grows while it is paged: read again, kept with both readings, and loaded once."""

from datetime import timedelta

from aiohttp import web

from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import expected, loaded


async def test_a_list_that_moved_is_read_again_and_its_pages_tell_when_each_reading_began(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=150, days=3), newest_first=True) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))

        def someone_joins(request: web.Request) -> None:
            if len(sandbox.requests) == 2:  # between the first page and the second
                sandbox.world.now += timedelta(seconds=1)
                sandbox.world.add_member()

        sandbox.faults.append(someone_joins)
        assert exit_code(await night.sync()) == 0
        listed = expected(night)["invitee"]
        lists = {row: n for row, n in listed.items() if row[-1] == "list"}
        assert await loaded(night, "invitee") == lists
        readings = await night.rows("SELECT reading, page_number FROM raw.page ORDER BY page_id")
        assert readings == [(1, 1), (1, 2), (2, 1), (2, 2)]
        began = await night.rows("SELECT reading, count(DISTINCT began_at) FROM raw.page GROUP BY 1 ORDER BY 1")
        assert began == [(1, 1), (2, 1)]
        assert await night.rows("SELECT count(DISTINCT began_at) FROM raw.page") == [(2,)]
