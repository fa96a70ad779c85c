"""The recipient's side on the command line: comparing, explaining, certifying, ordering, objecting."""

import hashlib
from pathlib import Path
from typing import Literal

from allmende.client.explanation import sentences
from allmende.client.output import Column, Format, Kind, Listing
from allmende.client.settlement_wording import CAUSES, DIRECTIONS, OBJECTIONS, STATEMENTS
from allmende.schemas.billing import ChargeLevy
from allmende.schemas.money import euro
from allmende.schemas.rejections import Rejection
from allmende.schemas.settlements import LineStory, ServiceSum
from allmende.schemas.statements import Evidence, Objection, StatementProgress, StatementState

from .files import unreadable
from .language import hint, language, refusal, say, tell
from .reading import read_models
from .sending import cents_of, told
from .session import Session
from .settlements import month

_SERVICES = (
    Column("direction", "Richtung", "Direction"),
    Column("counterparty", "Gegenseite", "Counterparty"),
    Column("title", "Leistung", "Service"),
    Column("cause", "Anlass", "Cause"),
    Column("quantity", "Menge", "Quantity", Kind.NUMBER),
    Column("unit", "Einheit", "Unit"),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
    Column("previous_eur", "Zuvor", "Before", Kind.CENTS),
    Column("difference_eur", "Unterschied", "Difference", Kind.CENTS),
)
_STORY = (Column("about", "Frage", "About"), Column("text", "Antwort", "Answer"))
_STATEMENTS = (
    Column("number", "Nummer", "Number"),
    Column("period", "Zeitraum", "Period"),
    Column("member", "Mitglied", "Member"),
    Column("state", "Stand", "State"),
    Column("payable_eur", "Zu zahlen", "Payable", Kind.CENTS),
    Column("receivable_eur", "Zu erhalten", "Receivable", Kind.CENTS),
    Column("disputed_eur", "Strittig", "Disputed", Kind.CENTS),
    Column("paid_eur", "Bezahlt", "Paid", Kind.CENTS),
    Column("certified_by", "Bescheinigt", "Certified"),
    Column("ordered_by", "Angeordnet", "Ordered"),
    Column("kassenzeichen", "Kassenzeichen", "Treasury reference"),
)
_OBJECTIONS = (
    Column("objection", "Widerspruch", "Objection"),
    Column("period", "Zeitraum", "Period"),
    Column("line", "Zeile", "Line"),
    Column("payer", "Zahlt", "Payer"),
    Column("payee", "Erhält", "Payee"),
    Column("gross_eur", "Brutto", "Gross", Kind.CENTS),
    Column("reason", "Grund", "Reason"),
    Column("state", "Stand", "State"),
    Column("credit_eur", "Gutschrift", "Credit", Kind.CENTS),
)


async def compare(session: Session, period: str, against: str | None, of: str | None) -> None:
    """Show a statement by service beside an earlier one."""
    month(period)
    earlier = None if against is None else month(against)
    async with session.market() as market:
        found = await market.compare_statements(period, against=earlier, member=of)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [_service_row(each) for each in found.services]
    listing = Listing(_SERVICES, rows, found.model_dump(mode="json"))
    if session.empty(listing, "Die Abrechnung ist leer.", "The statement is empty."):
        return
    session.show(listing)
    before = found.against or say("nichts davor", "nothing before")
    tell(
        f"{found.member}: {found.period} neben {before}.", f"{found.member}: {found.period} beside {before}."
    )


def _service_row(service: ServiceSum) -> dict[str, object]:
    return {
        "direction": say(*DIRECTIONS[service.direction]),
        "counterparty": service.counterparty,
        "title": service.title,
        "cause": say(*CAUSES.get(service.cause, (service.cause, service.cause))),
        "quantity": service.quantity,
        "unit": service.unit,
        "amount_eur": service.amount_cents,
        "previous_eur": service.previous_cents,
        "difference_eur": service.difference_cents,
    }


