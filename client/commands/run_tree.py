"""What can be typed about settlement runs, and the statements that come of them."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected, signing
from .typed import Id, group

settlement = group("Abrechnen und Abrechnungen ansehen", "Settle, and view statements")

Period = Annotated[str, typer.Argument(metavar="PERIOD", help=both("Monat, JJJJ-MM", "Month, YYYY-MM"))]
Of = Annotated[
    str | None,
    typer.Option(
        "--of",
        metavar="NAME",
        help=both("Abrechnung dieses Mitglieds (Geschäftsstelle)", "This member's statement (office)"),
    ),
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help=both("Grund", "Why"))]
_Revision = Annotated[
    int, typer.Argument(metavar="DRAFT", min=1, help=both("Nummer des Entwurfs", "Number of the draft"))
]


@settlement.command("list", help=both("Abgerechnete Monate zeigen", "Show the settled months"))
@connected
def settlement_list(session: Session) -> Work:
    """List settlements."""
    from .settlements import show_all

    return show_all(session)


@settlement.command(
    "show", help=both("Eine Abrechnung Zeile für Zeile zeigen", "Show a statement line by line")
)
@connected
def settlement_show(session: Session, period: Period, of: Of = None) -> Work:
    """Show a statement."""
    from .settlements import show

    return show(session, period, of)


@settlement.command(
    "draft",
    help=both(
        "Einen Monat als Entwurf zusammenstellen, auch neu (Geschäftsstelle)",
        "Collect a month as a draft, or draft it anew (office)",
    ),
)
@connected
def settlement_draft(
    session: Session,
    period: Period,
    *,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help=both("Warum ein geprüfter Lauf neu entsteht", "Why a reviewed run is drafted anew"),
        ),
    ] = None,
    id_: Id = None,
) -> Work:
    """Draft a run."""
    from .runs import draft

    return draft(session, period, reason, id_)


@settlement.command(
    "preview",
    help=both("Summen eines Laufs neben dem Vormonat zeigen", "Show a run's sums beside the month before"),
)
@connected
def settlement_preview(session: Session, period: Period) -> Work:
    """Show a run."""
    from .runs import preview

    return preview(session, period)


@settlement.command("alerts", help=both("Hinweise eines Laufs zeigen", "Show the alerts of a run"))
@connected
def settlement_alerts(
    session: Session,
    period: Period,
    *,
    open_only: Annotated[bool, typer.Option("--open", help=both("Nur offene", "Open ones only"))] = False,
) -> Work:
    """List alerts."""
    from .runs import alerts

    return alerts(session, period, open_only=open_only)


@settlement.command(
    "decide",
    help=both(
        "Über Hinweise entscheiden: berechnen oder zurückstellen (Geschäftsstelle)",
        "Decide on alerts: charge or hold back (office)",
    ),
)
@signing
def settlement_decide(  # noqa: PLR0913 - what a decision is made of
    session: Session,
    period: Period,
    alerts: Annotated[
        list[int], typer.Argument(metavar="NUMBER...", help=both("Nummern", "Numbers of alerts"))
    ],
    *,
    reason: Why,
    release: Annotated[
        bool | None,
        typer.Option("--release/--hold", help=both("Berechnen oder zurückstellen", "Charge or hold back")),
    ] = None,
    id_: Id = None,
) -> Work:
    """Decide on alerts."""
    from .runs import decide

    return decide(session, period, alerts, release=release, reason=reason, id_=id_)


@settlement.command(
    "review", help=both("Einen Entwurf als geprüft zeichnen (Geschäftsstelle)", "Find a draft right (office)")
)
@signing
def settlement_review(session: Session, period: Period, revision: _Revision, id_: Id = None) -> Work:
    """Review a run."""
    from .runs import review

    return review(session, period, revision, id_)


@settlement.command(
    "approve",
    help=both(
        "Einen geprüften Lauf freigeben, durch jemand anderen (Geschäftsstelle)",
        "Release a reviewed run, by somebody else (office)",
    ),
)
@signing
def settlement_approve(session: Session, period: Period, revision: _Revision, id_: Id = None) -> Work:
    """Approve a run."""
    from .runs import approve

    return approve(session, period, revision, id_)


@settlement.command("matrix", help=both("Wer wem wie viel berechnet", "Who charges whom how much"))
@connected
def settlement_matrix(session: Session, period: Period) -> Work:
    """Show the matrix."""
    from .runs import matrix

    return matrix(session, period)


@settlement.command(
    "compare",
    help=both(
        "Eine Abrechnung nach Leistungen neben einer früheren", "A statement by service beside an earlier one"
    ),
)
@connected
def settlement_compare(
    session: Session,
    period: Period,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="YYYY-MM",
            help=both("Mit diesem Monat; sonst dem davor", "With this month; else the one before"),
        ),
    ] = None,
    of: Of = None,
) -> Work:
    """Compare statements."""
    from .statements import compare

    return compare(session, period, against, of)


@settlement.command(
    "explain",
    help=both(
        "Eine Zeile in Sätzen erklären, bis zu den Meldungen", "Explain a line in sentences, to its records"
    ),
)
@connected
def settlement_explain(
    session: Session,
    period: Period,
    line: Annotated[int, typer.Argument(metavar="LINE", min=0, help=both("Zeile", "Line"))],
    of: Of = None,
) -> Work:
    """Explain a line."""
    from .statements import explain

    return explain(session, period, line, of)
