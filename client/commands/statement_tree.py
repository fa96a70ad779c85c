"""What recipients can type about their statements; it belongs to `settlement`."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

import enum
from typing import Annotated

import typer

from .language import both
from .run_tree import Period, Why, settlement
from .session import Session, Work, connected, signing
from .typed import File, Id

_Objection = Annotated[
    str, typer.Argument(metavar="OBJECTION", help=both("Kennung des Widerspruchs", "The objection's id"))
]
_ThisPeriod = Annotated[
    str | None,
    typer.Option("--period", metavar="YYYY-MM", help=both("Nur dieser Monat", "This month only")),
]


class _State(enum.StrEnum):
    """How far a statement is."""

    RECEIVED = "received"
    CERTIFIED = "certified"
    ORDERED = "ordered"
    PAID = "paid"


@settlement.command(
    "progress",
    help=both(
        "Abrechnungen mit Stand zeigen: eingegangen, bescheinigt, angeordnet, bezahlt",
        "Show statements with their state: received, certified, ordered, paid",
    ),
)
@connected
def settlement_progress(
    session: Session,
    *,
    period: _ThisPeriod = None,
    state: Annotated[
        _State | None, typer.Option("--state", help=both("Nur in diesem Stand", "In this state only"))
    ] = None,
) -> Work:
    """List statements."""
    from .statements import progress_of

    return progress_of(session, period, state.value if state else None)


@settlement.command(
    "certify",
    help=both(
        "Die eigene Abrechnung als sachlich und rechnerisch richtig bescheinigen",
        "Certify one's statement as factually and arithmetically right",
    ),
)
@signing
def settlement_certify(
    session: Session,
    period: Period,
    *,
    remark: Annotated[
        str | None, typer.Option("--remark", metavar="TEXT", help=both("Vermerk", "Remark"))
    ] = None,
    id_: Id = None,
) -> Work:
    """Certify a statement."""
    from .statements import certify

    return certify(session, period, remark, id_)


@settlement.command(
    "order",
    help=both(
        "Die Zahlung einer bescheinigten Abrechnung anordnen, durch jemand anderen",
        "Order the payment of a certified statement, by somebody else",
    ),
)
@signing
def settlement_order(
    session: Session,
    period: Period,
    *,
    kassenzeichen: Annotated[
        str,
        typer.Option(
            "--kassenzeichen",
            metavar="TEXT",
            help=both("Eigenes Zeichen der Kasse", "One's own reference of the treasury"),
        ),
    ],
    id_: Id = None,
) -> Work:
    """Order a payment."""
    from .statements import order

    return order(session, period, kassenzeichen, id_)


@settlement.command("dispute", help=both("Einer Zeile widersprechen", "Object to a line"))
@signing
def settlement_dispute(  # noqa: PLR0913 - what an objection is made of
    session: Session,
    period: Period,
    line: Annotated[int, typer.Argument(metavar="LINE", min=0, help=both("Zeile", "Line"))],
    *,
    reason: Why,
    document: Annotated[
        list[str] | None,
        typer.Option(
            "--document",
            metavar="FILE",
            help=both(
                "Beleg, dessen Prüfsumme mitgeht; mehrfach möglich",
                "Evidence, whose hash is told; repeatable",
            ),
        ),
    ] = None,
    id_: Id = None,
) -> Work:
    """Object to a line."""
    from .statements import dispute

    return dispute(session, period, line, reason, document or [], id_)


@settlement.command(
    "objections",
    help=both("Widersprüche zeigen, eigene und zu entscheidende", "Show objections, raised or to be decided"),
)
@connected
def settlement_objections(
    session: Session,
    *,
    period: _ThisPeriod = None,
    settled: Annotated[
        bool, typer.Option("--all", help=both("Auch entschiedene", "Decided ones too"))
    ] = False,
) -> Work:
    """List objections."""
    from .statements import objections

    return objections(session, period, settled=settled)


@settlement.command("resolve", help=both("Über einen Widerspruch entscheiden", "Decide an objection"))
@signing
def settlement_resolve(  # noqa: PLR0913 - what a decision is made of
    session: Session,
    objection: _Objection,
    *,
    uphold: Annotated[
        bool,
        typer.Option("--uphold/--dismiss", help=both("Stattgeben oder zurückweisen", "Uphold or dismiss")),
    ],
    reason: Why,
    credit: Annotated[
        str | None,
        typer.Option(
            "--credit",
            metavar="EUR",
            help=both("Gutschrift netto; sonst die ganze Zeile", "Net credit; else the whole line"),
        ),
    ] = None,
    id_: Id = None,
) -> Work:
    """Decide an objection."""
    from .statements import resolve

    return resolve(session, objection, uphold=uphold, credit=credit, reason=reason, id_=id_)


@settlement.command(
    "withdraw", help=both("Den eigenen Widerspruch zurücknehmen", "Take one's objection back")
)
@signing
def settlement_withdraw(session: Session, objection: _Objection, *, reason: Why, id_: Id = None) -> Work:
    """Withdraw an objection."""
    from .statements import withdraw

    return withdraw(session, objection, reason, id_)


@settlement.command(
    "charge-levy",
    help=both("Eine Umlage aus einer Datei erheben (Geschäftsstelle)", "Charge a levy from a file (office)"),
)
@connected
def settlement_charge_levy(session: Session, file: File, id_: Id = None) -> Work:
    """Charge a levy."""
    from .statements import charge_levy

    return charge_levy(session, file, id_)


@settlement.command(
    "reverse-levy",
    help=both("Eine Umlage ganz zurücknehmen (Geschäftsstelle)", "Take a whole levy back (office)"),
)
@signing
def settlement_reverse_levy(
    session: Session,
    levy: Annotated[str, typer.Argument(metavar="LEVY", help=both("Kennung der Umlage", "The levy's id"))],
    period: Period,
    *,
    reason: Why,
    id_: Id = None,
) -> Work:
    """Take a levy back."""
    from .statements import reverse_levy

    return reverse_levy(session, levy, period, reason, id_)
