"""The root of the command line: what holds for every command."""

from typing import Annotated

import typer

from .language import VARIABLE, both, say

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - seldom needed

        try:
            typer.echo(f"allmende {version('allmende')}")
        except PackageNotFoundError:
            typer.echo(say("allmende, nicht installiert", "allmende, not installed"))
        raise typer.Exit


@app.callback(
    help=both(
        "Allmende: der Marktplatz öffentlicher Rechenzentren.\n\n"
        "Daten gehen auf die Standardausgabe, Meldungen auf die Fehlerausgabe. Ende mit 0 gelungen, "
        "1 misslungen oder abgelehnt, 2 falscher Aufruf, 3 nicht gefunden, 4 nicht erlaubt, 5 Widerspruch, "
        "6 nicht erreichbar.",
        "Allmende: the marketplace of public data centres.\n\n"
        "Data goes to standard output, messages to standard error. Exit codes: 0 done, 1 failed or refused, "
        "2 wrong usage, 3 not found, 4 denied, 5 conflict, 6 unreachable.",
    )
)
def _root(
    *,
    language: Annotated[
        str,
        typer.Option(
            "--language",
            envvar=VARIABLE,
            show_envvar=True,
            metavar="de|en",
            help=both("Sprache; die Option darf überall stehen", "Language; the option may stand anywhere"),
        ),
    ] = "de",
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _version(wanted=wanted),
            is_eager=True,
            help=both("Version zeigen", "Show the version"),
        ),
    ] = False,
) -> None:
    """Everything begins here."""
