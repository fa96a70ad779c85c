"""The NATS server as a child process, run with a configuration that somebody else writes."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from allmende.servicekit.embedded import EmbeddedServer
from allmende.servicekit.faults import Fault, explain
from allmende.servicekit.supervisor import Child

DEFAULT_PORT = 4222
UNREADY_SECONDS_MAX = 15.0

_RELOAD_PAUSE_SECONDS = 0.05
_PROBE_SECONDS_MAX = 2.0
_PORT_RELEASE_SECONDS_MAX = 1.0
_WORD = re.compile(r"""\#[^\n]*|//[^\n]*|"(?:\\.|[^"\\])*"|'[^']*'|[{}\[\]]|[^\s{}\[\]"'=,;]+""")
_BLOCKS = {"", "cluster", "gateway", "leafnodes", "leaf", "websocket", "ws", "mqtt"}
_MONITORING = {"http", "http_port", "monitor_port"}
_MONITORING_TLS = {"https", "https_port"}


@dataclass(frozen=True)
class Listener:
    """An address that a configuration makes the server listen at; `purpose` is its block or its key."""

    purpose: str
    host: str
    port: int


class EmbeddedNats(EmbeddedServer):
    """A NATS server run with one configuration file.

    Args:
        config: The configuration; it is read, never written. The client port must be a number other than -1.
        home: Folder of the log (`nats.log`); made when missing. Where JetStream stores is the
            configuration's affair.
    """

    def __init__(self, config: Path, *, home: Path) -> None:
        self.config = Path(config).resolve()
        self._home = Path(home).resolve()
        self.log = self._home / "nats.log"

    def command(self) -> list[str]:
        """The server's command line.

        Raises:
            Fault: The server's program is missing.
        """
        return [str(find_program()), "-c", str(self.config)]

    def check(self) -> None:
        """Lets the server itself judge its configuration, without starting it.

        Raises:
            Fault: It refuses, with its own words; or its program is missing.
        """
        done = subprocess.run([*self.command(), "-t"], check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().removeprefix("nats-server: ")
            raise Fault(f"NATS refuses the configuration {self.config}: {' '.join(words.split())}")

    def prepare(self) -> None:
        """Checks the configuration and that its ports are free; harmless when repeated.

        Raises:
            Fault: The program is missing, the configuration is bad or a port is in use.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        self.check()
        for listener in self.listeners():
            _check_free(listener)

    def child(self) -> Child:
        """The server as a supervisor runs it.

        A full disk latches JetStream until a restart, so a server that stays unhealthy is started again.
        """
        return Child(
            name="nats",
            command=self.command(),
            is_ready=self.is_ready,
            log=self.log,
            restart_unready_after_seconds=UNREADY_SECONDS_MAX,
        )

    def listeners(self) -> list[Listener]:
        """Every address the configuration listens at; the clients' own is the first."""
        return listeners_of(self.config)

    def is_ready(self) -> bool:
        """Whether the server greets a client, and is healthy where its configuration has a monitoring port.

        Blocks for a few milliseconds, at most some seconds. Only the monitoring port tells of a store that
        a full disk has latched: the greeting stays the same.
        """
        clients, *others = self.listeners()
        return _greets(clients) and all(_is_healthy(each) for each in others if each.purpose in _MONITORING)

    def reload(self, pid: int | None = None) -> None:
        """Makes a running server read its configuration again; blocks for 50 ms.

        It is told twice: after the first time a new account is known, yet its requests to the services it
        imports find no responders until the second.

        Args:
            pid: The server's process; None means the one this object started.

        Raises:
            Fault: The configuration is bad (the server keeps the old one), or no server runs.
        """
        self.check()
        target = self.pid if pid is None else pid
        if target is None:
            raise Fault(
                "NATS does not run here, so it cannot be told to read its configuration: start it first"
            )
        try:
            os.kill(target, signal.SIGHUP)
            time.sleep(_RELOAD_PAUSE_SECONDS)
            os.kill(target, signal.SIGHUP)
        except ProcessLookupError:
            raise Fault(f"NATS ended before it could read its configuration: see {self.log}") from None


def find_program() -> Path:
    """Finds `nats-server`: the wheel's, which stands beside Python itself, else the one on PATH.

    Raises:
        Fault: There is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise Fault("nats-server is missing: install it with `pip install 'allmende[embedded]'`")
    return Path(found)


def listeners_of(config: Path) -> list[Listener]:
    """Reads the addresses out of a configuration, the clients' own first, following `include`.

    Raises:
        Fault: A port is not a fixed number.
    """
    settings = {(block, key): value for block, key, value in _settings(config)}
    found = []
    for block in dict.fromkeys(["", *(block for block, key in settings if key in {"listen", "port"})]):
        host = settings.get((block, "host")) or settings.get((block, "net")) or "0.0.0.0"  # noqa: S104
        address = settings.get((block, "listen")) or settings.get((block, "port")) or str(DEFAULT_PORT)
        found.append(_listener(block or "clients", address, host))
    monitoring = _MONITORING | _MONITORING_TLS
    top = ((key, value) for (block, key), value in settings.items() if not block)
    return found + [_listener(key, value, found[0].host) for key, value in top if key in monitoring]


def _settings(config: Path) -> Iterator[tuple[str, str, str]]:
    """The plain settings at the top and one block deep, as (block, key, value)."""
    path: list[str] = []
    key = value = ""
    for word in _words(config):
        if word in {"{", "["}:
            path.append(key)
            key = ""
        elif word in {"}", "]"}:
            path = path[:-1]
            key = ""
        elif not key:
            key, _, value = word.casefold().partition(":")
        else:
            value = word.removeprefix(":")
        if key and value:
            block = path[0] if path else ""
            if len(path) <= 1 and block in _BLOCKS:
                yield block, key, os.environ.get(value[1:], "") if value.startswith("$") else value
            key = value = ""


def _words(config: Path) -> Iterator[str]:
    """Braces, keys and values in their order, without separators, quotes and comments."""
    words = (word for word in _WORD.findall(config.read_text()) if not word.startswith(("#", "//")))
    for word in words:
        if word == "include":
            yield from _words(config.parent / next(words).strip("'\""))
        else:
            yield word.strip("'\"")


def _listener(purpose: str, address: str, host: str) -> Listener:
    """`address` is a port or host:port; an IPv6 host stands in brackets."""
    named, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise Fault(f"The NATS configuration says {address!r} where a fixed port is needed ({purpose})")
    return Listener(purpose, named.strip("[]") or host, int(port))


def _check_free(listener: Listener) -> None:
    """A server that was killed a moment ago may hold the port for a few more milliseconds."""
    deadline = time.monotonic() + _PORT_RELEASE_SECONDS_MAX
    while not _is_free(listener):
        if time.monotonic() > deadline:
            mend = (
                "set ALLMENDE_NATS_PORT to a free port" if listener.purpose == "clients" else "choose another"
            )
            raise Fault(
                f"Port {listener.port} (NATS, {listener.purpose}) is in use by another program: {mend}"
            )
        time.sleep(0.02)


def _is_free(listener: Listener) -> bool:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server does: connections of its predecessor that wait for their end are not in its way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.host, listener.port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            reason = explain(error) or error
            raise Fault(f"NATS cannot listen at {listener.host}:{listener.port}: {reason}") from error
    return True


def _reachable_host(listener: Listener) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.host, listener.host)  # noqa: S104


def _greets(listener: Listener) -> bool:
    try:
        address = _reachable_host(listener), listener.port
        with socket.create_connection(address, _PROBE_SECONDS_MAX) as connection:
            return connection.recv(5) == b"INFO "
    except OSError:
        return False


def _is_healthy(listener: Listener) -> bool:
    host = _reachable_host(listener)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.port}/healthz"
    # A proxy of the environment has no business between a server and its supervisor.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_PROBE_SECONDS_MAX) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
