"""The story of a line in sentences: who charges whom for what, by what, and how to object."""

import datetime as dt
from collections.abc import Iterator
from typing import Literal

from allmende.client.output import Kind, cell
from allmende.client.settlement_wording import CAUSES, OBJECTIONS
from allmende.schemas.billing import ChargeLine, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.money import euro
from allmende.schemas.settlements import LineStory, PricedBy, TaxTreatment

Language = Literal["de", "en"]
Sentence = tuple[str, str]
"""What it is about, and the sentence."""

_RECORDS_NAMED = 3


def sentences(story: LineStory, records: int, language: Language) -> list[Sentence]:
    """Tell the story of a line, in the order in which people ask.

    Args:
        story: a page of it.
        records: how many usage records were found in all.
        language: of the sentences.
    """
    tell = _Teller(language)
    return list(tell.story(story, records))


class _Teller:
    """Puts facts into sentences of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def _say(self, german: str, english: str) -> str:
        return german if self._language == "de" else english

    def _day(self, day: dt.date) -> str:
        return cell(day, Kind.DAY, self._language)

    def _euro(self, cents: int) -> str:
        return euro(cents, language=self._language)

    def _number(self, number: object) -> str:
        return cell(number, Kind.NUMBER, self._language)

    def story(self, story: LineStory, records: int) -> Iterator[Sentence]:
        """Every sentence that the story has."""
        line = story.line
        yield self._say("Wer", "Who"), self._who(line)
        if line.quantity is not None:
            unit = f" {line.unit}" if line.unit else ""
            amount = f"{self._number(line.quantity)}{unit}"
            yield self._say("Menge", "Quantity"), self._say(f"{amount}.", f"{amount}.")
        trace = self._say(line.trace_de, line.trace_en)
        yield self._say("Rechnung", "Calculation"), trace if trace.endswith(".") else f"{trace}."
        if story.priced_by is not None:
            yield self._say("Preis", "Price"), self._price(story.priced_by)
        if line.pool_id is not None:
            yield self._say("Kostentopf", "Cost pool"), self._pool(line)
        if story.booking is not None:
            yield self._say("Buchung", "Booking"), self._booking(story.booking)
        yield self._say("Umsatzsteuer", "VAT"), self._tax(story.treatment, line)
        if line.budget_item is not None:
            yield self._say("Buchungsstelle", "Budget item"), f"{line.budget_item}."
        if line.records or story.records:
            yield self._say("Verbrauch", "Usage"), self._records(story.records, records or line.records)
        yield self._say("Berichtigungen", "Corrections"), self._related(story)
        if story.invoice_number is not None:
            number = story.invoice_number
            yield self._say("Beleg", "Document"), self._say(f"Steht auf {number}.", f"Is on {number}.")
        yield self._say("Widerspruch", "Objection"), self._objection(story)

    def _who(self, line: ChargeLine) -> str:
        amount = self._euro(abs(line.amount_cents))
        span = self._say(
            f"{self._day(line.service_from)} bis {self._day(line.service_to)}",
            f"{self._day(line.service_from)} to {self._day(line.service_to)}",
        )
        cause = self._say(*CAUSES[line.cause])
        what = f"»{line.title}«" if self._language == "de" else f"“{line.title}”"
        if line.amount_cents < 0:
            return self._say(
                f"{line.payee} schreibt {line.payer} {amount} gut für {what} ({cause}), {span}.",
                f"{line.payee} credits {line.payer} {amount} for {what} ({cause}), {span}.",
            )
        if line.kind == "levy":
            return self._say(
                f"{line.payee} legt auf {line.payer} {amount} um für {what}, {span}.",
                f"{line.payee} levies {amount} on {line.payer} for {what}, {span}.",
            )
        return self._say(
            f"{line.payee} berechnet {line.payer} {amount} netto für {what} ({cause}), {span}.",
            f"{line.payee} charges {line.payer} {amount} net for {what} ({cause}), {span}.",
        )

    def _price(self, price: PricedBy) -> str:
        version, since = price.tariff_version, self._day(price.valid_from)
        component = price.component
        return self._say(
            f"Es gilt Fassung {version} des Tarifs, seit {since}; Bestandteil {component.id} "
            f"({component.title}).",
            f"Version {version} of the tariff holds since {since}; component {component.id} "
            f"({component.title}).",
        )

    def _pool(self, line: ChargeLine) -> str:
        party = line.party or line.payer
        return self._say(
            f"{line.pool_id}; {line.payer} steht für {party}. allmende pool show {line.pool_id} zeigt die "
            "Anteile aller.",
            f"{line.pool_id}; {line.payer} stands for {party}. allmende pool show {line.pool_id} shows "
            "everybody's share.",
        )

    def _booking(self, booking: BookingConfirmed) -> str:
        reference = f", {booking.reference}" if booking.reference else ""
        confirmed = self._day(booking.confirmed_at.date())
        return self._say(
            f"{booking.offering_id}, Plan {booking.plan_id}, ab {self._day(booking.start)}{reference}; "
            f"bestätigt am {confirmed} ({booking.booking_id}).",
            f"{booking.offering_id}, plan {booking.plan_id}, from {self._day(booking.start)}{reference}; "
            f"confirmed on {confirmed} ({booking.booking_id}).",
        )

    def _tax(self, treatment: TaxTreatment | None, line: ChargeLine) -> str:
        if treatment is None:
            return self._say(
                f"keine; für {line.payee} ist keine Entscheidung hinterlegt.",
                f"none; no decision of {line.payee} is on record.",
            )
        decided = self._say(
            f"entschieden am {self._day(treatment.decided_on)} von {treatment.decided_by} "
            f"(Regel {treatment.rule})",
            f"decided on {self._day(treatment.decided_on)} by {treatment.decided_by} (rule {treatment.rule})",
        )
        if treatment.category == "S":
            rate = self._number(treatment.rate_percent)
            return self._say(
                f"{rate} % nach {treatment.basis}; {decided}.",
                f"{rate} % by {treatment.basis}; {decided}.",
            )
        reason = self._say(treatment.reason_de or "keine", treatment.reason_en or "none")
        return f"{reason} ({treatment.basis}); {decided}."

    def _records(self, records: tuple[UsageRecord, ...], count: int) -> str:
        named = ", ".join(record.id for record in records[:_RECORDS_NAMED])
        more = " …" if count > _RECORDS_NAMED else ""
        return self._say(
            f"Gezählte Meldungen: {count} ({named}{more})." if named else f"Gezählte Meldungen: {count}.",
            f"Records that count: {count} ({named}{more})." if named else f"Records that count: {count}.",
        )

    def _related(self, story: LineStory) -> str:
        if not story.related:
            return self._say("keine.", "none.")
        told = [
            self._say(
                f"{period} Zeile {line.line} über {self._euro(line.amount_cents)} "
                f"({self._say(*CAUSES[line.cause])})",
                f"{period} line {line.line} of {self._euro(line.amount_cents)} "
                f"({self._say(*CAUSES[line.cause])})",
            )
            for period, line in story.related
        ]
        return "; ".join(told) + "."

    def _objection(self, story: LineStory) -> str:
        line, until = story.line, story.objection_until
        if story.objection_id is not None:
            words = OBJECTIONS.get(story.objection_state or "raised", ("", ""))  # type: ignore[call-overload]
            return f"{story.objection_id}, {self._say(*words)}."
        if until is None:
            return self._say("nicht mehr oder noch nicht möglich.", "not possible any more, or not yet.")
        command = f"allmende settlement dispute {story.period} {line.line}"
        return self._say(
            f'bis {self._day(until)}: {command} --reason "..." --person NAME.',
            f'until {self._day(until)}: {command} --reason "..." --person NAME.',
        )
