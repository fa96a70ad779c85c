"""Payments and reports on the command line, with a market that answers at once."""

import datetime as dt
from pathlib import Path

import pytest
from support import bodies, examples
from support.camt import camt
from support.fake_market import FakeMarket, Run, refused
from support.payment_examples import NETTING_ID, TEXT_HASH

from allmende.schemas.payments import (
    ArrangePayments,
    ListOpenItems,
    ListPayments,
    ReportBankStatement,
    SendReminders,
)
from allmende.schemas.reports import (
    CloseYear,
    DeclareTurnover,
    ExactCost,
    OpenMarketShare,
    ReportOpenMarket,
    ReportTreatments,
)

ANNA = ("--person", "anna")


def last(name: str) -> object:
    return examples.query_reply(name).model_copy(update={"next_after": None})


def test_what_is_due_is_netted(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("payment", "arrange", "2026-06-03", *ANNA)
    assert (code, out) == (0, f"{NETTING_ID}\n")
    assert "strittig: 1), davon 200,00 € ohne Zahlung; Zahlungen: 4 über 12.000,00 €" in err
    sent = fake.commands[0][1]
    assert isinstance(sent, ArrangePayments)
    assert (sent.due_by, sent.claim.person) == (dt.date(2026, 6, 3), "anna")
    assert run("payment", "arrange", "03.06.2026", *ANNA)[0] == 2


def test_payments_and_open_items_are_listed(run: Run, fake: FakeMarket) -> None:
    fake.outcome = last("billing.payment.list")  # type: ignore[assignment]
    code, out, _ = run("payment", "list", "--open", "--of", "alster-it")
    assert (code, "RF19WESERIT2026000017" in out, "1.860,91 €" in out) == (0, True, True)
    assert fake.asked == [ListPayments(open_only=True, member="alster-it")]
    fake.outcome = last("billing.item.list")  # type: ignore[assignment]
    code, out, err = run("payment", "open-items", "--as-of", "2026-05-04")
    assert (code, "zu zahlen" in out) == (0, True)
    assert err == "alster-it: zu zahlen 272,00 €, zu erhalten 0,00 €.\n"
    assert fake.asked[-1] == ListOpenItems(as_of=dt.date(2026, 5, 4))
    assert "-30" not in out  # what is not due yet is not overdue


def test_the_overdue_are_reminded(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("payment", "remind", "2026-06-20", *ANNA)
    assert (code, err.startswith("Mahnungen: 1")) == (0, True)
    assert isinstance(fake.commands[0][1], SendReminders)


def test_treatments_are_listed_with_their_reasons(run: Run, fake: FakeMarket) -> None:
    code, out, _ = run("report", "treatments", "2026", "--of", "weser-it")
    assert (code, "§ 27 Abs. 22 UStG" in out, "272,00 €" in out) == (0, True, True)
    assert fake.asked == [ReportTreatments(year=2026, member="weser-it")]


def test_exact_cost_is_proven_or_is_not(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("report", "cost", "2026")
    assert (code, "Datensicherung" in out, "ohne Aufschlag" in err or "kein Aufschlag" in err) == (
        0,
        True,
        True,
    )
    proof = examples.query_reply("billing.report.cost")
    assert isinstance(proof, ExactCost)
    fake.outcome = proof.model_copy(update={"proven": False})
    assert run("report", "cost", "2026", "--language", "en")[0::2] == (5, "Exact cost is not proven.\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "weser-it: 11,07 % am offenen Markt, unter 20 %."),
        ({"share_percent": None, "below_limit": None}, "allmende report declare JAHR"),
        ({"share_percent": "20.00", "below_limit": False}, "20,00 % am offenen Markt, nicht unter 20 %."),
    ],
)
def test_the_share_of_the_open_market(
    run: Run, fake: FakeMarket, changes: dict[str, object], said: str
) -> None:
    share = examples.query_reply("billing.report.market")
    assert isinstance(share, OpenMarketShare)
    fake.outcome = share.model_copy(update=changes)
    code, _, err = run("report", "market", "2026")
    assert (code, said in err) == (0, True)
    assert fake.asked == [ReportOpenMarket(year=2026)]


def test_turnover_is_declared_and_a_year_closed(run: Run, fake: FakeMarket) -> None:
    code, _, err = run(
        "report", "declare", "2026", "--amount", "125000", "--evidence", "Jahresabschluss, S. 14", *ANNA
    )
    assert (code, "125.000,00 €" in err) == (0, True)
    sent = fake.commands[0][1]
    assert isinstance(sent, DeclareTurnover)
    assert sent.open_market_cents == 12_500_000
    code, out, err = run("report", "year-close", "2026", *ANNA)
    assert (code, out) == (0, f"{TEXT_HASH}\n")
    assert "Bücher bis 31.12.2036 aufbewahren, Belege bis 31.12.2034" in err
    assert isinstance(fake.commands[1][1], CloseYear)


def test_an_account_statement_is_brought_in(run: Run, fake: FakeMarket) -> None:
    entries = (("1", 186_000, "RF19WESERIT2026000017"), ("2", -1_990, "Porto"))
    Path("auszug.xml").write_bytes(camt(bodies.iban(5), entries))
    code, out, err = run("payment", "import", "auszug.xml")
    assert (code, "tilgt keine Zahlung" in out) == (0, True)
    assert err == "Umsätze: 2, zugeordnet: 1, schon bekannt: 0, nicht zugeordnet: 1.\n"
    [(_, sent)] = fake.commands
    assert isinstance(sent, ReportBankStatement)
    assert [each.amount_cents for each in sent.entries] == [186_000, -1_990]
    fake.outcome = refused("not_your_account", iban=bodies.iban(5), member="weser-it")
    assert run("payment", "import", "auszug.xml")[0] == 4
    Path("auszug.xml").write_text("<Document>")
    code, _, err = run("payment", "import", "auszug.xml")
    assert (code, err.startswith("auszug.xml:1:")) == (2, True)
    assert run("payment", "import", "nix.xml")[0] == 1
