"""The commands as people and programs use them: exit codes, what is said, and the JSON contracts."""

import json
from datetime import date, timedelta
from pathlib import Path

from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, launched, run


def said(err: str) -> list[str]:
    """The messages on stderr, which has one JSON object per line."""
    return [json.loads(line)["event"] for line in err.splitlines()]


FOUR = ("lbank", "coinw", "orderly", "ztdx")


async def test_all_faults_of_a_configuration_are_told_at_once_with_their_paths(tmp_path: Path) -> None:
    config = tmp_path / "etl.toml"
    config.write_text(
        """
[warehouse]
dns = "postgresql://localhost/x"

[accounts.main]
source = "lbank"
api_key = "${NOT_SET_ANYWHERE}"
secret_key = "s"
open_id = "LBA1"
start_date = "2026-02-30"
colour = "blue"

[accounts.other]
source = "nowhere"
"""
    )
    ended = await run(config, "sync")
    assert ended.code == 2
    faults = said(ended.err)
    for path in (
        "warehouse.dns",
        "accounts.main.api_key",
        "accounts.main.start_date",
        "accounts.main.colour",
        "accounts.other.source",
    ):
        assert [fault for fault in faults if path in fault], path
    assert any("NOT_SET_ANYWHERE" in fault for fault in faults)


async def test_wrong_usage_exits_2(tmp_path: Path) -> None:
    config = tmp_path / "none.toml"
    assert (await run(config, "sync")).code == 2
    bad_date = await run(config, "backfill", "--from", "2026-13-01", "--to", "2026-01-31")
    assert bad_date.code == 2
    assert "--from" in said(bad_date.err)[0]
    missing = await run(config, "backfill", "--to", "2026-01-31")
    assert missing.code == 2
    assert "--from" in said(missing.err)[0]
    nowhere = await run(config, "init", "--config", str(tmp_path / "none" / "etl.toml"))
    assert nowhere.code == 2
    assert "cannot be written" in said(nowhere.err)[0]
    assert (await run(config, "frobnicate")).code == 2
    assert (await run(config, "sync", "--nonsense")).code == 2


