"""The demonstration on the command line."""

import asyncio
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import page
from . import play as playing
from .register import AnotherRegister
from .register import prepare as prepare_members
from .voice import Voice

demonstration = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="DEMONSTRATION mit erfundener Genossenschaft / with an invented cooperative",
)

Home = Annotated[Path, typer.Argument(help="Ordner mit den Schlüsseln / folder with the keys")]
Url = Annotated[str, typer.Option(envvar="ALLMENDE_URL", help="Adresse des Marktplatzes / of the market")]
Language = Annotated[str, typer.Option(envvar="ALLMENDE_LANGUAGE", help="de oder en / de or en")]
Member = Annotated[str, typer.Option(help="Wessen Abrechnung gezeigt wird / whose statement is shown")]

_URL = "nats://127.0.0.1:4222"


@demonstration.callback()
def _on_any_terminal() -> None:
    # Where the terminal lacks a character, a question mark is better than no report.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


@demonstration.command()
def prepare(home: Home, language: Language = "de") -> None:
    """DEMONSTRATION: Schreibt Register und Schlüssel. / Write register and keys."""
    voice = Voice.of(language)
    try:
        register = prepare_members(home)
    except AnotherRegister as error:
        raise typer.Exit(page.apologise(sys.stderr, voice.say("another_register", path=error))) from None
    page.tell(sys.stdout, voice.say("prepared", members=len(register.members), home=home))


@demonstration.command()
def play(home: Home, url: Url = _URL, language: Language = "de") -> None:
    """DEMONSTRATION: Bucht, misst, rechnet ab und zeigt alles. / Book, meter, settle and show it all."""
    raise typer.Exit(asyncio.run(playing.play(url, home, sys.stdout, language)))


@demonstration.command()
def report(
    home: Home, url: Url = _URL, language: Language = "de", member: Member = playing.STATEMENT_SHOWN
) -> None:
    """DEMONSTRATION: Zeigt den Stand noch einmal. / Show once more what was played."""
    raise typer.Exit(asyncio.run(playing.report(url, home, sys.stdout, language, member=member)))
