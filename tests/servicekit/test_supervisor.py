"""The supervisor with real processes: deaths, back-off, hanging children, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from allmende.servicekit import supervisor as module
from allmende.servicekit.faults import Fault
from allmende.servicekit.supervisor import Child, Supervisor


class Observer:
    """Keeps what the supervisor tells, as "name sentence"."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, name: str, sentence: str) -> None:
        self.told.append(f"{name} {sentence}")

    def count(self, words: str) -> int:
        return sum(words in line for line in self.told)


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
async def supervisor(observer: Observer) -> AsyncIterator[Supervisor]:
    async with Supervisor(observer) as supervisor:
        yield supervisor


def shell(folder: Path, script: str, name: str = "child", **more: object) -> Child:
    """A child that runs a shell script and is ready once it has made the file `<name>.ready`."""
    ready = folder / f"{name}.ready"
    options: dict[str, object] = {
        "name": name,
        "command": ["/bin/sh", "-c", script, name, str(ready)],
        "is_ready": ready.exists,
        "log": folder / "logs" / f"{name}.log",
        "ready_timeout_seconds": 20.0,
    }
    return Child(**(options | more))  # type: ignore[arg-type]


SLEEPER = 'touch "$1"; exec sleep 300'


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        await asyncio.sleep(0.005)


