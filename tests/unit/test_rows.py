"""A stream's field maps over raw rows: typed rows, and rejects that keep the raw form and say why."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.normalize.rows import Batch, Context, normalise, scope_of
from etl.sources.lbank.streams import COMMISSIONS, FUTURES_TURNOVER, MEMBER_TRADES, TEAM_MEMBERS, TRANSFERS
from etl.stream import Partition, Row, Stream
from etl.windows import Window
from tests.unit.samples import NOON, SHANGHAI

MIDNIGHT_MS = 1724774400000  # 2024-08-28 00:00 UTC+8 (FACTS)
DAY_MS = 86_400_000
WINDOW = Window(date(2024, 8, 28), date(2024, 8, 30))


def commission(**changes: Any) -> dict[str, Any]:
    """The document's commission row, changed."""
    return {
        "openId": "LBA1",
        "coinSymbol": "usdt",
        "amount": "71.489088",
        "tradeType": 1,
        "statsDate": MIDNIGHT_MS,
        "usdtAmount": "0",
        **changes,
    }


def transfer(**changes: Any) -> dict[str, Any]:
    """The document's transfer row, changed."""
    return {
        "openId": "LBA7",
        "userLevel": 2,
        "subInOutType": "On-chain Deposit",
        "assetCode": "USDT",
        "assetNum": "102.581",
        "status": "Completed",
        "subStatus": "Deposit Successful",
        "createTime": MIDNIGHT_MS,
        "updateTime": MIDNIGHT_MS,
        "withdrawOrderId": "220241015150159",
        **changes,
    }


def context(stream: Stream, window: Window = WINDOW) -> Context:
    partition = {
        "commissions": Partition.of(open_id="LBA1"),
        "member_trades": Partition.of(open_id="LBA1", market="spot"),
        "futures_turnover": Partition.of(open_id="LBA1", scope="ALL", symbol=""),
        "transfers": Partition.of(open_id="LBA1", kind="IN_DEPOSIT"),
    }.get(stream.name, Partition())
    return Context(partition, window, SHANGHAI, NOON)


def only_batch(stream: Stream, rows: Sequence[Any], window: Window = WINDOW) -> Batch:
    [batch] = normalise(stream, rows, context(stream, window))
    return batch


def test_a_row_that_cannot_be_read_is_set_aside_with_column_reason_and_raw_form_and_the_others_load() -> None:
    broken = commission(amount="NaN", coinSymbol="btc")
    batch = only_batch(COMMISSIONS, [commission(), broken, commission(coinSymbol="eth")])
    assert [row["coin"] for row in batch.rows] == ["USDT", "ETH"]
    [reject] = batch.rejects
    assert (reject.table, reject.column, reject.reason) == ("commission_day", "amount", "'NaN' is not a decimal number")
    assert json.loads(reject.raw) == broken


def test_a_reject_keeps_json_numbers_digit_for_digit() -> None:
    batch = only_batch(
        COMMISSIONS, [commission(amount=Decimal("1.10e41"), statsDate=2**70, usdtAmount=Decimal("0.10"))]
    )
    assert '"amount":1.10E+41' in batch.rejects[0].raw
    assert f'"statsDate":{2**70}' in batch.rejects[0].raw
    assert '"usdtAmount":0.10' in batch.rejects[0].raw


def test_a_reject_keeps_its_numbers_also_beside_a_text_that_is_no_unicode() -> None:
    strange = commission(coinSymbol="\ud800", usdtAmount=Decimal("0.10"), more=[{"é": 2**70}, None, True])
    [reject] = only_batch(COMMISSIONS, [strange]).rejects
    assert '"coinSymbol":"\\ud800"' in reject.raw
    assert '"usdtAmount":0.10' in reject.raw
    assert json.loads(reject.raw, parse_float=Decimal) == strange


@pytest.mark.parametrize("raw", [None, 5, "row", ["a"]])
def test_a_row_that_is_no_object_is_set_aside(raw: Any) -> None:
    batch = only_batch(COMMISSIONS, [raw, commission()])
    assert len(batch.rows) == 1
    assert (batch.rejects[0].reason, batch.rejects[0].raw) == ("is not an object", json.dumps(raw))


def test_a_missing_field_is_set_aside_under_its_raw_name() -> None:
    raw = commission()
    del raw["statsDate"]
    [reject] = only_batch(COMMISSIONS, [raw]).rejects
    assert (reject.column, reject.reason) == ("statsDate", "is missing")


def test_a_nul_in_a_reject_can_be_stored() -> None:
    [reject] = only_batch(COMMISSIONS, [commission(coinSymbol="a\x00b")]).rejects
    assert "\x00" not in reject.raw
    assert json.loads(reject.raw)["coinSymbol"] == "a\x00b"


