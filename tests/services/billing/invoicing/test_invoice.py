"""Documents made of the lines of a run."""

import datetime as dt
import random as chance
from collections import Counter
from decimal import Decimal

import stdnum.iso11649
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import EXEMPT, NOT_TAXABLE, STANDARD, body, embodied
from support.builders import register, uid
from support.invoices import line

from allmende.schemas.billing import ChargeLine
from allmende.schemas.bodies import BudgetItem, TaxStatus
from allmende.schemas.invoices import Invoice
from allmende.schemas.register import SettlementRules
from allmende.services.billing.invoicing.invoice import invoices_of, numbered
from allmende.services.billing.invoicing.number import keep_until, reference_of
from allmende.services.billing.invoicing.tax import treated

DAY = dt.date(2026, 6, 1)
RULES = SettlementRules(valid_from=DAY, payment_days=14)
MIXED = (
    NOT_TAXABLE.model_copy(update={"offerings": ("lrz/o",)}),
    EXEMPT.model_copy(update={"offerings": ("lrz/e",)}),
    STANDARD.model_copy(update={"valid_from": dt.date(2026, 1, 1)}),
)
MEMBERS = ("desy", "lrz", "kit")
BODIES = embodied(register(*MEMBERS), **{member: {"tax_rules": MIXED} for member in MEMBERS})


def made(*lines: ChargeLine) -> list[Invoice]:
    return invoices_of(uid(1), "2026-04", treated(lines, BODIES)[0], BODIES, RULES, DAY)


@st.composite
def some_lines(draw: st.DrawFn) -> list[ChargeLine]:
    found = []
    for number in range(1, draw(st.integers(1, 30)) + 1):
        payer = draw(st.sampled_from([*MEMBERS, "stranger"]))
        payee = draw(st.sampled_from([member for member in (*MEMBERS, "office") if member != payer]))
        found.append(
            line(
                number,
                draw(st.integers(-1000, 1000)),
                payer=payer,
                payee=payee,
                kind=draw(st.sampled_from(["charge", "levy"])),
                offering_id=draw(st.sampled_from(["lrz/o", "lrz/e", "lrz/s", None])),
            )
        )
    return found


@given(some_lines(), st.randoms())
def test_laws_of_documents(lines: list[ChargeLine], random: chance.Random) -> None:
    found = made(*lines)
    shuffled = lines.copy()
    random.shuffle(shuffled)
    assert made(*shuffled) == found, "the order of the lines decides nothing"
    billed = [(each.line, each.net_cents) for invoice in found for each in invoice.lines]
    assert sorted(billed) == [(each.line, each.amount_cents) for each in lines], "each line once"
    ids = [invoice.head.invoice_id for invoice in found]
    assert len(set(ids)) == len(ids)
    by_line = {each.line: each for each in lines}
    for invoice in found:
        head = invoice.head
        assert head.net_cents == sum(each.net_cents for each in invoice.lines)
        assert head.net_cents == sum(each.net_cents for each in invoice.subtotals)
        assert head.tax_cents == sum(each.tax_cents for each in invoice.subtotals)
        assert head.gross_cents == head.net_cents + head.tax_cents
        assert [each.position for each in invoice.lines] == [*range(1, head.lines + 1)]
        assert {(by_line[each.line].payee, by_line[each.line].payer) for each in invoice.lines} == {
            (head.issuer, head.recipient)
        }
        kinds = {by_line[each.line].kind for each in invoice.lines}
        assert kinds == ({"levy"} if head.kind == "notice" else {"charge"})
        assert head.kind == "notice" or (head.kind == "credit_note") == (head.gross_cents < 0)
        categories = {each.category for each in invoice.lines}
        assert categories == {"O"} or "O" not in categories, "BR-O-11"
        pairs = [(each.category, each.rate_percent) for each in invoice.subtotals]
        assert len(set(pairs)) == len(pairs), "BR-O-01, BR-E-01"
        assert {each.rule for each in invoice.lines} - {None} == {each.rule for each in invoice.treatments}
        assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice


@given(some_lines())
def test_numbers_are_gapless_in_each_series(lines: list[ChargeLine]) -> None:
    final = numbered(made(*lines), {("lrz", "R", 2026): 41})
    numbers = [invoice.head.number for invoice in final]
    series = Counter(number.rpartition("/")[0] for number in numbers)
    first = Counter({"lrz/R/2026": 41})
    assert sorted(numbers) == sorted(
        f"{name}/{first[name] + place:06d}" for name, count in series.items() for place in range(1, count + 1)
    )
    for invoice in final:
        assert stdnum.iso11649.is_valid(invoice.head.reference)
        assert Invoice.model_validate_json(invoice.model_dump_json()) == invoice


def test_vat_is_reckoned_once_on_the_sum() -> None:
    (found,) = made(*(line(number, 2, offering_id="lrz/s") for number in range(1, 4)))
    assert (found.head.net_cents, found.head.tax_cents, found.head.gross_cents) == (6, 1, 7)
    assert sum(round(2 * Decimal("0.19")) for _ in range(3)) == 0, "line by line there would be none"


