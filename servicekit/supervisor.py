"""Keeps child processes alive: starts them, waits until they are ready, starts the dead again, ends all."""

import asyncio
import contextlib
import ctypes
import inspect
import logging
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from allmende.servicekit.faults import Fault, explain, explain_text

BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 5.0
READY_SECONDS_TO_FORGIVE = 10.0
STOP_SECONDS_MAX = 10.0
POLL_SECONDS = 0.005
LIVENESS_POLL_SECONDS = 1.0
PROBE_SECONDS_MAX = 5.0

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Child:
    """One program to keep alive.

    Attributes:
        name: How people call it; unique within a supervisor.
        command: The program and its arguments.
        is_ready: Says whether it serves. A plain function runs in a worker thread and may block for a short
            while; an exception counts as "not yet".
        environment: Variables added to the supervisor's own.
        preexec: Runs in the forked child before the program: a change of user or namespace, say.
        log: File that its output is appended to; its folder is made.
        stop_signal: Asks it to end; ten seconds later it is killed.
        death_signal: Reaches it when the supervisor itself dies, by whatever death.
        ready_timeout_seconds: How long it may take to become ready.
        restart_unready_after_seconds: Restarts it when it lives but is not ready for that long; None: never.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool | Awaitable[bool]]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    preexec: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    ready_timeout_seconds: float = 30.0
    restart_unready_after_seconds: float | None = None


class Spawned:
    """A running child process and where its part of the log begins.

    The parent-death signal is bound to the thread that makes this object: that thread must live as long as
    the child is wanted.

    Raises:
        Fault: The program or its log cannot be opened.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        try:
            child.log.parent.mkdir(parents=True, exist_ok=True)
            with child.log.open("ab") as log:
                self._log_start = log.tell()
                self.process = _popen(child, log)
        except (OSError, subprocess.SubprocessError) as error:
            reason = explain(error) or f"{error}"
            raise Fault(f"{child.name} cannot be started: {reason}") from error

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def has_ended(self) -> bool:
        """Whether the process is over; then its stragglers are killed and it is reaped."""
        if self.process.returncode is None and _is_zombie(self.pid):
            self._kill_group()  # before reaping: until then nobody else can be given this process group
        return self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process, if it still runs."""
        if not self.has_ended():
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends the process and its group by force and reaps it."""
        if not self.has_ended():
            self._kill_group()
            self.process.kill()
            self.process.wait()

    def obituary(self) -> str:
        """How it ended, with the most telling line it wrote to its log."""
        code = self.process.returncode
        if code == -signal.SIGKILL:
            return "was ended by SIGKILL"  # from outside: its last line knows nothing of it
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        words = self.last_words()
        return f"{how}: {words}" if words else how

    def last_words(self) -> str:
        """The last line since this start that names an error, else the last one; empty when there is none."""
        lines = _tail(self.child.log, self._log_start)
        marks = ("FATAL", "PANIC", "[FTL]", "nats-server: ")
        return next(
            (line for line in reversed(lines) if any(m in line for m in marks)), lines[-1] if lines else ""
        )

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class Supervisor:
    """Starts children, starts them again when they die, and leaves none behind.

    Use it from one event loop, whose thread outlives the children.

    Args:
        on_change: Told of every death and every return, as the child's name and a sentence.
    """

    def __init__(self, on_change: Callable[[str, str], None] | None = None) -> None:
        self._on_change = on_change
        self._runs: dict[str, _Run] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, child: Child) -> None:
        """Starts a child, returns when it is ready, and keeps it alive from then on.

        Raises:
            Fault: It cannot be started, dies, or does not become ready in time.
            ValueError: A child of that name is kept already.
        """
        if child.name in self._runs:
            raise ValueError(f"{child.name} is kept already")
        run = self._runs[child.name] = _Run(child, self._report)
        try:
            await run.start()
        except BaseException:
            run.kill()
            self._runs.pop(child.name, None)
            raise

    def pid(self, name: str) -> int | None:
        """The child's process id; None while it is dead or unknown."""
        run = self._runs.get(name)
        return run.pid if run else None

    async def stop(self) -> None:
        """Ends all children, the last one started first; what resists for ten seconds is killed."""
        try:
            for run in reversed(list(self._runs.values())):
                await run.stop()
        finally:
            for run in self._runs.values():
                run.kill()
            self._runs.clear()

    def _report(self, name: str, sentence: str) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(name, sentence)
        except Exception:  # noqa: BLE001 - an observer's bug must not end the keeping
            _log.exception("the observer of the supervisor failed; %s %s", name, sentence)


