"""The embedded server against the accidents of real machines: odd paths, killed processes, stale files."""

import asyncio
import dataclasses
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from etl.errors import WarehouseUnreachable
from etl.warehouse import embedded

STARTER = (
    "import sys, time; from pathlib import Path; from etl.warehouse import embedded;"
    "print(embedded.start(Path(sys.argv[1])), flush=True); time.sleep(float(sys.argv[2]))"
)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")


@pytest.fixture(scope="module")
def new_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Gives data directories that do not exist yet, and stops their servers at the end."""
    made: list[Path] = []

    def make(name: str) -> Path:
        made.append(tmp_path_factory.mktemp("db") / name)
        return made[-1]

    yield make
    for data_dir in made:
        embedded.stop(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def shared(new_dir: Callable[[str], Path]) -> Path:
    """One cluster for most tests, on a path that is hostile to shells, connection strings and conf files."""
    data_dir = new_dir('it\'s "my" $HOME, a=b&c\\ é名')
    embedded.start(data_dir)
    return data_dir


@pytest.fixture
def stopped(shared: Path) -> Path:
    embedded.stop(shared)
    return shared


def place_of(data_dir: Path) -> embedded.Embedded:
    place = embedded._place(data_dir)
    assert place is not None
    return place


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


async def answer_to(connecting: Awaitable[asyncpg.Connection], sql: str) -> str:
    connection = await connecting
    try:
        return str(await connection.fetchval(sql))
    finally:
        await connection.close()


def query(url: str, sql: str) -> str:
    async def ask() -> str:
        return await answer_to(asyncpg.connect(url, timeout=5), sql)

    return asyncio.run(ask())


def starter(data_dir: Path, *, stays_seconds: float = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STARTER, str(data_dir), str(stays_seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_asyncpg_sqlalchemy_and_psql_reach_a_server_on_a_hostile_path(shared: Path) -> None:
    url = embedded.start(shared)

    _, for_asyncpg = PGDialect_asyncpg().create_connect_args(make_url(url))  # type: ignore[no-untyped-call]
    psql = [*embedded.psql_command(shared, "affiliate"), "-XAtc", "SHOW server_encoding"]
    environment = embedded.psql_environment()
    answered = subprocess.run(psql, env=environment, capture_output=True, text=True, check=True)

    assert query(url, "SELECT current_user || ' in ' || current_database()") == "postgres in affiliate"
    assert asyncio.run(answer_to(asyncpg.connect(**for_asyncpg), "SHOW port")) == "5432"
    assert answered.stdout == "UTF8\n"


def test_settings_are_private_durable_and_deterministic(shared: Path) -> None:
    url = embedded.start(shared)
    socket = place_of(shared).socket_dir / ".s.PGSQL.5432"

    assert query(url, "SELECT current_setting('listen_addresses')") == ""
    assert query(url, "SELECT current_setting('fsync') || current_setting('TimeZone')") == "onUTC"
    assert query(url, "SELECT lower('ÄÉ') || ('Z' < 'a')::text") == "äétrue"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_second_start_reuses_the_running_server(shared: Path) -> None:
    first = embedded.start(shared)
    pid = postmaster_pid(shared)

    assert embedded.start(shared) == first == embedded.running_url(shared)
    assert postmaster_pid(shared) == pid


def test_server_of_another_cluster_on_the_same_socket_is_not_taken_for_ours(shared: Path, tmp_path: Path) -> None:
    embedded.start(shared)
    ours = place_of(shared)
    other = dataclasses.replace(ours, data_dir=tmp_path / "not plain")
    (other.cluster / "global").mkdir(parents=True)
    (other.cluster / "global" / "pg_control").write_bytes(bytes(8))

    assert other.socket_dir == ours.socket_dir
    assert "affiliate" in embedded._databases(ours)
    assert embedded._databases(other) == []


def test_stop_ends_the_server_once_and_start_makes_nothing_anew(shared: Path) -> None:
    query(embedded.start(shared), "CREATE TABLE IF NOT EXISTS kept AS SELECT 1")
    process = psutil.Process(postmaster_pid(shared))

    assert embedded.stop(shared) is True
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert embedded.stop(shared) is False
    assert embedded.running_url(shared) is None
    assert not place_of(shared).socket_dir.exists()
    assert (shared / "postgres.log").read_text().endswith("database system is shut down\n")
    assert query(embedded.start(shared), "SELECT count(*) FROM kept") == "1"


def test_nothing_runs_and_nothing_is_made_by_asking(new_dir: Callable[[str], Path]) -> None:
    data_dir = new_dir("nothing")

    assert embedded.running_url(data_dir) is None
    assert embedded.stop(data_dir) is False
    with pytest.raises(WarehouseUnreachable, match="etl db start"):
        embedded.psql_command(data_dir, "affiliate")
    assert not data_dir.exists()


def test_caller_whose_output_is_captured_returns_while_the_server_stays(stopped: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(stopped), "0"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)

    assert done.stdout.strip() == embedded.running_url(stopped)
    assert done.stderr == ""


def test_server_outlives_a_caller_killed_with_its_process_group(stopped: Path) -> None:
    with starter(stopped, stays_seconds=60) as caller:
        assert caller.stdout is not None
        url = caller.stdout.readline().strip()
        pid = postmaster_pid(stopped)
        os.killpg(caller.pid, signal.SIGINT)
        os.killpg(caller.pid, signal.SIGKILL)

    assert embedded.start(stopped) == url
    assert postmaster_pid(stopped) == pid


@pytest.mark.parametrize("content", ["", "{pid}", "{pid}\n{cluster}\n1\n5432\n\n\n  1  1\nready\n"])
def test_stale_pid_files_do_not_matter(stopped: Path, content: str) -> None:
    place = place_of(stopped)
    account = {"user": place.uid, "group": place.gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], **account) as other:  # type: ignore[call-overload]
        stale = place.cluster / "postmaster.pid"
        stale.write_text(content.format(pid=other.pid, cluster=place.cluster))
        os.chown(stale, place.uid, place.gid)
        try:
            assert embedded.running_url(stopped) is None
            assert embedded.stop(stopped) is False
            assert query(embedded.start(stopped), "SELECT 1") == "1"
            assert postmaster_pid(stopped) != other.pid
            assert other.poll() is None, "the other program was ended"
        finally:
            other.kill()


def test_pid_file_with_the_pid_of_this_process_is_stale(stopped: Path) -> None:
    (stopped / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{stopped}/postgres\n1\n5432\n")

    assert query(embedded.start(stopped), "SELECT 1") == "1"


def test_committed_rows_survive_a_killed_postmaster(shared: Path) -> None:
    query(embedded.start(shared), "CREATE TABLE IF NOT EXISTS survivors (x int)")
    query(embedded.start(shared), "INSERT INTO survivors SELECT generate_series(1, 1000)")
    os.kill(postmaster_pid(shared), signal.SIGKILL)

    assert query(embedded.start(shared), "SELECT count(*) FROM survivors") == "1000"


def test_suspended_child_of_a_killed_postmaster_is_ended(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "ORPHAN_SECONDS", 0.2)
    embedded.start(shared)
    postmaster = psutil.Process(postmaster_pid(shared))
    writer = next(p for p in postmaster.children() if "background writer" in " ".join(p.cmdline()))
    writer.suspend()
    postmaster.kill()

    assert query(embedded.start(shared), "SELECT 1") == "1"
    assert not writer.is_running() or writer.status() == psutil.STATUS_ZOMBIE


def test_environment_neither_misleads_the_server_nor_leaks_into_it(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGOPTIONS", "--no-such-option")
    monkeypatch.setenv("LBANK_SECRET_KEY", "do-not-keep-me")

    assert query(embedded.start(stopped), "SELECT 1") == "1"
    assert "PGOPTIONS" not in embedded.psql_environment()
    assert "LBANK_SECRET_KEY" not in psutil.Process(postmaster_pid(stopped)).environ()


def test_log_that_grew_too_long_begins_anew(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = stopped / "postgres.log"
    log.write_text("old line\n" * 10)
    monkeypatch.setattr(embedded, "LOG_BYTES", 80)

    embedded.start(stopped)

    assert "old line" not in log.read_text()
    assert "ready to accept connections" in log.read_text()


@pytest.mark.parametrize("trap", ["link", "open", "foreign"])
def test_socket_directory_of_somebody_else_is_refused(stopped: Path, trap: str, tmp_path: Path) -> None:
    if trap == "foreign" and os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    socket_dir = place_of(stopped).socket_dir
    if trap == "link":
        socket_dir.symlink_to(tmp_path)
    else:
        socket_dir.mkdir(mode=0o700)
        socket_dir.chmod(0o777 if trap == "open" else 0o700)
        os.chown(socket_dir, *((65534, 65534) if trap == "foreign" else (-1, -1)))
    try:
        with pytest.raises(WarehouseUnreachable, match=rf"needs {socket_dir} .* for itself"):
            embedded.start(stopped)
        assert embedded.running_url(stopped) is None
    finally:
        socket_dir.unlink() if trap == "link" else socket_dir.rmdir()


def test_server_that_cannot_start_says_what_its_log_says(stopped: Path) -> None:
    conf = stopped / "postgres" / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "\nmax_connections = many\n")
    try:
        with pytest.raises(WarehouseUnreachable, match=r'(?s)does not start.*"max_connections": "many"'):
            embedded.start(stopped)
    finally:
        conf.write_text(good)


def test_processes_that_start_at_once_share_one_server(new_dir: Callable[[str], Path]) -> None:
    data_dir = new_dir(".etl")
    callers = [starter(data_dir) for _ in range(3)]

    urls = {caller.communicate(timeout=30)[0].strip() for caller in callers}

    assert urls == {embedded.running_url(data_dir)}
    assert place_of(data_dir).socket_dir == data_dir / "postgres", "a short plain path holds its own socket"
    assert (data_dir / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_cluster_deleted_under_its_server_is_made_anew(new_dir: Callable[[str], Path]) -> None:
    data_dir = new_dir(".etl")
    embedded.start(data_dir)
    old = psutil.Process(postmaster_pid(data_dir))
    shutil.rmtree(data_dir / "postgres")

    assert query(embedded.start(data_dir), "SELECT 1") == "1"
    assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE


def test_half_made_cluster_never_counts(new_dir: Callable[[str], Path]) -> None:
    data_dir = new_dir("x" * 120)
    with starter(data_dir) as caller:
        deadline = time.monotonic() + 20
        while not list(data_dir.glob("postgres.new.*/PG_VERSION")):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        caller.kill()

    assert not (data_dir / "postgres").exists()
    url = embedded.start(data_dir)
    assert query(url, "SELECT 1") == "1"
    assert len(str(place_of(data_dir).socket_dir)) < 60, "a long path has its socket elsewhere"
    assert list(data_dir.glob("postgres.new.*")) == []


def test_server_that_cannot_be_seen_is_neither_doubled_nor_called_stopped(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.1)
    with (stopped / "postgres.alive.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(WarehouseUnreachable, match="another container"):
            embedded.start(stopped)
        with pytest.raises(WarehouseUnreachable, match="another container"):
            embedded.stop(stopped)


def test_cluster_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("15\n")
    os.chown(cluster, *((65534, 65534) if os.geteuid() == 0 else (-1, -1)))

    with pytest.raises(WarehouseUnreachable, match=r"version 15, the installed one is 1\d"):
        embedded.start(tmp_path)


def test_windows_is_told_to_set_a_dsn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(WarehouseUnreachable, match=r"Linux and macOS.*`dsn`"):
        embedded.start(tmp_path)


@root_only
def test_root_opens_directories_for_search_only_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    place = embedded.Embedded(closed / "data", 65534, 65534, "etl-test")
    place.data_dir.mkdir(mode=0o700)

    embedded._let_in(place)

    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert stat.S_IMODE(place.data_dir.stat().st_mode) == 0o701
    assert str(closed) in caplog.text


@root_only
def test_root_runs_the_cluster_of_a_user_as_that_user(new_dir: Callable[[str], Path]) -> None:
    data_dir = new_dir(".etl")
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, 65534, 65534)

    embedded.start(data_dir)

    assert psutil.Process(postmaster_pid(data_dir)).uids().effective == 65534
    assert {path.stat().st_uid for path in [data_dir, *data_dir.iterdir()]} == {65534}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


@root_only
def test_cluster_of_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()

    with pytest.raises(WarehouseUnreachable, match="belongs to user id 0"):
        embedded.start(tmp_path)
