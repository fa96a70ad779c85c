"""What can be typed about cost pools and keys."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected
from .typed import File, Id, group

pool = group("Kostentöpfe führen", "Run cost pools")
key = group("Schlüssel veröffentlichen und ansehen", "Publish and view keys")

_Pool = Annotated[str, typer.Argument(metavar="POOL", help=both("Kennung des Kostentopfs", "The pool's id"))]


@pool.command(
    "open",
    help=both(
        "Einen Kostentopf mit Klausel, Beteiligten und Kostenträgern eröffnen (Geschäftsstelle)",
        "Open a pool with its clause, participants and bearers (office)",
    ),
)
@connected
def pool_open(session: Session, file: File, of: Id = None) -> Work:
    """Open a pool."""
    from .pools import open_

    return open_(session, file, of)


@pool.command(
    "change",
    help=both(
        "Beteiligte beitreten oder ausscheiden lassen (Geschäftsstelle)",
        "Let parties join or leave (office)",
    ),
)
@connected
def pool_change(session: Session, file: File, of: Id = None) -> Work:
    """Change a pool."""
    from .pools import change

    return change(session, file, of)


@pool.command(
    "cost",
    help=both(
        "Kosten mit Belegen melden; eine Wiederholung zählt nichts doppelt",
        "Report costs with their evidence; a repetition counts nothing twice",
    ),
)
@connected
def pool_cost(session: Session, file: File) -> Work:
    """Report costs."""
    from .pools import cost

    return cost(session, file)


@pool.command(
    "advance", help=both("Einen Abschlag berechnen (Geschäftsstelle)", "Charge an advance (office)")
)
@connected
def pool_advance(session: Session, file: File, of: Id = None) -> Work:
    """Charge an advance."""
    from .pools import advance

    return advance(session, file, of)


@pool.command(
    "settle",
    help=both(
        "Abrechnen: Anteile der tatsächlichen Kosten abzüglich des bereits Berechneten (Geschäftsstelle)",
        "Settle: shares of the actual costs less what was charged (office)",
    ),
)
@connected
def pool_settle(session: Session, file: File, of: Id = None) -> Work:
    """Settle a pool."""
    from .pools import settle

    return settle(session, file, of)


@pool.command("list", help=both("Die eigenen Kostentöpfe zeigen", "Show one's pools"))
@connected
def pool_list(session: Session) -> Work:
    """List pools."""
    from .pools import show_all

    return show_all(session)


@pool.command(
    "show",
    help=both(
        "Einen Kostentopf mit Anteilen und Nachweis der Kostendeckung zeigen",
        "Show a pool with its shares and the proof of exact cost",
    ),
)
@connected
def pool_show(session: Session, pool_id: _Pool) -> Work:
    """Show a pool."""
    from .pools import show

    return show(session, pool_id)


@pool.command(
    "costs",
    help=both("Die Kosten eines Kostentopfs mit Belegen zeigen", "Show the costs with their evidence"),
)
@connected
def pool_costs(session: Session, pool_id: _Pool) -> Work:
    """List costs."""
    from .pools import costs

    return costs(session, pool_id)


@key.command(
    "publish",
    help=both(
        "Fassungen von Schlüsseln veröffentlichen (Geschäftsstelle)", "Publish versions of keys (office)"
    ),
)
@connected
def key_publish(session: Session, file: File) -> Work:
    """Publish keys."""
    from .pools import publish

    return publish(session, file)


@key.command("list", help=both("Alle Fassungen der Schlüssel zeigen", "Show all versions of keys"))
@connected
def key_list(
    session: Session,
    of: Annotated[
        str | None,
        typer.Option("--key-id", metavar="KEY", help=both("Nur dieser Schlüssel", "This key only")),
    ] = None,
) -> Work:
    """List keys."""
    from .pools import keys

    return keys(session, of)
