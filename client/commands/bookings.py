"""Bookings on the command line."""

import json
import re
import uuid
from collections.abc import Iterable

from pydantic import ValidationError

from allmende.client.market import Unanswered
from allmende.client.output import Column, Kind, Listing
from allmende.client.validation import errors_of, path_of, sentences
from allmende.schemas.brokerage import BookingConfirmed, RequestBooking
from allmende.schemas.rejections import Rejection

from .language import hint, refusal, say
from .session import Session
from .stop import UNREACHABLE, USAGE, Stop

_COLUMNS = (
    Column("booking", "Buchung", "Booking"),
    Column("offering", "Angebot", "Offering"),
    Column("plan", "Plan", "Plan"),
    Column("consumer", "Abnehmer", "Consumer"),
    Column("quantities", "Mengen", "Quantities"),
    Column("start", "Beginn", "Start", Kind.DAY),
    Column("end", "Ende", "End", Kind.DAY),
    Column("reference", "Zeichen", "Reference"),
)


async def request(  # noqa: PLR0913 - a booking's own fields
    session: Session,
    offering: str,
    plan: str,
    *,
    quantities: list[str],
    start: str,
    end: str | None,
    reference: str | None,
    booking_id: str | None,
) -> None:
    """Book a plan and show what was agreed."""
    wanted = _wanted(offering, plan, _named(quantities), start, end, reference)
    booking_id = _uuid(booking_id)
    async with session.market() as market:
        try:
            outcome = await market.book(
                wanted.offering_id,
                wanted.plan_id,
                wanted.quantities,
                start=wanted.start,
                end=wanted.end,
                reference=wanted.reference,
                id=booking_id,
            )
        except Unanswered as error:
            raise Stop(
                say(
                    f"Der Markt antwortet nicht ({error}). "
                    f"Derselbe Befehl mit --id {booking_id} bucht nicht doppelt.",
                    f"The market does not answer ({error}). "
                    f"The same command with --id {booking_id} books once only.",
                ),
                UNREACHABLE,
            ) from None
    if isinstance(outcome, Rejection):
        raise refusal(outcome)
    session.show(_listing([outcome]))
    hint("allmende booking list zeigt alle Buchungen", "allmende booking list shows all bookings")


def _named(quantities: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in quantities:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise Stop(
                say(
                    f"--quantity {text}: je Bestellfeld einmal NAME=WERT angeben, etwa vcpu=8.",
                    f"--quantity {text}: give NAME=VALUE once for each field, such as vcpu=8.",
                ),
                USAGE,
            )
        found[name] = value
    return found


def _wanted(  # noqa: PLR0913 - a booking's own fields
    offering: str, plan: str, quantities: dict[str, str], start: str, end: str | None, reference: str | None
) -> RequestBooking:
    given = {
        "offering_id": offering,
        "plan_id": plan,
        "quantities": quantities,
        "start": start,
        "end": end,
        "reference": reference,
    }
    try:
        return RequestBooking.model_validate_json(json.dumps(given))
    except ValidationError as error:
        lines = [
            ": ".join(part for part in (path_of(each["loc"]), say(*sentences(each))) if part)
            for each in errors_of(error)
        ]
        raise Stop("\n".join(lines), USAGE) from None


def _uuid(given: str | None) -> str:
    if given is None:
        return str(uuid.uuid4())
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given):
        raise Stop(
            say(
                f"--id {given}: eine UUID in Kleinbuchstaben angeben.",
                f"--id {given}: give a UUID in lower case.",
            ),
            USAGE,
        )
    return given


async def show_all(session: Session) -> None:
    """List the bookings in which the member takes part."""
    async with session.market() as market:
        listing = _listing([booking async for booking in market.bookings()])
    if session.empty(listing, "Es gibt noch keine Buchung.", "There is no booking yet."):
        hint("allmende offer list zeigt, was zu buchen ist", "allmende offer list shows what can be booked")
    else:
        session.show(listing)


def _listing(bookings: list[BookingConfirmed]) -> Listing:
    rows = [
        {
            "booking": each.booking_id,
            "offering": each.offering_id,
            "plan": each.plan_id,
            "consumer": each.consumer,
            "quantities": ", ".join(f"{name}={value:f}" for name, value in each.quantities.items()),
            "start": each.start,
            "end": each.end,
            "reference": each.reference,
        }
        for each in bookings
    ]
    return Listing(_COLUMNS, rows, [each.model_dump(mode="json") for each in bookings])
