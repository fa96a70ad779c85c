"""One booking on the command line: how it stands, who must act, how it came there, what was written."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from allmende.client import wording
from allmende.client.output import Column, Format, Kind, Listing, cell
from allmende.schemas.brokerage import BookingChanged, BookingStory, BookingSummary, MessageWritten
from allmende.schemas.money import euro
from allmende.schemas.rejections import Rejection

from .bookings import amounts
from .files import unreadable
from .language import hint, language, refusal, say, tell
from .session import Session

_CHANGES = (
    Column("number", "Nr.", "No."),
    Column("changed_at", "Wann", "When", Kind.INSTANT),
    Column("by", "Durch", "By"),
    Column("trigger", "Was", "What"),
    Column("state", "Danach", "Then"),
    Column("remark", "Bemerkung", "Remark"),
)
_MESSAGES = (
    Column("written_at", "Wann", "When", Kind.INSTANT),
    Column("written_by", "Von", "From"),
    Column("text", "Nachricht", "Message"),
    Column("document", "Dokument", "Document"),
)
_NEXT = {
    "offered": "accept|decline",
    "pending_consumer": "approve|decline",
    "pending_provider": "approve|decline",
    "in_progress": "report",
    "assessing_cancellation": "concede|decline",
    "pending_cancellation": "report",
}
"""What whoever must act can do, by the state of the order; see `_next_of` for the service's."""


async def show(session: Session, booking_id: str, documents: str | None) -> None:
    """Show a booking with its story; perhaps save the documents that were written about it."""
    async with session.market() as market:
        story = await market.booking(booking_id)
    if isinstance(story, Rejection):
        raise refusal(story)
    changes = Listing(_CHANGES, [_change(each) for each in story.changes], story.model_dump(mode="json"))
    if session.form is not Format.TABLE:
        session.show(changes)
    else:
        _tell(session, story, changes)
    if documents is not None:
        _save(story.messages, Path(documents))
    if _is_own_turn(story.booking, session.member):
        command = f"allmende booking {_next_of(story.booking)} {booking_id}"
        hint(f"Sie sind am Zug: {command}", f"It is your turn: {command}")


def _tell(session: Session, story: BookingStory, changes: Listing) -> None:
    fact = Column("fact", "Buchung", "Booking")
    value = Column("value", story.booking.booking_id, story.booking.booking_id)
    session.show(Listing((fact, value), [{"fact": f, "value": v} for f, v in _facts(story.booking)], None))
    if story.changes:
        print()  # noqa: T201 - data
        session.show(changes)
    if story.messages:
        print()  # noqa: T201 - data
        session.show(Listing(_MESSAGES, [_message(each) for each in story.messages], None))


def _facts(booking: BookingSummary) -> Iterator[tuple[str, str]]:
    """What there is to say of a booking; what is empty is left out."""
    facts = (
        (("Angebot", "Offering"), f"{booking.offering_id} {booking.plan_id}"),
        (("Bereich", "Pool"), booking.pool_id),
        (("Bereitsteller", "Provider"), booking.provider),
        (("Abnehmer", "Consumer"), booking.consumer),
        (("Mengen", "Quantities"), amounts(booking.quantities)),
        (("Beginn", "Start"), _day(booking.start)),
        (("Ende", "End"), booking.end and _day(booking.end)),
        (("Zeichen", "Reference"), booking.reference),
        (("Stand", "State"), say(*wording.phase(booking.state, booking.instance))),
        (("Platz in der Warteliste", "Place in line"), booking.place and str(booking.place)),
        (("Am Zug", "To act"), _turn(booking)),
    )
    for names, value in facts:
        if value:
            yield say(*names), value


def _turn(booking: BookingSummary) -> str:
    if booking.waits_for is None:
        return ""
    until = cell(booking.until, Kind.INSTANT, language())
    member = booking.consumer if booking.waits_for == "consumer" else booking.provider
    german, english = wording.ACTORS[booking.waits_for]
    return say(f"{german} {member} bis {until}", f"{english} {member} until {until}")


def _is_own_turn(booking: BookingSummary, member: str) -> bool:
    return booking.waits_for is not None and member == getattr(booking, booking.waits_for)


def _next_of(booking: BookingSummary) -> str:
    """Name the commands by which whoever must act can do so."""
    if booking.instance in {"updating", "terminating"}:
        return "report"
    # In every other phase with a service, what waits is a change that was asked for.
    return _NEXT.get(booking.state, "approve|decline")


def _change(change: BookingChanged) -> dict[str, object]:
    return {
        "number": change.number,
        "changed_at": change.changed_at,
        "by": say(*wording.ACTORS[change.by]),
        "trigger": say(*wording.TRIGGERS[change.trigger]),
        "state": say(*wording.phase(change.state, change.instance)),
        "remark": "; ".join(_remarks(change)),
    }


def _remarks(change: BookingChanged) -> Iterator[str]:
    yield from (each for each in (change.milestone, change.note, change.reason) if each)
    if change.effective_on is not None:
        yield say(f"zum {_day(change.effective_on)}", f"from {_day(change.effective_on)}")
    if change.delivered is not None:
        yield say(f"geliefert {amounts(change.delivered)}", f"delivered {amounts(change.delivered)}")
    if change.trigger in {"terminate", "renew"} and change.end is not None:
        yield say(f"Ende {_day(change.end)}", f"end {_day(change.end)}")
    if change.compensation_cents:
        amount = euro(abs(change.compensation_cents), language=language())
        german, english = wording.ACTORS["consumer" if change.compensation_cents > 0 else "provider"]
        yield say(f"{german} zahlt {amount}", f"{english} pays {amount}")


def _message(message: MessageWritten) -> dict[str, object]:
    return {
        "written_at": message.written_at,
        "written_by": say(*wording.ACTORS[message.written_by]),
        "text": message.text,
        "document": message.document.name if message.document else None,
    }


def _day(day: object) -> str:
    return cell(day, Kind.DAY, language())


# -- documents ----------------------------------------------------------------------------------


def _save(messages: tuple[MessageWritten, ...], folder: Path) -> None:
    """Write the documents of messages into a folder. Nothing that is there is overwritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, message in enumerate(messages, start=1):
            if message.document is not None:
                path = folder / f"{number:02d}-{_harmless(message.document.name)}"
                with path.open("xb") as file:
                    file.write(base64.b64decode(message.document.content))
                tell(f"{path} gespeichert.", f"{path} saved.")
    except OSError as error:
        raise unreadable(error.filename or str(folder), error) from None


def _harmless(name: str) -> str:
    """The other side chose the name: it must not lead out of the folder."""
    return re.sub(r"[^\w.-]+", "_", name).lstrip(".") or "document"
