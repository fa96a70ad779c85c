"""The methods from a draft to its payment: what each sends, and whose signature it bears."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support import bodies, examples, payment_examples
from support.builders import uid
from support.fake_market import FakeMarket

from allmende.client.market import Market
from allmende.client.persons import Signer, new_id
from allmende.client.room import Unanswered
from allmende.schemas import registry
from allmende.schemas.claims import Signable, is_signed
from allmende.schemas.contract import Contract
from allmende.schemas.invoices import DocumentMade, DocumentPart
from allmende.schemas.payments import BankEntry, OpenItems
from allmende.schemas.rejections import Rejection
from allmende.schemas.settlements import ReviewSettlement

MEMBER = "weser-it"
ID = examples.BOOKING_ID
MONTH = examples.PERIOD
DAY = dt.date(2026, 6, 3)
ANNA = Signer("anna", bodies.seed(MEMBER, "anna"))
BELA = Signer("bela", bodies.seed(MEMBER, "bela"))
ENTRY = BankEntry(entry_id="1", booked_on=DAY, amount_cents=1)

CALLS: dict[str, Callable[[FakeMarket], Awaitable[Contract]]] = {
    "billing.levy.charge": lambda m: m.charge_levy(MONTH, "x", 1, examples.allocation_key(), id=ID),
    "billing.levy.reverse": lambda m: m.reverse_levy(ID, MONTH, "x", id=ID),
    "billing.settlement.draft": lambda m: m.draft_settlement(MONTH, reason="x", id=ID),
    "billing.settlement.decide": lambda m: m.decide_alerts(MONTH, (1, 2), "held", "x", id=ID),
    "billing.settlement.review": lambda m: m.review_settlement(MONTH, 1, id=ID),
    "billing.settlement.approve": lambda m: m.approve_settlement(MONTH, 1, id=ID),
    "billing.statement.certify": lambda m: m.certify_statement(MONTH, remark="x", id=ID),
    "billing.statement.order": lambda m: m.order_statement(MONTH, "HH 1", id=ID),
    "billing.objection.raise": lambda m: m.raise_objection(MONTH, 2, "x", id=ID),
    "billing.objection.decide": lambda m: m.decide_objection(ID, "upheld", "x", credit_cents=5, id=ID),
    "billing.objection.withdraw": lambda m: m.withdraw_objection(ID, "x", id=ID),
    "billing.invoice.reissue": lambda m: m.reissue_invoice(payment_examples.NUMBER, "x", id=ID),
    "billing.payment.arrange": lambda m: m.arrange_payments(DAY, id=ID),
    "billing.bank.report": lambda m: m.report_bank_statement(bodies.iban(1), "1", [ENTRY], id=ID),
    "billing.reminder.send": lambda m: m.send_reminders(DAY, id=ID),
    "billing.turnover.declare": lambda m: m.declare_turnover(2026, 1, "x", id=ID),
    "billing.year.close": lambda m: m.close_year(2026, id=ID),
}
SIGNED = [name for name in CALLS if "claim" in registry.message(name).data.model_fields]


def market(signer: Signer | None = ANNA) -> FakeMarket:
    found = FakeMarket()
    found.signer = signer
    return found


def test_every_command_that_a_person_signs_has_a_method() -> None:
    assert {each.name for each in registry.commands() if "claim" in each.data.model_fields} <= set(CALLS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_sends_its_command_and_gives_every_outcome(name: str) -> None:
    for outcome in registry.message(name).outcomes:
        found = market()
        found.outcome = examples.payload(outcome)
        assert await CALLS[name](found) == found.outcome
        [(command_id, sent)] = found.commands
        assert (command_id, registry.message_of(sent).name) == (ID, name)


@pytest.mark.parametrize("name", SIGNED)
async def test_what_a_person_says_is_signed_with_the_id_under_which_it_is_sent(name: str) -> None:
    found = market()
    found.outcome = examples.payload(registry.message(name).outcomes[0])
    await CALLS[name](found)
    [(_, sent)] = found.commands
    claim = sent.claim  # type: ignore[attr-defined]
    assert is_signed(Signable(MEMBER, name, ID, sent), claim, bodies.person(MEMBER, "anna").key)
    assert not is_signed(Signable(MEMBER, name, new_id(), sent), claim, bodies.person(MEMBER, "anna").key)


@pytest.mark.parametrize("name", SIGNED)
async def test_nobody_signs_for_nobody(name: str) -> None:
    with pytest.raises(ValueError, match="needs a person"):
        await CALLS[name](market(None))


async def test_the_person_of_a_call_goes_before_that_of_the_connection() -> None:
    found = market()
    await found.review_settlement(MONTH, 1, by=BELA)
    [(command_id, sent)] = found.commands
    assert isinstance(sent, ReviewSettlement)
    assert sent.claim.person == "bela"
    assert command_id is not None
    assert uuid.UUID(command_id).version == 7


def test_a_repetition_bears_the_same_claim() -> None:
    data = ReviewSettlement(period=MONTH, revision=1, claim=bodies.UNSIGNED)
    command_id = new_id()
    first, again = (ANNA.signed(MEMBER, command_id, data) for _ in range(2))
    assert first == again
    assert abs(first.claim.signed_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    # An id that tells no time cannot do that: the claim is of now.
    assert ANNA.signed(MEMBER, uid(1), data).claim.signed_at > first.claim.signed_at


def test_ids_are_made_in_order_and_are_all_different() -> None:
    made = [new_id() for _ in range(200)]
    assert len(set(made)) == 200
    assert [each[:13] for each in made] == sorted(each[:13] for each in made)
    assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in made} == {(7, uuid.RFC_4122)}


def test_a_connection_knows_its_person_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "anna.nk").write_text(ANNA.seed + "\n")
    found = Market.connect("nats://x", member=MEMBER, seed="SU", person=("anna", tmp_path / "anna.nk"))
    assert found.signer == ANNA
    assert ANNA.seed not in repr(ANNA)
    assert Market.connect("nats://x", member=MEMBER, seed="SU").signer is None


async def test_a_file_is_put_together_and_checked() -> None:
    document = examples.query_reply("billing.document.list").documents[0]  # type: ignore[attr-defined]
    assert isinstance(document, DocumentMade)
    content = b"<xml/>" * 3
    whole = document.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})

    def parts() -> list[Contract]:
        texts = ("PHhtbC8+", "PHhtbC8+PHhtbC8+")
        return [
            DocumentPart(document_id=document.document_id, part=n, parts=2, sha256="x", content=text)
            for n, text in enumerate(texts)
        ]

    found = market()
    found.answers = parts()
    assert await found.document(whole) == content
    found.answers = parts()
    with pytest.raises(Unanswered, match="is not the one that was made"):
        await found.document(document)


def rejected() -> Rejection:
    found = examples.payload("billing.settlement.rejected")
    assert isinstance(found, Rejection)
    return found


async def test_pages_are_put_together() -> None:
    found = market()
    compared = examples.query_reply("billing.statement.compare")
    found.answers = [compared, compared.model_copy(update={"next_after": None})]
    told = await found.compare_statements(MONTH, against="2026-03")
    assert not isinstance(told, Rejection)
    assert (len(told.services), told.next_after) == (2, None)
    items = examples.query_reply("billing.item.list")
    found.answers = [items.model_copy(update={"next_after": "x"}), items]
    open_items: OpenItems = await found.open_items()
    assert len(open_items.items) == 2
    for name, listed in {
        "billing.statement.list": found.statements(),
        "billing.objection.list": found.objections(),
        "billing.invoice.list": found.invoices(),
        "billing.document.list": found.documents(MONTH),
        "billing.payment.list": found.payments(),
        "billing.settlement.alerts": found.settlement_alerts(MONTH),
        "billing.line.explain": found.explain_line(MONTH, 2),
        "billing.report.treatments": found.treatments(2026),
    }.items():
        page = examples.query_reply(name)
        more = page if getattr(page, "next_after", None) else page.model_copy(update={"next_after": 1})
        found.answers = [more, page.model_copy(update={"next_after": None})]
        assert len([each async for each in listed]) == 2
    found.answers = [rejected()]
    assert await found.compare_statements(MONTH) == rejected()


@pytest.mark.parametrize("method", ["settlement_run", "settlement_matrix"])
async def test_what_is_asked_once(method: str) -> None:
    found = market()
    assert (await getattr(found, method)(MONTH)).period == MONTH
    assert (await found.exact_cost(2026)) == examples.query_reply("billing.report.cost")
    assert (await found.open_market_share(2026)) == examples.query_reply("billing.report.market")
    found.answers = [rejected()]
    assert await getattr(found, method)(MONTH) == rejected()