def is_alive(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_known(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def pid_of(supervisor: Supervisor, name: str = "child") -> int:
    pid = supervisor.pid(name)
    assert pid is not None
    return pid


async def test_starts_and_stops(tmp_path: Path) -> None:
    supervisor = Supervisor()
    assert supervisor.pid("child") is None
    await supervisor.start(shell(tmp_path, SLEEPER))
    pid = pid_of(supervisor)
    assert is_alive(pid)
    assert os.getpgid(pid) == os.getsid(pid) == pid  # Ctrl-C in a terminal reaches the supervisor alone
    await supervisor.stop()
    assert not is_known(pid)
    assert supervisor.pid("child") is None


async def test_readiness_may_be_asked_asynchronously(tmp_path: Path, supervisor: Supervisor) -> None:
    async def is_ready() -> bool:
        return (tmp_path / "child.ready").exists()

    await supervisor.start(shell(tmp_path, SLEEPER, is_ready=is_ready))
    assert (tmp_path / "child.ready").exists()


async def test_a_probe_that_fails_means_not_yet(tmp_path: Path, supervisor: Supervisor) -> None:
    answers = iter([ConnectionRefusedError(), ValueError(), None])

    def is_ready() -> bool:
        trouble = next(answers)
        if trouble is not None:
            raise trouble
        return True

    await supervisor.start(shell(tmp_path, SLEEPER, is_ready=is_ready))
    assert next(answers, None) is None


async def test_environment_and_log(tmp_path: Path, supervisor: Supervisor) -> None:
    child = shell(tmp_path, f'echo "$WORD"; echo err >&2; {SLEEPER}', environment={"WORD": "hello"})
    await supervisor.start(child)
    assert child.log.read_text() == "hello\nerr\n"


async def test_a_killed_child_is_started_again(
    tmp_path: Path, supervisor: Supervisor, observer: Observer
) -> None:
    await supervisor.start(shell(tmp_path, SLEEPER))
    pid = pid_of(supervisor)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: observer.count("is ready again"))
    assert "child was ended by SIGKILL; starting it again in 0.1 s" in observer.told[0]
    assert pid_of(supervisor) != pid
    assert not is_known(pid)  # reaped


async def test_the_pauses_double_up_to_their_limit(
    tmp_path: Path, supervisor: Supervisor, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS_MIN", 0.1)
    monkeypatch.setattr(module, "BACKOFF_SECONDS_MAX", 0.3)
    script = 'test -e "$1" && exit 3; touch "$1"; exec sleep 300'
    await supervisor.start(shell(tmp_path, script))
    (tmp_path / "child.ready").unlink()
    (tmp_path / "child.ready").mkdir()  # from now on the script ends at once, and is_ready says True
    child_ready = tmp_path / "child.ready"
    os.kill(pid_of(supervisor), signal.SIGKILL)
    await until(lambda: observer.count("in 0.3 s") >= 2)
    pauses = [line.split(" in ")[1] for line in observer.told if "starting it again" in line]
    assert pauses[:4] == ["0.1 s", "0.2 s", "0.3 s", "0.3 s"]
    child_ready.rmdir()
    await until(lambda: "is ready again" in observer.told[-1] and supervisor.pid("child"))


async def test_the_pause_is_forgiven_after_a_good_while(
    tmp_path: Path, supervisor: Supervisor, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_SECONDS_TO_FORGIVE", 0.0)
    await supervisor.start(shell(tmp_path, SLEEPER))
    for turn in range(1, 4):
        os.kill(pid_of(supervisor), signal.SIGKILL)
        await until(lambda turn=turn: observer.count("is ready again") == turn)  # type: ignore[misc]
    assert observer.count("in 0.1 s") == 3


async def test_one_that_ends_at_once_is_told_with_its_last_words(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    with pytest.raises(Fault, match="child ended with exit code 3: out of luck"):
        await supervisor.start(shell(tmp_path, "echo out of luck; exit 3"))
    assert supervisor.pid("child") is None


async def test_the_last_words_are_those_of_this_start(tmp_path: Path, supervisor: Supervisor) -> None:
    child = shell(tmp_path, "exit 3")
    child.log.parent.mkdir()
    child.log.write_text("FATAL: long ago\n")
    with pytest.raises(Fault, match=r"exit code 3$"):
        await supervisor.start(child)


async def test_the_line_that_names_the_error_goes_before_the_last(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    with pytest.raises(Fault, match="FATAL: no such role"):
        await supervisor.start(shell(tmp_path, "echo 'FATAL: no such role'; echo LOG: shut down; exit 1"))


async def test_a_full_disk_in_the_last_words_is_told_with_the_mend(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    with pytest.raises(Fault, match="disk is full"):
        await supervisor.start(shell(tmp_path, "echo write failed: No space left on device; exit 1"))


async def test_a_missing_program_is_told(tmp_path: Path, supervisor: Supervisor) -> None:
    with pytest.raises(Fault, match="child cannot be started"):
        await supervisor.start(shell(tmp_path, "", command=["/no/such/program"]))


async def test_one_that_never_gets_ready_is_ended_and_told(tmp_path: Path, supervisor: Supervisor) -> None:
    child = shell(tmp_path, 'echo $$ > "$1.pid"; echo waiting; exec sleep 300', ready_timeout_seconds=0.5)
    with pytest.raises(Fault, match=r"not ready within 0\.5 s; its last line is: waiting"):
        await supervisor.start(child)
    assert not is_alive(int((tmp_path / "child.ready.pid").read_text()))


async def test_a_start_given_up_leaves_nothing(tmp_path: Path, supervisor: Supervisor) -> None:
    starting = asyncio.create_task(supervisor.start(shell(tmp_path, "exec sleep 300")))
    await until(lambda: supervisor.pid("child"))
    pid = pid_of(supervisor)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_alive(pid)


async def test_a_name_is_kept_once(tmp_path: Path, supervisor: Supervisor) -> None:
    await supervisor.start(shell(tmp_path, SLEEPER))
    pid = pid_of(supervisor)
    with pytest.raises(ValueError, match="kept already"):
        await supervisor.start(shell(tmp_path, SLEEPER))
    assert is_alive(pid)


async def test_stops_in_reverse_order(tmp_path: Path) -> None:
    supervisor = Supervisor()
    script = 'trap "echo $0 >> order; exit" TERM; touch "$1"; while :; do sleep 0.01; done'
    for name in ("first", "second", "third"):
        await supervisor.start(shell(tmp_path, f'cd "{tmp_path}"; {script}', name))
    await supervisor.stop()
    assert (tmp_path / "order").read_text().split() == ["third", "second", "first"]


async def test_one_that_resists_is_killed_with_its_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS_MAX", 0.2)
    supervisor = Supervisor()
    script = 'trap "" TERM; sleep 300 & echo $! > "$1.pid"; touch "$1"; while :; do sleep 0.01; done'
    await supervisor.start(shell(tmp_path, script))
    pid, grandchild = pid_of(supervisor), int((tmp_path / "child.ready.pid").read_text())
    await supervisor.stop()
    await until(lambda: not is_alive(pid) and not is_alive(grandchild))


async def test_grandchildren_of_a_dead_child_end(
    tmp_path: Path, supervisor: Supervisor, observer: Observer
) -> None:
    await supervisor.start(shell(tmp_path, 'sleep 300 & echo $! > "$1.pid"; touch "$1"; wait'))
    grandchild = int((tmp_path / "child.ready.pid").read_text())
    os.kill(pid_of(supervisor), signal.SIGKILL)
    await until(lambda: observer.count("is ready again"))
    await until(lambda: not is_alive(grandchild))


async def test_stopping_while_a_child_waits_for_its_next_start(tmp_path: Path, observer: Observer) -> None:
    supervisor = Supervisor(observer)
    await supervisor.start(shell(tmp_path, SLEEPER))
    os.kill(pid_of(supervisor), signal.SIGKILL)
    await until(lambda: observer.count("starting it again"))
    await supervisor.stop()
    assert observer.count("is ready again") == 0


async def test_an_unready_child_is_left_alone_unless_asked(
    tmp_path: Path, supervisor: Supervisor, observer: Observer
) -> None:
    await supervisor.start(shell(tmp_path, SLEEPER, "left"))
    await supervisor.start(shell(tmp_path, SLEEPER, "watched", restart_unready_after_seconds=0.3))
    left, watched = supervisor.pid("left"), supervisor.pid("watched")
    (tmp_path / "left.ready").unlink()
    (tmp_path / "watched.ready").unlink()
    await until(lambda: observer.count("watched is ready again"))
    assert "watched ran but was not ready for 0.3 s" in observer.told[0]
    assert supervisor.pid("watched") != watched
    assert supervisor.pid("left") == left


async def test_an_observer_that_fails_does_not_end_the_keeping(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_name: str, _sentence: str) -> None:
        raise RuntimeError("observer")

    async with Supervisor(fail) as supervisor:
        await supervisor.start(shell(tmp_path, SLEEPER))
        pid = pid_of(supervisor)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.pid("child") not in {None, pid})
    assert "observer" in caplog.text


async def test_without_process_descriptors_polling_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, observer: Observer
) -> None:
    def forbidden(_pid: int, _flags: int = 0) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", forbidden)
    async with Supervisor(observer) as supervisor:
        await supervisor.start(shell(tmp_path, SLEEPER))
        os.kill(pid_of(supervisor), signal.SIGKILL)
        await until(lambda: observer.count("is ready again"))


KILLED_SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.supervisor import Child, Supervisor

async def main(folder: Path) -> None:
    supervisor = Supervisor()
    postgres = EmbeddedPostgres(folder / "postgres", durable=False)
    postgres.prepare()
    await supervisor.start(postgres.child())
    stubborn = 'trap "" TERM INT HUP; touch "$0"; while :; do sleep 0.01; done'
    await supervisor.start(Child("stubborn", ["/bin/sh", "-c", stubborn, str(folder / "up")],
                                 (folder / "up").exists, folder / "log"))
    print(supervisor.pid("postgres"), supervisor.pid("stubborn"), postgres.socket_folder, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def doomed(tmp_path: Path) -> tuple[list[int], Path]:
    """The processes under a supervisor that has been killed, and the socket folder of its PostgreSQL."""
    command = [sys.executable, "-c", KILLED_SUPERVISOR, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        postgres, stubborn, sockets = process.stdout.readline().split()
        pids = [int(stubborn), int(postgres), *children_of(int(postgres))]
        assert len(pids) > 3
        assert all(map(is_alive, pids))
        process.kill()
    return pids, Path(sockets)


async def test_nothing_survives_a_supervisor_that_is_killed(doomed: tuple[list[int], Path]) -> None:
    pids, sockets = doomed
    await until(lambda: not any(map(is_alive, pids)))
    sockets.rmdir()  # empty: PostgreSQL has come to an orderly end