def test_one_bad_row_is_set_aside_in_each_table_that_it_cannot_be_read_for() -> None:
    member = {
        "openId": "LBA1",
        "code": "3DFE",
        "createTime": 1721187212000,
        "directInvitation": False,
        "deposit": False,
        "transaction": False,
        "kycStatus": 0,
        "userLevel": 50,
        "currencyFeeAmt": "90",
        "contractFeeAmt": "90",
        "currencyTotalFeeAmt": "0.0000",
        "currencyTotalFeeAmtUsdt": "0.0000",
        "contractTotalFeeAmt": "0.0000",
        "reserveAmt": "0.0000",
    }
    invitees, balances = normalise(TEAM_MEMBERS, [member], context(TEAM_MEMBERS, Window(WINDOW.start, WINDOW.last)))
    assert ([reject.column for reject in invitees.rejects], list(invitees.rows)) == (["userLevel"], [])
    assert (list(balances.rejects), len(balances.rows)) == ([], 1)


@pytest.mark.parametrize(
    ("coin", "loads"), [("A" * 500, True), ("A" * 501, False), ("é" * 250, True), ("é" * 251, False)]
)
def test_a_text_that_is_too_long_for_an_index_is_set_aside_where_a_key_needs_it(coin: str, *, loads: bool) -> None:
    batch = only_batch(COMMISSIONS, [commission(coinSymbol=coin), commission()])
    assert len(batch.rows) == 1 + loads
    assert [reject.column for reject in batch.rejects] == ["coinSymbol"] * (not loads)


def test_a_text_that_is_no_key_may_be_of_any_length() -> None:
    [row] = only_batch(TRANSFERS, [transfer(subStatus="a" * 10_000)]).rows
    assert len(row["sub_status"]) == 10_000
    [reject] = only_batch(TRANSFERS, [transfer(openId="a" * 501)]).rejects
    assert reject.reason == "is longer than 500 bytes, too long for a key", "the transfer mentions a person by it"


# ------------------------------------------------------------------------------------------------ the window


@pytest.mark.parametrize(("days", "inside"), [(-1, False), (0, True), (1, True), (2, False), (30, False)])
def test_days_outside_the_window_are_left_to_their_own(days: int, inside: bool) -> None:
    batch = only_batch(COMMISSIONS, [commission(statsDate=MIDNIGHT_MS + days * DAY_MS)])
    assert len(batch.rows) == inside
    assert not batch.rejects


@pytest.mark.parametrize(
    ("offset_ms", "inside"),
    [(-1, False), (0, True), (1, True), (2 * DAY_MS - 1, True), (2 * DAY_MS, False), (2 * DAY_MS + 1, False)],
)
def test_instants_belong_to_the_half_open_window(offset_ms: int, inside: bool) -> None:
    batch = only_batch(TRANSFERS, [transfer(createTime=MIDNIGHT_MS + offset_ms)])
    assert len(batch.rows) == inside
    assert not batch.rejects


@pytest.mark.parametrize("days_later", [0, 1, 2, 3])
def test_an_event_exactly_at_midnight_lies_in_one_window_only(days_later: int) -> None:
    raw = transfer(createTime=MIDNIGHT_MS + days_later * DAY_MS)
    starts = [WINDOW.start + timedelta(days=n) for n in range(4)]
    found = [start for start in starts if only_batch(TRANSFERS, [raw], Window(start, start + timedelta(1))).rows]
    assert found == [date(2024, 8, 28) + timedelta(days=days_later)]


# ------------------------------------------------------------------------------------------------ keys and scope


def test_a_row_told_twice_alike_is_one_row() -> None:
    batch = only_batch(COMMISSIONS, [commission(), commission()])
    assert (len(batch.rows), len(batch.rejects)) == (1, 0)


def test_a_second_row_with_the_same_key_and_other_values_is_set_aside() -> None:
    batch = only_batch(COMMISSIONS, [commission(), commission(amount="5"), commission(tradeType=0)])
    assert [(row["market"], row["amount"]) for row in batch.rows] == [
        ("futures", Decimal("71.489088")),
        ("spot", Decimal("71.489088")),
    ]
    [reject] = batch.rejects
    assert reject.column == "recipient_id, market, coin, day"
    assert reject.reason == "has the key of another row with other values"
    assert json.loads(reject.raw)["amount"] == "5"


def test_coins_that_differ_in_case_only_share_a_key() -> None:
    batch = only_batch(COMMISSIONS, [commission(), commission(coinSymbol="USDT", amount="1")])
    assert (len(batch.rows), len(batch.rejects)) == (1, 1)


