"""Statements with everything a page can show, and of any length."""

import datetime as dt
from decimal import Decimal
from typing import Any

from support.bodies import body
from support.builders import uid

from allmende.documents.statement import StatementFile
from allmende.schemas.billing import ChargeLine, LineTax, StatementIssued, StatementItem
from allmende.schemas.register import ObjectionTerms, SettlementRules
from allmende.schemas.settlements import ServiceSum

ISSUED_AT = dt.datetime(2027, 2, 3, 9, 30, tzinfo=dt.UTC)
DUE = dt.date(2027, 3, 5)
NAMES = {
    "lrz": "Leibniz-Rechenzentrum Garching",
    "kit": "Karlsruher Institut für Technologie",
    "desy": "Deutsches Elektronen-Synchrotron",
    "office": "Rechenzentrumsverbund eG",
}
RULES = SettlementRules(
    valid_from=dt.date(2026, 1, 1), levy_objections=ObjectionTerms(days=14, suspends=False)
)
STANDARD = LineTax(category="S", rate_percent=Decimal(19), rule="regelsteuersatz")


def charge(number: int, cents: int, **changes: Any) -> ChargeLine:
    given: dict[str, Any] = {
        "line": number,
        "kind": "charge",
        "payer": "desy",
        "payee": "lrz",
        "title": "Virtuelle Maschine, groß",
        "booking_id": uid(number),
        "offering_id": "lrz/vm",
        "component": "vm",
        "billing": "fixed",
        "quantity": Decimal(2),
        "unit": "Monat",
        "service_from": dt.date(2027, 1, 1),
        "service_to": dt.date(2027, 1, 31),
        "amount_cents": cents,
        "tax": STANDARD,
        "budget_item": "11.1.07 / 5431000 / 0815",
        "trace_de": "2 Monat × 61,73 € je Monat = 123,46 €",
        "trace_en": "2 months × €61.73 each = €123.46",
    }
    return ChargeLine(**given | changes)


def service(title: str, cents: int, before: int = 0, **changes: Any) -> ServiceSum:
    given: dict[str, Any] = {
        "direction": "payable",
        "counterparty": "lrz",
        "kind": "charge",
        "cause": "regular",
        "offering_id": "lrz/vm",
        "title": title,
        "unit": "Monat",
        "quantity": Decimal(2),
        "lines": 1,
        "amount_cents": cents,
        "previous_cents": before,
    }
    return ServiceSum(**given | changes)


LINES = (
    charge(1, 12346),
    charge(
        2,
        98765,
        title="Objektspeicher",
        quantity=Decimal("1234.5"),
        unit="GiB",
        trace_de="1.234,5 GiB: die ersten 1.000 zu 0,82 €, weitere zu 0,71 €",
        trace_en="1,234.5 GiB: the first 1,000 at €0.82, further ones at €0.71",
    ),
    charge(
        3, 0, title="Beratung für Mitglieder", unit="h", trace_de="Kostenfrei für Mitglieder", trace_en="Free"
    ),
    charge(
        4,
        -4000,
        title="Objektspeicher",
        cause="credit",
        quantity=None,
        unit=None,
        trace_de="Verfügbarkeit 98,2 % statt 99,5 % vom 11.01. bis 14.01.2027",
        trace_en="Availability 98.2% instead of 99.5% from 11 to 14 January 2027",
    ),
    charge(
        5,
        250000,
        payee="kit",
        title="Forschungsdatenarchiv 2027",
        cause="advance",
        kind="levy",
        trace_de="Abschlag auf 2027, Schlüssel Einwohner 2025",
        trace_en="Advance on 2027",
    ),
    charge(
        6,
        41667,
        payee="office",
        kind="levy",
        title="Umlage der Geschäftsstelle",
        quantity=None,
        unit=None,
        tax=None,
        trace_de="5.000,00 € × 100/1200 nach dem Königsteiner Schlüssel",
        trace_en="€5,000.00 × 100/1200",
    ),
)
SERVICES = (
    service("Virtuelle Maschine, groß", 12346, 10000),
    service("Objektspeicher", 98765, 101265, quantity=Decimal("1234.5"), unit="GiB"),
    service("Objektspeicher", -4000, 0, cause="credit", quantity=None, unit=None),
    service("Beratung für Mitglieder", 0, 0, quantity=Decimal(12), unit="h"),
    service("Forschungsdatenarchiv 2027", 250000, 250000, counterparty="kit", kind="levy", cause="advance"),
    service(
        "Umlage der Geschäftsstelle",
        41667,
        40000,
        counterparty="office",
        kind="levy",
        quantity=None,
        unit=None,
    ),
    service("Rechenzeit Physik", 120000, 80000, counterparty="kit", direction="receivable", unit="h"),
)


def item(counterparty: str, cents: int, letter: str = "R", tax: int = 0, **changes: Any) -> StatementItem:
    given: dict[str, Any] = {
        "kind": "levy" if letter == "U" else "charge",
        "counterparty": counterparty,
        "number": f"{counterparty}/{letter}/2027/000017",
        "amount_cents": cents,
        "tax_cents": tax,
        "lines": 1,
        "due_on": DUE,
    }
    return StatementItem(**given | changes)


def statement(
    payable: tuple[StatementItem, ...], receivable: tuple[StatementItem, ...] = ()
) -> StatementIssued:
    owing, owed = (sum(each.amount_cents + each.tax_cents for each in side) for side in (payable, receivable))
    return StatementIssued(
        statement_id=uid(60),
        settlement_id=uid(50),
        number="2027-01-0007",
        period="2027-01",
        member="desy",
        payable=payable,
        receivable=receivable,
        payable_cents=owing,
        receivable_cents=owed,
        net_cents=owed - owing,
        clearing_house="office",
        issued_at=ISSUED_AT,
    )


def statement_file(**changes: Any) -> StatementFile:
    given: dict[str, Any] = {
        "statement": statement(
            (item("lrz", 107111, tax=20351), item("kit", 250000, "U"), item("office", 41667, "U")),
            (item("kit", 120000, number="desy/R/2027/000003"),),
        ),
        "house": body("office", 9, name=NAMES["office"]),
        "body": body("desy", 2, name=NAMES["desy"]),
        "names": NAMES,
        "services": SERVICES,
        "against": "2026-12",
        "lines": LINES,
        "rules": RULES,
    }
    return StatementFile(**given | changes)


def long_file(count: int) -> StatementFile:
    lines = tuple(
        charge(n, 100 + n, title=f"Leistung {n}", trace_de="x " * (n % 40)) for n in range(1, count + 1)
    )
    total = sum(line.amount_cents for line in lines)
    return statement_file(
        statement=statement((item("lrz", total),)),
        lines=lines,
        services=(service("Alles", total, lines=count),),
    )
