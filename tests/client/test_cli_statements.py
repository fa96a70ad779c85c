"""The recipient's side on the command line, with a market that answers at once."""

import hashlib
import json
from pathlib import Path

import pytest
from support import examples
from support.fake_market import FakeMarket, Run, refused
from support.settlement_examples import OBJECTION_ID

from allmende.schemas.billing import ChargeLevy
from allmende.schemas.settlements import CompareStatements, ExplainLine
from allmende.schemas.statements import (
    CertifyStatement,
    DecideObjection,
    ListObjections,
    ListStatements,
    ObjectionRaised,
    Objections,
    OrderStatement,
    RaiseObjection,
    ReverseLevy,
    WithdrawObjection,
)

ANNA = ("--person", "anna")
WHY = ("--reason", "Die Maschine war aus")

LEVY = Path(__file__).parents[2] / "docs/examples/levy.yaml"


def last(name: str) -> object:
    return examples.query_reply(name).model_copy(update={"next_after": None})


def test_a_statement_is_set_beside_an_earlier_one(run: Run, fake: FakeMarket) -> None:
    fake.outcome = last("billing.statement.compare")  # type: ignore[assignment]
    code, out, err = run("settlement", "compare", "2026-04", "--against", "2026-03", "-o", "csv")
    assert (code, err) == (0, "alster-it: 2026-04 neben 2026-03.\n")
    assert out.splitlines()[1] == "zu zahlen;weser-it;Laufzeit;Entgelt;5760;h;72,00;12,00;60,00"
    assert fake.asked == [CompareStatements(period="2026-04", against="2026-03")]
    assert run("settlement", "compare", "2026-04", "--against", "gestern")[0] == 2
    fake.outcome = refused("no_statement", period="2026-04", member="weser-it")
    assert run("settlement", "compare", "2026-04")[0] == 3


def test_a_line_is_explained_over_all_its_pages(run: Run, fake: FakeMarket) -> None:
    story = examples.query_reply("billing.line.explain")
    for language, said in (("de", "Wer: weser-it berechnet"), ("en", "Who: weser-it charges")):
        fake.answers = [story, last("billing.line.explain")]  # type: ignore[list-item]
        code, out, _ = run("settlement", "explain", "2026-04", "2", "--language", language)
        assert (code, out.startswith(said)) == (0, True)
    assert fake.asked[:2] == [
        ExplainLine(period="2026-04", line=2),
        ExplainLine(period="2026-04", line=2, after=1),
    ]
    fake.answers = [story, last("billing.line.explain")]  # type: ignore[list-item]
    assert len(json.loads(run("settlement", "explain", "2026-04", "2", "-o", "json")[1])["records"]) == 2
    fake.answers = [last("billing.line.explain")]  # type: ignore[list-item]
    assert run("settlement", "explain", "2026-04", "2", "-o", "csv")[1].splitlines()[1].startswith("Who;")


