"""Drafts are made of declarations, answers are judged, and neither needs a socket."""

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.errors import (
    AccessRefused,
    AnswerUnreadable,
    ConnectionBroken,
    EndpointClosed,
    EtlError,
    ProviderBusy,
    RateLimited,
    RequestRefused,
    SetRowAside,
)
from etl.extract.request import Answer, judged, raw_rows, revisit_drafts, window_drafts
from etl.normalize.fields import decimal
from etl.sources.lbank import LBANK
from etl.sources.lbank.streams import COMMISSIONS, FUTURES_TURNOVER, TEAM_MEMBERS, TRANSFERS
from etl.stream import Partition
from etl.windows import Window
from tests.unit.samples import enveloped, lbank_account

TRANSFER = Partition.of(open_id="LBA1", kind="OUT_WITHDRAW")
WINDOW = Window(date(2024, 8, 28), date(2024, 8, 30))


def test_a_draft_holds_partition_window_and_page() -> None:
    draft = window_drafts(TRANSFERS, lbank_account(), TRANSFER, WINDOW)({"start": 100, "pageSize": 100})
    assert (draft.method, draft.path) == ("GET", "/affiliate-api/v2/money/detail/list")
    assert draft.params == {
        "openId": "LBA1",
        "userType": "ALL",
        "subInOutType": "OUT_WITHDRAW",
        "startTime": 1724774400000,
        "endTime": 1724947200000,
        "start": 100,
        "pageSize": 100,
    }


def test_a_reading_by_time_of_change_asks_for_the_whole_horizon_and_the_days_of_change() -> None:
    horizon = Window(date(2024, 7, 17), date(2024, 8, 30))
    drafter = revisit_drafts(TRANSFERS, lbank_account(), TRANSFER, changed_in=WINDOW, horizon=horizon)
    assert drafter({"start": 0, "pageSize": 100}).params == {
        "openId": "LBA1",
        "userType": "ALL",
        "subInOutType": "OUT_WITHDRAW",
        "startTime": 1721145600000,
        "endTime": 1724947200000,
        "updateStartTime": 1724774400000,
        "updateEndTime": 1724947200000,
        "start": 0,
        "pageSize": 100,
    }


def test_a_stream_without_a_time_of_change_has_no_such_reading() -> None:
    with pytest.raises(TypeError, match="commissions"):
        revisit_drafts(COMMISSIONS, lbank_account(), Partition.of(open_id="A"), changed_in=WINDOW, horizon=WINDOW)


def answered(body: bytes, *, status: int = 200, retry_after: float | None = None) -> Any:
    return judged(Answer(status, body, retry_after), LBANK)


def test_numbers_of_an_answer_are_int_or_decimal() -> None:
    payload = answered(enveloped('[{"a": 1, "b": 1.10, "c": 1e-7, "d": 12345678901234567890123}]'))
    assert payload == [{"a": 1, "b": Decimal("1.10"), "c": Decimal("1e-7"), "d": 12345678901234567890123}]
    assert [type(value) for value in payload[0].values()] == [int, Decimal, Decimal, int]


@pytest.mark.parametrize("body", [b"", b"<html>429</html>", enveloped("[]")])
def test_http_429_is_too_many_requests_whatever_the_body(body: bytes) -> None:
    with pytest.raises(RateLimited) as caught:
        answered(body, status=429, retry_after=7.0)
    assert caught.value.delay_seconds == 7.0


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", enveloped("[]")])
def test_http_5xx_is_passing_whatever_the_body(status: int, body: bytes) -> None:
    with pytest.raises(ProviderBusy, match=str(status)) as caught:
        answered(body, status=status, retry_after=3.0)
    assert caught.value.delay_seconds == 3.0


