"""Real cloud charges, rated through the tariff language and compared unrounded with what was published.

Prints the table of `docs/focus.md`: `PYTHONPATH=.:tests python -m support.focus`.
"""

import csv
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from allmende.schemas.billing import UsageRecord
from allmende.schemas.tariff import Component, PerUnit, Tariff
from allmende.tariffs.pricing import Priced, price_quantity
from allmende.tariffs.rounding import to_integer

SAMPLE = Path(__file__).parents[1] / "tariffs" / "data" / "focus_sample.csv"
_BOOKING = "00000000-0000-4000-8000-000000000001"
_USAGE_PLACES, _PRICE_PLACES = 9, 9

REASONS = {
    "agrees": "pricing quantity × list unit price",
    "finer quantity": "the pricing quantity is published rounded; with the finer consumed quantity it agrees",
    "blocks": "the price is for 10,000, the pricing quantity counts 10,000 of these; rated so, it agrees",
    "no price": "a credit: neither a list unit price nor a quantity is published",
    "differs": "unexplained",
}


@dataclasses.dataclass(frozen=True)
class Charge:
    """A published row.

    Attributes:
        number: of its line in the file.
        places: decimal places to which its provider publishes costs.
    """

    number: int
    row: dict[str, str]
    places: int

    def value(self, column: str) -> Decimal | None:
        text = self.row[column]
        return None if text in {"", "NULL"} else Decimal(text)


@dataclasses.dataclass(frozen=True)
class Compared:
    """A row with its cost by the language, unrounded and in the row's currency; None without a price."""

    charge: Charge
    verdict: str
    cost: Fraction | None = None


def charges() -> list[Charge]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places: Counter[str] = Counter()
    for row in rows:
        places[row["ProviderName"]] = max(places[row["ProviderName"]], places_of(Decimal(row["ListCost"])))
    return [Charge(number, row, places[row["ProviderName"]]) for number, row in enumerate(rows, 2)]


def places_of(number: Decimal) -> int:
    return max(-int(number.normalize().as_tuple().exponent), 0)


def record_of(charge: Charge, quantity: Decimal) -> tuple[UsageRecord, int]:
    """The row as a usage record, and in which decimal part of a unit it counts.

    Usage has nine decimal places; finer quantities are counted in hundredths, thousandths, and so on. What is
    taken back is recorded as much, and counts against it.
    """
    shift = max(places_of(quantity) - _USAGE_PLACES, 0)
    start, end = (
        dt.datetime.fromisoformat(charge.row[f"ChargePeriod{which}"]).replace(tzinfo=dt.UTC)
        for which in ("Start", "End")
    )
    record = UsageRecord(
        id=f"focus {charge.number}",
        booking_id=_BOOKING,
        meter="usage",
        quantity=abs(quantity).normalize().scaleb(shift),
        start=start,
        end=end,
    )
    return record, shift


def tariff_of(charge: Charge, price: Decimal, per: Decimal, shift: int) -> Tariff:
    """A list unit price as a tariff. Prices have nine decimal places; finer ones are for more units."""
    more = max(places_of(price) - _PRICE_PLACES, 0)
    unit_price = PerUnit(amount=price.normalize().scaleb(more), per=per.scaleb(shift + more))
    usage = Component(
        id="usage",
        title=charge.row["ServiceName"],
        billing="usage",
        measure="usage",
        unit=f"1E-{shift} {charge.row['PricingUnit']}"[:32],
        price=unit_price,
    )
    valid_from = dt.date.fromisoformat(charge.row["BillingPeriodStart"][:10])
    return Tariff(
        version=1, valid_from=valid_from, currency=charge.row["BillingCurrency"], components=(usage,)
    )


def cost_of(charge: Charge, quantity: Decimal, per: Decimal = Decimal(1)) -> Fraction:
    """The unrounded cost of a row in its currency, by its own tariff."""
    price = charge.value("ListUnitPrice")
    assert price is not None
    record, shift = record_of(charge, quantity)
    tariff = tariff_of(charge, price, per, shift)
    priced = price_quantity(
        tariff.components[0], record.quantity, {}, record.start.date(), currency=tariff.currency
    )
    assert isinstance(priced, Priced)
    return priced.exact / (100 if quantity >= 0 else -100)


def agrees(charge: Charge, cost: Fraction) -> bool:
    """Whether a cost is the published one, to the precision to which its provider publishes costs."""
    scaled = cost * 10**charge.places
    rounded = to_integer(scaled.numerator, scaled.denominator, "nearest")
    return Fraction(rounded, 10**charge.places) == Fraction(charge.row["ListCost"])


def compare(charge: Charge) -> Compared:
    quantity, consumed = charge.value("PricingQuantity"), charge.value("ConsumedQuantity")
    if charge.value("ListUnitPrice") is None or quantity is None:
        return Compared(charge, "no price")
    if agrees(charge, cost := cost_of(charge, quantity)):
        return Compared(charge, "agrees", cost)
    if consumed == quantity * 10_000 and agrees(charge, cost := cost_of(charge, quantity, Decimal("0.0001"))):
        return Compared(charge, "blocks", cost)
    same_unit = charge.row["PricingUnit"] == charge.row["ConsumedUnit"]
    if consumed is not None and same_unit and agrees(charge, cost := cost_of(charge, consumed)):
        return Compared(charge, "finer quantity", cost)
    return Compared(charge, "differs", cost)


def table(compared: Sequence[Compared]) -> str:
    """What agrees, and why the rest does not, as Markdown."""
    counts = Counter((each.verdict, each.charge.row["ProviderName"]) for each in compared)
    lines = ["| rows | provider | |", "|--:|---|---|"]
    for verdict, reason in REASONS.items():
        found = sorted((provider, count) for (which, provider), count in counts.items() if which == verdict)
        lines += [f"| {count} | {provider} | {reason} |" for provider, count in found]
    return "\n".join([*lines, f"| {len(compared)} | | |"])


if __name__ == "__main__":
    print(table([compare(each) for each in charges()]))  # noqa: T201
