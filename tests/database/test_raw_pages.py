"""Pages are kept byte for byte, in little room, and leave by whole readings."""

import json
from dataclasses import replace
from datetime import timedelta

import asyncpg

from etl.load.raw import prune_pages, store_pages, stored_pages, stored_readings
from etl.windows import Window
from tests.database.readings import BODY, DAY, MOMENT, PAGE, WEEK, place, rows_of, stamp

AN_HOUR = timedelta(hours=1)
ROW = {"openId": "LBA0001", "assetCode": "USDT", "assetNum": "0.012345678901234567", "status": "COMPLETED"}
FULL_PAGE = json.dumps({"data": [{**ROW, "createTime": 1772380800000 + n * 977} for n in range(100)]}).encode()


async def test_a_page_comes_back_byte_for_byte(connection: asyncpg.Connection) -> None:
    await store_pages(connection, stamp(), place(), [PAGE, replace(PAGE, number=2, body=FULL_PAGE)])

    [reading] = await stored_readings(connection, "main", "member_trades")

    assert (reading.run_id, reading.partition, reading.window, reading.began_at) == (1, "A/spot", WEEK, MOMENT)
    assert [page.body for page in await stored_pages(connection, "main", "member_trades", reading)] == [BODY, FULL_PAGE]


async def test_a_full_page_takes_a_third_of_its_bytes_at_most(connection: asyncpg.Connection) -> None:
    await store_pages(connection, stamp(), place(), [replace(PAGE, body=FULL_PAGE)])

    [(stored,)] = await rows_of(connection, "raw.page", "pg_column_size(body)")

    assert stored * 3 < len(FULL_PAGE)


async def test_readings_are_told_oldest_first_and_only_those_that_were_loaded(connection: asyncpg.Connection) -> None:
    later = replace(PAGE, began_at=MOMENT + AN_HOUR)
    await store_pages(connection, stamp(2), place(), [later])
    await store_pages(connection, stamp(1), place(), [PAGE])
    await store_pages(connection, stamp(3), place(), [replace(later, reading=0)])

    assert [reading.run_id for reading in await stored_readings(connection, "main", "member_trades")] == [1, 2]


async def test_a_reading_that_was_made_again_is_one_with_the_moment_of_the_last(connection: asyncpg.Connection) -> None:
    again = replace(PAGE, reading=2, began_at=MOMENT + AN_HOUR)
    await store_pages(connection, stamp(), place(), [PAGE, again])

    [reading] = await stored_readings(connection, "main", "member_trades")

    assert reading.began_at == MOMENT + AN_HOUR
    assert len(await stored_pages(connection, "main", "member_trades", reading)) == 2


async def test_a_reading_leaves_as_a_whole_when_its_beginning_is_old_enough(connection: asyncpg.Connection) -> None:
    slow = [replace(PAGE, number=number, received_at=MOMENT + number * AN_HOUR) for number in (1, 2, 3)]
    other = place(Window(DAY, WEEK.end), "B/spot")
    await store_pages(connection, stamp(), place(), slow)
    await store_pages(connection, stamp(), other, [replace(PAGE, began_at=MOMENT + AN_HOUR)])

    assert await prune_pages(connection, "main", begun_before=MOMENT) == 0
    assert await prune_pages(connection, "main", begun_before=MOMENT + AN_HOUR) == 3
    assert await rows_of(connection, "raw.page", "partition") == [("B/spot",)]


async def test_a_reading_whose_beginning_is_gone_is_none(connection: asyncpg.Connection) -> None:
    again = replace(PAGE, reading=2, began_at=MOMENT + 2 * AN_HOUR)
    await store_pages(connection, stamp(), place(), [PAGE, again])
    await prune_pages(connection, "main", begun_before=MOMENT + AN_HOUR)

    assert await stored_readings(connection, "main", "member_trades") == []
