"""The embedded PostgreSQL with its real programs: as root, as nobody, after crashes."""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from allmende.servicekit.embedded import postgres, unprivileged
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.faults import Fault
from allmende.servicekit.supervisor import Supervisor, quiet_fork

NOBODY = 65534
NAMED = 1  # daemon
UNNAMED = 54321  # as containers run it
PR_SET_DUMPABLE = 4
NEW_USER_NAMESPACE = 0x10000000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


async def run(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def forked(work: Callable[[], object], between: Callable[[int], None] = lambda _pid: None) -> int:
    """Runs work in a forked process, so that it may change who it is; returns its exit code."""
    with quiet_fork():
        pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    between(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def psql_says(pg: EmbeddedPostgres) -> str:
    """What libpq itself makes of the address."""
    command = [str(pg.programs / "psql"), "-qAtc", "SELECT 1", pg.url()]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, check=True, capture_output=True, text=True
    )
    return done.stdout


def user_of(pg: EmbeddedPostgres) -> int:
    status = Path(f"/proc/{pg.pid}/status").read_text()
    return int(status.partition("Uid:\t")[2].split()[0])


def become(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    # A program started anew by that user has its own /proc entries; a forked one must ask for them.
    assert ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="allmende-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def programs_for_all() -> None:
    """Skips where the programs lie in a folder closed to other users."""
    program = postgres.find_programs() / "postgres"
    if subprocess.run(["/usr/bin/test", "-x", program], check=False, user=NOBODY, group=NOBODY).returncode:
        pytest.skip("the programs cannot be reached by another user")


@pytest.fixture
def stranger() -> Iterator[int]:
    """The process id of some other program of ours."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture(autouse=True)
def _no_sockets_left(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(EmbeddedPostgres(tmp_path).socket_folder, ignore_errors=True)


async def test_starts_serves_and_stops(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as pg:
        pid = pg.pid
        assert pid is not None
        assert pg.is_ready()
        assert await run(pg.url(), "SELECT current_user::text") == "allmende"
        engine = create_async_engine(pg.url().replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT 2"))).scalar() == 2
        await engine.dispose()
        assert pg.socket_folder.stat().st_mode & 0o777 == 0o700
    assert not is_alive(pid)
    assert not pg.is_ready()


async def test_speaks_unicode_and_sorts_alike_everywhere(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as pg:
        assert await run(pg.url(), "SHOW server_encoding") == "UTF8"
        assert await run(pg.url(), "SELECT upper('öl')") == "ÖL"
        assert await run(pg.url(), "SELECT 'Z' < 'a'") is True


async def test_a_port_in_the_environment_leads_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "5999")
    with EmbeddedPostgres(tmp_path, durable=False) as pg:
        assert await run(pg.url(), "SELECT 1") == 1
        assert psql_says(pg) == "1\n"


def test_durability_is_given_up_only_on_request(tmp_path: Path) -> None:
    durable = " ".join(EmbeddedPostgres(tmp_path).command())
    forgetful = " ".join(EmbeddedPostgres(tmp_path, durable=False).command())
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert f"{setting}=on" in durable
        assert f"{setting}=off" in forgetful


async def test_committed_rows_survive_kill_9(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path)
    with pg:
        await run(pg.url(), "CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)")
        assert pg.pid is not None
        os.kill(pg.pid, signal.SIGKILL)
    with pg:
        assert await run(pg.url(), "SELECT n FROM t") == 7


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_stale_lock_file_whose_number_lives_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stranger: int, *, guarded: bool
) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    with pg:
        assert pg.pid is not None
        os.kill(pg.pid, signal.SIGKILL)
    lock = pg.data / "postmaster.pid"
    lock.write_text(f"{stranger}\n" + lock.read_text().split("\n", 1)[1])
    if guarded:
        with pg:
            assert await run(pg.url(), "SELECT 1") == 1
    else:
        monkeypatch.setattr(postgres, "_disown_stale_lock", lambda *_: None)
        with pytest.raises(Fault, match="lock file"):
            pg.start()


async def test_an_empty_lock_file_of_a_crash_is_removed(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    pg.prepare()
    lock = pg.data / "postmaster.pid"
    lock.touch()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    if os.geteuid() == 0:
        os.chown(lock, pg.data.stat().st_uid, -1)
    with pg:
        assert await run(pg.url(), "SELECT 1") == 1


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    pg.prepare()
    made = (pg.data / "global/pg_control").read_bytes()
    pg.prepare()
    assert (pg.data / "global/pg_control").read_bytes() == made


def test_an_initialisation_killed_half_way_is_made_anew(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)

    def kill_when_begun(pid: int) -> None:
        deadline = time.monotonic() + 20
        while not any(tmp_path.glob("initdb-*/base")) and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)

    assert forked(pg.prepare, kill_when_begun) == -signal.SIGKILL
    assert any(tmp_path.glob("initdb-*"))
    assert not pg.data.exists()
    with pg:
        assert pg.is_ready()
    assert not any(tmp_path.glob("initdb-*"))


def test_an_empty_data_folder_is_filled(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    pg.data.mkdir()
    pg.prepare()
    assert (pg.data / "PG_VERSION").exists()


def test_foreign_files_are_never_touched(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    pg.data.mkdir()
    (pg.data / "letter.txt").write_text("dear")
    with pytest.raises(Fault, match="move it away"):
        pg.prepare()
    assert (pg.data / "letter.txt").read_text() == "dear"


def test_data_of_another_version_are_refused(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    pg.prepare()
    (pg.data / "PG_VERSION").write_text("11\n")
    with pytest.raises(Fault, match="PostgreSQL 11"):
        pg.prepare()


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as first:
        with pytest.raises(Fault, match=f"already as process {first.pid}"):
            EmbeddedPostgres(tmp_path, durable=False).start()
        assert first.is_ready()


def test_a_socket_path_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(long))
        with pytest.raises(Fault, match="TMPDIR"):
            EmbeddedPostgres(tmp_path).url()


def test_missing_programs_are_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda _name: None)
    monkeypatch.setattr(postgres, "DISTRIBUTION", tmp_path)
    with pytest.raises(Fault, match="pip install"):
        EmbeddedPostgres(tmp_path).prepare()


def test_the_newest_of_the_distribution_is_second_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "16", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        for program in ("postgres", "initdb", "pg_isready"):
            (tmp_path / version / "bin" / program).touch()
    monkeypatch.setattr(postgres, "DISTRIBUTION", tmp_path)
    assert postgres.find_programs() != tmp_path / "17/bin"
    monkeypatch.setattr(postgres, "find_spec", lambda _name: None)
    assert postgres.find_programs() == tmp_path / "17/bin"


@as_root
@pytest.mark.usefixtures("programs_for_all")
@pytest.mark.parametrize("user", [NAMED, UNNAMED])
def test_an_ordinary_user_needs_nothing_special_and_root_keeps_it_so(open_folder: Path, user: int) -> None:
    os.chown(open_folder, user, user)

    def work() -> None:
        become(user)
        with EmbeddedPostgres(open_folder / "home", durable=False) as pg:
            assert asyncio.run(run(pg.url(), "SELECT 1")) == 1
        shutil.rmtree(pg.socket_folder)

    assert forked(work) == 0
    with EmbeddedPostgres(open_folder / "home", durable=False) as pg:
        assert user_of(pg) == user
        assert asyncio.run(run(pg.url(), "SELECT 1")) == 1
    shutil.rmtree(pg.socket_folder)
    assert forked(work) == 0


@as_root
@pytest.mark.usefixtures("programs_for_all")
def test_a_user_without_a_name_is_told_where_namespaces_are_forbidden(open_folder: Path) -> None:
    os.chown(open_folder, UNNAMED, UNNAMED)

    def work() -> None:
        become(UNNAMED)
        unprivileged.namespaces_are_allowed = lambda: False  # only in the forked process
        with pytest.raises(Fault, match="needs a name for user 54321"):
            EmbeddedPostgres(open_folder / "home", durable=False).prepare()
        EmbeddedPostgres(open_folder / "home").socket_folder.rmdir()

    assert forked(work) == 0


@as_root
@pytest.mark.usefixtures("programs_for_all")
async def test_without_namespaces_root_becomes_nobody_and_back(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_folder / "home"
    with EmbeddedPostgres(home, durable=False) as pg:
        await run(pg.url(), "CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)")
    with monkeypatch.context() as patch:
        patch.setattr(unprivileged, "namespaces_are_allowed", lambda: False)
        with EmbeddedPostgres(home, durable=False) as pg:
            assert user_of(pg) == NOBODY
            assert await run(pg.url(), "SELECT n FROM t") == 7
    with EmbeddedPostgres(home, durable=False) as pg:
        assert await run(pg.url(), "SELECT n FROM t") == 7
    shutil.rmtree(pg.socket_folder)


@as_root
@pytest.mark.usefixtures("programs_for_all")
def test_where_the_system_itself_forbids_namespaces(open_folder: Path) -> None:
    """Inside a user namespace the number of further ones can be limited to none, as containers do."""
    told, mapped = os.pipe(), os.pipe()

    def work() -> None:
        assert ctypes.CDLL(None).unshare(NEW_USER_NAMESPACE) == 0
        os.write(told[1], b"x")
        os.read(mapped[0], 1)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        assert not unprivileged.namespaces_are_allowed()
        with EmbeddedPostgres(open_folder / "home", durable=False) as pg:
            assert asyncio.run(run(pg.url(), "SELECT 1")) == 1
            assert pg.data.stat().st_uid == NOBODY
        shutil.rmtree(pg.socket_folder)

    def map_users(pid: int) -> None:
        os.read(told[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text("0 0 65536")
        os.write(mapped[1], b"x")

    try:
        assert forked(work, map_users) == 0
    finally:
        for descriptor in (*told, *mapped):
            os.close(descriptor)


@as_root
def test_without_namespaces_a_closed_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "namespaces_are_allowed", lambda: False)
    tmp_path.chmod(0o700)
    with pytest.raises(Fault, match="choose another folder"):
        EmbeddedPostgres(tmp_path / "home", durable=False).prepare()


@as_root
def test_a_socket_folder_laid_by_somebody_else_is_replaced(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path, durable=False)
    pg.socket_folder.mkdir()
    os.chown(pg.socket_folder, NOBODY, NOBODY)
    with pg:
        assert pg.socket_folder.stat().st_uid == pg.data.stat().st_uid


@as_root
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("mounting is forbidden here")
    try:
        with pytest.raises(Fault, match="disk is full"):
            EmbeddedPostgres(tmp_path, durable=False).prepare()
        assert not any(tmp_path.glob("initdb-*"))
    finally:
        subprocess.run(["umount", tmp_path], check=True)


async def test_the_supervisor_revives_it_with_its_data(tmp_path: Path) -> None:
    pg = EmbeddedPostgres(tmp_path)
    pg.prepare()
    told: list[str] = []
    async with Supervisor(lambda _name, sentence: told.append(sentence)) as supervisor:
        await supervisor.start(pg.child())
        await run(pg.url(), "CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)")
        pid = supervisor.pid("postgres")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: any("ready again" in sentence for sentence in told))
        assert await run(pg.url(), "SELECT n FROM t") == 7
    assert not (pg.data / "postmaster.pid").exists()
    assert "SIGKILL" in told[0]
