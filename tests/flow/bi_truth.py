"""The rows of every view of `bi` after nights of all four exchanges, reckoned from the sandbox's world alone.

Nothing here comes from the warehouse but what nobody else can know: the moment at which its views are read, and, for
days before the last night, what the world said in those nights.
"""

from calendar import day_name, month_name
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from operator import itemgetter

from etl.sandbox.credentials import ORDERLY_ACCOUNT_ID
from etl.sandbox.lbank.protocol import KIND_LABELS
from tests.flow.bi_facts import (
    DAY,
    DOLLARS,
    FACTS,
    KEYS,
    PERSON,
    ZONES,
    Groups,
    Row,
    added,
    day_in,
    facts_of,
    fees_of,
    going,
    grouped,
    in_dollars,
    less,
    midnight_in,
    place_of,
    plus,
    positive,
    priced,
    registered_on,
    settled_at,
    span_of,
    unpriced,
)
from tests.flow.night import Night
from tests.flow.truth import COLUMNS

Views = dict[str, list[Row]]

SETTLES_LAST = {"lbank": "commission_day", "coinw": "trade_day", "orderly": "broker_day"}
"""Of the tables that daily_performance adds, the one that settles last."""


@dataclass
class Past:
    """What earlier nights leave that the world of the last one does not tell."""

    first_night: datetime
    balances: list[Row] = field(default_factory=list)
    restatements: list[Row] = field(default_factory=list)


def views(nights: Sequence[Night], past: Past, *, read_at: datetime) -> Views:
    """The rows of every view, read at `read_at` by the warehouse's clock."""
    return _Reckoning(nights, past, read_at).views()