def test_a_row_of_somebody_else_than_asked_for_is_set_aside() -> None:
    trade = {"openId": "LBA2", "statsDate": MIDNIGHT_MS, "tradeAmt": "0", "feeAmt": "0"}
    batch = only_batch(MEMBER_TRADES, [trade, {**trade, "openId": "LBA1"}])
    assert [row["subject_id"] for row in batch.rows] == ["LBA1"]
    [reject] = batch.rejects
    assert reject.reason == "'LBA2' is not 'LBA1', which was asked for"


def test_the_scope_of_a_reading_is_what_was_asked_for() -> None:
    assert scope_of(TRANSFERS.into[0], context(TRANSFERS)) == {"kind": "IN_DEPOSIT"}
    assert scope_of(FUTURES_TURNOVER.into[0], context(FUTURES_TURNOVER)) == {
        "subject_id": "LBA1",
        "scope": "ALL",
        "symbol": "",
    }


def test_columns_that_no_row_tells_come_from_the_reading() -> None:
    [row] = only_batch(FUTURES_TURNOVER, [{"turnover": "1.50", "fee": "0"}], Window(WINDOW.start, WINDOW.last)).rows
    assert row == {
        "subject_id": "LBA1",
        "scope": "ALL",
        "symbol": "",
        "day": date(2024, 8, 28),
        "turnover": Decimal("1.50"),
        "fee": Decimal(0),
    }


# ------------------------------------------------------------------------------------------------ transfers' ids


def ids_of(rows: Sequence[Any]) -> dict[str, Row]:
    batch = only_batch(TRANSFERS, rows)
    assert not batch.rejects
    assert len(batch.rows) == len(rows), "no transfer may be lost to another"
    return {row["transfer_id"]: row for row in batch.rows}


def test_twins_get_ordinals_and_others_get_ids_of_their_own() -> None:
    twins, other = [transfer(), transfer(), transfer()], transfer(assetNum="102.582")
    by_id = ids_of([*twins, other])
    stems = sorted(each.rpartition("-")[0] for each in by_id)
    assert sorted(each.rpartition("-")[2] for each in by_id) == ["0", "0", "1", "2"]
    assert len(set(stems)) == 2


@pytest.mark.parametrize(
    "change",
    [
        *({"openId": "LBA8"}, {"assetCode": "BTC"}, {"assetNum": "1"}, {"createTime": MIDNIGHT_MS + 1}),
        *({"withdrawOrderId": "2"}, {"withdrawOrderId": None}),
    ],
)
def test_every_field_that_never_changes_is_part_of_the_id(change: dict[str, Any]) -> None:
    assert not ids_of([transfer()]).keys() & ids_of([transfer(**change)]).keys()


@pytest.mark.parametrize(
    "change",
    [
        *({"status": "Failed"}, {"subStatus": None}, {"updateTime": MIDNIGHT_MS + 9}, {"userLevel": 0}),
        *({"subInOutType": "Deposit"}, {"assetNum": "102.5810"}, {"assetCode": "usdt"}),
    ],
)
def test_what_can_change_is_no_part_of_the_id(change: dict[str, Any]) -> None:
    assert ids_of([transfer()]).keys() == ids_of([transfer(**change)]).keys()


def changes(fields: dict[str, Sequence[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in fields.items()})
    return st.lists(one, min_size=2, max_size=6)


@given(
    changes(
        {
            "updateTime": [MIDNIGHT_MS, MIDNIGHT_MS + 5],
            "status": ["Completed", "Pending", None],
            "subStatus": ["a", None],
        }
    ),
    st.randoms(use_true_random=False),
)
def test_ordinals_do_not_depend_on_the_order_of_the_pages(twins: list[dict[str, Any]], order: random.Random) -> None:
    rows = [transfer(**change) for change in twins]
    shuffled = order.sample(rows, len(rows))
    assert ids_of(rows) == ids_of(shuffled)


@pytest.mark.parametrize("change", [{"userLevel": 3}, {"subInOutType": "Deposit"}, {"assetNum": "102.5810"}])
def test_ordinals_do_not_depend_on_the_order_where_any_other_field_differs(change: dict[str, Any]) -> None:
    pair = [transfer(), transfer(**change)]

    def told(rows: Sequence[Any]) -> dict[str, str]:
        return {name: str(row) for name, row in ids_of(rows).items()}

    assert told(pair) == told(pair[::-1])


def test_times_are_aware_and_in_utc() -> None:
    [row] = ids_of([transfer()]).values()
    assert row["created_at"] == datetime(2024, 8, 27, 16, tzinfo=UTC)
    assert row["created_at"].utcoffset() == timedelta(0)