@pytest.mark.parametrize("body", [b"", enveloped("[]")[:-1], b'{"result": "tr', b"<html></html>", b"\xff"])
def test_a_body_that_is_no_whole_json_is_a_broken_connection(body: bytes) -> None:
    with pytest.raises(ConnectionBroken):
        answered(body)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_account_is_told_also_without_json(status: int) -> None:
    with pytest.raises(AccessRefused, match="allow-list"):
        answered(b"<html>Forbidden</html>", status=status)


@pytest.mark.parametrize("status", [300, 302, 308])
def test_a_redirect_closes_its_endpoint_and_says_where_it_led(status: int) -> None:
    for place, told in ((None, "another path"), ("https://elsewhere.example", "https://elsewhere.example")):
        with pytest.raises(EndpointClosed, match=f"HTTP {status}, a redirect to {told}, .*check base_url"):
            judged(Answer(status, b"<html></html>", redirects_to=place), LBANK)


@pytest.mark.parametrize("status", [400, 404])
def test_other_answers_without_json_are_unreadable(status: int) -> None:
    with pytest.raises(AnswerUnreadable, match=str(status)):
        answered(b"<html></html>", status=status)


def test_the_providers_own_codes_are_read_whatever_the_http_status() -> None:
    with pytest.raises(RequestRefused):
        answered(b'{"result": "false", "error_code": 10001, "msg": "Parameter can not be null"}', status=400)


@pytest.mark.parametrize("number", ["1e1000000000000000000", "-1e-99999999999999999999", "NaN", "Infinity", "7" * 5000])
def test_a_number_beyond_all_numbers_stays_its_text_and_costs_only_its_row(number: str) -> None:
    [row] = answered(enveloped(f'[{{"amount": {number}}}]'))
    assert row == {"amount": number}
    with pytest.raises(SetRowAside):
        decimal(row["amount"], ZoneInfo("UTC"))


def test_an_answer_nested_beyond_reason_fails_in_a_foreseen_way() -> None:
    with pytest.raises(EtlError):
        answered(b"[" * 100_000)


@pytest.mark.parametrize(("depth", "fails"), [(90, False), (101, True), (500, True), (960, True)])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply_to_be_shown_again_is_unreadable(
    depth: int, opens: str, closes: str, *, fails: bool
) -> None:
    body = enveloped(f'[{{"amount": {opens * depth}1{closes * depth}}}, {{"b": [1]}}]')
    if fails:
        with pytest.raises(AnswerUnreadable, match="nested too deeply"):
            answered(body)
    else:
        assert len(answered(body)) == 2


def test_a_text_that_is_no_unicode_costs_its_row_and_not_the_answer() -> None:
    assert len(answered(enveloped(r'[{"code": "\ud800"}, {"code": "fine"}]'))) == 2


# ------------------------------------------------------------------------------------------------ rows of a payload


@pytest.mark.parametrize("payload", [None, []])
def test_null_and_an_empty_list_are_no_rows(payload: Any) -> None:
    assert raw_rows(TEAM_MEMBERS, payload) == []
    assert raw_rows(FUTURES_TURNOVER, payload) == []


def test_an_object_is_one_row_where_one_is_documented() -> None:
    assert raw_rows(FUTURES_TURNOVER, {"turnover": "0", "fee": "0"}) == [{"turnover": "0", "fee": "0"}]


@pytest.mark.parametrize("payload", ["", "none", 0, 1, True, {}, {"rows": []}])
def test_anything_else_than_a_list_is_unreadable_where_one_is_documented(payload: Any) -> None:
    with pytest.raises(AnswerUnreadable, match=TEAM_MEMBERS.path):
        raw_rows(TEAM_MEMBERS, payload)


@pytest.mark.parametrize("payload", ["", 0, True, [{"turnover": "0", "fee": "0"}]])
def test_anything_else_than_an_object_is_unreadable_where_one_is_documented(payload: Any) -> None:
    with pytest.raises(AnswerUnreadable, match=FUTURES_TURNOVER.path):
        raw_rows(FUTURES_TURNOVER, payload)
