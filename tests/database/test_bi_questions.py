"""docs/bi.md tells the truth: its questions, asked as bi_reader of a small warehouse, have the answers by hand."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from etl.stream import Row
from tests.database.readings import insert
from tests.database.test_views import GONE, LOADED, D, commission, person, trade, transfer

DOCUMENT = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^### (.+?)\n.*?^```sql\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
TODAY = "DATE '2026-03-20'"
"""Stands for current_date. Views that look at the clock themselves are given facts that no clock reaches."""
RESTATED_AT = datetime(2026, 3, 9, 2, 30, tzinfo=UTC)
FOREVER = "{[2026-01-01,2100-01-01)}"

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "What did each account earn last month?": [
        ("orderly-main", 9, 0, False),
        ("lbank-main", D("0.7"), 1, True),  # 0.4 + 0.1 of USDT, 0.2 for BTC; ETH has no value
    ],
    "Who are the top 20 traders of the last 30 days?": [
        ("lbank-main", "B", "BBBB", 400, D("0.4"), 1),
        ("lbank-main", "A", "AAAA", 250, D("0.25"), 1),  # 200 futures + 50 spot; the 1000 are older
    ],
    "Who stopped trading?": [
        ("lbank-main", "AGENT", date(2026, 1, 20), 1, 5000),
        ("orderly-main", "0xb", date(2026, 2, 3), 1, 300),
    ],
    "How far do the people of a month come?": [
        (JANUARY, 2, 1, 1, 2, 100),
        (FEBRUARY, 2, 1, 1, 1, 50),
    ],
    "How much money comes in and goes out, by week?": [
        (date(2026, 2, 9), 100, 30, 70),
        (date(2026, 3, 9), 20, 0, 20),
    ],
    "Which days are missing, and which may still change?": [
        ("lbank-main", "commissions", "missing", date(2026, 3, 2), date(2026, 3, 4), 3),
        ("lbank-main", "daily_performance", "not final", date(2026, 3, 1), date(2026, 3, 10), 2),
        ("orderly-main", "daily_performance", "not final", date(2026, 2, 3), date(2026, 3, 5), 2),
    ],
    "Which commission changed after it was final?": [
        ("lbank-main", date(2026, 2, 10), "OWN", "USDT", "amount", "0.50", "0.4", D("-0.10"), RESTATED_AT),
    ],
    "What share of the fees comes back as commission?": [
        ("lbank-main", JANUARY, 5, 0, 0),
        ("lbank-main", FEBRUARY, 1, D("0.7"), 70),
        ("lbank-main", MARCH, D("0.65"), D("0.1"), D("15.4")),  # 0.2 + 0.05 + 0.4
    ],
    "What was claimed at ZTDX?": [
        ("ztdx-main", FEBRUARY, 2, D("50.50")),
        ("ztdx-main", MARCH, 1, 10),
    ],
    "Which wallets bring Orderly's volume this year?": [
        ("orderly-main", "0xA1", 700, 7),
        ("orderly-main", "0xB1", 300, 3),
    ],
}


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


LBANK = {"account": "lbank-main"}
ORDERLY = {"account": "orderly-main", "source": "orderly", "is_final": True}


def wallet(name: str, day: date, volume: int, fee: int, **changes: Any) -> Row:
    row = {"invitee_id": f"0x{name}", "wallet_address": f"0x{name.upper()}1", "day": day}
    return row | LOADED | ORDERLY | {"volume": D(volume), "broker_fee": D(fee)} | changes


def event(number: int, action: str, amount: str | None, occurred_at: datetime) -> Row:
    row = {"account": "ztdx-main", "event_id": UUID(int=number), "action": action, "occurred_at": occurred_at}
    return row | LOADED | {"source": "ztdx", "amount": amount and D(amount)}


def facts() -> dict[str, list[Row]]:
    """A small warehouse: three accounts, a quarter of a year."""
    zones = (("lbank", "Asia/Shanghai", "OWN"), ("orderly", "UTC", None), ("ztdx", "UTC", None))
    own = {"recipient_id": "OWN"} | LBANK
    restated = {"table_name": "commission_day", "column_name": "amount", "old_value": "0.50", "new_value": "0.4"}
    key = {"recipient_id": "OWN", "market": "spot", "coin": "USDT", "day": "2026-02-10"}
    return {
        "ops.account": [
            {"account": f"{source}-main", "source": source, "subject_id": subject, "day_zone": zone}
            | {"start_date": JANUARY, "updated_at": utc(2026, 1, 1)}
            for source, zone, subject in zones
        ],
        "warehouse.invitee": [
            person("A", utc(2026, 1, 10), referral_code="AAAA", kyc_verified=True, has_deposited=True, **LBANK),
            person("AGENT", utc(2026, 1, 5), referral_code="GGGG", level=2, **LBANK),
            person("B", utc(2026, 2, 5), referral_code="BBBB", kyc_verified=True, **LBANK),
            person("C", utc(2026, 2, 20), has_traded=False, **LBANK),
            person("LEFT", utc(2026, 1, 5), **LBANK, **GONE),
            person("OWN", None, origin="self", **LBANK),
            *(person(name, None, origin="inferred", account="orderly-main") for name in ("0xa", "0xb")),
        ],
        "warehouse.trade_day": [
            trade("A", "1000", "1", date(2026, 2, 10), **LBANK),
            trade("A", "200", "0.2", MARCH, market="futures", **LBANK),
            trade("A", "50", "0.05", MARCH, **LBANK),
            trade("B", "400", "0.4", date(2026, 3, 10), **LBANK),
            trade("AGENT", "5000", "5", date(2026, 1, 20), **LBANK),
            trade("LEFT", "8", "0", date(2026, 1, 20), **LBANK),
            trade("OWN", "99999", "99", MARCH, scope="team", **LBANK),
            trade("B", "77777", "77", MARCH, **LBANK, **GONE),
        ],
        "warehouse.commission_day": [
            commission("USDT", "0.4", "0", day=date(2026, 2, 10), **own),
            commission("USDT", "0.1", "0", day=date(2026, 2, 10), account="lbank-main", recipient_id="AGENT"),
            commission("BTC", "0.000002", "0.2", day=date(2026, 2, 11), **own),
            commission("ETH", "5", "0", day=date(2026, 2, 12), **own),
            commission("USDT", "0.1", "0", day=MARCH, **own),
        ],
        "warehouse.transfer": [
            transfer("1", "in", "100", invitee_id="A", created_at=utc(2026, 2, 10), **LBANK),
            transfer("2", "out", "30", invitee_id="A", created_at=utc(2026, 2, 11), **LBANK),
            transfer("3", "in", "5", invitee_id="B", asset="BTC", created_at=utc(2026, 2, 11), **LBANK),
            transfer("4", "in", "20", invitee_id="B", asset="USDC", created_at=utc(2026, 3, 10), **LBANK),
            transfer("5", "in", "1000", invitee_id="C", status="Pending", created_at=utc(2026, 3, 10), **LBANK),
        ],
        "warehouse.broker_day": [
            {"day": date(2026, 2, 3), "volume": D(900), "broker_fee": D(9)} | LOADED | ORDERLY,
            {"day": date(2026, 3, 5), "volume": D(100), "broker_fee": D(1)} | LOADED | ORDERLY,
        ],
        "warehouse.broker_account_day": [
            wallet("a", date(2026, 2, 3), 600, 6),
            wallet("a", date(2026, 3, 5), 100, 1),
            wallet("b", date(2026, 2, 3), 300, 3),
            wallet("b", date(2026, 3, 5), 800, 8, **GONE),
        ],
        "warehouse.referral_event": [
            event(1, "claim", "45.00", utc(2026, 2, 2)),
            event(2, "claim", "5.50", utc(2026, 2, 28, 23, 59)),
            event(3, "claim", "10", utc(2026, 3, 1)),
            event(4, "bind", None, utc(2026, 3, 1)),
        ],
        "ops.restatement": [
            restated
            | {"account": "lbank-main", "source": "lbank", "run_id": 2, "was_final": True}
            | {"key": json.dumps(key), "restated_at": RESTATED_AT},
        ],
    }


async def cover(connection: asyncpg.Connection, source: str, stream: str, loaded: str, final: str) -> None:
    await connection.execute(
        "INSERT INTO ops.coverage (account, stream, partition, horizon_from, loaded, final) "
        "VALUES ($1, $2, '', '2026-01-01', $3::text::datemultirange, $4::text::datemultirange)",
        *(f"{source}-main", stream, loaded, final),
    )


@pytest.fixture
async def reader(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A session of bi_reader in the small warehouse."""
    for table, rows in facts().items():
        await insert(connection, table, *rows)
    gap = "{[2026-01-01,2026-03-02),[2026-03-05,2100-01-01)}"
    await cover(connection, "lbank", "commissions", gap, "{[2026-01-01,2026-03-01)}")
    await cover(connection, "lbank", "member_trades", FOREVER, FOREVER)
    await cover(connection, "orderly", "summary_by_date", FOREVER, "{[2026-01-01,2026-02-01)}")
    await connection.execute("SET ROLE bi_reader")
    return connection


def test_there_are_ten_questions_and_each_has_its_answer() -> None:
    assert len(QUESTIONS) == 10
    assert DOCUMENT.count("```sql") == len(QUESTIONS)
    assert list(QUESTIONS) == list(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
async def test_question_has_the_answer_by_hand(reader: asyncpg.Connection, question: str) -> None:
    asked = QUESTIONS[question]

    answer = await reader.fetch(asked.replace("current_date", TODAY))

    assert [tuple(record) for record in answer] == ANSWERS[question]
    await reader.fetch(asked)


async def test_every_view_is_in_the_document_and_no_other(connection: asyncpg.Connection) -> None:
    records = await connection.fetch("SELECT viewname FROM pg_views WHERE schemaname = 'bi'")
    views = {record["viewname"] for record in records}

    assert set(re.findall(r"\b(?:dim|fct)_[a-z_]+\b", DOCUMENT)) - {"fct_"} == {
        name for name in views if name.startswith(("dim_", "fct_"))
    }
    assert set(re.findall(r"\bbi\.([a-z_]+)", DOCUMENT)) >= {name for name in views if not name.startswith("dim_")}
    assert set(re.findall(r"\bbi\.([a-z_]+)", DOCUMENT)) <= views