class _Reckoning:
    """One reckoning of all views, over the same facts."""

    def __init__(self, nights: Sequence[Night], past: Past, read_at: datetime) -> None:
        self.world = nights[0].sandbox.world
        self.now = self.world.now
        self.start = self.world.horizon.first_day
        self.past = past
        self.read_at = read_at
        self.facts = facts_of(nights)
        self.facts["invitee_balance_day"] += past.balances
        self.people = self._people()
        self.member_trades = [row for row in self.facts["trade_day"] if row["scope"] == "member"]
        self.trades = [
            *self.member_trades,
            *(row | {"subject_id": row["invitee_id"], "fee": None} for row in self.facts["broker_account_day"]),
        ]
        self.completed = [row for row in self.facts["transfer"] if row["status"] == "Completed"]

    def views(self) -> Views:
        """Every view by name."""
        found = {view: [self._fact(table, row) for row in self.facts[table]] for table, view in FACTS.items()}
        return found | {
            "dim_accounts": self._accounts(),
            "dim_invitees": self.people,
            "dim_dates": list(self._dates()),
            "daily_performance": list(self._daily_performance()),
            "invitee_performance": [self._performance(person) for person in self.people],
            "referral_funnel": self._funnel(),
            "net_deposits": self._net_deposits(),
            "data_freshness": self._freshness(),
            "coverage_gaps": self._gaps(),
            "restatements": self.past.restatements,
        }

    # -------------------------------------------------------------------------------------------- facts

    def _fact(self, table: str, row: Row) -> Row:
        zone = ZONES[row["source"]]
        first, last = span_of(row)
        shown = row | {"day_start_utc": midnight_in(first, zone), "day_end_utc": midnight_in(last + DAY, zone)}
        if table == "invitee_balance_day":
            shown["is_final"] = row["day"] < day_in(self.read_at, zone)
        elif table in KEYS:
            shown["is_final"] = settled_at(table, row) < self.now
        else:
            shown["day"] = first
        if table == "transfer":
            shown["kind_label"] = KIND_LABELS[row["kind"]]
        return shown

    # -------------------------------------------------------------------------------------------- dimensions

    def _accounts(self) -> list[Row]:
        subjects = {"lbank": self.world.affiliate.open_id, "orderly": ORDERLY_ACCOUNT_ID}
        return [
            {
                "account": f"{source}-main",
                "source": source,
                "subject_id": subjects.get(source),
                "day_zone": zone,
                "start_date": self.start,
                "today": day_in(self.read_at, zone),
                "last_run_outcome": "done",
                "updated_at": self.past.first_night,
            }
            for source, zone in ZONES.items()
        ]

    def _people(self) -> list[Row]:
        """Those whom LBank tells of, the affiliate itself, and whoever else a fact is about."""
        told = {(row["account"], row["invitee_id"]): row for row in self.facts["invitee"]}
        for account in self._accounts():
            if account["subject_id"]:
                person = {"invitee_id": account["subject_id"], "origin": "self"}
                told[account["account"], account["subject_id"]] = person | place_of(account)
        for table, column in PERSON.items():
            for row in self.facts[table]:
                known = {"invitee_id": row[column], "origin": "inferred"} | place_of(row)
                told.setdefault((row["account"], row[column]), known)
        columns = [name.partition("::")[0] for name in COLUMNS["invitee"].split(", ")]
        trading = self.facts["broker_account_day"]
        wallets = {(row["account"], row["invitee_id"]): row["wallet_address"] for row in trading}
        return [
            dict.fromkeys([*columns, "removed_at"])
            | row
            | {
                "wallet_address": wallets.get((row["account"], row["invitee_id"])),
                "registered_day": registered_on(row),
                "is_agent": 1 <= (row.get("level") or 0) <= 21,
                "is_self": row["origin"] == "self",
            }
            for row in told.values()
        ]

    def _dates(self) -> Iterator[Row]:
        """Whole years, to the end of this one. Instants count a day earlier, since they may be so somewhere."""
        known = [self.start, day_in(self.read_at, "UTC")]
        known += [row["period_start"] for row in self.facts["activity_period"]]
        for table, column in (("invitee", "registered_at"), ("referral_event", "occurred_at")):
            known += [day_in(row[column], "UTC") - DAY for row in self.facts[table]]
        first, last = date(min(known).year, 1, 1), date(day_in(self.read_at + DAY, "UTC").year, 12, 31)
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            quarter = (day.month + 2) // 3
            yield {
                "day": day,
                "year": day.year,
                "quarter": quarter,
                "month": day.month,
                "month_name": month_name[day.month],
                "quarter_start": date(day.year, 3 * quarter - 2, 1),
                "month_start": day.replace(day=1),
                "iso_year": day.isocalendar().year,
                "week": day.isocalendar().week,
                "week_start": day - day.weekday() * DAY,
                "day_of_month": day.day,
                "day_of_week": day.isoweekday(),
                "day_name": day_name[day.weekday()],
                "is_weekend": day.weekday() >= 5,
            }

    # -------------------------------------------------------------------------------------------- performance

    def _daily_performance(self) -> Iterator[Row]:
        by_day = {
            "members": grouped(self.member_trades, itemgetter("day")),
            "accounts": grouped(self.facts["broker_account_day"], itemgetter("day")),
            "broker": grouped(self.facts["broker_day"], itemgetter("day")),
            "commissions": grouped(self.facts["commission_day"], itemgetter("day")),
            "transfers": grouped(in_dollars(self.completed), lambda row: span_of(row)[0]),
            "registered": grouped(self.facts["invitee"], registered_on),
        }
        for account, day in sorted({key for groups in by_day.values() for key in groups}):
            rows = {name: groups[account, day] for name, groups in by_day.items()}
            source = account.partition("-")[0]
            brought = [*rows["members"], *(row | {"fee": None} for row in rows["broker"])]
            table = SETTLES_LAST[source]
            yield {
                "account": account,
                "day": day,
                "active_traders": len(
                    {row["subject_id"] for row in positive(rows["members"])}
                    | {row["invitee_id"] for row in positive(rows["accounts"])}
                ),
                "volume": added(brought, "volume"),
                "fees": fees_of(brought),
                "commission_usdt": plus(priced(rows["commissions"]), added(rows["broker"], "broker_fee")),
                "unpriced_commissions": unpriced(rows["commissions"]),
                "deposits_usd": added(going(rows["transfers"], "in"), "amount"),
                "withdrawals_usd": added(going(rows["transfers"], "out"), "amount"),
                "new_invitees": len(rows["registered"]),
                "is_final": day >= self.start and settled_at(table, {"source": source, "day": day}) < self.now,
            }

    def _performance(self, person: Row) -> Row:
        key = person["account"], person["invitee_id"]
        trades, commissions, transfers, balances = (groups[key] for groups in self._by_person)
        days = {row["day"] for row in positive(trades)}
        deposits, withdrawals = (added(going(transfers, way), "amount") for way in ("in", "out"))
        newest = max(balances, key=itemgetter("day"), default=None)
        copied = ("account", "source", "invitee_id", "referral_code", "wallet_address", "origin", "level", "is_direct")
        return {
            **{name: person[name] for name in (*copied, "registered_at", "removed_at")},
            "first_trade_day": min(days, default=None),
            "last_trade_day": max(days, default=None),
            "active_days": len(days),
            "volume": added(trades, "volume"),
            "fees": fees_of(trades),
            "broker_fee": added(trades, "broker_fee") if trades and person["source"] == "orderly" else None,
            "commission_usdt": priced(commissions),
            "unpriced_commissions": unpriced(commissions),
            "deposits_usd": deposits,
            "withdrawals_usd": withdrawals,
            "net_deposits_usd": less(deposits, withdrawals),
            "balance_day": newest and newest["day"],
            "spot_assets": newest and newest["spot_assets"],
            "futures_assets": newest and newest["futures_assets"],
        }

    @cached_property
    def _by_person(self) -> list[Groups]:
        """Trades, commissions, transfers of dollars and balances of each person."""
        return [
            grouped(self.trades, itemgetter("subject_id")),
            grouped(self.facts["commission_day"], itemgetter("recipient_id")),
            grouped(in_dollars(self.completed), itemgetter("invitee_id")),
            grouped(self.facts["invitee_balance_day"], itemgetter("invitee_id")),
        ]

    def _funnel(self) -> list[Row]:
        found: list[Row] = []
        trades, _, _, _ = self._by_person
        deposited = {row["invitee_id"] for row in going(self.completed, "in")}
        for (account, month), rows in grouped(
            self.facts["invitee"], lambda row: registered_on(row).replace(day=1)
        ).items():
            last = {
                row["invitee_id"]: max(each["day"] for each in active)
                for row in rows
                if (active := positive(trades[account, row["invitee_id"]]))
            }
            today = day_in(self.read_at, ZONES["lbank"])
            found.append(
                {
                    "account": account,
                    "registration_month": month,
                    "registered": len(rows),
                    "verified": sum(row["kyc_verified"] for row in rows),
                    "deposited": sum(row["has_deposited"] or row["invitee_id"] in deposited for row in rows),
                    "traded": sum(row["has_traded"] or row["invitee_id"] in last for row in rows),
                    "active_last_30_days": sum(day > today - 30 * DAY for day in last.values()),
                }
            )
        return found

    def _net_deposits(self) -> list[Row]:
        groups = grouped(self.completed, lambda row: (row["invitee_id"], span_of(row)[0], row["asset"]))
        found: list[Row] = []
        for (account, (invitee_id, day, asset)), rows in groups.items():
            deposits, withdrawals = (added(going(rows, way), "amount") for way in ("in", "out"))
            found.append(
                {
                    "account": account,
                    "source": "lbank",
                    "invitee_id": invitee_id,
                    "day": day,
                    "asset": asset,
                    "is_usd": asset in DOLLARS,
                    "deposits": deposits,
                    "withdrawals": withdrawals,
                    "net": less(deposits, withdrawals),
                    "transfers": len(rows),
                }
            )
        return found

    # -------------------------------------------------------------------------------------------- coverage

    def _partitions(self) -> dict[tuple[str, str], int]:
        """How many parts each stream is read in."""
        leaders = len(self.world.agents())
        traders = sum(row["has_traded"] for row in self.facts["invitee"])
        unlisted = sum(row["source"] == "lbank" and row["origin"] in ("info", "inferred") for row in self.people)
        return {
            ("lbank", "team_members"): 1,
            ("lbank", "member_info"): unlisted,
            ("lbank", "commissions"): leaders,
            ("lbank", "member_trades"): 2 * traders,
            ("lbank", "team_trades"): 2 * leaders,
            ("lbank", "futures_turnover"): 1,
            ("lbank", "transfers"): 6,
            ("coinw", "invitee_volume"): 1,
            ("coinw", "activity"): len(self.world.coinw.activities),
            ("orderly", "summary_by_date"): 1,
            ("orderly", "summary_by_account"): 1,
            ("ztdx", "referral_logs"): 1,
        }

    def _freshness(self) -> list[Row]:
        return [
            {
                "account": f"{source}-main",
                "source": source,
                "stream": stream,
                "partitions": partitions,
                "loaded_through": day_in(self.now, ZONES[source]),
                "final_through": self._final_through(source, stream),
                "last_loaded_at": self.now,
                "last_run_outcome": "done",
            }
            for (source, stream), partitions in self._partitions().items()
        ]

    def _final_through(self, source: str, stream: str) -> date | None:
        """The last day, or the last day of the last month, that has settled."""
        if stream in {"team_members", "member_info", "referral_logs"}:
            return None
        table = {"commissions": "commission_day", "activity": "activity_day"}.get(stream, "")
        day = day_in(self.now, ZONES[source])
        while settled_at(table, {"source": source, "day": day}) >= self.now:
            day -= DAY
        return day if day >= self.start else None

    def _gaps(self) -> list[Row]:
        """Days that have begun since the last night, by the clock of the warehouse: one gap a partition."""
        found: list[Row] = []
        for (source, stream), partitions in self._partitions().items():
            loaded, today = day_in(self.now, ZONES[source]), day_in(self.read_at, ZONES[source])
            if loaded < today and stream not in {"team_members", "member_info", "referral_logs"}:
                gap = {"gap_from": loaded + DAY, "gap_to": today, "days": (today - loaded).days}
                found += [{"account": f"{source}-main", "stream": stream, **gap}] * partitions
        return found
