"""Charges as FOCUS 1.2 (FinOps Foundation, dataset Cost and Usage), one file for a provider and a consumer.

The provider is also who issues the invoice: where they differ, FOCUS wants a billed cost of 0. A separate
file has the columns by which FOCUS 1.3 tells how a shared cost was allocated.

Whatever a tariff charges is `Usage`, recurring or not: a `Purchase` has an effective cost of 0, since it
covers later charges. Levies, advances and true-ups are `Adjustment`. Texts are ASCII, as the official
validator reads FOCUS on strings; `x_Title` has the title as it is.
"""

import datetime as dt
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from allmende.schemas.billing import ChargeLine, LevyCharged
from allmende.schemas.invoices import InvoiceHead
from allmende.schemas.money import plain

from .units import code_of

Row = dict[str, str]

COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "x_BookingId",
    "x_BudgetItem",
    "x_Cause",
    "x_Explanation",
    "x_Line",
    "x_TaxCategory",
    "x_Title",
)
ALLOCATION_COLUMNS = (
    "BillingAccountId",
    "InvoiceId",
    "BilledCost",
    "AllocatedMethodId",
    "AllocatedMethodDetails",
    "x_Line",
)
NULLABLE = frozenset(
    {
        "ChargeClass",
        "CommitmentDiscountStatus",
        "ConsumedQuantity",
        "ConsumedUnit",
        "InvoiceId",
        "PricingQuantity",
        "PricingUnit",
        *(name for name in COLUMNS if name.startswith("x_")),
    }
)
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
FREQUENCIES = ("One-Time", "Recurring", "Usage-Based")
_COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
_UNITS = {
    "SEC": "Seconds",
    "MIN": "Minutes",
    "HUR": "Hours",
    "DAY": "Days",
    "MON": "Months",
    "ANN": "Years",
    "AD": "B",
    "2P": "KB",
    "4L": "MB",
    "E34": "GB",
    "E35": "TB",
    "E36": "PB",
    "E64": "KiB",
    "E63": "MiB",
    "E62": "GiB",
    "E61": "TiB",
    "E60": "PiB",
    "H87": "Count",
}
_BERLIN = ZoneInfo("Europe/Berlin")
_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "–": "-"}
)
_DETACHED = {
    "credit": "Credit",
    "compensation": "Credit",
    "advance": "Adjustment",
    "true_up": "Adjustment",
    "reimbursement": "Adjustment",
    "late_charge": "Adjustment",
}


def invoice_numbers(lines: Iterable[ChargeLine], heads: Iterable[InvoiceHead]) -> dict[int, str]:
    """Find by which document each line was charged: those of a pair, a kind and a treatment are on one.

    Returns:
        Numbers of documents, by the line's; lines of documents that are not given are missing.
    """
    groups: defaultdict[tuple[str, str, bool, bool], list[ChargeLine]] = defaultdict(list)
    for line in lines:
        taxable = line.tax is not None and line.tax.category != "O"
        groups[line.payee, line.payer, line.kind == "levy", taxable].append(line)
    first = [head for head in heads if head.preceding is None]
    found: dict[int, str] = {}
    for (payee, payer, levy, _), group in groups.items():
        sums = sum(line.amount_cents for line in group), len(group)
        for head in first:
            about = (head.issuer, head.recipient, head.kind == "notice")
            if (about, head.net_cents, head.lines) == ((payee, payer, levy), *sums):
                found |= dict.fromkeys((line.line for line in group), head.number)
                break
    return found


def rows(
    period: str, lines: Sequence[ChargeLine], heads: Sequence[InvoiceHead], names: Mapping[str, str]
) -> list[Row]:
    """Write what a provider charged a consumer in a period, with a row for the VAT of each document.

    Args:
        period: `YYYY-MM`; its months begin and end by the calendar of Europe/Berlin.
        lines: all of one payer and one payee, whole, so that their documents are found.
        heads: the documents of the two.
        names: of members, by id; who has none is called by the id.

    Raises:
        ValueError: there are several providers or consumers.
    """
    if len({(line.payer, line.payee) for line in lines}) > 1:
        raise ValueError("a file has one provider and one consumer")
    numbers = invoice_numbers(lines, heads)
    found = [_row(period, line, numbers.get(line.line, ""), names) for line in lines]
    charged = set(numbers.values())
    found += [_tax(period, head, names) for head in heads if head.number in charged and head.tax_cents]
    return found


