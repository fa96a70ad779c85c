"""Maintenance and missed service levels on the command line."""

from collections.abc import Mapping, Sequence

from allmende.client import wording
from allmende.client.output import Column, Kind, Listing
from allmende.schemas.brokerage import (
    AnnounceMaintenance,
    BreachRecorded,
    MaintenanceNotice,
    ReportBreach,
    UpdateMaintenance,
)

from .language import hint, say
from .sending import command_of, send
from .session import Session

_NOTICES = (
    Column("notice", "Wartung", "Maintenance"),
    Column("state", "Stand", "State"),
    Column("impact", "Auswirkung", "Impact"),
    Column("title", "Titel", "Title"),
    Column("offerings", "Angebote", "Offerings"),
    Column("starts_at", "Beginn", "Start", Kind.INSTANT),
    Column("ends_at", "Ende", "End", Kind.INSTANT),
)
_BREACHES = (
    Column("breach", "Kennung", "Id"),
    Column("booking", "Buchung", "Booking"),
    Column("measure", "Maß", "Measure"),
    Column("promised", "Zugesagt", "Promised", Kind.NUMBER),
    Column("measured", "Gemessen", "Measured", Kind.NUMBER),
    Column("credit_eur", "Gutschrift", "Credit", Kind.CENTS),
)


async def announce(session: Session, given: Mapping[str, object], given_id: str | None) -> None:
    """Announce maintenance of one's own offerings."""
    notice = await _noticed(session, command_of(AnnounceMaintenance, given), given_id)
    if notice.state == "draft":
        command = f"allmende maintenance update {notice.notice_id} --state scheduled"
        hint(f"{command} kündigt sie an", f"{command} announces it")


async def update(session: Session, given: Mapping[str, object], given_id: str | None) -> None:
    """Change a notice or move it on."""
    await _noticed(session, command_of(UpdateMaintenance, given), given_id)


async def _noticed(
    session: Session, command: AnnounceMaintenance | UpdateMaintenance, given_id: str | None
) -> MaintenanceNotice:
    notice = await send(session, command, given_id)
    if not isinstance(notice, MaintenanceNotice):
        raise TypeError(f"maintenance was answered by {type(notice).__name__}")
    session.show(Listing(_NOTICES, _rows([notice]), notice.model_dump(mode="json")))
    return notice


async def show_all(session: Session, *, include_over: bool) -> None:
    """List maintenance of what one books or provides."""
    async with session.market() as market:
        notices = await market.maintenance(include_over=include_over)
    listing = Listing(_NOTICES, _rows(notices), [each.model_dump(mode="json") for each in notices])
    if not session.empty(listing, "Es steht keine Wartung an.", "No maintenance is ahead."):
        session.show(listing)


def _rows(notices: Sequence[MaintenanceNotice]) -> list[dict[str, object]]:
    return [
        {
            "notice": each.notice_id,
            "state": say(*wording.MAINTENANCE[each.state]),
            "impact": say(*wording.IMPACTS[each.impact]),
            "title": each.title,
            "offerings": ", ".join(each.offering_ids),
            "starts_at": each.starts_at,
            "ends_at": each.ends_at,
        }
        for each in notices
    ]


async def report_breach(session: Session, given: Mapping[str, object], given_id: str | None) -> None:
    """Own up to a missed service level."""
    breach = await send(session, command_of(ReportBreach, given), given_id)
    if not isinstance(breach, BreachRecorded):
        raise TypeError(f"a breach was answered by {type(breach).__name__}")
    row = {
        "breach": breach.breach_id,
        "booking": breach.booking_id,
        "measure": breach.measure,
        "promised": breach.promised,
        "measured": breach.measured,
        "credit_eur": breach.credit_cents,
    }
    session.show(Listing(_BREACHES, [row], breach.model_dump(mode="json")))
    hint(
        "die Gutschrift steht in der Abrechnung des Monats, in dem der Zeitraum endet",
        "the credit stands in the statement of the month in which the span ends",
    )
