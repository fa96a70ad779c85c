"""What can be typed about offerings: publishing, looking, comparing, finding, pricing, attaching."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected
from .typed import Details, File, Id, Offered, Quantities, Reason, group

offer = group("Angebote veröffentlichen, finden und ansehen", "Publish, find and view offerings")

CATEGORIES = "compute|hosting|storage|network|security|groupware|directory|expertise|training"

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help=both("Nur prüfen und Unterschiede zeigen", "Only check and show differences")
    ),
]
Draft = Annotated[bool, typer.Option("--draft", help=both("Den eigenen Entwurf", "One's own draft instead"))]
Category = Annotated[
    str | None, typer.Option(metavar=CATEGORIES, help=both("Nur diese Art", "Only this category"))
]


@offer.command(
    "apply",
    help=both(
        "Angebote einer Datei (YAML, JSON) veröffentlichen; Unverändertes bleibt, wie es ist",
        "Publish the offerings of a file (YAML, JSON); what is unchanged stays as it is",
    ),
)
@connected
def offer_apply(session: Session, file: File, *, dry_run: DryRun = False) -> Work:
    """Publish a file."""
    from .offers import apply

    return apply(session, file, dry_run=dry_run)


@offer.command(
    "draft",
    help=both(
        "Angebote einer Datei als Entwurf ablegen, den niemand sonst sieht",
        "Keep the offerings of a file as drafts that nobody else sees",
    ),
)
@connected
def offer_draft(session: Session, file: File) -> Work:
    """Keep drafts."""
    from .offers import draft

    return draft(session, file)


@offer.command("discard", help=both("Einen Entwurf verwerfen", "Throw a draft away"))
@connected
def offer_discard(session: Session, offering: Offered, *, command_id: Id = None) -> Work:
    """Discard a draft."""
    from .offer_moves import discard

    return discard(session, offering, command_id)


@offer.command(
    "pause",
    help=both("Vorerst keine neuen Buchungen annehmen", "Take no new bookings for the time being"),
)
@connected
def offer_pause(session: Session, offering: Offered, *, reason: Reason, command_id: Id = None) -> Work:
    """Pause an offering."""
    from .offer_moves import pause

    return pause(session, offering, reason, command_id)


@offer.command("resume", help=both("Wieder Buchungen annehmen", "Take bookings again"))
@connected
def offer_resume(session: Session, offering: Offered, *, command_id: Id = None) -> Work:
    """Resume an offering."""
    from .offer_moves import resume

    return resume(session, offering, command_id)


@offer.command(
    "retire",
    help=both(
        "Für neue Buchungen schließen; bestehende laufen weiter",
        "Close for new bookings; existing ones go on",
    ),
)
@connected
def offer_retire(session: Session, offering: Offered, *, command_id: Id = None) -> Work:
    """Retire an offering."""
    from .offer_moves import retire

    return retire(session, offering, command_id)


@offer.command("list", help=both("Den Katalog zeigen", "Show the catalogue"))
@connected
def offer_list(
    session: Session,
    *,
    category: Category = None,
    drafts: Annotated[
        bool, typer.Option("--drafts", help=both("Die eigenen Entwürfe", "One's own drafts instead"))
    ] = False,
) -> Work:
    """List the catalogue."""
    from .offers import show_all

    return show_all(session, category, drafts=drafts)


@offer.command(
    "show",
    help=both("Ein Angebot zeigen, wie apply es liest", "Show an offering the way apply reads it"),
)
@connected
def offer_show(
    session: Session,
    offering: Offered,
    *,
    revision: Annotated[
        int | None, typer.Option(min=1, help=both("Eine frühere Revision", "An earlier revision"))
    ] = None,
    draft: Draft = False,
) -> Work:
    """Show one offering."""
    from .offers import show

    return show(session, offering, revision=revision, draft=draft)


@offer.command("prices", help=both("Die Preise eines Angebots zeigen", "Show what an offering costs"))
@connected
def offer_prices(
    session: Session,
    offering: Offered,
    *,
    revision: Annotated[
        int | None, typer.Option(min=1, help=both("Eine frühere Revision", "An earlier revision"))
    ] = None,
    draft: Draft = False,
) -> Work:
    """Show the prices of one offering."""
    from .offers import prices

    return prices(session, offering, revision=revision, draft=draft)


@offer.command("history", help=both("Die Revisionen eines Angebots zeigen", "Show an offering's revisions"))
@connected
def offer_history(session: Session, offering: Offered) -> Work:
    """Show the revisions."""
    from .offers import history

    return history(session, offering)


@offer.command(
    "diff",
    help=both("Zwei Revisionen eines Angebots vergleichen", "Compare two revisions of an offering"),
)
@connected
def offer_diff(
    session: Session,
    offering: Offered,
    *,
    earlier: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, help=both("Frühere Revision; sonst die vorige", "Earlier; else the one before")
        ),
    ] = None,
    later: Annotated[
        int | None,
        typer.Option("--to", min=1, help=both("Spätere; sonst die neueste", "Later; else the newest")),
    ] = None,
    draft: Draft = False,
) -> Work:
    """Compare revisions."""
    from .offers import compare

    return compare(session, offering, earlier, later, draft=draft)


@offer.command(
    "search",
    help=both("Angebote nach Wörtern und Merkmalen finden", "Find offerings by words and by what they have"),
)
@connected
def offer_search(  # noqa: PLR0913 - what can be filtered by
    session: Session,
    text: Annotated[
        str,
        typer.Argument(metavar="[TEXT]", help=both("Wörter; -Wort schließt aus", "Words; -word leaves out")),
    ] = "",
    *,
    category: Annotated[
        list[str] | None, typer.Option(metavar=CATEGORIES, help=both("Nur diese Art", "Only this category"))
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=both("Nur dieser Bereitsteller", "Only this provider")),
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=both("Nur diese Region", "Only this region"))
    ] = None,
    certificate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=both("Nur mit diesem Nachweis", "Only with this certificate")),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help=both("Nur mit diesem Stichwort", "Only with this keyword")),
    ] = None,
    bookable: Annotated[
        bool, typer.Option("--bookable", help=both("Nur, was buchbar ist", "Only what can be booked"))
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help=both("So viele Treffer", "So many hits"))] = 20,
) -> Work:
    """Search offerings."""
    from .finding import search

    filters = {
        "category": category,
        "provider": provider,
        "region": region,
        "certificate": certificate,
        "keyword": keyword,
    }
    return search(session, text, filters, bookable=bookable, limit=limit)


@offer.command("estimate", help=both("Die Kosten einer Buchung schätzen", "Estimate what a booking costs"))
@connected
def offer_estimate(  # noqa: PLR0913 - what a price depends on
    session: Session,
    offering: Offered,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help=both("Plan des Angebots", "The offering's plan"))
    ],
    *,
    start: Annotated[
        str, typer.Option(metavar="DATE", help=both("Erster Tag, JJJJ-MM-TT", "First day, YYYY-MM-DD"))
    ],
    months: Annotated[int, typer.Option(min=1, max=60, help=both("So viele Monate", "So many months"))] = 12,
    quantity: Quantities = None,
    usage: Annotated[
        list[str] | None,
        typer.Option(
            "--usage",
            metavar="METER=VALUE",
            help=both(
                "Angenommener Verbrauch im Monat, etwa site_days=30; mehrfach möglich",
                "Assumed usage in a month, such as site_days=30; repeatable",
            ),
        ),
    ] = None,
    details: Details = None,
) -> Work:
    """Estimate costs."""
    from .bookings import details_in
    from .finding import estimate
    from .sending import named

    given = {
        "offering_id": offering,
        "plan_id": plan,
        "start": start,
        "months": months,
        "quantities": named("--quantity", quantity),
        "usage_per_month": named("--usage", usage),
        "details": details_in(details),
    }
    return estimate(session, given)


@offer.command("attach", help=both("Eine Datei an ein Angebot anhängen", "Attach a file to an offering"))
@connected
def offer_attach(
    session: Session,
    offering: Offered,
    file: Annotated[str, typer.Argument(metavar="FILE", help=both("Die Datei", "The file"))],
) -> Work:
    """Attach a file."""
    from .attachments import attach

    return attach(session, offering, file)


@offer.command(
    "attachment",
    help=both(
        "Die Anhänge eines Angebots zeigen, einen davon holen oder entfernen",
        "Show an offering's attachments, fetch or remove one",
    ),
)
@connected
def offer_attachment(
    session: Session,
    offering: Offered,
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", help=both("Name oder Prüfsumme", "Name or digest")),
    ] = "",
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help=both("Dorthin schreiben", "Write it there")),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help=both("Entfernen", "Remove it"))] = False,
) -> Work:
    """Show, fetch or remove attachments."""
    from .attachments import handle

    return handle(session, offering, name, to=to, remove=remove)
