"""The legal body behind a member: who it is, how it is reached, paid and taxed, and who acts for it."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from .contract import Contract
from .identifiers import Day, Line, MemberId, OfferingId, Slug, Text
from .money import Cents, ExactDecimal

PublicKey = Annotated[str, StringConstraints(pattern=r"^U[A-Z2-7]{55}$")]
"""The public half of a NATS user key (NKey, Ed25519). The register holds no secret."""

LegalForm = Literal[
    "land",
    "municipality",
    "county",
    "special_purpose_association",
    "institution",
    "university",
    "foundation",
    "cooperative",
    "limited_company",
    "association",
]
"""Land, Gemeinde, Landkreis, Zweckverband, Anstalt (AöR), Hochschule, Stiftung, eG, GmbH, e. V."""


def _mod_97(text: str) -> int:
    """Tell the remainder by 97 of digits and letters, A as 10 to Z as 35 (ISO/IEC 7064, MOD 97-10)."""
    return int("".join(str(int(character, 36)) for character in text)) % 97


def check_iban(iban: str) -> str:
    """Check the digits of an IBAN (ISO 13616).

    Raises:
        ValueError: they do not fit.
    """
    if _mod_97(iban[4:] + iban[:4]) != 1:
        raise ValueError("is no IBAN: its check digits do not fit")
    return iban


def check_leitweg_id(leitweg_id: str) -> str:
    """Check the digits of a Leitweg-ID (KoSIT, Format Leitweg-ID 2.0.2, section 2.3).

    Raises:
        ValueError: they do not fit.
    """
    if _mod_97(leitweg_id.replace("-", "").upper()) != 1:
        raise ValueError("is no Leitweg-ID: its check digits do not fit")
    return leitweg_id


Iban = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"), AfterValidator(check_iban)
]
"""An account, without spaces."""

Bic = Annotated[str, StringConstraints(pattern=r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$")]

LeitwegId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{2,12}(-[A-Z0-9]{1,30})?-[0-9]{2}$"),
    AfterValidator(check_leitweg_id),
]
"""Where invoices to a public body go (BT-10 of an XRechnung)."""

VatId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[A-Z0-9]{2,12}$")]

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$", max_length=254)]


class Address(Contract):
    """A structured address, which payments need since 15 November 2026 (EPC, ISO 20022)."""

    street: Line
    building_number: Annotated[Line, Field(max_length=16)] | None = None
    post_code: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9 -]{3,10}$")]
    city: Annotated[Line, Field(max_length=35)]
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "DE"


class Contact(Contract):
    """Whom to ask about an invoice (BG-6 of an XRechnung)."""

    name: Line
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()/-]{5,30}$")]
    email: Email


TaxCategory = Literal["S", "E", "O"]
"""UNCL5305: standard rate, exempt, not subject to VAT."""


class TaxRule(Contract):
    """A dated decision on the VAT treatment of what a body supplies; the first that fits a line decides.

    Attributes:
        valid_from: supplies completed on this day or later; `valid_until` is the last day.
        offerings: of these only; likewise `consumers`, and `kinds` of lines.
        code: of the reason (VATEX), such as VATEX-EU-O or VATEX-EU-132-1F.
        basis: the provision, such as `§ 4 Nr. 29 UStG`.
        decided_on: when the body decided so; kept as evidence with `decided_by`.
    """

    id: Slug
    valid_from: Day
    valid_until: Day | None = None
    offerings: Annotated[tuple[OfferingId, ...], Field(max_length=500)] = ()
    consumers: Annotated[tuple[MemberId, ...], Field(max_length=500)] = ()
    kinds: Annotated[tuple[Literal["charge", "levy"], ...], Field(max_length=2)] = ()
    category: TaxCategory
    rate_percent: Annotated[ExactDecimal, Field(ge=0, le=100)] = Decimal(0)
    code: Annotated[str, StringConstraints(pattern=r"^VATEX-[A-Z0-9-]{2,30}$")] | None = None
    reason_de: Line | None = None
    reason_en: Line | None = None
    basis: Line
    decided_on: Day
    decided_by: Line

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.category == "S") != (self.rate_percent > 0):
            raise ValueError("the standard rate has a rate above zero, every other category none")
        if self.category != "S" and not (self.reason_de and self.reason_en):
            raise ValueError("what bears no VAT needs its reason in German and English")
        if self.category == "O" and self.code != "VATEX-EU-O":
            raise ValueError("what is not subject to VAT has the code VATEX-EU-O")
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("the rule ends before it starts")
        return self


class TaxStatus(Contract):
    """What a body is to the tax office from a day on, until the next status."""

    valid_from: Day
    vat_id: VatId | None = None
    tax_number: Annotated[str, StringConstraints(pattern=r"^[0-9/ ]{8,20}$")] | None = None
    deducts_input_tax: bool = False


class BudgetItem(Contract):
    """Where a body books what it pays (Buchungsstelle): the first that fits a line decides.

    Attributes:
        product: Produkt; `account` is the Sachkonto, `cost_centre` the Kostenstelle.
        limit_cents: what the body wants to spend here in a budget year, in all.
    """

    offerings: Annotated[tuple[OfferingId, ...], Field(max_length=500)] = ()
    providers: Annotated[tuple[MemberId, ...], Field(max_length=500)] = ()
    kinds: Annotated[tuple[Literal["charge", "levy"], ...], Field(max_length=2)] = ()
    product: Annotated[Line, Field(max_length=30)] | None = None
    account: Annotated[Line, Field(max_length=30)]
    cost_centre: Annotated[Line, Field(max_length=30)] | None = None
    limit_cents: Annotated[Cents, Field(ge=0)] | None = None

    @property
    def label(self) -> str:
        """As it stands on a line: product / account / cost centre."""
        return " / ".join(part for part in (self.product, self.account, self.cost_centre) if part)


class Duty(enum.Enum):
    """What a person may do for a body."""

    REVIEW = "review"
    APPROVE = "approve"
    CERTIFY = "certify"
    ORDER = "order"
    TREASURY = "treasury"
    OBJECT = "object"


class Person(Contract):
    """Somebody who acts for a member, proved by a claim signed with this key.

    Attributes:
        duties: `review` and `approve` settle runs of the office; `certify` is sachlich und rechnerisch
            richtig, `order` the Anordnung, `treasury` the Kasse; `object` raises and decides objections.
    """

    id: Slug
    name: Line
    key: PublicKey
    duties: Annotated[tuple[Duty, ...], Field(min_length=1, max_length=6)]
    valid_until: Day | None = None


class Body(Contract):
    """The legal body of a member.

    Attributes:
        name: as it stands on documents.
        registration_id: of the register of companies or cooperatives, or another official id (BT-30).
        electronic_address: where documents go (BT-34, BT-49; scheme EM).
    """

    name: Line
    legal_form: LegalForm
    address: Address
    registration_id: Annotated[Line, Field(max_length=50)] | None = None
    electronic_address: Email
    contact: Contact
    leitweg_id: LeitwegId | None = None
    iban: Iban
    bic: Bic | None = None
    tax_status: Annotated[tuple[TaxStatus, ...], Field(max_length=50)] = ()
    tax_rules: Annotated[tuple[TaxRule, ...], Field(max_length=500)] = ()
    budget_items: Annotated[tuple[BudgetItem, ...], Field(max_length=1000)] = ()
    remarks: Text = ""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        ids = [rule.id for rule in self.tax_rules]
        if len(set(ids)) < len(ids):
            raise ValueError("two tax rules have the same id")
        days = [status.valid_from for status in self.tax_status]
        if days != sorted(set(days)):
            raise ValueError("the tax status is listed by day, each day once")
        return self

    def status_on(self, day: dt.date) -> TaxStatus | None:
        """Find what the body is to the tax office on a day."""
        return next((each for each in reversed(self.tax_status) if each.valid_from <= day), None)
