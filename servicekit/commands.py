"""What the kit brings to the `allmende` command: `up`, `serve`, `db`, `hub`, `demo`."""

import asyncio
import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, TypeVar

import typer
import uvloop

from . import database, hub
from . import up as market
from .faults import Fault, explain
from .migration import migrate
from .service import Service, run
from .settings import Settings, read_secret
from .up import Home

T = TypeVar("T")

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="ALLMENDE_HOME", help="Ordner des Marktplatzes / the market's folder")
]
LanguageOption = Annotated[
    str, typer.Option("--language", envvar="ALLMENDE_LANGUAGE", help="de oder en / de or en")
]
_DEFAULT_HOME = Path(".allmende")
_DEFAULT_PORT = 4222


def main() -> None:
    """Run the kit's own commands."""
    app = typer.Typer(pretty_exceptions_enable=False, no_args_is_help=True)
    for command in (up, serve, demo):
        app.command(command.__name__)(command)
    app.add_typer(db, name="db")
    app.add_typer(hub_app, name="hub")
    app()


@contextlib.contextmanager
def faults_as_sentences() -> Iterator[None]:
    """End with one plain sentence where something outside must be mended, never with a traceback."""
    try:
        yield
    except Fault as fault:
        _say(fault.sentence)
        raise typer.Exit(fault.exit_code) from None
    except (OSError, ExceptionGroup) as error:
        fault_ = explain(error)
        if fault_ is None:
            raise
        _say(fault_.sentence)
        raise typer.Exit(fault_.exit_code) from None


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - a command's own voice


# -- up and demo ------------------------------------------------------------------------------------


def up(
    home: HomeOption = _DEFAULT_HOME,
    port: Annotated[
        int, typer.Option(envvar="ALLMENDE_NATS_PORT", help="Port von NATS / of NATS")
    ] = _DEFAULT_PORT,
    language: LanguageOption = "de",
    *,
    demonstration: Annotated[
        bool, typer.Option(help="Vorführung spielen, wenn der Marktplatz leer ist / play when empty")
    ] = True,
) -> None:
    """Startet den ganzen Marktplatz und bleibt bis Strg-C. / Start the whole market, stay until Ctrl-C."""
    with faults_as_sentences():
        raise typer.Exit(uvloop.run(_up(Home(home.absolute()), port, language, demonstration=demonstration)))


def demo(language: LanguageOption = "de") -> None:
    """Spielt die Vorführung in einem Ordner auf Zeit. / Play the demonstration in a scratch folder."""
    with faults_as_sentences(), tempfile.TemporaryDirectory(prefix="allmende-demo-") as folder:
        Path(folder).chmod(0o711)
        raise typer.Exit(uvloop.run(_demo(Home(Path(folder)), language)))


async def _up(home: Home, port: int, language: str, *, demonstration: bool) -> int:
    text = _TEXTS[language if language in _TEXTS else "de"]
    home.prepare()
    if demonstration:
        await market.prepare_demonstration(home)
    elif not home.register.exists():
        raise Fault(
            f"There is no register of members: write {home.register}, or start without --no-demonstration."
        )
    interrupted = asyncio.create_task(market.until_interrupted())
    _say(text["starting"].format(home=home.path))
    starting = asyncio.create_task(
        market.start(
            home,
            port=port,
            database_url=os.environ.get("DATABASE_URL") or None,
            say=_say,
            environment=market.DEMONSTRATION_SETTINGS if demonstration else None,
        )
    )
    running = await _unless(interrupted, starting)
    if running is None:
        return 0
    try:
        if demonstration:
            playing = asyncio.create_task(market.demonstrate(running, language=language, say=lambda _: None))
            code = await _unless(interrupted, playing)
            if code:
                _say(text["not_played"])
        if not interrupted.done():
            members = ", ".join(sorted(path.stem for path in (home.path / "keys").glob("*.nk"))[:4])
            _say(
                text["running"].format(
                    url=running.url,
                    export="" if port == _DEFAULT_PORT else text["export"].format(url=running.url),
                    home=home.path,
                    members=members,
                    logs=home.path / "logs",
                )
            )
            for name, url in running.health.items():
                _say(f"  {name:10} {url}/health/ready")
        await interrupted
    finally:
        _say(text["stopping"])
        await running.stop()
    return 0


async def _demo(home: Home, language: str) -> int:
    text = _TEXTS[language if language in _TEXTS else "de"]
    await market.prepare_demonstration(home)
    interrupted = asyncio.create_task(market.until_interrupted())
    starting = asyncio.create_task(
        market.start(
            home,
            database_url=os.environ.get("DATABASE_URL") or None,
            say=_say,
            environment=market.DEMONSTRATION_SETTINGS,
        )
    )
    running = await _unless(interrupted, starting)
    if running is None:
        return 130
    try:
        playing = asyncio.create_task(market.demonstrate(running, language=language, say=lambda _: None))
        code = await _unless(interrupted, playing)
    finally:
        await running.stop()
        interrupted.cancel()
    if code is None:
        return 130
    if code:
        _say(text["not_played"])
    return code


