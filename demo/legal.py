"""Invented legal bodies: clearly no real address, account or Leitweg-ID, but with check digits that fit."""

import datetime as dt

from allmende.schemas.bodies import Address, Body, BudgetItem, Contact, TaxRule, TaxStatus
from allmende.schemas.register import ReminderStep, SettlementRules

_FIRST_DAY = dt.date(2005, 1, 1)

NOT_TAXABLE = TaxRule(
    id="juristische-person-des-oeffentlichen-rechts",
    valid_from=_FIRST_DAY,
    valid_until=dt.date(2015, 12, 31),
    category="O",
    code="VATEX-EU-O",
    reason_de="Nicht steuerbar (DEMONSTRATION)",
    reason_en="Not subject to VAT (DEMONSTRATION)",
    basis="§ 2 Abs. 3 UStG in der bis 2015 geltenden Fassung",
    decided_on=_FIRST_DAY,
    decided_by="DEMONSTRATION",
)

RULES = SettlementRules(
    valid_from=_FIRST_DAY,
    netting="clearing_house",
    grace_days=0,
    reminders=(ReminderStep(after_days=14, title="Zahlungserinnerung"),),
)

BUDGET = (
    BudgetItem(kinds=("levy",), product="00.0.00", account="5440000", cost_centre="DEMONSTRATION"),
    BudgetItem(product="00.0.00", account="5431000", cost_centre="DEMONSTRATION"),
)


def body(member: str, name: str, number: int, *, office: bool = False) -> Body:
    """Invent the legal body of a member.

    Args:
        member: its id.
        name: of the member.
        number: tells the bodies apart.
        office: whether it is the cooperative's office.
    """
    return Body(
        name=name if office else f"DEMONSTRATION: {name}",
        legal_form="cooperative" if office else "institution",
        address=Address(
            street="Musterstraße", building_number=str(number), post_code="00000", city="Musterstadt"
        ),
        registration_id=f"DEMONSTRATION {number}",
        electronic_address=f"rechnung@{member}.example",
        contact=Contact(name="DEMONSTRATION", phone="+49 30 23125 000", email=f"info@{member}.example"),
        leitweg_id=_leitweg_id(number),
        iban=_iban(number),
        tax_status=(TaxStatus(valid_from=_FIRST_DAY, tax_number="00/000/00000"),),
        tax_rules=(NOT_TAXABLE,),
        budget_items=BUDGET,
        remarks="DEMONSTRATION: frei erfunden",
    )


def _check_digits(text: str) -> int:
    """The digits that make a remainder of 1 by 97 (ISO/IEC 7064, MOD 97-10)."""
    return 98 - int("".join(str(int(character, 36)) for character in f"{text}00")) % 97


def _iban(number: int) -> str:
    """An account at a bank code that no bank has."""
    account = f"00000000{number:010d}"
    return f"DE{_check_digits(f'{account}DE'):02d}{account}"


def _leitweg_id(number: int) -> str:
    """An id of Land 00, which there is not."""
    part = f"DEMO{number:04d}"
    return f"00-{part}-{_check_digits(f'00{part}'):02d}"
