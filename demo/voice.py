"""The sentences of the output in German and English, and how numbers and days are written."""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Literal

from allmende.schemas.money import euro, plain

_GERMAN_MARKS = str.maketrans(",.", ".,")


@dataclasses.dataclass(frozen=True)
class Voice:
    """Speaks one language."""

    language: Literal["de", "en"]

    @classmethod
    def of(cls, language: str) -> "Voice":
        """German, unless English is asked for."""
        return cls("en" if language == "en" else "de")

    def choose(self, german: str, english: str) -> str:
        """Choose between two spellings."""
        return english if self.language == "en" else german

    def say(self, key: str, **about: object) -> str:
        """Say a sentence."""
        return self.choose(*SENTENCES[key]).format_map(about)

    def amount(self, cents: int) -> str:
        """Write an amount of money."""
        return euro(cents, language=self.language)

    def price(self, amount: Decimal) -> str:
        """Write a price with all its places."""
        return self.choose(f"{plain(amount).translate(_GERMAN_MARKS)} €", f"€{plain(amount)}")

    def hours(self, seconds: Decimal) -> str:
        """Write seconds as hours with two places."""
        return self.choose(*_both(f"{seconds / 3600:,.2f}"))

    def count(self, number: int) -> str:
        """Write a whole number."""
        return self.choose(*_both(f"{number:,}"))

    def day(self, day: dt.date) -> str:
        """Write a day."""
        return self.choose(f"{day:%d.%m.%Y}", day.isoformat())


def _both(english: str) -> tuple[str, str]:
    return english.translate(_GERMAN_MARKS), english


