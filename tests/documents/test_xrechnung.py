"""XRechnungen pass the official rules, and what is broken on purpose does not."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from drafthorse.utils import validate_xml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bodies import EXEMPT, NOT_TAXABLE, STANDARD
from support.invoice_documents import invoice, line, party
from support.xrechnung import judge

from allmende.documents import units, xrechnung
from allmende.schemas.invoices import Invoice
from allmende.schemas.rejections import Rejected

TOTAL = "//ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:"


def unlike_preceding(document: Invoice) -> Invoice:
    head = document.head.model_copy(update={"preceding": None, "reason": None})
    return document.model_copy(update={"head": head})


DOCUMENTS: dict[str, Invoice] = {
    "standard rate": invoice(line(12346)),
    "exempt": invoice(line(12346, EXEMPT)),
    "not taxable": invoice(line(12346, NOT_TAXABLE)),
    "mixed": invoice(line(12346), line(-5000, EXEMPT), line(1), line(333, EXEMPT)),
    "credit note": invoice(line(-12346), line(500), kind="credit_note"),
    "credit note, not taxable": invoice(line(-12346, NOT_TAXABLE), kind="credit_note"),
    "owed by the issuer from the start": unlike_preceding(invoice(line(-12346), kind="credit_note")),
    "sums to zero": invoice(line(12346), line(-12346, cause="reversal")),
    "levy": invoice(line(12346), line(500, EXEMPT), kind="notice"),
    "levy taken back": unlike_preceding(invoice(line(-12346), kind="notice")),
    "free": invoice(line(0), line(0, EXEMPT, quantity=None, unit=None)),
    "owed to the recipient": invoice(line(100), line(-12346, cause="credit")),
    "many lines": invoice(*(line(n * 7 - 900, quantity=Decimal(n)) for n in range(1, 301))),
    "bare": invoice(line(5, NOT_TAXABLE, quantity=None, unit=None, budget_item=None, offering_id=None)),
    "bodies without a register": invoice(line(5), issuer=party("lrz", tax_rules=(), registration_id=None)),
}


def rendered(document: Invoice) -> bytes:
    found = xrechnung.render(document)
    assert isinstance(found, bytes)
    return found


def euros(xml: bytes, path: str) -> list[Decimal]:
    return [Decimal(found) for found in judge().find(xml, path)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_passes_all_rules_with_its_exact_sums(name: str) -> None:
    document = DOCUMENTS[name]
    xml = rendered(document)
    verdict = judge()(xml)
    assert (verdict.valid, verdict.fatal, verdict.minor) == (True, (), ())
    validate_xml(xml, "FACTUR-X_EN16931")
    sign = 1 if document.head.kind == "invoice" or document.head.gross_cents > 0 else -1
    assert judge().find(xml, "//ram:TypeCode")[0] == ("380" if sign > 0 else "381")
    cents = Decimal(sign) / 100
    assert euros(xml, f"{TOTAL}DuePayableAmount") == [cents * document.head.gross_cents]
    assert euros(xml, f"{TOTAL}TaxTotalAmount") == [cents * document.head.tax_cents]
    assert euros(xml, "//ram:LineTotalAmount")[:-1] == [cents * each.net_cents for each in document.lines]


def test_the_same_document_is_the_same_bytes() -> None:
    assert rendered(DOCUMENTS["mixed"]) == rendered(DOCUMENTS["mixed"].model_copy())


def test_every_term_stands_where_it_belongs() -> None:
    xml = rendered(DOCUMENTS["credit note"])
    terms = {
        "//ram:GuidelineSpecifiedDocumentContextParameter/ram:ID": [xrechnung.SPECIFICATION],
        "//ram:BuyerReference": ["04011000-1234512345-06"],
        "//ram:TypeCode[. = ('380', '381', '58')]": ["381", "58"],
        "//ram:URIID[@schemeID = 'EM']": ["rechnung@lrz.example", "rechnung@desy.example"],
        "//ram:IBANID": ["DE23100000000000000002"],  # what is taken back is paid to the recipient
        "//ram:PaymentReference": [],  # the netting tells what is paid, and under which reference
        "//ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID": ["11.1.07 / 5431 / 0815"] * 2,
        "//ram:InvoiceReferencedDocument/ram:IssuerAssignedID": ["lrz/R/2026/000009"],
        "//ram:BilledQuantity": ["2", "-2"],
        "//ram:BilledQuantity/@unitCode": ["MON", "MON"],
        "//ram:Name": ["Virtuelle Maschine, groß"] * 2
        + ["Leibniz-Rechenzentrum Garching", "Deutsches Elektronen-Synchrotron"],
        "(//ram:Content)[1]": ["Leitweg-ID berichtigt"],
    }
    for path, expected in terms.items():
        assert judge().find(xml, path) == expected, path


def test_what_is_not_taxable_shows_no_tax_numbers_and_no_rate_on_lines() -> None:
    xml = rendered(DOCUMENTS["not taxable"])
    assert judge().find(xml, "//ram:SpecifiedTaxRegistration") == []
    assert judge().find(xml, "//ram:RateApplicablePercent") == ["0"]
    assert judge().find(xml, "//ram:ExemptionReasonCode") == ["VATEX-EU-O"]


def test_quantity_and_price_are_shown_where_they_explain_the_amount_exactly() -> None:
    shown = [
        (line(1250, quantity=Decimal("2.50"), unit="h"), ("2.5", "HUR", "5.00")),
        (line(1, quantity=Decimal(8), unit="GiB"), ("8", "E62", "0.00125")),
        (line(-1250, quantity=Decimal(1000), unit="Stk"), ("-1000", "H87", "0.0125")),
        (line(100, quantity=Decimal(3), unit="h"), ("1", "C62", "1.00")),
        (line(0, quantity=Decimal(3), unit="h"), ("3", "HUR", "0.00")),
        (line(7, quantity=Decimal(0), unit="h"), ("1", "C62", "0.07")),
    ]
    for each, expected in shown:
        xml = rendered(invoice(each))
        paths = ("//ram:BilledQuantity", "//ram:BilledQuantity/@unitCode", "//ram:ChargeAmount")
        assert tuple(judge().find(xml, path)[0] for path in paths) == expected


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**10), 10**10),
            st.sampled_from([STANDARD, EXEMPT]),
            st.decimals(0, 10**6, places=3),
            st.sampled_from(["h", "GiB", "Stk", "Kern", "Wechsel"]),
            st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_charged_passes_and_multiplies_out(
    drawn: list[tuple[int, object, Decimal, str, str]],
) -> None:
    document = invoice(
        *(
            line(cents, rule, quantity=quantity, unit=unit, title=title)  # type: ignore[arg-type]
            for cents, rule, quantity, unit, title in drawn
        )
    )
    xml = rendered(document)
    assert judge()(xml).fatal == ()
    prices, quantities = euros(xml, "//ram:ChargeAmount"), euros(xml, "//ram:BilledQuantity")
    products = [price * quantity for price, quantity in zip(prices, quantities, strict=True)]
    assert products == [Decimal(each.net_cents) / 100 for each in document.lines]


def _replaced(pattern: str, by: str) -> Callable[[str], str]:
    def change(xml: str) -> str:
        changed = re.sub(pattern, by, xml, count=1, flags=re.DOTALL)
        assert changed != xml
        return changed

    return change


BROKEN = {
    "a wrong sum": (_replaced(r"<ram:GrandTotalAmount>[^<]*", "<ram:GrandTotalAmount>1.00"), "BR-CO-15"),
    "a wrong line": (_replaced(r"<ram:LineTotalAmount>[^<]*", "<ram:LineTotalAmount>1.00"), "BR-CO-10"),
    "a wrong tax": (_replaced(r"<ram:CalculatedAmount>[^<]*", "<ram:CalculatedAmount>1.00"), "BR-CO-17"),
    "no buyer reference": (_replaced(r"<ram:BuyerReference>.*</ram:BuyerReference>", ""), "BR-DE-15"),
    "an unknown category": (
        _replaced(r"<ram:CategoryCode>S</ram:CategoryCode>", "<ram:CategoryCode>Q</ram:CategoryCode>"),
        "BR-CL-18",
    ),
    "another category on the line": (
        _replaced(r"<ram:CategoryCode>S</ram:CategoryCode>", "<ram:CategoryCode>O</ram:CategoryCode>"),
        "BR-O-05",
    ),
    "no seller's number": (
        _replaced(r"<ram:SpecifiedTaxRegistration>.*?</ram:SpecifiedTaxRegistration>", ""),
        "BR-S-02",
    ),
    "no contact": (_replaced(r"<ram:DefinedTradeContact>.*?</ram:DefinedTradeContact>", ""), "BR-DE-2"),
    "no electronic address": (
        _replaced(r"<ram:URIUniversalCommunication>.*?</ram:URIUniversalCommunication>", ""),
        "PEPPOL-EN16931-R020",
    ),
    "no account": (
        _replaced(
            r"<ram:PayeePartyCreditorFinancialAccount>.*?</ram:PayeePartyCreditorFinancialAccount>", ""
        ),
        "BR-DE-23-a",
    ),
    "a unit nobody knows": (_replaced(r'unitCode="MON"', 'unitCode="Monat"'), "BR-CL-23"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_document_fails(name: str) -> None:
    change, rule = BROKEN[name]
    verdict = judge()(change(rendered(DOCUMENTS["standard rate"]).decode()).encode())
    assert not verdict.valid
    assert rule in (*verdict.fatal, *verdict.minor)


def test_a_document_of_another_syntax_is_not_valid_though_no_rule_fails() -> None:
    ubl = b'<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>1</ID></Invoice>'
    verdict = judge()(ubl)
    assert (verdict.fired, verdict.fatal, verdict.valid) == (0, (), False)


def unlike(document: Invoice, **changes: object) -> Invoice:
    return document.model_copy(update=changes)


def test_what_the_rules_do_not_catch_is_refused_here() -> None:
    good = DOCUMENTS["standard rate"]
    body = good.issuer.body
    assert body is not None
    mistyped = body.model_copy(update={"iban": "DE51100000000000000001"})
    wrong_iban = good.issuer.model_copy(update={"body": mistyped})
    bare = good.recipient.model_copy(update={"body": None})
    cases = [
        (unlike(good, recipient=bare), "no_body"),
        (unlike(good, leitweg_id=None), "no_leitweg_id"),
        (unlike(good, leitweg_id="04011000-1234512345-07"), "leitweg_id_wrong"),
        (unlike(good, issuer=wrong_iban), "iban_wrong"),
        (unlike(good, lines=(good.lines[0].model_copy(update={"rule": None}),)), "no_tax_rule"),
        (unlike(good, issuer=good.issuer.model_copy(update={"tax_status": None})), "no_tax_number"),
    ]
    for document, code in cases:
        found = xrechnung.render(document)
        assert isinstance(found, Rejected)
        assert found.code == code
        assert all("{" not in sentence for sentence in found.sentences)


def test_the_official_rules_alone_let_wrong_check_digits_and_sticks_of_cigarettes_pass() -> None:
    xml = rendered(DOCUMENTS["standard rate"]).decode()
    for good, wrong in [
        ("04011000-1234512345-06", "04011000-1234512345-07"),
        ("DE50100000000000000001", "DE51100000000000000001"),
        ('unitCode="MON"', 'unitCode="STK"'),
    ]:
        assert judge()(xml.replace(good, wrong).encode()).fatal == ()


def test_units_are_codes_of_the_official_list_and_never_sticks() -> None:
    for unit, code in units.CODES.items():
        assert units.code_of(unit) == code
        xml = rendered(invoice(line(10000, quantity=Decimal(1), unit=unit)))
        assert judge()(xml).fatal == (), unit
        assert judge().find(xml, "//ram:BilledQuantity/@unitCode") == [code]
    assert "STK" not in units.CODES.values()
    assert [units.code_of(each) for each in ("Tage", "STK", "Wechsel", None)] == ["DAY", "C62", "C62", "C62"]