async def explain(session: Session, period: str, line: int, of: str | None) -> None:
    """Tell the story of a line."""
    month(period)
    story: LineStory | None = None
    async with session.market() as market:
        async for page in market.explain_line(period, line, member=of):
            story = (
                page if story is None else story.model_copy(update={"records": story.records + page.records})
            )
    if story is None:
        raise AssertionError
    found = sentences(story, len(story.records), language())
    if session.form is Format.TABLE:
        print("\n".join(f"{about}: {text}" for about, text in found))  # noqa: T201 - the data of this command
        return
    rows = [{"about": about, "text": text} for about, text in found]
    session.show(Listing(_STORY, rows, story.model_dump(mode="json")))


async def certify(session: Session, period: str, remark: str | None, id_: str | None) -> None:
    """Certify one's statement."""
    month(period)
    found = await told(session, lambda m, i: m.certify_statement(period, remark=remark, id=i), id_)
    tell(
        f"Abrechnung {found.number} ist sachlich und rechnerisch richtig, bescheinigt von "
        f"{found.certified_by}.",
        f"Statement {found.number} is certified as factually and arithmetically right by "
        f"{found.certified_by}.",
    )
    hint(
        f"allmende settlement order {period} --kassenzeichen ZEICHEN --person NAME ordnet die Zahlung an, "
        "durch jemand anderen",
        f"allmende settlement order {period} --kassenzeichen REFERENCE --person NAME orders the payment, "
        "by somebody else",
    )


async def order(session: Session, period: str, kassenzeichen: str, id_: str | None) -> None:
    """Order the payment of one's statement."""
    month(period)
    found = await told(session, lambda m, i: m.order_statement(period, kassenzeichen, id=i), id_)
    tell(
        f"Zahlung der Abrechnung {found.number} ist angeordnet von {found.ordered_by}, Kassenzeichen "
        f"{found.kassenzeichen}.",
        f"The payment of statement {found.number} is ordered by {found.ordered_by}, treasury reference "
        f"{found.kassenzeichen}.",
    )
    hint("allmende payment list zeigt, was zu zahlen ist", "allmende payment list shows what is to be paid")


async def progress_of(session: Session, period: str | None, state: StatementState | None) -> None:
    """List statements and how far they are."""
    wanted = None if period is None else month(period)
    async with session.market() as market:
        found = [each async for each in market.statements(period=wanted, state=state)]
    rows = [_progress_row(each) for each in found]
    listing = Listing(_STATEMENTS, rows, [each.model_dump(mode="json") for each in found])
    if not session.empty(listing, "Es gibt keine solche Abrechnung.", "There is no such statement."):
        session.show(listing)


def _progress_row(statement: StatementProgress) -> dict[str, object]:
    return {
        "number": statement.number,
        "period": statement.period,
        "member": statement.member,
        "state": say(*STATEMENTS[statement.state]),
        "payable_eur": statement.payable_cents,
        "receivable_eur": statement.receivable_cents,
        "disputed_eur": statement.disputed_cents,
        "paid_eur": statement.paid_cents,
        "certified_by": statement.certified_by,
        "ordered_by": statement.ordered_by,
        "kassenzeichen": statement.kassenzeichen,
    }


async def dispute(  # noqa: PLR0913 - what an objection is made of
    session: Session, period: str, line: int, reason: str, files: list[str], id_: str | None
) -> None:
    """Object to a line; documents stay where they are, their hashes are told."""
    month(period)
    documents = [_evidence(each) for each in files]
    found = await told(
        session, lambda m, i: m.raise_objection(period, line, reason, documents=documents, id=i), id_
    )
    amount = euro(found.gross_cents, language=language())
    if found.suspends:
        tell(
            f"Widerspruch gegen Zeile {line} über {amount} brutto: bis zur Entscheidung nicht zu zahlen.",
            f"Objection to line {line} of {amount} gross: not to be paid until it is decided.",
        )
    else:
        tell(
            f"Widerspruch gegen Zeile {line} über {amount} brutto: ohne aufschiebende Wirkung.",
            f"Objection to line {line} of {amount} gross: it stays due.",
        )
    print(found.objection_id)  # noqa: T201 - the one datum of this command
    hint(
        "allmende settlement objections --all zeigt, wie darüber entschieden wird",
        "allmende settlement objections --all shows how it is decided",
    )