def _common(period: str, payer: str, payee: str, names: Mapping[str, str], cents: int) -> Row:
    year, month = map(int, period.split("-"))
    first = dt.date(year, month, 1)
    provider = _ascii(names.get(payee, payee))
    return {
        **dict.fromkeys(COLUMNS, ""),
        **dict.fromkeys(_COSTS, plain(Decimal(cents).scaleb(-2))),
        "BillingAccountId": payer,
        "BillingAccountName": _ascii(names.get(payer, payer)),
        "BillingCurrency": "EUR",
        "BillingPeriodStart": _moment(first),
        "BillingPeriodEnd": _moment((first + dt.timedelta(days=31)).replace(day=1)),
        "ProviderName": provider,
        "PublisherName": provider,
        "InvoiceIssuerName": provider,
        "ServiceCategory": "Other",
        "ServiceSubcategory": "Other (Other)",
    }


def _ascii(text: str) -> str:
    """Write a text in ASCII: German letters as two, others without their marks."""
    plain_letters = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return plain_letters.encode("ascii", "ignore").decode().strip() or "-"


def _moment(day: dt.date) -> str:
    """The beginning of a day, in UTC."""
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=_BERLIN)
    return midnight.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(period: str, line: ChargeLine, number: str, names: Mapping[str, str]) -> Row:
    category, frequency = _category(line)
    correction = line.cause == "reversal" and f"{line.service_to:%Y-%m}" < period
    quantity, unit = line.quantity, line.unit
    if quantity is None and category == "Usage":
        quantity, unit = Decimal(1), None
    counted = plain(quantity) if quantity is not None else ""
    called = _ascii(_UNITS.get(code_of(unit)) or unit or "Count") if counted else ""
    used = category == "Usage"
    return _common(period, line.payer, line.payee, names, line.amount_cents) | {
        "ChargeCategory": category,
        "ChargeClass": "Correction" if correction else "",
        "ChargeDescription": _ascii(line.title),
        "ChargeFrequency": frequency,
        "ChargePeriodStart": _moment(line.service_from),
        "ChargePeriodEnd": _moment(line.service_to + dt.timedelta(days=1)),
        "ConsumedQuantity": counted if used else "",
        "ConsumedUnit": called if used else "",
        "InvoiceId": number,
        "PricingQuantity": counted,
        "PricingUnit": called,
        "ServiceName": line.offering_id or _ascii(line.title),
        "x_BookingId": line.booking_id or "",
        "x_BudgetItem": line.budget_item or "",
        "x_Cause": line.cause,
        "x_Explanation": line.trace_en,
        "x_Line": str(line.line),
        "x_TaxCategory": line.tax.category if line.tax else "",
        "x_Title": line.title,
    }


def _category(line: ChargeLine) -> tuple[str, str]:
    """What kind of charge it is, and how often it comes."""
    if line.cause in _DETACHED:
        return _DETACHED[line.cause], "One-Time"
    if line.kind == "levy":
        return "Adjustment", "One-Time"
    if line.billing == "usage":
        return "Usage", "Usage-Based"
    return "Usage", "Recurring" if line.billing in {"fixed", "limit"} else "One-Time"


def _tax(period: str, head: InvoiceHead, names: Mapping[str, str]) -> Row:
    common = _common(period, head.recipient, head.issuer, names, head.tax_cents)
    return common | {
        "ChargeCategory": "Tax",
        "ChargeDescription": f"VAT on {head.number}",
        "ChargeFrequency": "One-Time",
        "ChargePeriodStart": common["BillingPeriodStart"],
        "ChargePeriodEnd": common["BillingPeriodEnd"],
        "InvoiceId": head.number,
        "ServiceName": "VAT",
    }


def allocations(
    lines: Iterable[ChargeLine], levies: Iterable[LevyCharged], numbers: Mapping[int, str]
) -> list[Row]:
    """Tell of each levied line by which method it was allocated, in the columns of FOCUS 1.3.

    Args:
        lines: of any members; those that are no levies are left out.
        levies: with key and shares; what is not among them is named after its pool or title.
        numbers: of documents, by line, as `invoice_numbers` finds them.
    """
    known = list(levies)
    found = []
    for line in lines:
        if line.kind != "levy":
            continue
        method, ratio = _method(line, known)
        element = {"x_Explanation": line.trace_en} | ({"AllocatedRatio": ratio} if ratio else {})
        found.append(
            {
                "BillingAccountId": line.payer,
                "InvoiceId": numbers.get(line.line, ""),
                "BilledCost": plain(Decimal(line.amount_cents).scaleb(-2)),
                "AllocatedMethodId": method,
                "AllocatedMethodDetails": json.dumps({"Elements": [element]}, ensure_ascii=False),
                "x_Line": str(line.line),
            }
        )
    return found