async def test_names_that_are_not_known_exit_2_and_name_those_that_are(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        config = configured(tmp_path, Night(sandbox, warehouse_dsn))
        ended = await run(config, "sync", "--account", "nobody", "--stream", "everything")
        assert ended.code == 2
        faults = said(ended.err)
        assert "lbank-main" in faults[0]
        assert "team_members" in faults[1]
        ended = await run(config, "backfill", "--from", "2026-03-02", "--to", "2026-03-01")
        assert ended.code == 2
        assert sandbox.requests == []


async def test_a_warehouse_that_is_away_or_empty_exits_3_and_says_what_to_do(server_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        config = configured(tmp_path, Night(sandbox, "postgresql://nobody@127.0.0.1:1/none"))
        for command in ("sync", "plan", "status"):
            ended = await run(config, command)
            assert ended.code == 3, ended.err
            assert "warehouse.dsn" in said(ended.err)[0]
        config = configured(tmp_path, Night(sandbox, server_dsn))
        ended = await run(config, "sync")
        assert ended.code == 3
        assert "etl migrate" in said(ended.err)[0]
        assert sandbox.requests == []


async def test_a_dsn_that_cannot_be_read_exits_2_and_shows_no_password(tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        for password in ("S3cr/et", "S3cr?et"):
            config = configured(tmp_path, Night(sandbox, f"postgresql://user:{password}@localhost/db"))
            ended = await run(config, "sync")
            assert ended.code == 2, ended.err
            assert "warehouse.dsn" in said(ended.err)[0]
            assert "S3cr" not in ended.err


async def test_a_wrong_secret_exits_1_with_one_sentence(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        config = configured(tmp_path, Night(sandbox, warehouse_dsn), secret="WRONGSECRET")
        ended = await run(config, "sync")
        assert ended.code == 1
        assert len(sandbox.requests) <= 3
        told = [json.loads(line) for line in ended.err.splitlines()]
        [failure] = [line for line in told if line["event"] == "failed"]
        assert failure["account"] == "lbank-main"
        assert "10007" in failure["message"]
        assert "WRONGSECRET" not in ended.err + ended.out


async def test_a_sync_a_plan_and_a_status_keep_their_contracts(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        config = configured(tmp_path, Night(sandbox, warehouse_dsn))
        ended = await run(config, "sync", "--stream", "lbank.commissions", "--stream", "team_members")
        assert ended.code == 0, ended.err
        assert {json.loads(line)["event"] for line in ended.err.splitlines()} == {"started", "loaded", "finished"}
        before = len(sandbox.requests)

        plan = json.loads((await run(config, "plan", "--json")).out)
        assert set(plan) == {"streams", "requests", "seconds"}
        line = next(line for line in plan["streams"] if line["stream"] == "commissions")
        keys = {"account", "source", "stream", "requests", "at_least", "seconds", "limit"}
        assert set(line) == keys
        backfill = json.loads(
            (await run(config, "plan", "backfill", "--from", "2026-01-01", "--to", "2026-01-10", "--json")).out
        )
        assert "team_members" not in {line["stream"] for line in backfill["streams"]}

        status = json.loads((await run(config, "status", "--json")).out)
        assert set(status) == {"streams", "runs", "issues"}
        streams = {stream["stream"]: stream for stream in status["streams"]}
        commissions = streams["commissions"]
        assert set(commissions) == {
            *("account", "source", "stream", "loaded_through", "final_through"),
            *("due_days", "gaps", "last_success", "last_error", "rejects"),
        }
        assert commissions["loaded_through"] == "2026-03-10"
        assert commissions["final_through"] == "2026-03-07"
        assert commissions["due_days"] == 3
        assert commissions["gaps"] == []
        first_day: date = sandbox.world.horizon.first_day
        assert streams["futures_turnover"]["gaps"] == [[first_day.isoformat(), "2026-03-10"]]
        assert streams["futures_turnover"]["loaded_through"] is None
        assert status["runs"][0]["outcome"] == "done"
        assert len(sandbox.requests) == before, "neither plan nor status calls the exchange"


async def test_check_says_what_is_well_and_what_to_fix(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        good = await run(configured(tmp_path, night), "check")
        assert good.code == 0, good.out
        assert len(sandbox.requests) == 1
        bad = await run(configured(tmp_path, night, secret="WRONG"), "check")
        assert bad.code == 1
        assert "secret_key" in bad.out
        away = await run(configured(tmp_path, Night(sandbox, "postgresql://x@127.0.0.1:1/x")), "check")
        assert away.code == 3


async def test_check_asks_each_of_four_accounts_once(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, sources=FOUR)
        good = await run(config, "check")
        assert good.code == 0, good.out
        assert len(sandbox.requests) == 4
        assert all(f"{source}-main" in good.out for source in FOUR)

        late = sandbox.world.now + timedelta(minutes=4)
        sandbox.ztdx.access.token_secret = "ANOTHER"
        sandbox.coinw.access.permitted = False
        sandbox.requests.clear()
        bad = await run(config, "check", now=late)
        assert bad.code == 1
        told = {line.split(":", 1)[0].split()[-1]: line for line in bad.out.splitlines()}
        assert "clock is 240 s ahead of that of LBank" in told["lbank-main"]
        assert "clock is 240 s ahead of that of CoinW" in told["coinw-main"]
        assert "clock is 240 s ahead of that of Orderly" in told["orderly-main"]
        assert "clock is 240 s ahead of that of ZTDX" in told["ztdx-main"]
        assert len(sandbox.requests) == 4

        sandbox.orderly.access.account_id = "0xANOTHER"
        bad = await run(config, "check")
        told = {line.split(":", 1)[0].split()[-1]: line for line in bad.out.splitlines()}
        assert told["lbank-main"].startswith("ok")
        assert "6003" in told["coinw-main"]
        assert "account_id" in told["orderly-main"]
        assert "HTTP 401" in told["ztdx-main"]
        totals = await night.rows("SELECT DISTINCT requests FROM ops.run WHERE command = 'check'")
        assert totals == [(1,)]


async def test_the_accounts_that_the_sandbox_prints_are_accepted_by_it(tmp_path: Path) -> None:
    config = tmp_path / "etl.toml"
    serving = await launched(config, "sandbox", "--port", "0", "--members", "3", "--days", "2", now=None)
    try:
        assert serving.stdout is not None
        printed: list[str] = []
        while not (printed and printed[-1].startswith("token = ")):
            printed.append((await serving.stdout.readline()).decode())
        config.write_text("".join(printed[1:]))
        checked = await run(config, "check", now=None)
        assert checked.out.count("ok ") == 4, checked.out
    finally:
        serving.terminate()
        await serving.wait()
        await run(config, "db", "stop")


async def test_a_sync_of_four_accounts_names_the_one_that_failed(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world(members=5, days=5)) as sandbox:
        sandbox.coinw.access.permitted = False
        ended = await run(configured(tmp_path, Night(sandbox, warehouse_dsn), sources=FOUR), "sync")
        assert ended.code == 1
        told = [json.loads(line) for line in ended.err.splitlines()]
        assert {line["account"]: line["outcome"] for line in told if line["event"] == "finished"} == {
            **dict.fromkeys(("lbank-main", "orderly-main", "ztdx-main"), "done"),
            "coinw-main": "failed",
        }
        [failure] = [line for line in told if line["event"] == "failed"]
        assert (failure["account"], "6003" in failure["message"]) == ("coinw-main", True)


async def test_an_empty_folder_becomes_a_warehouse_without_any_server(tmp_path: Path) -> None:
    async with exchange(small_world(members=5, days=3)) as sandbox:
        folder = tmp_path / "a new folder"
        folder.mkdir()
        config = folder / "etl.toml"
        try:
            assert (await run(config, "init", "--config", str(config))).code == 0
            assert config.stat().st_mode & 0o077 == 0, "a file that holds keys is readable by its owner alone"
            assert (await run(config, "init", "--config", str(config))).code == 2, "an existing file is left alone"
            assert (await run(config, "migrate")).code == 0
            text = config.read_text()
            for name, value in (
                ("${LBANK_API_KEY}", sandbox.api_key),
                ("${LBANK_SECRET_KEY}", sandbox.secret_key),
                ("${LBANK_OPEN_ID}", sandbox.open_id),
                ('# base_url = "https://affiliate.lbankverify.com"', f'base_url = "{sandbox.url}"'),
                (
                    "# rate_limit = { requests = 5, period_seconds = 10 }",
                    "rate_limit = { requests = 1000, period_seconds = 1 }",
                ),
            ):
                assert name in text
                text = text.replace(name, value)
            config.write_text(text.replace("start_date = 2025-12-10", "start_date = 2026-03-08"))
            ended = await run(config, "sync")
            assert ended.code == 0, ended.err
            count = await run(
                config, "db", "psql", "-Atc", "SELECT count(*) FROM warehouse.invitee WHERE origin = 'list'"
            )
            assert count.out.strip() == "5", count.err
            assert (await run(config, "db", "url")).out.startswith("postgresql://")
        finally:
            assert (await run(config, "db", "stop")).code == 0
