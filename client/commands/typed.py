"""Arguments and options that several commands share, and groups of commands."""

from typing import Annotated

import typer

from .language import both


def group(german: str, english: str) -> typer.Typer:
    """Make a group of commands."""
    return typer.Typer(
        help=both(german, english),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )


File = Annotated[
    str,
    typer.Option(
        "--file", "-f", metavar="FILE|-", help=both("Datei, - für die Standardeingabe", "File, - for stdin")
    ),
]
Offered = Annotated[
    str, typer.Argument(metavar="OFFERING", help=both("Angebot: ANBIETER/NAME", "PROVIDER/NAME"))
]
Booked = Annotated[
    str, typer.Argument(metavar="BOOKING", help=both("Kennung der Buchung", "The booking's id"))
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="UUID",
        help=both("Kennung, die eine Wiederholung harmlos macht", "Id that makes a repetition harmless"),
    ),
]
Quantities = Annotated[
    list[str] | None,
    typer.Option(
        "--quantity",
        metavar="NAME=VALUE",
        help=both("Ein Bestellfeld, etwa vcpu=8; mehrfach möglich", "A field, such as vcpu=8; repeatable"),
    ),
]
Details = Annotated[
    str | None,
    typer.Option(
        "--details",
        metavar="FILE|-",
        help=both("Antworten auf das Bestellformular (JSON, YAML)", "Answers to the order form (JSON, YAML)"),
    ),
]
Reason = Annotated[
    str, typer.Option(metavar="TEXT", help=both("Grund, für die andere Seite", "Why, for the other side"))
]
MaybeReason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="TEXT", help=both("Grund, für die andere Seite", "Why, for the other side")
    ),
]
Compensation = Annotated[
    str | None,
    typer.Option("--compensation", metavar="EUR", help=both("Entschädigung in Euro", "Compensation in euro")),
]
Impact = Annotated[
    str | None,
    typer.Option(
        "--impact", metavar="none|degraded|outage", help=both("Auswirkung", "What people will notice")
    ),
]
SealingKeyFile = Annotated[
    str,
    typer.Option(
        "--sealing-key",
        envvar="ALLMENDE_SEALING_KEY",
        show_envvar=True,
        metavar="FILE",
        help=both(
            "Datei mit dem geheimen Teil; sonst .allmende/keys/NAME.sealing",
            "File of the private half; else .allmende/keys/NAME.sealing",
        ),
    ),
]