def test_a_statement_is_certified_and_ordered(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("settlement", "certify", "2026-04", "--remark", "Zeile 2 strittig", *ANNA)
    assert (code, "sachlich und rechnerisch richtig" in err) == (0, True)
    assert "-> allmende settlement order 2026-04" in err
    code, _, err = run(
        "settlement", "order", "2026-04", "--kassenzeichen", "HH 2026/0417", "--person", "bela"
    )
    assert (code, "angeordnet von bela" in err) == (0, True)
    (_, certified), (_, ordered) = fake.commands
    assert isinstance(certified, CertifyStatement)
    assert isinstance(ordered, OrderStatement)
    assert (certified.remark, certified.claim.person) == ("Zeile 2 strittig", "anna")
    assert (ordered.kassenzeichen, ordered.claim.person) == ("HH 2026/0417", "bela")
    assert run("settlement", "order", "2026-04", *ANNA)[0] == 2


def test_how_far_statements_are(run: Run, fake: FakeMarket) -> None:
    fake.outcome = last("billing.statement.list")  # type: ignore[assignment]
    code, out, _ = run("settlement", "progress", "--period", "2026-04", "--state", "ordered")
    assert (code, "angeordnet" in out, "HH 2026/0417" in out) == (0, True, True)
    assert fake.asked == [ListStatements(period="2026-04", state="ordered")]


def test_a_line_is_disputed_with_evidence(run: Run, fake: FakeMarket) -> None:
    Path("protokoll.pdf").write_bytes(b"%PDF")
    code, out, err = run("settlement", "dispute", "2026-04", "2", *WHY, "--document", "protokoll.pdf", *ANNA)
    assert (code, out) == (0, f"{OBJECTION_ID}\n")
    assert "bis zur Entscheidung nicht zu zahlen" in err
    sent = fake.commands[0][1]
    assert isinstance(sent, RaiseObjection)
    assert (sent.line, sent.documents[0].title) == (2, "protokoll.pdf")
    assert sent.documents[0].sha256 == hashlib.sha256(b"%PDF").hexdigest()
    raised = examples.payload("billing.objection.raised")
    assert isinstance(raised, ObjectionRaised)
    fake.outcome = raised.model_copy(update={"suspends": False})
    assert "it stays due" in run("settlement", "dispute", "2026-04", "2", *WHY, *ANNA, "--language", "en")[2]
    code, _, err = run("settlement", "dispute", "2026-04", "2", *WHY, "--document", "nix.pdf", *ANNA)
    assert (code, "nix.pdf cannot be read" in err) == (1, True)


def test_objections_are_listed_and_whoever_decides_is_told_how(run: Run, fake: FakeMarket) -> None:
    page = last("billing.objection.list")
    assert isinstance(page, Objections)
    undecided = page.objections[0].model_copy(update={"settled": None})
    fake.outcome = page.model_copy(update={"objections": (undecided,)})
    code, out, err = run("settlement", "objections", "--period", "2026-04")
    assert (code, "erhoben" in out) == (0, True)
    assert f"allmende settlement resolve {OBJECTION_ID} --uphold" in err
    assert fake.asked == [ListObjections(period="2026-04")]
    fake.outcome = page
    _, out, err = run("settlement", "objections", "--all", "--language", "en")
    assert ("upheld" in out, err) == (True, "")
    fake.outcome = Objections(objections=(), next_after=None)
    assert run("settlement", "objections")[2] == "There is no open objection.\n"


@pytest.mark.parametrize(
    ("arguments", "decision", "cents"),
    [
        (("--uphold",), "upheld", None),
        (("--uphold", "--credit", "2,40"), "upheld", 240),
        (("--dismiss",), "dismissed", None),
    ],
)
def test_an_objection_is_decided(
    run: Run, fake: FakeMarket, arguments: tuple[str, ...], decision: str, cents: int | None
) -> None:
    code, _, err = run("settlement", "resolve", OBJECTION_ID, *arguments, *WHY, *ANNA)
    assert (code, "Gutschrift 2,40 € netto in der nächsten Abrechnung" in err) == (0, True)
    sent = fake.commands[0][1]
    assert isinstance(sent, DecideObjection)
    assert (sent.decision, sent.credit_cents) == (decision, cents)


def test_a_levy_is_charged_from_a_file(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("settlement", "charge-levy", "-f", str(LEVY))
    assert code == 0
    assert "12.000,00 €" in err
    assert "allmende settlement draft" in err
    sent = fake.commands[0][1]
    assert isinstance(sent, ChargeLevy)
    assert (sent.period, sent.amount_cents, sum(sent.key.values.values())) == ("2026-04", 1_200_000, 100)
    assert sent.legal_basis == "§ 12 Abs. 2 der Satzung"


def test_a_mistake_in_a_levy_is_named_with_its_line(run: Run, fake: FakeMarket, tmp_path: Path) -> None:
    file = tmp_path / "levy.yaml"
    file.write_text(
        LEVY.read_text("utf-8").replace("amount_cents: 1200000", "amount_cents: 12000.00"), "utf-8"
    )
    code, _, err = run("settlement", "charge-levy", "-f", str(file))
    assert (code, fake.commands) == (2, [])
    assert f"{file}:" in err


def test_an_objection_is_withdrawn_and_a_levy_taken_back(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("settlement", "withdraw", OBJECTION_ID, *WHY, *ANNA)
    assert (code, err) == (0, "Der Widerspruch ist zurückgenommen.\n")
    code, _, err = run("settlement", "reverse-levy", examples.LEVY_ID, "2026-04", *WHY, *ANNA)
    assert (code, "12.000,00 € ist in 2026-04 zurückgenommen" in err) == (0, True)
    assert isinstance(fake.commands[0][1], WithdrawObjection)
    assert isinstance(fake.commands[1][1], ReverseLevy)
