"""From the lines of a run to what everybody owes: obligations, statements, net positions, entries."""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from allmende.schemas.billing import (
    ChargeLine,
    SettlementClosed,
    StatementIssued,
    StatementItem,
)
from allmende.schemas.invoices import Invoice
from allmende.schemas.register import MemberRegister
from allmende.schemas.settlements import SettlementDrafted

from ..ledger.entries import Entry, Obligation, entries_of
from ..period import last_day_of
from .netting import net
from .run import Run


@dataclasses.dataclass(frozen=True)
class Parties:
    """Who settles.

    Attributes:
        members: everybody who gets a statement, even over nothing; so does whoever owes or is owed.
        clearing_house: the cooperative's office, which also receives the levies.
    """

    members: Sequence[str]
    clearing_house: str


@dataclasses.dataclass(frozen=True)
class Issued:
    """Everything an issued run leaves behind."""

    settlement: SettlementClosed
    statements: tuple[StatementIssued, ...]
    entries: tuple[Entry, ...]


def in_order(lines: Iterable[ChargeLine]) -> list[int]:
    """Tell the places of lines in an order that does not depend on the order in which they were found."""
    found = list(lines)

    def key(place: int) -> tuple[str, ...]:
        line = found[place]
        return (
            line.kind,
            line.payee,
            line.payer,
            line.offering_id or "",
            line.booking_id or "",
            line.component or "",
            line.charged_for or "",
            line.pool_id or "",
            line.service_from.isoformat(),
            line.cause,
            line.title,
            line.levy_id or "",
            line.objection_id or "",
            line.trace_de,
        )

    return sorted(range(len(found)), key=key)


def obligations_of(
    invoices: Iterable[Invoice], register: MemberRegister, period: str, *, final: bool = False
) -> list[Obligation]:
    """Find what everybody owes: each document is one obligation.

    Args:
        invoices: of a run.
        register: tells who deducts input tax.
        period: of the run.
        final: whether the run is issued; before that the documents have neither number nor due day.
    """
    deducting = _deducting(register, period)
    return [
        Obligation(
            kind="levy" if head.kind == "notice" else "charge",
            payer=head.recipient,
            payee=head.issuer,
            amount_cents=head.net_cents,
            lines=head.lines,
            tax_cents=head.tax_cents,
            deducts_tax=head.recipient in deducting,
            number=head.number if final else None,
            due_on=head.due_on if final else None,
        )
        for head in (invoice.head for invoice in invoices)
    ]


def _deducting(register: MemberRegister, period: str) -> set[str]:
    day = last_day_of(period)
    statuses = {each.id: each.body.status_on(day) for each in register.members if each.body is not None}
    return {member for member, status in statuses.items() if status is not None and status.deducts_input_tax}


@dataclasses.dataclass(frozen=True)
class Totals:
    """What a run comes to, in cents: net charges, net levies to the clearing house, VAT."""

    charges_cents: int
    levies_cents: int
    tax_cents: int


def totals(lines: Iterable[ChargeLine], obligations: Iterable[Obligation], clearing_house: str) -> Totals:
    """Sum up the lines that are charged."""
    sums = {"charge": 0, "levy": 0}
    for line in lines:
        if line.kind == "charge" or line.payee == clearing_house:
            sums[line.kind] += line.amount_cents
    return Totals(sums["charge"], sums["levy"], sum(each.tax_cents for each in obligations))


def draft(  # noqa: PLR0913 - what a draft tells
    run: Run,
    lines: Sequence[ChargeLine],
    held: Collection[int],
    obligations: Sequence[Obligation],
    parties: Parties,
    *,
    usage_records: int,
    late_records: int,
    alerts: int,
    now: dt.datetime,
) -> SettlementDrafted:
    """Tell what a draft comes to, lines on hold left out.

    Args:
        run: as it is drafted.
        lines: all of them.
        held: the numbers of those on hold.
        obligations: of the others.
        parties: who settles.
        usage_records: of the period, how many are charged.
        late_records: how many of them came after the first draft.
        alerts: how many are open.
        now: when it is drafted.
    """
    charged = [line for line in lines if line.line not in held]
    found = totals(charged, obligations, parties.clearing_house)
    return SettlementDrafted(
        settlement_id=run.settlement_id,
        period=run.period,
        revision=run.revision,
        grace_until=run.grace_until,
        **dataclasses.asdict(found),
        usage_records=usage_records,
        late_records=late_records,
        lines=len(lines),
        alerts=alerts,
        positions=tuple(net([*parties.members, parties.clearing_house], obligations)),
        drafted_at=now,
    )