def _evidence(file: str) -> Evidence:
    try:
        with Path(file).open("rb") as stream:
            return Evidence(title=Path(file).name, sha256=hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError as error:
        raise unreadable(file, error) from None


async def objections(session: Session, period: str | None, *, settled: bool) -> None:
    """List objections."""
    wanted = None if period is None else month(period)
    async with session.market() as market:
        found = [each async for each in market.objections(period=wanted, open_only=not settled)]
    rows = [_objection_row(each) for each in found]
    listing = Listing(_OBJECTIONS, rows, [each.model_dump(mode="json") for each in found])
    if session.empty(listing, "Es gibt keinen offenen Widerspruch.", "There is no open objection."):
        return
    session.show(listing)
    mine = [each for each in found if each.settled is None and each.raised.payee == session.member]
    if mine:
        command = f'allmende settlement resolve {mine[0].raised.objection_id} --uphold --reason "..."'
        hint(
            f"{command} --person NAME gibt statt, --dismiss weist zurück",
            f"{command} --person NAME upholds it, --dismiss dismisses it",
        )


def _objection_row(objection: Objection) -> dict[str, object]:
    raised, settled = objection.raised, objection.settled
    return {
        "objection": raised.objection_id,
        "period": raised.period,
        "line": raised.line,
        "payer": raised.payer,
        "payee": raised.payee,
        "gross_eur": raised.gross_cents,
        "reason": raised.reason,
        "state": say(*OBJECTIONS[settled.state if settled else "raised"]),
        "credit_eur": settled.credit_cents if settled else None,
    }


async def resolve(  # noqa: PLR0913 - what a decision is made of
    session: Session, objection: str, *, uphold: bool, credit: str | None, reason: str, id_: str | None
) -> None:
    """Decide an objection."""
    decision: Literal["upheld", "dismissed"] = "upheld" if uphold else "dismissed"
    cents = cents_of("--credit", credit)
    found = await told(
        session,
        lambda m, i: m.decide_objection(objection, decision, reason, credit_cents=cents, id=i),
        id_,
    )
    german, english = OBJECTIONS[found.state]
    amount = euro(found.credit_cents, language=language())
    tell(
        f"Widerspruch {german}, Gutschrift {amount} netto in der nächsten Abrechnung."
        if found.credit_cents
        else f"Widerspruch {german}.",
        f"Objection {english}, a credit of {amount} net in the next run."
        if found.credit_cents
        else f"Objection {english}.",
    )


async def withdraw(session: Session, objection: str, reason: str, id_: str | None) -> None:
    """Take one's objection back."""
    await told(session, lambda m, i: m.withdraw_objection(objection, reason, id=i), id_)
    tell("Der Widerspruch ist zurückgenommen.", "The objection is withdrawn.")


async def charge_levy(session: Session, file: str, id_: str | None) -> None:
    """Charge the levy of a file."""
    [levy] = read_models(ChargeLevy, file)
    found = await told(
        session,
        lambda m, i: m.charge_levy(
            levy.period,
            levy.title,
            levy.amount_cents,
            levy.key,
            replaces=levy.replaces,
            legal_basis=levy.legal_basis,
            id=i,
        ),
        id_,
    )
    amount = euro(found.amount_cents, language=language())
    tell(
        f"Umlage »{found.title}« über {amount} trifft in {found.period} {len(found.shares)} Mitglieder; "
        f"Kennung {found.levy_id}.",
        f"The levy “{found.title}” of {amount} meets {len(found.shares)} members in {found.period}; "
        f"its id is {found.levy_id}.",
    )
    hint(
        f"allmende settlement draft {found.period} nimmt sie in den Entwurf",
        f"allmende settlement draft {found.period} takes it into the draft",
    )


async def reverse_levy(session: Session, levy: str, period: str, reason: str, id_: str | None) -> None:
    """Take a levy back."""
    month(period)
    found = await told(session, lambda m, i: m.reverse_levy(levy, period, reason, id=i), id_)
    amount = euro(found.amount_cents, language=language())
    tell(
        f"Umlage »{found.title}« über {amount} ist in {found.period} zurückgenommen.",
        f"The levy “{found.title}” of {amount} is taken back in {found.period}.",
    )
