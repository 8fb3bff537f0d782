"""What is due, by how few requests, and how long the documented limits make it take: before the first call."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from etl.errors import ConfigurationError
from etl.load.coverage import Coverage
from etl.query.density import Density
from etl.sources.lbank.streams import (
    COMMISSIONS,
    FUTURES_TURNOVER,
    MEMBER_TRADES,
    TEAM_MEMBERS,
    TEAM_MEMBERS_LEGACY,
    TRANSFERS,
)
from etl.sources.orderly.streams import SUMMARY_BY_ACCOUNT
from etl.sources.ztdx.streams import REFERRAL_LOGS
from etl.stream import Account, Member, Partition, Rate, Roster, Stream
from etl.sync.plan import (
    Asked,
    Job,
    PlannedStream,
    chosen,
    expected_requests,
    horizon,
    horizon_start,
    jobs,
    plan_account,
    revisit_job,
    total_seconds,
)
from etl.windows import Days, Window
from tests.unit.samples import NOON, lbank_account

TODAY = date(2024, 8, 28)
DAY = timedelta(days=1)
SYNC = Asked()
OWN = Partition.of(open_id="LBA0000001")
ACCOUNT = lbank_account(start_date=date(2024, 8, 1))


def backfill(first: date, last: date, *, force: bool = False) -> Asked:
    return Asked(command="backfill", first=first, last=last, force=force)


def between(first: date, last: date) -> Days:
    """The days from `first` to `last`, both included."""
    return Days.between(first, last + DAY)


def due(
    asked: Asked = SYNC, *, final: Days | None = None, partition: Partition = OWN, stream: Stream = COMMISSIONS
) -> list[Window]:
    covered = Coverage(loaded=final or Days(), final=final or Days())
    return [job.window for job in jobs(ACCOUNT, stream, partition, asked, covered=covered, today=TODAY)]


# ------------------------------------------------------------------------------------------------ what is due


def test_a_first_sync_wants_everything_from_the_start_date_to_today() -> None:
    assert due() == [Window(date(2024, 8, 1), date(2024, 8, 29))]


def test_a_sync_wants_what_is_not_final() -> None:
    final = between(date(2024, 8, 1), date(2024, 8, 10)) | between(date(2024, 8, 12), date(2024, 8, 25))
    assert due(final=final, stream=FUTURES_TURNOVER) == [
        *(Window(date(2024, 8, day), date(2024, 8, day + 1)) for day in (28, 27, 26, 11)),
    ]
    assert due(final=final) == [Window(date(2024, 8, 11), date(2024, 8, 29))]


def test_days_that_are_loaded_and_not_final_are_due_again() -> None:
    covered = Coverage(loaded=between(date(2024, 8, 1), TODAY), final=between(date(2024, 8, 1), date(2024, 8, 26)))
    [job] = jobs(ACCOUNT, COMMISSIONS, OWN, SYNC, covered=covered, today=TODAY)
    assert job.window == Window(date(2024, 8, 27), date(2024, 8, 29))


def test_nothing_is_due_of_what_is_all_final() -> None:
    assert due(final=between(date(2024, 1, 1), TODAY)) == []


def test_windows_are_at_most_31_days_and_newest_first() -> None:
    assert due(backfill(date(2024, 6, 1), date(2024, 8, 15))) == [
        Window(date(2024, 7, 16), date(2024, 8, 16)),
        Window(date(2024, 6, 15), date(2024, 7, 16)),
        Window(date(2024, 6, 1), date(2024, 6, 15)),
    ]


@pytest.mark.parametrize(
    ("since", "first"),
    [(None, date(2024, 8, 1)), (date(2023, 5, 5), date(2024, 8, 1)), (date(2024, 8, 20), date(2024, 8, 20))],
)
def test_nothing_is_asked_of_a_person_before_they_registered(since: date | None, first: date) -> None:
    member = Partition.of(open_id="LBA7", market="spot", since=since)
    assert due(partition=member, stream=MEMBER_TRADES) == [Window(first, date(2024, 8, 29))]
    assert horizon_start(ACCOUNT, member) == first


def test_a_person_who_registered_today_has_a_horizon_of_a_day() -> None:
    assert horizon(ACCOUNT, Partition.of(open_id="A", since=TODAY), SYNC, TODAY) == between(TODAY, TODAY)
    assert not horizon(ACCOUNT, Partition.of(open_id="A", since=TODAY + DAY), SYNC, TODAY)


def test_a_backfill_reaches_before_the_start_date() -> None:
    assert due(backfill(date(2024, 7, 1), date(2024, 7, 10))) == [Window(date(2024, 7, 1), date(2024, 7, 11))]


def test_a_backfill_includes_its_last_day_and_ends_today() -> None:
    assert due(backfill(TODAY, TODAY)) == [Window(TODAY, TODAY + DAY)]
    assert due(backfill(date(2024, 8, 20), date(2025, 1, 1))) == [Window(date(2024, 8, 20), date(2024, 8, 29))]
    assert due(backfill(date(2025, 1, 1), date(2025, 2, 1))) == []


def test_a_backfill_does_not_ask_before_a_person_registered() -> None:
    member = Partition.of(open_id="LBA7", since=date(2024, 7, 8))
    asked = backfill(date(2024, 7, 1), date(2024, 7, 10))
    assert due(asked, partition=member) == [Window(date(2024, 7, 8), date(2024, 7, 11))]


def test_a_backfill_leaves_final_days_unless_it_is_forced() -> None:
    final = between(date(2024, 7, 1), date(2024, 7, 5))
    first, last = date(2024, 7, 1), date(2024, 7, 10)
    assert due(backfill(first, last), final=final) == [Window(date(2024, 7, 6), date(2024, 7, 11))]
    assert due(backfill(first, last, force=True), final=final) == [Window(date(2024, 7, 1), date(2024, 7, 11))]


def test_a_backfill_leaves_snapshots_out() -> None:
    asked = backfill(date(2024, 7, 1), date(2024, 7, 10))
    assert not asked.wants(TEAM_MEMBERS)
    assert asked.wants(COMMISSIONS)
    assert SYNC.wants(TEAM_MEMBERS)


def test_a_snapshot_is_taken_in_every_sync() -> None:
    assert due(stream=TEAM_MEMBERS, final=between(date(2024, 1, 1), TODAY)) == [Window(TODAY, TODAY + DAY)]


# ------------------------------------------------------------------------------------------------ revisits


def revisit(asked: Asked = SYNC, *, final: Days, stream: Stream = TRANSFERS) -> Job | None:
    partition = Partition.of(open_id="LBA0000001", kind="IN_DEPOSIT")
    return revisit_job(ACCOUNT, stream, partition, asked, covered=Coverage(final, final), today=TODAY)


def test_changes_of_the_last_seven_days_are_asked_for_once_something_is_final() -> None:
    job = revisit(final=between(date(2024, 8, 1), date(2024, 8, 2)))
    assert job is not None
    assert job.revisit
    assert job.window == Window(date(2024, 8, 21), date(2024, 8, 29))


def test_changes_are_not_asked_for_while_nothing_is_final_nor_of_streams_without_them() -> None:
    final = between(date(2024, 8, 1), date(2024, 8, 2))
    assert revisit(final=Days()) is None
    assert revisit(final=final, stream=COMMISSIONS) is None
    assert revisit(backfill(date(2024, 8, 1), TODAY), final=final) is None


# ------------------------------------------------------------------------------------------------ what it costs


@pytest.mark.parametrize(
    ("per_day", "days", "requests"),
    [(0.0, 31, 1), (3.0, 31, 1), (99 / 31, 31, 1), (100 / 31, 31, 2), (10.0, 31, 4), (1000.0, 1, 11)],
)
def test_expected_requests_count_full_pages_and_the_last_short_one(per_day: float, days: int, requests: int) -> None:
    job = Job(COMMISSIONS, OWN, Window(TODAY - days * DAY, TODAY))
    assert expected_requests(job, {("commissions", OWN.key): Density(per_day, 31)}) == requests


def test_a_window_of_which_nothing_is_known_is_expected_to_take_one_request() -> None:
    assert expected_requests(Job(COMMISSIONS, OWN, Window(TODAY - 31 * DAY, TODAY)), {}) == 1


def test_what_has_no_pages_takes_one_request_however_dense() -> None:
    job = Job(MEMBER_TRADES, OWN, Window(TODAY - 31 * DAY, TODAY))
    assert expected_requests(job, {("member_trades", OWN.key): Density(1000.0, 31)}) == 1


def planned(account: Account, asked: Asked = SYNC, roster: Roster | None = None) -> dict[str, PlannedStream]:
    lines = plan_account(account, asked, roster=roster or Roster(), coverage={}, density={}, today=TODAY)
    return {line.stream: line for line in lines}


def test_a_plan_counts_every_partition_and_window_at_the_documented_limit() -> None:
    agent = Member("LBA7", "list", level=3, has_traded=True, registered_at=NOON)
    idle = Member("LBA8", "list", level=0, has_traded=False, registered_at=NOON)
    plan = planned(ACCOUNT, roster=Roster({"LBA7": agent, "LBA8": idle}))
    counted = {name: line.requests for name, line in plan.items()}
    # One window of 28 days, or of one day for the agent who registered on 08-28; one agent and the affiliate.
    assert counted == {
        "team_members": 1,
        "team_members_legacy": 1,
        "member_info": 0,
        "commissions": 2,
        "member_trades": 2,
        "team_trades": 4,
        "futures_turnover": 28,
        "transfers": 6,
    }
    assert plan["futures_turnover"].seconds == 56.0  # 28 requests at 5 per 10 s
    assert plan["futures_turnover"].limit == "5 per 10 s on /affiliate-api/v2/trade/future"
    assert planned(ACCOUNT, Asked(full=True), Roster({"LBA8": idle}, full=True))["member_trades"].requests == 2


def test_a_plan_says_where_it_knows_only_the_least() -> None:
    plan = planned(ACCOUNT)
    assert plan["member_trades"].at_least, "nobody has read the member list yet"
    assert plan["transfers"].at_least, "nobody knows how many pages there are"
    assert not plan["futures_turnover"].at_least


def test_a_log_is_expected_to_take_one_request_however_long_it_is() -> None:
    job = Job(REFERRAL_LOGS, Partition(), Window(TODAY, TODAY + DAY))
    assert expected_requests(job, {("referral_logs", ""): Density(10_000.0, 1)}) == 1


@pytest.mark.parametrize(("rows", "requests"), [(0, 1), (1, 1), (100, 1), (101, 2), (3000, 30)])
def test_a_total_saves_the_page_after_a_full_one_and_an_answer_without_it_costs_one(rows: int, requests: int) -> None:
    job = Job(SUMMARY_BY_ACCOUNT, Partition(), Window(TODAY, TODAY + DAY))
    key = ("summary_by_account", "")
    assert expected_requests(job, {key: Density(float(rows), 1)}) == requests
    assert expected_requests(job, {key: Density(float(rows), 1, empty_pages=1.0)}) == requests + 1


@pytest.mark.parametrize(
    ("per_day", "measured", "requests", "at_least"),
    [(10.0, 28, 3, False), (10.0, 3, 3, True), (3.0, 3, 1, False)],
)
def test_several_pages_are_not_concluded_from_fewer_days_than_they_hold(
    per_day: float, measured: int, requests: int, *, at_least: bool
) -> None:
    density = {("commissions", OWN.key): Density(per_day, measured)}
    narrowed = replace(ACCOUNT, streams=(replace(COMMISSIONS, needs_roster=False),))
    [line] = plan_account(narrowed, SYNC, roster=Roster(), coverage={}, density=density, today=TODAY)
    assert (line.requests, line.at_least) == (requests, at_least)


def line(lane: str, seconds: float) -> PlannedStream:
    return PlannedStream("a", "lbank", "s", 1, at_least=False, seconds=seconds, limit="", lane=("a", lane))


def test_lanes_run_side_by_side_and_streams_of_one_lane_after_each_other() -> None:
    assert total_seconds([]) == 0
    assert total_seconds([line("x", 10), line("y", 25), line("x", 20)]) == 30


def test_accounts_share_a_lane_where_limits_are_counted_by_address() -> None:
    def lanes(**scope: str) -> set[tuple[str, str]]:
        accounts = [lbank_account(name=name, streams=(COMMISSIONS,), **scope) for name in ("one", "two")]
        return {planned(account)["commissions"].lane for account in accounts}

    assert len(lanes()) == 2
    assert len(lanes(rate_scope="ip")) == 1


def test_a_limit_of_the_account_goes_before_the_documented_one() -> None:
    account = lbank_account(streams=(FUTURES_TURNOVER,), rate_limit=Rate(2, 1.0))
    assert planned(account)["futures_turnover"].seconds == 14.0


# ------------------------------------------------------------------------------------------------ chosen


ONE, TWO = lbank_account(name="one", streams=(COMMISSIONS, TRANSFERS)), lbank_account(name="two", streams=(TRANSFERS,))


def names(accounts: list[Account]) -> dict[str, list[str]]:
    return {account.name: [stream.name for stream in account.streams] for account in accounts}


def test_all_accounts_are_chosen_when_none_is_named() -> None:
    assert names(chosen((ONE, TWO), (), ())) == {"one": ["commissions", "transfers"], "two": ["transfers"]}


def test_accounts_and_streams_are_chosen_by_name_with_or_without_the_source() -> None:
    assert names(chosen((ONE, TWO), ("two", "two"), ())) == {"two": ["transfers"]}
    assert names(chosen((ONE,), (), ("transfers", "lbank.commissions"))) == {"one": ["commissions", "transfers"]}


def test_a_stream_that_is_off_by_default_is_read_when_it_is_named() -> None:
    assert names(chosen((TWO,), (), ("team_members_legacy",))) == {"two": [TEAM_MEMBERS_LEGACY.name]}


def test_every_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError) as caught:
        chosen((ONE, TWO), ("one", "three"), ("commissions", "dividends", "lbank.bonus"))
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        *("--account three", "--stream dividends", "--stream lbank.bonus"),
    ]
    assert "known are one, two" in caught.value.faults[0]
    assert "commissions, futures_turnover" in caught.value.faults[1]


@pytest.mark.parametrize("name", ["coinw.commissions", "lbnak.transfers", ".transfers"])
def test_a_stream_of_another_source_is_no_known_stream(name: str) -> None:
    with pytest.raises(ConfigurationError):
        chosen((ONE, TWO), (), (name,))
