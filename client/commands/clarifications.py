"""Contradictory usage records on the command line."""

from allmende.client.output import Column, Kind, Listing
from allmende.schemas.billing import Clarification, SettleClarification, UsageCancellation, UsageRecord
from allmende.schemas.rejections import Rejection

from .language import hint, refusal, say, tell
from .sending import command_of, send
from .session import Session

_COLUMNS = (
    Column("clarification", "Nummer", "Number"),
    Column("provider", "Anbieter", "Provider"),
    Column("record_id", "Datensatz", "Record"),
    Column("standing", "Es gilt", "Stands"),
    Column("offered", "Gemeldet wurde auch", "Reported as well"),
    Column("noted_at", "Seit", "Since", Kind.INSTANT),
    Column("settled", "Erledigt", "Settled"),
)
_SETTLED = {"corrected": "ersetzt", "cancelled": "zurückgenommen", "settled": "geklärt"}


async def show_all(session: Session, provider: str | None, *, settled: bool) -> None:
    """List the records that were reported with two contents."""
    async with session.market() as market:
        found = await market.clarifications(provider=provider, open_only=not settled)
    if isinstance(found, Rejection):
        raise refusal(found)
    listing = Listing(
        _COLUMNS, [_row(each) for each in found], [each.model_dump(mode="json") for each in found]
    )
    if session.empty(listing, "Nichts ist unklar.", "Nothing is unclear."):
        return
    session.show(listing)
    hint(
        "berichtigen oder zurücknehmen mit allmende usage import, sonst allmende usage settle NUMMER",
        "correct or cancel with allmende usage import, else allmende usage settle NUMBER",
    )


def _row(each: Clarification) -> dict[str, object]:
    return {
        "clarification": each.clarification,
        "provider": each.provider,
        "record_id": each.record_id,
        "standing": _content(each.standing),
        "offered": _content(each.offered or each.offered_cancellation),
        "noted_at": each.noted_at,
        "settled": say(_SETTLED.get(each.settled_as or "", ""), each.settled_as or ""),
    }


def _content(given: UsageRecord | UsageCancellation | None) -> str:
    if isinstance(given, UsageRecord):
        return f"{given.meter} {given.quantity} {given.start.isoformat()}"
    return "" if given is None else f"{given.cancels}: {given.reason}"


async def settle(session: Session, clarification: int, reason: str, id_: str | None) -> None:
    """Close an entry."""
    asked = command_of(SettleClarification, {"clarification": clarification, "reason": reason})
    await send(session, asked, id_)
    tell(f"Eintrag {clarification} ist erledigt.", f"Entry {clarification} is settled.")