class _Run:
    """The life of one child across its deaths."""

    def __init__(self, child: Child, report: Callable[[str, str], None]) -> None:
        self._child = child
        self._report = report
        self._spawned: Spawned | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        alive = self._spawned is not None and self._spawned.process.returncode is None
        return self._spawned.pid if self._spawned is not None and alive else None

    async def start(self) -> None:
        await self._spawn_until_ready()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self._child.name}")

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._spawned is not None:
            await _end(self._spawned)

    def kill(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        if self._spawned is not None:
            self._spawned.kill()

    async def _keep(self) -> None:
        delay = BACKOFF_SECONDS_MIN
        while True:
            ready_since = time.monotonic()
            sentence = await self._until_down()
            if time.monotonic() - ready_since >= READY_SECONDS_TO_FORGIVE:
                delay = BACKOFF_SECONDS_MIN
            delay = await self._revive(sentence, delay)

    async def _revive(self, sentence: str, delay: float) -> float:
        """Tries until the child is ready again; returns the next delay in seconds."""
        while True:
            self._report(self._child.name, f"{sentence}; starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACKOFF_SECONDS_MAX)
            try:
                await self._spawn_until_ready()
            except Fault as fault:
                sentence = fault.sentence
            else:
                self._report(self._child.name, f"is ready again as process {self.pid}")
                return delay

    async def _spawn_until_ready(self) -> None:
        spawned = self._spawned = Spawned(self._child)
        deadline = time.monotonic() + self._child.ready_timeout_seconds
        with _ExitWatch(spawned) as exit_watch:
            while not await _answers(self._child):
                _check_hope(spawned, deadline)
                await exit_watch.wait(POLL_SECONDS)

    async def _until_down(self) -> str:
        """Returns when the child is dead, with how it came about."""
        spawned = self._spawned
        assert spawned is not None  # noqa: S101 - only a started run is kept
        limit = self._child.restart_unready_after_seconds
        pause = None if limit is None else min(LIVENESS_POLL_SECONDS, limit / 3)
        ready_at = time.monotonic()
        with _ExitWatch(spawned) as exit_watch:
            while not await exit_watch.wait(pause):
                if limit is None or await _answers(self._child):
                    ready_at = time.monotonic()
                elif time.monotonic() - ready_at >= limit and not spawned.has_ended():
                    await _end(spawned)
                    return f"ran but was not ready for {limit:g} s, so it was ended"
        return spawned.obituary()


class _ExitWatch:
    """Wakes the event loop when a process ends, without a thread and without taking over child signals."""

    def __init__(self, spawned: Spawned) -> None:
        self._spawned = spawned
        self._ended = asyncio.Event()
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        # Sandboxes may forbid the call, and a process that is reaped has none: polling then does.
        with contextlib.suppress(OSError):
            self._descriptor = os.pidfd_open(self._spawned.pid)
            asyncio.get_running_loop().add_reader(self._descriptor, self._ended.set)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    async def wait(self, seconds: float | None) -> bool:
        """True as soon as the process has ended; False after that many seconds (None: waits on)."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._spawned.has_ended():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            if self._descriptor is None:
                left = 0.05 if left is None else min(left, 0.05)
            self._ended.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._ended.wait()
        return True


def run_until_ready(child: Child) -> Spawned:
    """Starts a child without an event loop and blocks until it is ready; nobody restarts it.

    Raises:
        Fault: It cannot be started, dies, or does not become ready in time.
    """
    spawned = Spawned(child)
    try:
        deadline = time.monotonic() + child.ready_timeout_seconds
        while not child.is_ready():
            _check_hope(spawned, deadline)
            time.sleep(POLL_SECONDS)
    except BaseException:
        spawned.kill()
        raise
    return spawned


def end_and_wait(spawned: Spawned) -> None:
    """Ends a child without an event loop; after ten seconds by force."""
    spawned.signal(spawned.child.stop_signal)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while not spawned.has_ended() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    spawned.kill()


async def _end(spawned: Spawned) -> None:
    try:
        spawned.signal(spawned.child.stop_signal)
        with _ExitWatch(spawned) as exit_watch:
            await exit_watch.wait(STOP_SECONDS_MAX)
    finally:
        spawned.kill()


async def _answers(child: Child) -> bool:
    try:
        # Not wait_for, which in Python 3.11 loses a cancellation that meets an answer.
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            return await _ask(child)
    except Exception:  # noqa: BLE001 - whatever keeps the question from being answered means "not yet"
        _log.debug("%s is not ready", child.name, exc_info=True)
        return False


async def _ask(child: Child) -> bool:
    answer = await asyncio.to_thread(child.is_ready)
    return await answer if inspect.isawaitable(answer) else bool(answer)


def _check_hope(spawned: Spawned, deadline: float) -> None:
    """Ends the waiting for a child that is dead or late (the latter is killed) with a Fault."""
    child, words = spawned.child, spawned.last_words()
    if spawned.has_ended():
        known = explain_text(words)
        raise Fault(f"{child.name} {f'ended at its start: {known}' if known else spawned.obituary()}")
    if time.monotonic() > deadline:
        spawned.kill()
        hint = f"its last line is: {words}" if words else f"see {child.log}"
        raise Fault(f"{child.name} was not ready within {child.ready_timeout_seconds:g} s; {hint}")


def die_with_parent(parent: int, death_signal: signal.Signals) -> None:
    """To be called in a forked child, after any change of user (which clears it): ends with its parent.

    Args:
        parent: The process id of the parent; when it has died before this call, the child ends at once.
        death_signal: What the child gets when the parent's thread that forked it ends.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def quiet_fork() -> Iterator[None]:
    """Silences Python's warning of forking beside threads: the child makes a few system calls, then execs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _popen(child: Child, log: IO[bytes]) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def prepare() -> None:
        # A supervisor started in the background of a script ignores Ctrl-C; the children must not.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if child.preexec is not None:
            child.preexec()
        die_with_parent(parent, child.death_signal)

    with quiet_fork():
        return subprocess.Popen(  # noqa: S603 - the command is the caller's own, never a user's text
            [str(part) for part in child.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **child.environment},
            preexec_fn=prepare,  # noqa: PLW1509 - see `quiet_fork`
            start_new_session=True,
        )


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended but is not reaped; it stays so until its parent asks."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _tail(log: Path, start: int) -> list[str]:
    try:
        with log.open("rb") as lines:
            lines.seek(max(start, lines.seek(0, os.SEEK_END) - 8192))
            return [
                line.strip() for line in lines.read().decode(errors="replace").splitlines() if line.strip()
            ]
    except OSError:
        return []
