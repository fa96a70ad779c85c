"""The VAT treatment of lines: a dated decision of their payee, and never a constant.

The day on which a service is completed decides, not the day on which it is billed (§ 27 Abs. 1, 22 UStG):
what was supplied in 2026 and is billed in 2027 keeps the treatment of 2026.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

from allmende.schemas.billing import ChargeLine, LineTax
from allmende.schemas.bodies import TaxRule
from allmende.schemas.contract import unchecked
from allmende.schemas.register import MemberRegister
from allmende.schemas.settlements import TaxTreatment

Treatments = Mapping[tuple[str, LineTax], TaxTreatment]
"""What is behind the treatment that a line names, by its payee."""

LATE = TaxTreatment(
    rule="verzugsschaden",
    category="O",
    rate_percent=Decimal(0),
    code="VATEX-EU-O",
    reason_de="Nicht steuerbar: Schadensersatz wegen Zahlungsverzugs",
    reason_en="Not subject to VAT: damages for late payment",
    basis="§ 1 Abs. 1 Nr. 1 UStG, Abschnitt 1.3 Abs. 6 UStAE",
    decided_on=dt.date(2010, 10, 1),
    decided_by="Bundesministerium der Finanzen (UStAE)",
)
"""What is owed for paying late pays for no supply, whatever the payee's rules say of its supplies."""


def treated(lines: Sequence[ChargeLine], register: MemberRegister) -> tuple[list[ChargeLine], list[int]]:
    """Decide on the VAT of lines by the first rule of their payees that fits.

    A reversal keeps what the line that it takes back had, and so does a credit that brings a treatment along.

    Args:
        lines: with or without a treatment from an earlier draft.
        register: the bodies with their rules, in the order in which these decide.

    Returns:
        The lines in the same order, and the places of those that no rule of their payee fits. A payee without
        a body or without rules has decided on nothing: its lines bear no VAT and are not among them.
    """
    rules = {member.id: member.body.tax_rules for member in register.members if member.body is not None}
    found: list[ChargeLine] = []
    undecided: list[int] = []
    known: dict[tuple[object, ...], LineTax | None] = {}
    for place, line in enumerate(lines):
        if line.cause == "reversal" or (line.cause == "credit" and line.tax is not None):
            found.append(line)
            continue
        theirs = rules.get(line.payee, ())
        late = line.cause == "late_charge"
        # Lines that no rule can tell apart are many, and are decided on once.
        like = (line.payee, line.payer, line.kind, line.offering_id, line.service_to, late)
        if like not in known:
            known[like] = _decide(theirs, line, late=late)
        tax = known[like]
        if tax is None and theirs:
            undecided.append(place)
        found.append(line if line.tax is tax else unchecked(ChargeLine, {**line.__dict__, "tax": tax}))
    return found, undecided


def _decide(rules: Sequence[TaxRule], line: ChargeLine, *, late: bool) -> LineTax | None:
    if late and rules:
        return _LATE
    return next((_tax(rule) for rule in rules if _fits(rule, line)), None)


def _fits(rule: TaxRule, line: ChargeLine) -> bool:
    return (
        rule.valid_from <= line.service_to
        and (rule.valid_until is None or line.service_to <= rule.valid_until)
        and (not rule.kinds or line.kind in rule.kinds)
        and (not rule.offerings or line.offering_id in rule.offerings)
        and (not rule.consumers or line.payer in rule.consumers)
    )


def _tax(rule: TaxRule) -> LineTax:
    return LineTax(category=rule.category, rate_percent=rule.rate_percent, rule=rule.id)


_LATE = LineTax(category=LATE.category, rate_percent=LATE.rate_percent, rule=LATE.rule)


def treatments_in(register: MemberRegister) -> Treatments:
    """List all treatments that bodies have decided on, by payee and by what their lines say."""
    found = {}
    for member in register.members:
        if member.body is not None:
            found[member.id, _LATE] = LATE
            found |= {(member.id, _tax(rule)): _treatment(rule) for rule in reversed(member.body.tax_rules)}
    return found


def forgotten(lines: Sequence[ChargeLine], register: MemberRegister) -> list[ChargeLine]:
    """Find the lines whose treatment the register has lost, so that nobody could say its reason.

    What takes back or credits keeps the treatment of an earlier line, whose document tells of it.
    """
    known = treatments_in(register)
    return [
        line
        for line in lines
        if line.tax is not None
        and line.cause not in {"reversal", "credit"}
        and (line.payee, line.tax) not in known
    ]


def _treatment(rule: TaxRule) -> TaxTreatment:
    return TaxTreatment(
        rule=rule.id,
        category=rule.category,
        rate_percent=rule.rate_percent,
        code=rule.code,
        reason_de=rule.reason_de,
        reason_en=rule.reason_en,
        basis=rule.basis,
        decided_on=rule.decided_on,
        decided_by=rule.decided_by,
    )


def tax_on(net_cents: int, rate_percent: Decimal) -> int:
    """Reckon the VAT on a sum, half up to the cent and alike on both sides of zero (EN 16931, BR-CO-17).

    Returns:
        Cents with the sign of the sum.
    """
    numerator, denominator = (abs(net_cents) * rate_percent / 100).as_integer_ratio()
    cents = (2 * numerator + denominator) // (2 * denominator)
    return cents if net_cents >= 0 else -cents
