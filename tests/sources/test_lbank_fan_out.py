"""Who LBank is asked about: people, their markets, and the kinds of transfers."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.errors import SetRowAside
from etl.sources.lbank import LBANK
from etl.stream import Account, Field, Member, Partition, Roster

OWN = "LBA0000001"
# 2024-07-17 16:30 UTC is 00:30 of the 18th in UTC+8.
REGISTERED = datetime(2024, 7, 17, 16, 30, tzinfo=UTC)


def account(**settings: Any) -> Account:
    given = {"api_key": "k", "secret_key": "s", "open_id": OWN, **settings}
    return Account(
        name="lbank-main",
        source=LBANK,
        base_url=LBANK.base_url,
        zone=ZoneInfo("Asia/Shanghai"),
        start_date=date(2024, 7, 1),
        streams=LBANK.streams,
        settings=LBANK.settings.model_validate(given),
    )


def roster(*, full: bool = False) -> Roster:
    """An agent, a member who trades, one who never did, one only mentioned, one who was looked up, the affiliate."""
    members = [
        Member("agent", "list", level=21, has_traded=False, registered_at=REGISTERED),
        Member("trader", "list", level=0, has_traded=True, registered_at=REGISTERED),
        Member("idle", "list", level=99, has_traded=False),
        Member("mentioned", "inferred"),
        Member("found", "info", level=1, has_traded=True),
        Member(OWN, "self"),
    ]
    return Roster({member.invitee_id: member for member in members}, full=full)


def partitions(stream: str, known: Roster, **settings: Any) -> list[Partition]:
    found = list(LBANK.stream(stream).fan_out(account(**settings), known))
    assert len({partition.key for partition in found}) == len(found), "a partition's key must be its own"
    return found


def keys(stream: str, known: Roster, **settings: Any) -> set[str]:
    return {partition.key for partition in partitions(stream, known, **settings)}


def test_trades_are_asked_of_members_who_traded_for_each_market() -> None:
    assert keys("member_trades", roster()) == {"trader/spot", "trader/futures", "found/spot", "found/futures"}


def test_a_full_run_asks_also_those_who_never_traded() -> None:
    people = ("agent", "trader", "idle", "found")
    wanted = {f"{person}/{market}" for person in people for market in ("spot", "futures")}
    assert keys("member_trades", roster(full=True)) == wanted


def test_commissions_are_asked_of_the_affiliate_and_the_agents() -> None:
    assert keys("commissions", roster()) == {OWN, "agent", "found"}
    assert keys("commissions", Roster()) == {OWN}


def test_teams_are_asked_of_the_affiliate_and_the_agents_for_each_market() -> None:
    wanted = {f"{leader}/{market}" for leader in (OWN, "agent", "found") for market in ("spot", "futures")}
    assert keys("team_trades", roster()) == wanted


def test_an_affiliate_who_is_in_the_list_is_asked_once() -> None:
    listed = Member(OWN, "list", level=1, has_traded=True)
    assert len(partitions("commissions", Roster({OWN: listed}))) == 1


def test_a_person_has_facts_from_the_day_of_registration_in_the_exchanges_zone() -> None:
    since = {partition.key: partition.since for partition in partitions("member_trades", roster())}
    assert since["trader/spot"] == date(2024, 7, 18)
    assert since["found/spot"] is None


def test_people_that_the_list_lacks_are_looked_up_and_nobody_else() -> None:
    assert keys("member_info", roster()) == {"mentioned", "found"}


def test_turnover_is_asked_for_every_scope_and_symbol_configured() -> None:
    assert keys("futures_turnover", roster()) == {f"{OWN}/ALL/"}
    many = {"turnover_scopes": ["SELF", "ALL"], "turnover_symbols": ["btc_usdt", "eth_usdt"]}
    wanted = {f"{OWN}/{scope}/{symbol}" for scope in ("SELF", "ALL") for symbol in ("btc_usdt", "eth_usdt")}
    assert keys("futures_turnover", roster(), **many) == wanted


def test_a_symbol_is_sent_only_where_one_is_asked_for() -> None:
    stream = LBANK.stream("futures_turnover")
    one, every = (
        stream.params(partition)
        for symbols in (["btc_usdt"], [])
        for partition in partitions(stream.name, roster(), turnover_symbols=symbols)
    )
    assert one["symbol"] == "btc_usdt"
    assert "symbol" not in every


def test_transfers_are_asked_for_each_documented_kind() -> None:
    # lbank-affiliate.md, "subInOutType"
    kinds = "IN_DEPOSIT, OUT_WITHDRAW, IN_OTC_BUY, OUT_OTC_SELL, IN_INNER_TRANSFER_IN, OUT_INNER_TRANSFER_OUT"
    assert keys("transfers", roster()) == {f"{OWN}/{kind}" for kind in kinds.split(", ")}


def level(raw: Any) -> Any:
    column = LBANK.stream("team_members").into[0].columns["level"]
    assert isinstance(column, Field)
    return column.parse(raw, ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(("raw", "value"), [(0, 0), (1, 1), ("21", 21), (99, 99)])
def test_documented_levels_are_read(raw: Any, value: int) -> None:
    assert level(raw) == value


@pytest.mark.parametrize("raw", [-1, 22, 98, 100, "22", True, None, "", "01"])
def test_undocumented_levels_are_refused(raw: Any) -> None:
    with pytest.raises(SetRowAside):
        level(raw)


def test_the_cheap_check_asks_for_the_affiliate_itself() -> None:
    draft = LBANK.check(account().settings, date(2024, 8, 28))
    assert (draft.method, draft.path, dict(draft.params)) == (
        *("GET", "/affiliate-api/v2/invite/user/info"),
        {"openId": OWN},
    )