def test_what_is_not_taxable_stands_apart_and_exempt_beside_taxed() -> None:
    found = made(line(1, offering_id="lrz/o"), line(2, offering_id="lrz/e"), line(3, offering_id="lrz/s"))
    assert [[each.line for each in invoice.lines] for invoice in found] == [[1], [2, 3]]
    not_taxable, taxed = found
    assert [(each.category, each.rate_percent, each.tax_cents) for each in taxed.subtotals] == [
        ("S", Decimal(19), 19),
        ("E", Decimal(0), 0),
    ]
    assert taxed.subtotals[1].reason_de == EXEMPT.reason_de
    assert (not_taxable.subtotals[0].code, not_taxable.head.tax_cents) == ("VATEX-EU-O", 0)


def test_what_is_free_is_shown_and_what_is_less_than_nothing_is_a_credit_note() -> None:
    free, owed, owing = (made(line(1, cents))[0].head for cents in (0, 100, -100))
    assert [(each.kind, each.number, each.gross_cents) for each in (free, owed, owing)] == [
        ("invoice", "lrz/R/2026/000000", 0),
        ("invoice", "lrz/R/2026/000000", 119),
        ("credit_note", "lrz/G/2026/000000", -119),
    ]
    (levy,) = made(line(1, -100, kind="levy"))
    assert (levy.head.kind, levy.head.number) == ("notice", "lrz/U/2026/000000")


def test_a_document_says_who_when_and_where_to() -> None:
    (found,) = made(line(7))
    assert (found.head.due_on, found.head.keep_until) == (dt.date(2026, 6, 15), dt.date(2034, 12, 31))
    assert found.leitweg_id == "04011000-1234512345-06"
    assert found.issuer.tax_status == body("lrz", 2).status_on(DAY)
    assert found.issuer.body is not None
    assert found.issuer.body.iban == body("lrz", 3).iban


def test_a_document_does_not_show_what_a_body_plans() -> None:
    bodies = embodied(
        register(*MEMBERS),
        desy={
            "budget_items": (BudgetItem(account="5271", limit_cents=10**6),),
            "remarks": "intern",
            "tax_status": (TaxStatus(valid_from=DAY), TaxStatus(valid_from=dt.date(2026, 6, 2))),
        },
    )
    (found,) = invoices_of(uid(1), "2026-04", [line(1)], bodies, RULES, DAY)
    shown = found.recipient.body
    assert shown is not None
    assert (shown.budget_items, shown.tax_rules, shown.remarks) == ((), (), "")
    assert found.recipient.tax_status == TaxStatus(valid_from=DAY)


def test_a_member_without_a_body_has_figures() -> None:
    (found,) = invoices_of(uid(1), "2026-04", [line(1)], register("desy"), RULES, DAY)
    assert (found.issuer.body, found.recipient.body, found.leitweg_id) == (None, None, None)
    assert (found.head.gross_cents, found.subtotals[0].category, found.subtotals[0].code) == (100, "O", None)


def test_what_is_not_decided_on_claims_no_reason() -> None:
    decided, _ = treated([line(1)], embodied(register(*MEMBERS)))
    found = invoices_of(uid(1), "2026-04", [*decided, line(2)], BODIES, RULES, DAY)
    assert [[each.line for each in invoice.lines] for invoice in found] == [[1], [2]]
    assert [invoice.subtotals[0].category for invoice in found] == ["O", "O"]
    (undecided,) = found[1].subtotals
    assert (undecided.code, undecided.reason_de, found[1].treatments) == (None, None, ())


def test_several_reasons_are_named_together() -> None:
    other = NOT_TAXABLE.model_copy(update={"id": "anders", "reason_de": "Anders", "reason_en": "Else"})
    rules = (other.model_copy(update={"kinds": ("charge",), "offerings": ("lrz/vm",)}), NOT_TAXABLE)
    bodies = embodied(register(*MEMBERS), lrz={"tax_rules": rules})
    lines, _ = treated([line(1), line(2, offering_id="lrz/vm")], bodies)
    (found,) = invoices_of(uid(1), "2026-04", lines, bodies, RULES, DAY)
    (only,) = found.subtotals
    assert only.reason_de == f"Anders; {NOT_TAXABLE.reason_de}"
    assert (only.code, [each.rule for each in found.treatments]) == ("VATEX-EU-O", ["anders", NOT_TAXABLE.id])


def test_a_treatment_that_the_register_no_longer_has_is_taken_from_earlier_documents() -> None:
    lines, _ = treated([line(1)], BODIES)
    (before,) = made(line(1))
    gone = register(*MEMBERS)
    tax = lines[0].tax
    assert tax is not None
    earlier = {("lrz", tax): before.treatments[0]}
    (found,) = invoices_of(uid(1), "2026-04", lines, gone, RULES, DAY, earlier)
    (without,) = invoices_of(uid(1), "2026-04", lines, gone, RULES, DAY)
    assert (found.treatments, without.treatments) == (before.treatments, ())


@given(st.from_regex(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", fullmatch=True), st.integers(1, 999_999))
def test_references_have_the_check_digits_of_iso_11649(issuer: str, place: int) -> None:
    found = reference_of(f"{issuer}/R/2026/{place:06d}")
    assert stdnum.iso11649.is_valid(found)
    assert len(found) == 25
    wrong = f"RF{(int(found[2:4]) + 1) % 100:02d}{found[4:]}"
    assert not stdnum.iso11649.is_valid(wrong)


def test_documents_are_kept_until_the_end_of_a_year() -> None:
    assert keep_until(dt.date(2026, 1, 1), 8) == keep_until(dt.date(2026, 12, 31), 8) == dt.date(2034, 12, 31)