SENTENCES: dict[str, tuple[str, str]] = {
    "mark": ("DEMONSTRATION", "DEMONSTRATION"),
    "title": (
        "Marktplatz zwischen Rechenzentren, Abrechnung {period}",
        "Marketplace between data centres, settlement {period}",
    ),
    "about": (
        (
            "Dies ist eine Vorführung. Echt ist die Nutzung (Parallel Workloads Archive, Log LCG-2005-1, "
            "freundlicherweise bereitgestellt von Hui Li), ebenso der Schlüssel (GaFinHG § 5 Abs. 1), Preise "
            "und Grenzen der Server (Uni Münster) und die Klassen der Postfächer (LRZ). Alles andere ist "
            "unsere Annahme: Genossenschaft, Mitgliedschaften, Heimateinrichtungen der Gruppen, Buchungen, "
            "alle übrigen Preise, die Geltung im Jahr 2005. Keine der genannten Einrichtungen schuldet oder "
            "fordert etwas."
        ),
        (
            "This is a demonstration. Real are the usage (Parallel Workloads Archive, log LCG-2005-1, "
            "graciously provided by Hui Li), the key (GaFinHG § 5(1)), prices and limits of the servers "
            "(University of Münster) and the classes of the mailboxes (LRZ). All else is our assumption: the "
            "cooperative, memberships, home institutions of the groups, bookings, all other prices, that "
            "anything held in 2005. None of the institutions named owes or claims anything."
        ),
    ),
    "read_back": (
        "Alles Folgende ist vom Markt zurückgelesen, soweit nichts anderes dabeisteht.",
        "Everything below is read back from the market unless it says otherwise.",
    ),
    "stopped": (
        "Die Vorführung ist nicht vollständig: {reason}\nEin weiterer Aufruf setzt sie fort.",
        "The demonstration is not complete: {reason}\nCalling it again continues it.",
    ),
    "no_key": (
        "Der Schlüssel {path} fehlt; bitte zuerst `allmende demonstration prepare` aufrufen.",
        "The key {path} is missing; call `allmende demonstration prepare` first.",
    ),
    "no_member": (
        "{member} ist kein Mitglied der Vorführung.",
        "{member} is no member of the demonstration.",
    ),
    "another_register": (
        "{path} gehört zu einem wirklichen Marktplatz; die Vorführung braucht einen eigenen Ordner.",
        "{path} belongs to a real market; the demonstration needs a folder of its own.",
    ),
    "prepared": (
        "{members} erfundene Mitgliedschaften und ihre Schlüssel liegen in {home}.",
        "{members} invented memberships and their keys are in {home}.",
    ),
    "offerings": ("Angebote", "Offerings"),
    "offerings_note": ("3600 s sind eine Kernstunde.", "3600 s are one core hour."),
    "bookings": ("Buchungen nach Bereitsteller und Kunde", "Bookings by provider and consumer"),
    "bookings_total": (
        "{count} Buchungen bestehen. Jede behält den Tarif, der an ihrem Beginn galt.",
        "{count} bookings hold. Each keeps the tariff that was valid at its start.",
    ),
    "refusals": ("Abgelehnte Buchungen, mit Absicht gestellt", "Refused bookings, requested on purpose"),
    "usage": ("Verbrauch nach Tagen", "Usage by day"),
    "usage_total": (
        (
            "Gemeldet und vom Markt angenommen: {records} Datensätze, {hours} Kernstunden. Die "
            "Kernstunden stehen so in den Meldungen, deren Inhalt der Markt bestätigt hat."
        ),
        (
            "Reported and taken by the market: {records} records, {hours} core hours. The core hours "
            "are those of the reports whose content the market confirmed."
        ),
    ),
    "usage_billed": (
        "Laut Abrechnungen berechnet: {records} Datensätze, {hours} Kernstunden.",
        "Charged according to the statements: {records} records, {hours} core hours.",
    ),
    "own_use": (
        (
            "Nicht auf dem Markt (aus der CSV-Datei): Eigennutzung der Gruppen im eigenen Haus, "
            "{records} Datensätze, {hours} Kernstunden."
        ),
        (
            "Not on the market (from the CSV file): own use by groups at their own body, {records} "
            "records, {hours} core hours."
        ),
    ),
    "statement": ("Abrechnung {number} für {member}", "Statement {number} for {member}"),
    "statement_total": (
        (
            "Forderungen {receivable}, Verbindlichkeiten {payable}, Saldo {net}, auszugleichen mit "
            "{clearing_house}."
        ),
        "Receivable {receivable}, payable {payable}, net {net}, to be settled with {clearing_house}.",
    ),
    "lines": (
        "Die ersten Positionen der Abrechnung {number} und wie sie entstanden",
        "The first lines of statement {number} and how they came about",
    ),
    "levy": ("Umlage der Geschäftsstelle", "Levy of the office's cost"),
    "levy_total": (
        (
            "Summe der Umlage: {amount}, verteilt nach dem Königsteiner Schlüssel 2019 auf die "
            "beteiligten Länder, je Land zu gleichen Teilen."
        ),
        (
            "Sum of the levy: {amount}, spread by the Königsteiner key of 2019 over the Länder that "
            "take part, within a Land in equal parts."
        ),
    ),
    "positions": ("Nettopositionen aller Beteiligten", "Net positions of all parties"),
    "positions_total": ("Summe der Nettopositionen: {amount}", "Sum of the net positions: {amount}"),
    "settlement_total": (
        (
            "Abrechnungslauf {period}: Entgelte {charges}, Umlagen {levies}, {lines} Positionen aus "
            "{records} Verbrauchsdatensätzen; Verrechnungsstelle {clearing_house}."
        ),
        (
            "Settlement {period}: charges {charges}, levies {levies}, {lines} lines from {records} "
            "usage records; clearing house {clearing_house}."
        ),
    ),
    "recipients": ("Abrechnungen bei den Empfängern", "Statements at their recipients"),
    "two_persons": (
        "Der Abrechnungslauf ist geprüft von {reviewed} und freigegeben von {approved}.",
        "The settlement run was reviewed by {reviewed} and approved by {approved}.",
    ),
    "state": ("Stand", "State"),
    "state_received": ("eingegangen", "received"),
    "state_certified": ("sachlich und rechnerisch richtig", "certified"),
    "state_ordered": ("angeordnet", "ordered"),
    "state_paid": ("bezahlt", "paid"),
    "disputed": ("Strittig", "Disputed"),
    "certified_by": ("Bescheinigt", "Certified"),
    "ordered_by": ("Angeordnet", "Ordered"),
    "objections": ("Widersprüche", "Objections"),
    "objections_note": (
        "Was strittig ist, bleibt aus Verrechnung und Zahlung heraus, bis darüber entschieden ist.",
        "What is disputed stays out of netting and payment until it is decided.",
    ),
    "payments": ("Zahlungen nach der Verrechnung", "Payments after netting"),
    "payments_total": (
        "{count} Zahlungen über {paid} statt {gross} brutto.",
        "{count} payments of {paid} instead of {gross} gross.",
    ),
    "payer": ("Zahlt", "Payer"),
    "payee": ("Erhält", "Payee"),
    "reference": ("Referenz", "Reference"),
    "offering": ("Angebot", "Offering"),
    "component": ("Bestandteil", "Component"),
    "price": ("Entgelt", "Price"),
    "valid_from": ("gilt ab", "valid from"),
    "version": ("Tarif", "Tariff"),
    "once": ("einmalig {price}", "{price} once"),
    "provider": ("Bereitsteller", "Provider"),
    "consumer": ("Kunde", "Consumer"),
    "ordered": ("Bestellung", "Order"),
    "start": ("Beginn", "Start"),
    "reason": ("Grund", "Reason"),
    "day": ("Tag", "Day"),
    "records": ("Datensätze", "Records"),
    "core_hours": ("Kernstunden", "Core hours"),
    "kind": ("Art", "Kind"),
    "charge": ("Entgelt", "charge"),
    "levy_kind": ("Umlage", "levy"),
    "counterparty": ("Gegenseite", "Counterparty"),
    "receivable": ("Forderung", "Receivable"),
    "payable": ("Verbindlichkeit", "Payable"),
    "net": ("Saldo", "Net"),
    "number": ("Nr.", "No."),
    "line_count": ("Positionen", "Lines"),
    "amount": ("Betrag", "Amount"),
    "trace": ("Entstehung", "How it came about"),
    "member": ("Mitglied", "Member"),
    "name": ("Name", "Name"),
}