def issue(  # noqa: PLR0913 - what a run consists of
    run: Run,
    lines: Sequence[ChargeLine],
    held: Collection[int],
    obligations: Sequence[Obligation],
    parties: Parties,
    *,
    usage_records: int,
    approved_by: str,
    now: dt.datetime,
) -> Issued:
    """State, net and post a run.

    Args:
        run: as it was reviewed.
        lines: all of them, numbered.
        held: the numbers of those that are left out.
        obligations: of the others, with their documents.
        parties: who settles.
        usage_records: of the period, how many are charged.
        approved_by: a person of the office.
        now: when it is issued.
    """
    charged = [line for line in lines if line.line not in held]
    positions = net([*parties.members, parties.clearing_house], obligations)
    settlement = SettlementClosed(
        settlement_id=run.settlement_id,
        period=run.period,
        clearing_house=parties.clearing_house,
        **dataclasses.asdict(totals(charged, obligations, parties.clearing_house)),
        usage_records=usage_records,
        lines=len(lines),
        held_lines=len(lines) - len(charged),
        positions=tuple(positions),
        reviewed_by=run.reviewed_by,
        approved_by=approved_by,
        closed_at=now,
    )
    sides = _sides(obligations)
    about = (run.settlement_id, run.period, parties.clearing_house, now)
    statements = tuple(
        _statement(about, number, position.party, *sides.get(position.party, ((), ())))
        for number, position in enumerate(positions, 1)
    )
    return Issued(settlement, statements, tuple(entries_of(run.period, obligations)))


def _sides(
    obligations: Iterable[Obligation],
) -> Mapping[str, tuple[list[StatementItem], list[StatementItem]]]:
    """What everybody owes and is owed, item by item."""
    found: defaultdict[str, tuple[list[StatementItem], list[StatementItem]]]
    found = defaultdict(lambda: ([], []))
    for each in obligations:
        found[each.payer][0].append(_item(each, each.payee))
        found[each.payee][1].append(_item(each, each.payer))
    return found


def as_drafted(  # noqa: PLR0913 - what a statement tells
    settlement_id: str,
    period: str,
    member: str,
    obligations: Iterable[Obligation],
    *,
    number: int,
    clearing_house: str,
    drafted_at: dt.datetime,
) -> StatementIssued:
    """State one member's side of a run as it would be issued now."""
    about = (settlement_id, period, clearing_house, drafted_at)
    return _statement(about, number, member, *_sides(obligations).get(member, ((), ())))


def _statement(
    about: tuple[str, str, str, dt.datetime],
    number: int,
    member: str,
    payable: Iterable[StatementItem],
    receivable: Iterable[StatementItem],
) -> StatementIssued:
    settlement_id, period, clearing_house, issued_at = about
    payable, receivable = tuple(payable), tuple(receivable)
    owing = sum(item.amount_cents + item.tax_cents for item in payable)
    owed = sum(item.amount_cents + item.tax_cents for item in receivable)
    return StatementIssued(
        statement_id=str(uuid.uuid5(uuid.UUID(settlement_id), member)),
        settlement_id=settlement_id,
        number=f"{period}-{number:04d}",
        period=period,
        member=member,
        payable=payable,
        receivable=receivable,
        payable_cents=owing,
        receivable_cents=owed,
        net_cents=owed - owing,
        clearing_house=clearing_house,
        issued_at=issued_at,
    )


def _item(obligation: Obligation, counterparty: str) -> StatementItem:
    return StatementItem(
        kind="levy" if obligation.kind == "levy" else "charge",
        counterparty=counterparty,
        number=obligation.number,
        amount_cents=obligation.amount_cents,
        tax_cents=obligation.tax_cents,
        lines=obligation.lines,
        due_on=obligation.due_on,
    )