async def _unless(interrupted: "asyncio.Task[None]", work: "asyncio.Task[T]") -> "T | None":
    """Wait for work, or end it when the user interrupts."""
    await asyncio.wait({interrupted, work}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        return None
    return work.result()


_TEXTS = {
    "de": {
        "starting": "Der Marktplatz startet in {home} …",
        "running": (
            "\nDer Marktplatz läuft. Ende mit Strg-C; der Stand bleibt in {home} erhalten.\n"
            "  NATS       {url}\n"
            "{export}"
            "  Umsehen    allmende offer list --member MITGLIED      (Mitglieder: {members}, …)\n"
            "             allmende settlement show 2005-11 --member MITGLIED\n"
            "             allmende event tail --member MITGLIED\n"
            "  Protokolle {logs}"
        ),
        "export": "  Vorher     export ALLMENDE_URL={url}\n",
        "stopping": "Der Marktplatz wird beendet …",
        "not_played": "Die Vorführung wurde nicht vollständig gespielt; ein weiterer Start setzt sie fort.",
    },
    "en": {
        "starting": "The market starts in {home} …",
        "running": (
            "\nThe market is running. End it with Ctrl-C; its state is kept in {home}.\n"
            "  NATS       {url}\n"
            "{export}"
            "  Look round allmende offer list --member MEMBER        (members: {members}, …)\n"
            "             allmende settlement show 2005-11 --member MEMBER\n"
            "             allmende event tail --member MEMBER\n"
            "  Logs       {logs}"
        ),
        "export": "  Before     export ALLMENDE_URL={url}\n",
        "stopping": "The market is being stopped …",
        "not_played": "The demonstration was not played to its end; starting again continues it.",
    },
}


# -- one service --------------------------------------------------------------------------------------


def serve(service: Annotated[str, typer.Argument(help="catalog, brokerage, billing")]) -> None:
    """Startet einen einzelnen Dienst. / Run one service; its settings come from ALLMENDE_* variables."""
    logging.basicConfig(
        level=os.environ.get("ALLMENDE_LOG_LEVEL", "WARNING"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    with faults_as_sentences():
        raise typer.Exit(uvloop.run(run(_service(service), Settings.from_environment(service))))


def _service(name: str) -> Service:
    found = {entry.name: entry for entry in entry_points(group="allmende.services")}
    if name not in found:
        raise Fault(f"There is no service {name}; installed are {', '.join(sorted(found))}.", exit_code=2)
    loaded: Service = found[name].load()
    return loaded


# -- databases ----------------------------------------------------------------------------------------

db = typer.Typer(no_args_is_help=True, help="Datenbanken der Dienste / the services' databases")


@db.callback()
def _db() -> None:
    """Datenbanken der Dienste. / The services' databases."""


@db.command("upgrade")
def upgrade(
    home: HomeOption = _DEFAULT_HOME,
    database_url: Annotated[
        str, typer.Option(envvar="DATABASE_URL", help="URL des Verwalters / the administrator's")
    ] = "",
) -> None:
    """Legt Rollen und Datenbanken an und bringt die Tabellen auf den neuesten Stand. / Create and migrate."""
    with faults_as_sentences():
        if not database_url:
            raise Fault(
                "DATABASE_URL is not set; with the embedded PostgreSQL, `allmende up` does this itself.", 2
            )
        for service in market.installed_services():
            target = database.ServiceDatabase(
                database_url, f"allmende_{service.name}", Home(home.absolute()).password(service.name)
            )
            asyncio.run(_upgrade(target, service))
            typer.echo(json.dumps({"service": service.name, "database": target.name}))


async def _upgrade(target: database.ServiceDatabase, service: Service) -> None:
    await database.create(target)
    await migrate(target, service.migrations)


# -- the hub ------------------------------------------------------------------------------------------

hub_app = typer.Typer(no_args_is_help=True, help="NATS-Knoten des Marktplatzes / the market's NATS hub")


@hub_app.command("config")
def config(
    home: HomeOption = _DEFAULT_HOME,
    host: Annotated[str, typer.Option()] = "0.0.0.0",  # noqa: S104 - the hub listens for members
    port: Annotated[int, typer.Option(envvar="ALLMENDE_NATS_PORT")] = _DEFAULT_PORT,
    store: Annotated[Path, typer.Option(help="Ordner von JetStream / of JetStream")] = Path("/var/lib/nats"),
) -> None:
    """Schreibt die Konfiguration des Knotens nach stdout. / Write the hub's configuration to stdout."""
    with faults_as_sentences():
        described = market.hub_of(Home(home.absolute()), market.installed_services())
        typer.echo(described.configuration(host=host, port=port, store=store, monitor_port=8222))


@hub_app.command("provision")
def provision(
    home: HomeOption = _DEFAULT_HOME,
    url: Annotated[str, typer.Option(envvar="ALLMENDE_NATS_URL")] = f"nats://127.0.0.1:{_DEFAULT_PORT}",
) -> None:
    """Legt Ströme und Abnehmer an. / Create or update streams and consumers."""
    with faults_as_sentences():
        place = Home(home.absolute())
        described = market.hub_of(place, market.installed_services())
        asyncio.run(described.provision(url, read_secret(place.service_key(hub.PROVISIONER))))
