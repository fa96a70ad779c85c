"""Bookings on the command line: requesting, listing, moving one on."""

import json
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from allmende.client import wording
from allmende.client.correspondence import read_document
from allmende.client.output import Column, Kind, Listing
from allmende.schemas import registry
from allmende.schemas.brokerage import (
    BookingAcknowledged,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    BookingState,
    BookingSummary,
    MessageWritten,
    RequestBooking,
    WriteMessage,
)

from .files import read_text, unreadable
from .language import hint, say
from .sending import command_of, send
from .session import Session
from .stop import USAGE, Stop

_COLUMNS = (
    Column("booking", "Buchung", "Booking"),
    Column("state", "Stand", "State"),
    Column("offering", "Angebot", "Offering"),
    Column("plan", "Plan", "Plan"),
    Column("consumer", "Abnehmer", "Consumer"),
    Column("quantities", "Mengen", "Quantities"),
    Column("start", "Beginn", "Start", Kind.DAY),
    Column("end", "Ende", "End", Kind.DAY),
    Column("reference", "Zeichen", "Reference"),
    Column("acts", "Am Zug", "To act"),
    Column("until", "Bis", "Until", Kind.INSTANT),
)
_MOVED = (
    Column("booking", "Buchung", "Booking"),
    Column("state", "Stand", "State"),
    Column("acts", "Am Zug", "To act"),
    Column("until", "Bis", "Until", Kind.INSTANT),
)
_DETAILS_BYTES_MAX = 64 * 1024

Told = BookingConfirmed | BookingAcknowledged | BookingSummary


async def request(session: Session, given: Mapping[str, object], given_id: str | None) -> None:
    """Book a plan and show what was agreed, or who has to act first."""
    outcome = await send(session, command_of(RequestBooking, given), given_id)
    if not isinstance(outcome, BookingConfirmed | BookingAcknowledged):
        raise TypeError(f"a request was answered by {type(outcome).__name__}")
    session.show(_listing([outcome]))
    if isinstance(outcome, BookingAcknowledged):
        hint(
            f"allmende booking show {outcome.booking_id} zeigt, wie es weitergeht",
            f"allmende booking show {outcome.booking_id} shows how it goes on",
        )
    else:
        hint("allmende booking list zeigt alle Buchungen", "allmende booking list shows all bookings")


def details_in(file: str | None) -> Any:
    """Read the answers to an order form from a file with JSON or YAML.

    Raises:
        Stop: the file cannot be read.
    """
    if file is None:
        return None
    import yaml  # noqa: PLC0415 - seldom needed

    try:
        return json.loads(json.dumps(yaml.safe_load(read_text(file, _DETAILS_BYTES_MAX)), default=str))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Stop(say(f"{file}: weder JSON noch YAML.", f"{file}: neither JSON nor YAML."), USAGE) from None


async def show_all(session: Session, state: str | None, *, waiting: bool) -> None:
    """List the bookings in which the member takes part."""
    if state is not None and state not in wording.STATES:
        allowed = ", ".join(wording.STATES)
        raise Stop(
            say(
                f"»{state}« ist kein Stand; es gibt {allowed}.",
                f"{state!r} is not a state; there are {allowed}.",
            ),
            USAGE,
        )
    async with session.market() as market:
        wanted = typing.cast("BookingState | None", state)
        found = [each async for each in market.bookings(state=wanted, waiting_for_me=waiting)]
    listing = _listing(found)
    if not session.empty(listing, *_none(state, waiting=waiting)):
        session.show(listing)
        hint(
            "allmende booking show BUCHUNG zeigt ihre Geschichte",
            "allmende booking show BOOKING tells its story",
        )
    elif state is None and not waiting:
        hint("allmende offer list zeigt, was zu buchen ist", "allmende offer list shows what can be booked")


def _none(state: str | None, *, waiting: bool) -> tuple[str, str]:
    if waiting:
        return "Keine Buchung wartet auf Sie.", "No booking waits for you."
    if state is not None:
        return "In diesem Stand ist keine Buchung.", "No booking is in this state."
    return "Es gibt noch keine Buchung.", "There is no booking yet."


def _listing(bookings: Sequence[Told]) -> Listing:
    rows = [
        {
            "booking": each.booking_id,
            "state": say(*wording.phase(each.state, getattr(each, "instance", None))),
            "offering": each.offering_id,
            "plan": each.plan_id,
            "consumer": each.consumer,
            "quantities": amounts(each.quantities),
            "start": each.start,
            "end": each.end,
            "reference": each.reference,
            "acts": say(*wording.ACTORS[each.waits_for]) if each.waits_for else None,
            "until": each.until,
        }
        for each in bookings
    ]
    return Listing(_COLUMNS, rows, [each.model_dump(mode="json") for each in bookings])


def amounts(quantities: Mapping[str, Decimal]) -> str:
    """Write order quantities on one line."""
    return ", ".join(f"{name}={value:f}" for name, value in quantities.items())


# -- moving one on ------------------------------------------------------------------------------


async def move(session: Session, name: str, given: Mapping[str, object], given_id: str | None) -> None:
    """Send a command about an existing booking, by its name in the registry, and show where it stands now."""
    outcome = await send(session, command_of(registry.message(name).data, given), given_id)
    session.show(_moved(outcome))
    booking_id = given["booking_id"]
    hint(
        f"allmende booking show {booking_id} zeigt die ganze Geschichte",
        f"allmende booking show {booking_id} tells the whole story",
    )


def _moved(outcome: Any) -> Listing:
    row: dict[str, object] = {"booking": outcome.booking_id}
    if isinstance(outcome, BookingConfirmed | BookingChanged):
        row["state"] = say(*wording.phase(outcome.state, outcome.instance))
    elif isinstance(outcome, BookingAmended):
        day = outcome.effective_on
        row["state"] = say(f"geändert zum {day:%d.%m.%Y}", f"changed from {day.isoformat()} on")
    if not isinstance(outcome, BookingAmended):
        row["acts"] = say(*wording.ACTORS[outcome.waits_for]) if outcome.waits_for else None
        row["until"] = outcome.until
    return Listing(_MOVED, [row], outcome.model_dump(mode="json"))


async def write(
    session: Session, booking_id: str, text: str, document: str | None, given_id: str | None
) -> None:
    """Write to the other side, perhaps with a file."""
    given: dict[str, object] = {"booking_id": booking_id, "text": text, "document": _enclosed(document)}
    outcome = await send(session, command_of(WriteMessage, given), given_id)
    if not isinstance(outcome, MessageWritten):
        raise TypeError(f"a message was answered by {type(outcome).__name__}")
    session.show(_moved(outcome))


def _enclosed(file: str | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        return read_document(file).model_dump(mode="json")
    except OSError as error:
        raise unreadable(file, error) from None
    except ValueError:
        raise Stop(
            say(
                f"{file} passt nicht in eine Nachricht: höchstens 288 KiB, mit einem Namen in einer Zeile.",
                f"{file} does not fit into a message: at most 288 KiB, with a name of one line.",
            ),
            USAGE,
        ) from None
