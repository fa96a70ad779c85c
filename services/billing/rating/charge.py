"""Charge lines: what is used, what falls due, what is taken back, owed or credited, each with its story."""

import datetime as dt

from allmende.schemas.billing import ChargeLine
from allmende.schemas.brokerage import BookingChanged, BreachRecorded
from allmende.schemas.contract import unchecked
from allmende.schemas.money import euro
from allmende.tariffs.rating import Line, Unrated, rate_due, told_terms
from allmende.tariffs.recurrence import Due, Terms

from ..booking import Booking
from ..period import day_of, period_with
from .metering import Rated, Span


def of_usage(rated: Rated, line: Line, span: Span, charged_for: str, period: str) -> ChargeLine:
    """Charge what a component of a booking measured in a span, in the statement of a period.

    What it is made of was checked when it came in, so that it is not checked a second time.
    """
    german, english = told_terms(rated.terms) if rated.terms.number else ("", "")
    if span.last_period != period:
        german += f"; nachberechnet für {span.label}"
        english += f"; charged late for {span.label}"
    measured = line.measured
    return unchecked(
        ChargeLine,
        {
            "line": 0,
            "kind": "charge",
            "cause": "regular",
            "payer": rated.consumer,
            "payee": rated.provider,
            "title": line.component.title,
            "booking_id": rated.booking_id,
            "offering_id": rated.offering_id,
            "component": line.component.id,
            "billing": "usage",
            "terms": rated.terms.number,
            "charged_for": charged_for,
            "tariff_version": line.tariff_version,
            "quantity": line.quantity if line.quantity >= 0 else None,
            "unit": line.component.unit,
            "records": measured.records if measured is not None else 0,
            "service_from": measured.first_day if measured is not None else span.first_day,
            "service_to": measured.last_day if measured is not None else span.last_day,
            "amount_cents": line.amount_cents,
            "trace_de": line.trace_de + german,
            "trace_en": line.trace_en + english,
        },
    )


def of_due(booking: Booking, due: Due, period: str) -> ChargeLine | Unrated:
    """Charge a flat component in the statement of a period, be it the one in which it fell due or a later.

    Returns:
        The line; or why there is no price, so that the charge is held until there are terms with one.
    """
    rated = rate_due(due)
    if isinstance(rated, Unrated):
        return rated
    line = _charge(booking, rated, due.terms, due.first_day, due.last_day)
    german, english = _late(due.first_day, period)
    return line.model_copy(
        update={
            "charged_for": due.charged_for,
            "trace_de": line.trace_de + german,
            "trace_en": line.trace_en + english,
        }
    )


def reversal(
    line: ChargeLine, settled_in: str, reason: tuple[str, str], credited_cents: int = 0
) -> ChargeLine:
    """Take a line of a closed period back, to the cent, less what was credited of it.

    Args:
        line: what was charged.
        settled_in: the period in which it was.
        reason: why, in German and English.
        credited_cents: net, after objections; that is given back already.
    """
    german, english = reason
    cents = credited_cents - line.amount_cents
    less_german = f", {euro(credited_cents)} sind bereits gutgeschrieben" if credited_cents else ""
    less_english = f", {euro(credited_cents, language='en')} are credited already" if credited_cents else ""
    return line.model_copy(
        update={
            "line": 0,
            "cause": "reversal",
            "amount_cents": cents,
            "trace_de": (
                f"Storno der Position {line.line} aus {settled_in} ({german}{less_german}): "
                f"{euro(cents)}; dort: {line.trace_de}"
            ),
            "trace_en": (
                f"reversal of line {line.line} of {settled_in} ({english}{less_english}): "
                f"{euro(cents, language='en')}; there: {line.trace_en}"
            ),
        }
    )


def of_compensation(change: BookingChanged, period: str) -> ChargeLine:
    """Charge what one side owes the other for a change, such as a withdrawal; both ways stand gross."""
    day = day_of(change.changed_at)
    consumer_owes = change.compensation_cents > 0
    payer, payee = change.consumer, change.provider
    amount = abs(change.compensation_cents)
    german, english = _late(day, period)
    reason = f": {change.reason}" if change.reason else ""
    return ChargeLine(
        line=0,
        kind="charge",
        cause="compensation",
        payer=payer if consumer_owes else payee,
        payee=payee if consumer_owes else payer,
        title="Ausgleich",
        booking_id=change.booking_id,
        offering_id=change.offering_id,
        service_from=day,
        service_to=day,
        amount_cents=amount,
        trace_de=f"Ausgleich zur Änderung {change.number} der Buchung{reason} = {euro(amount)}{german}",
        trace_en=(
            f"compensation for change {change.number} of the booking{reason} = "
            f"{euro(amount, language='en')}{english}"
        ),
    )


def of_breach(breach: BreachRecorded, period: str) -> ChargeLine:
    """Credit the consumer for a missed service level; it lowers what the consumer owes."""
    german, english = _late(breach.last_day, period)
    promised, measured = f"{breach.promised:f}", f"{breach.measured:f}"
    return ChargeLine(
        line=0,
        kind="charge",
        cause="credit",
        payer=breach.consumer,
        payee=breach.provider,
        title="Gutschrift",
        booking_id=breach.booking_id,
        offering_id=breach.offering_id,
        service_from=breach.first_day,
        service_to=breach.last_day,
        amount_cents=-breach.credit_cents,
        trace_de=(
            f"Gutschrift, {breach.measure} {measured.replace('.', ',')} statt {promised.replace('.', ',')}: "
            f"{breach.reason} = {euro(-breach.credit_cents)}{german}"
        ),
        trace_en=(
            f"credit, {breach.measure} {measured} instead of {promised}: {breach.reason} = "
            f"{euro(-breach.credit_cents, language='en')}{english}"
        ),
    )


def _charge(booking: Booking, line: Line, terms: Terms, first: dt.date, last: dt.date) -> ChargeLine:
    confirmed = booking.confirmed
    return ChargeLine(
        line=0,
        kind="charge",
        payer=confirmed.consumer,
        payee=confirmed.provider,
        title=line.component.title,
        booking_id=confirmed.booking_id,
        offering_id=confirmed.offering_id,
        component=line.component.id,
        billing=line.component.billing,
        terms=terms.number,
        tariff_version=line.tariff_version,
        quantity=line.quantity if line.quantity >= 0 else None,
        unit=line.component.unit,
        service_from=first,
        service_to=last,
        amount_cents=line.amount_cents,
        trace_de=line.trace_de,
        trace_en=line.trace_en,
    )


def _late(day: dt.date, period: str) -> tuple[str, str]:
    """Say where a line belongs to another month than that of its statement."""
    own = period_with(day)
    return (f"; nachberechnet für {own}", f"; charged late for {own}") if own != period else ("", "")
