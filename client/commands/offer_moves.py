"""Pausing, resuming, retiring an offering, discarding a draft on the command line."""

from allmende.schemas.catalog import DiscardDraft, PauseOffering, ResumeOffering, RetireOffering

from .language import hint, tell
from .sending import command_of, send
from .session import Session


async def pause(session: Session, offering: str, reason: str, command_id: str | None) -> None:
    """Take no new bookings for the time being."""
    command = command_of(PauseOffering, {"offering_id": offering, "reason": reason})
    await send(session, command, command_id)
    tell(f"{offering} nimmt vorerst keine Buchungen an.", f"{offering} takes no bookings for the time being.")
    hint(
        f"allmende offer resume {offering} öffnet wieder", f"allmende offer resume {offering} opens it again"
    )


async def resume(session: Session, offering: str, command_id: str | None) -> None:
    """Take bookings again."""
    await send(session, command_of(ResumeOffering, {"offering_id": offering}), command_id)
    tell(f"{offering} nimmt wieder Buchungen an.", f"{offering} takes bookings again.")


async def retire(session: Session, offering: str, command_id: str | None) -> None:
    """Close for new bookings."""
    await send(session, command_of(RetireOffering, {"offering_id": offering}), command_id)
    tell(
        f"{offering} ist für neue Buchungen geschlossen; bestehende laufen weiter.",
        f"{offering} is closed to new bookings; existing ones go on.",
    )


async def discard(session: Session, offering: str, command_id: str | None) -> None:
    """Throw a draft away."""
    await send(session, command_of(DiscardDraft, {"offering_id": offering}), command_id)
    tell(f"Der Entwurf von {offering} ist verworfen.", f"The draft of {offering} is thrown away.")
