"""The embedded NATS server with its real program."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nats as nats_client
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from allmende.servicekit.embedded import nats
from allmende.servicekit.embedded.nats import EmbeddedNats, Listener, listeners_of
from allmende.servicekit.faults import Fault


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(tmp_path: Path, port: int) -> EmbeddedNats:
    return configured(tmp_path, f"listen: 127.0.0.1:{port}\njetstream {{ store_dir: '{tmp_path}/store' }}\n")


def configured(folder: Path, config: str) -> EmbeddedNats:
    (folder / "nats.conf").write_text(config)
    return EmbeddedNats(folder / "nats.conf", home=folder / "home")


async def test_starts_serves_and_stops(server: EmbeddedNats, port: int) -> None:
    with server:
        assert server.is_ready()
        client = await nats_client.connect(f"nats://127.0.0.1:{port}")
        await client.jetstream().add_stream(name="s", subjects=["s"])
        await client.close()
        pid = server.pid
        assert pid is not None
    assert not server.is_ready()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_messages_survive_kill_9(server: EmbeddedNats, port: int) -> None:
    with server:
        client = await nats_client.connect(f"nats://127.0.0.1:{port}")
        await client.jetstream().add_stream(name="s", subjects=["s"])
        await client.jetstream().publish("s", b"hello")
        await client.close()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    with server:
        client = await nats_client.connect(f"nats://127.0.0.1:{port}")
        assert (await client.jetstream().get_msg("s", 1)).data == b"hello"
        await client.close()


def test_a_port_in_use_is_told_before_the_start(server: EmbeddedNats, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(Fault, match=rf"Port {port} .* set ALLMENDE_NATS_PORT to a free port"):
            server.start()
    assert not server.log.exists()
    server.prepare()


def test_a_monitoring_port_in_use_is_told(tmp_path: Path, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monitoring = taken.getsockname()[1]
        server = configured(tmp_path, f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitoring}\n")
        with pytest.raises(Fault, match=rf"Port {monitoring} \(NATS, http\)"):
            server.prepare()


@pytest.mark.parametrize("config", ["foo: 1\n", "accounts {\n", "listen: 127.0.0.1:x\n"])
def test_a_bad_configuration_is_told_in_the_servers_words(tmp_path: Path, config: str) -> None:
    with pytest.raises(Fault, match=r"NATS refuses the configuration .*nats\.conf: \S+") as caught:
        configured(tmp_path, config).start()
    assert "\n" not in caught.value.sentence


def test_a_missing_program_is_told_with_the_command(
    server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Fault, match="pip install"):
        server.check()


def test_the_program_on_the_path_is_second_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy("/bin/true", tmp_path / "nats-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nats.find_program() != tmp_path / "nats-server"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere/python"))
    assert nats.find_program() == tmp_path / "nats-server"


SERVICE = (
    "accounts {{ A {{ exports: [ {{ service: q }} ], users: [ {{ user: a, password: pw }} ] }} {more} }}\n"
)
MEMBER = ", B { imports: [ { service: { account: A, subject: q } } ], users: [ { user: b, password: pw } ] }"


async def answer(question: Msg) -> None:
    await question.respond(b"answer")


async def ask_as_new_member(
    server: EmbeddedNats, port: int, reload: Callable[[], None], *, times: int
) -> bytes:
    """The answer that an account added by a reload gets from a service of an older one."""
    provider = await nats_client.connect(f"nats://a:pw@127.0.0.1:{port}")
    await provider.subscribe("q", cb=answer)
    await provider.flush()
    server.config.write_text(f"listen: 127.0.0.1:{port}\n" + SERVICE.format(more=MEMBER))
    reload()
    await until_reloaded(server, times)
    member = await nats_client.connect(f"nats://b:pw@127.0.0.1:{port}", allow_reconnect=False)
    try:
        return (await member.request("q", b"", timeout=5)).data
    finally:
        await member.close()
        await provider.close()


async def until_reloaded(server: EmbeddedNats, times: int) -> None:
    deadline = time.monotonic() + 10
    while server.log.read_text().count("Reloaded server configuration") < times:
        assert time.monotonic() < deadline, "the server was never told"
        await asyncio.sleep(0.005)


@pytest.fixture
def hub(tmp_path: Path, port: int) -> Iterator[EmbeddedNats]:
    with configured(tmp_path, f"listen: 127.0.0.1:{port}\n" + SERVICE.format(more="")) as server:
        yield server


async def test_a_new_account_reaches_services_after_a_reload(hub: EmbeddedNats, port: int) -> None:
    assert await ask_as_new_member(hub, port, hub.reload, times=2) == b"answer"


async def test_telling_the_server_once_would_not_do(hub: EmbeddedNats, port: int) -> None:
    """The reason for telling it twice; when this fails, once has become enough."""
    pid = hub.pid
    assert pid is not None
    with pytest.raises(nats_client.errors.NoRespondersError):
        await ask_as_new_member(hub, port, lambda: os.kill(pid, signal.SIGHUP), times=1)


async def test_a_bad_reload_is_told_and_changes_nothing(server: EmbeddedNats, port: int) -> None:
    with server:
        server.config.write_text("accounts {\n")
        with pytest.raises(Fault, match="refuses"):
            server.reload()
        client = await nats_client.connect(f"nats://127.0.0.1:{port}")
        await client.close()


def test_nothing_to_reload_is_told(server: EmbeddedNats) -> None:
    with pytest.raises(Fault, match="start it first"):
        server.reload()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is forbidden here")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def publish_until_silence(client: Client) -> None:
    with contextlib.suppress(nats_client.errors.TimeoutError):
        for _ in range(200):
            await client.jetstream().publish("s", b"x" * 10_000, timeout=0.5)
        pytest.fail("the disk never filled")


async def test_a_store_latched_by_a_full_disk_is_not_ready(
    tmp_path: Path, port: int, small_disk: Path
) -> None:
    config = (
        f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{free_port()}\n"
        f"jetstream {{ store_dir: '{small_disk}', max_file_store: 100MB }}\n"
    )
    with configured(tmp_path, config) as server:
        client = await nats_client.connect(f"nats://127.0.0.1:{port}")
        await client.jetstream().add_stream(name="s", subjects=["s"])
        await publish_until_silence(client)
        assert not server.is_ready()
        await client.close()


def test_addresses_are_read_as_the_server_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAF_PORT", "7422")
    (tmp_path / "leaf.conf").write_text("leafnodes { port: $LEAF_PORT }\n")
    (tmp_path / "hub.conf").write_text(
        """
        # port: 1
        include "leaf.conf"
        http = 8222   // port: 2
        cluster { name: c, listen: "[::1]:6222", routes: [nats-route://a:b@h:6222] }
        websocket { port: 8080, no_tls: true }
        accounts { A { users: [ { user: a, password: "port: 3 {" } ] } }
        host:localhost
        port:4333
        """
    )
    assert listeners_of(tmp_path / "hub.conf") == [
        Listener("clients", "localhost", 4333),
        Listener("leafnodes", "0.0.0.0", 7422),  # noqa: S104
        Listener("cluster", "::1", 6222),
        Listener("websocket", "0.0.0.0", 8080),  # noqa: S104
        Listener("http", "localhost", 8222),
    ]


def test_json_is_a_configuration_too(tmp_path: Path) -> None:
    (tmp_path / "hub.json").write_text('{"port":4777,"jetstream":{"store_dir":"/x"}}')
    assert listeners_of(tmp_path / "hub.json") == [Listener("clients", "0.0.0.0", 4777)]  # noqa: S104


def test_without_a_port_the_servers_default_counts(tmp_path: Path) -> None:
    (tmp_path / "hub.conf").write_text("server_name: hub\n")
    assert listeners_of(tmp_path / "hub.conf")[0].port == 4222


def test_a_random_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.conf").write_text("port: -1\n")
    with pytest.raises(Fault, match="fixed port"):
        listeners_of(tmp_path / "hub.conf")