def _method(line: ChargeLine, levies: Sequence[LevyCharged]) -> tuple[str, str]:
    """Key with its version and the share of the whole; only the pool or the title where no levy fits."""
    for levy in levies:
        share = next((each for each in levy.shares if each.member == line.payer), None)
        if share is not None and (levy.title, share.amount_cents) == (line.title, line.amount_cents):
            ratio = Decimal(share.amount_cents) / Decimal(levy.amount_cents)
            return f"{levy.key_id}/{levy.key_version}", plain(round(ratio, 12))
    return line.pool_id or line.title, ""


# -- checks -----------------------------------------------------------------------------------------


def problems(found: Iterable[Mapping[str, str]]) -> list[str]:
    """Check rows: columns, types, allowed values, and what one column demands of another.

    Returns:
        What is wrong, row by row; nothing where all is well.
    """
    return [f"row {n}: {text}" for n, row in enumerate(found, 1) for text in _problems(row)]


def _problems(row: Mapping[str, str]) -> Iterator[str]:
    if missing := [name for name in COLUMNS if name not in row]:
        yield f"lacks {', '.join(missing)}"
        return
    yield from (f"{name} is empty" for name in COLUMNS if name not in NULLABLE and not row[name])
    for name in (*_COSTS, "PricingQuantity", "ConsumedQuantity"):
        if row[name] and not _is_decimal(row[name]):
            yield f"{name} is no decimal number"
    for name in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"):
        if not _is_moment(row[name]):
            yield f"{name} is no moment in UTC"
    for name, allowed in (
        ("ChargeCategory", CATEGORIES),
        ("ChargeFrequency", FREQUENCIES),
        ("ChargeClass", ("", "Correction")),
        ("BillingCurrency", ("EUR",)),
        ("ServiceCategory", ("Other",)),
    ):
        if row[name] not in allowed:
            yield f"{name} must not be {row[name]!r}"
    yield from _cross_checks(row)


def _cross_checks(row: Mapping[str, str]) -> Iterator[str]:
    for which in ("Billing", "Charge"):
        if row[f"{which}PeriodStart"] >= row[f"{which}PeriodEnd"]:
            yield f"the {which.lower()} period ends before it starts"
    yield from _of_category(row)
    yield from (f"{name} is not ASCII" for name in COLUMNS if name[:2] != "x_" and not row[name].isascii())
    if row["ProviderName"] != row["InvoiceIssuerName"] and Decimal(row["BilledCost"]):
        yield "what another party invoices is billed with 0"


def _of_category(row: Mapping[str, str]) -> Iterator[str]:
    category, corrects = row["ChargeCategory"], row["ChargeClass"] == "Correction"
    for which in ("Pricing", "Consumed"):
        if bool(row[f"{which}Quantity"]) != bool(row[f"{which}Unit"]):
            yield f"{which}Quantity and {which}Unit belong together"
    if category == "Tax" and row["PricingQuantity"]:
        yield "a tax has no quantity"
    if category in {"Usage", "Purchase"} and not corrects and not row["PricingQuantity"]:
        yield "PricingQuantity is missing"
    if category != "Usage" and row["ConsumedQuantity"]:
        yield "only usage is consumed"
    if category == "Usage" and not corrects and not row["ConsumedQuantity"]:
        yield "ConsumedQuantity is missing"
    if category == "Purchase":
        yield from ["a purchase is not usage-based"] * (row["ChargeFrequency"] == "Usage-Based")
        yield from ["a purchase has no effective cost"] * (row["EffectiveCost"] not in {"0", "0.00"})


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text).is_finite() and "e" not in text.lower()
    except InvalidOperation:
        return False


def _is_moment(text: str) -> bool:
    try:
        return text.endswith("Z") and dt.datetime.fromisoformat(text).utcoffset() == dt.timedelta()
    except ValueError:
        return False
