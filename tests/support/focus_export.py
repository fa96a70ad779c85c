"""A month of one provider and one consumer with every kind of charge, as FOCUS rows."""

import datetime as dt
from decimal import Decimal

from support.invoice_documents import invoice, line
from support.statements import LINES, NAMES, charge

from allmende.documents import focus
from allmende.schemas.invoices import InvoiceHead

CHARGES = (
    *(each for each in LINES if each.payee == "lrz"),
    charge(10, 500, billing="usage", quantity=Decimal("7.5"), unit="h"),
    charge(
        11,
        -300,
        cause="reversal",
        billing="usage",
        quantity=Decimal(3),
        unit="h",
        service_from=dt.date(2026, 11, 1),
        service_to=dt.date(2026, 11, 30),
    ),
    charge(12, 2500, billing="one_time", quantity=None, unit=None, title="Einrichtung für Köln"),
    charge(13, 700, cause="late_charge", quantity=None, unit=None),
    charge(14, 900, cause="advance", billing=None, quantity=None, unit=None),
)


def head() -> InvoiceHead:
    return invoice(*(line(each.amount_cents) for each in CHARGES)).head


def rows() -> list[focus.Row]:
    return focus.rows("2027-01", CHARGES, [head()], NAMES)
