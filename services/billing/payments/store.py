"""Nettings, payments, bank entries and reminders in the database.

Whoever nets holds the documents, whoever marks or reminds holds the payments, each in one order, until the
transaction ends; so what two do at once is decided one after the other.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine
from allmende.schemas.claims import Claim
from allmende.schemas.payments import NettingDone, PaymentArranged, ReminderSent

from . import reminders
from .matching import Receipt, Standing
from .netting import Applied, Item
from .reminders import Overdue

_OPEN_BALANCES = text("""
    insert into document_balance (document, gross_cents)
    select i.number, i.gross_cents from invoice i
    where i.due_on <= :due_by and i.gross_cents <> 0
      and not exists (select from document_balance b where b.document = i.number)
    order by i.number
    on conflict do nothing
""")

# Who nets at the same time waits here and then finds what is left.
_LOCK_ITEMS = text("""
    select b.document, i.recipient, i.issuer, b.gross_cents - b.applied_cents, i.due_on
    from document_balance b join invoice i on i.number = b.document
    where i.due_on <= :due_by and b.applied_cents <> b.gross_cents
    order by b.document for update of b
""")

_DISPUTED = text("""
    select document, gross_cents from document_disputed where document = any(cast(:documents as text[]))
""")

_APPLY = text("""
    update document_balance b set applied_cents = b.applied_cents + u.cents
    from unnest(cast(:documents as text[]), cast(:amounts as bigint[])) u (document, cents)
    where b.document = u.document
""")

_SAVE_NETTING = text("""
    insert into netting (netting_id, method, due_by, arranged_by, arranged_at, claim, document)
    values (:netting_id, :method, :due_by, :arranged_by, :arranged_at, cast(:claim as json),
            cast(:document as json))
""")

_SAVE_PAYMENTS = text("""
    insert into payment (payment_id, netting_id, debtor, creditor, amount_cents, reference, due_on, document)
    select u.id, :netting_id, u.debtor, u.creditor, u.cents, u.reference, :due_on, u.document::json
    from unnest(cast(:ids as uuid[]), cast(:debtors as text[]), cast(:creditors as text[]),
                cast(:amounts as bigint[]), cast(:references as text[]), cast(:documents as text[]))
         with ordinality u (id, debtor, creditor, cents, reference, document, place)
    order by u.place
""")

_SAVE_ITEMS = text("""
    insert into netting_item (netting_id, document, debtor, creditor, amount_cents, debtor_payment,
                              creditor_payment)
    select :netting_id, u.*
    from unnest(cast(:documents as text[]), cast(:debtors as text[]), cast(:creditors as text[]),
                cast(:amounts as bigint[]), cast(:paid as uuid[]), cast(:got as uuid[])) u
""")

# Who tells of the same payment at the same time waits here.
_LOCK_NAMED = text("""
    select document::text, debited_cents, credited_cents from payment
    where reference = any(cast(:references as text[])) order by number for update
""")

_KNOWN = text("""
    select entry_id, amount_cents from bank_entry where iban = :iban and entry_id = any(cast(:ids as text[]))
""")

_SAVE_ENTRIES = text("""
    insert into bank_entry (iban, entry_id, member, statement_id, amount_cents, payment_id, paid_cents,
                            reported_at, document)
    select :iban, u.id, :member, :statement_id, u.amount, u.payment_id, u.paid, :now, u.document::json
    from unnest(cast(:ids as text[]), cast(:amounts as bigint[]), cast(:payments as uuid[]),
                cast(:paid as bigint[]), cast(:documents as text[]))
         u (id, amount, payment_id, paid, document)
""")

_MARK = text("""
    update payment p set debited_cents = u.debited, credited_cents = u.credited,
                         paid_on = case when greatest(u.debited, u.credited) > 0
                                        then greatest(p.paid_on, u.paid_on) end
    from unnest(cast(:ids as uuid[]), cast(:debited as bigint[]), cast(:credited as bigint[]),
                cast(:days as date[])) u (id, debited, credited, paid_on)
    where p.payment_id = u.id
""")

# Who reminds at the same time waits here and then finds the reminder. What is disputed is not overdue.
_LOCK_OVERDUE = text("""
    select p.payment_id::text, p.document::text, o.cents
    from payment p
    left join payment_disputed d on d.payment_id = p.payment_id
    cross join lateral (select p.amount_cents - greatest(p.debited_cents, p.credited_cents)
                               - coalesce(d.gross_cents, 0) as cents) o
    where p.due_on < :as_of and o.cents > 0
      and greatest(p.debited_cents, p.credited_cents) < p.amount_cents
    order by p.number for update of p
""")

_REMINDED = text("""
    select payment_id::text, max(step), sum(late_charge_cents)::bigint from reminder
    where payment_id = any(cast(:ids as uuid[])) group by payment_id
""")

_SAVE_REMINDERS = text("""
    insert into reminder (payment_id, step, period, as_of, fee_cents, late_charge_cents, sent_by, sent_at,
                          claim, document)
    select u.id, u.step, :period, :as_of, u.fee, u.late, :sent_by, :now, cast(:claim as json),
           u.document::json
    from unnest(cast(:ids as uuid[]), cast(:steps as int[]), cast(:fees as bigint[]),
                cast(:lates as bigint[]), cast(:documents as text[])) u (id, step, fee, late, document)
""")

_REMINDERS = text("""
    select r.document::text from reminder r join payment p using (payment_id)
    where r.period = :period order by p.number, r.step
""")


@dataclasses.dataclass(frozen=True)
class OpenItems:
    """What is to be netted.

    Attributes:
        items: what of documents is due, not disputed and not applied yet.
        disputed: how many documents stay out, as a whole or in part.
    """

    items: tuple[Item, ...]
    disputed: int


async def disputed(tx: AsyncConnection, documents: Iterable[str]) -> dict[str, int]:
    """Find what of documents is disputed with suspensive effect, in cents, VAT included."""
    rows = await tx.execute(_DISPUTED, {"documents": sorted(documents)})
    return {row[0]: row[1] for row in rows}


async def lock_items(tx: AsyncConnection, due_by: dt.date) -> OpenItems:
    """Find what of documents is due by a day and open, and hold these documents."""
    await tx.execute(_OPEN_BALANCES, {"due_by": due_by})
    rows = [Item(*row) for row in await tx.execute(_LOCK_ITEMS, {"due_by": due_by})]
    out = await disputed(tx, [item.document for item in rows])
    items = [
        dataclasses.replace(item, cents=_undisputed(item.cents, out.get(item.document, 0))) for item in rows
    ]
    changed = sum(new.cents != old.cents for new, old in zip(items, rows, strict=True))
    return OpenItems(tuple(item for item in items if item.cents), changed)


def _undisputed(open_cents: int, disputed_cents: int) -> int:
    """What is left of an amount without what is disputed of it; what gives back is never disputed."""
    return open_cents if open_cents < 0 else max(open_cents - disputed_cents, 0)


async def save_netting(
    tx: AsyncConnection,
    done: NettingDone,
    claim: Claim,
    payments: Mapping[tuple[str, str], PaymentArranged],
    items: Sequence[Applied],
) -> None:
    """Keep a netting with its payments, by debtor and creditor, and apply its documents."""
    about = {"netting_id": done.netting_id}
    await tx.execute(
        _SAVE_NETTING,
        {
            **about,
            "method": done.method,
            "due_by": done.due_by,
            "arranged_by": done.arranged_by,
            "arranged_at": done.arranged_at,
            "claim": claim.model_dump_json(),
            "document": done.model_dump_json(),
        },
    )
    if payments:
        told = list(payments.values())
        await tx.execute(
            _SAVE_PAYMENTS,
            {
                **about,
                "due_on": told[0].due_on,
                "ids": [each.payment_id for each in told],
                "debtors": [each.debtor for each in told],
                "creditors": [each.creditor for each in told],
                "amounts": [each.amount_cents for each in told],
                "references": [each.reference for each in told],
                "documents": [each.model_dump_json() for each in told],
            },
        )
    ids = {pair: payment.payment_id for pair, payment in payments.items()}
    documents = [each.item.document for each in items]
    amounts = [each.item.cents for each in items]
    await tx.execute(_APPLY, {"documents": documents, "amounts": amounts})
    await tx.execute(
        _SAVE_ITEMS,
        {
            **about,
            "documents": documents,
            "debtors": [each.item.owing[0] for each in items],
            "creditors": [each.item.owing[1] for each in items],
            "amounts": amounts,
            "paid": [ids[each.debtor_pays] if each.debtor_pays else None for each in items],
            "got": [ids[each.creditor_gets] if each.creditor_gets else None for each in items],
        },
    )


async def lock_named(tx: AsyncConnection, references: Iterable[str]) -> dict[str, Standing]:
    """Find payments by reference, and hold them."""
    references = set(references)
    if not references:
        return {}
    rows = await tx.execute(_LOCK_NAMED, {"references": sorted(references)})
    found = [Standing(PaymentArranged.model_validate_json(row[0]), row[1], row[2]) for row in rows]
    return {each.payment.reference: each for each in found}


async def known_entries(tx: AsyncConnection, iban: str, ids: Iterable[str]) -> dict[str, int]:
    """Find the amounts of entries of an account that were booked before, by id."""
    rows = await tx.execute(_KNOWN, {"iban": iban, "ids": sorted(set(ids))})
    return {row[0]: row[1] for row in rows}


async def save_receipts(  # noqa: PLR0913 - what a report says
    tx: AsyncConnection,
    receipts: Sequence[Receipt],
    *,
    iban: str,
    member: str,
    statement_id: str,
    now: dt.datetime,
) -> None:
    """Keep entries that pay or take back, and mark their payments."""
    if not receipts:
        return
    await tx.execute(
        _SAVE_ENTRIES,
        {
            "iban": iban,
            "member": member,
            "statement_id": statement_id,
            "now": now,
            "ids": [each.entry.entry_id for each in receipts],
            "amounts": [each.entry.amount_cents for each in receipts],
            "payments": [each.after.payment.payment_id for each in receipts],
            "paid": [each.cents for each in receipts],
            "documents": [each.entry.model_dump_json() for each in receipts],
        },
    )
    last = {each.after.payment.payment_id: each.after for each in receipts}
    days: dict[str, dt.date] = {}
    for each in receipts:
        id_ = each.after.payment.payment_id
        days[id_] = max(days.get(id_, each.entry.booked_on), each.entry.booked_on)
    await tx.execute(
        _MARK,
        {
            "ids": list(last),
            "debited": [each.debited_cents for each in last.values()],
            "credited": [each.credited_cents for each in last.values()],
            "days": [days[id_] for id_ in last],
        },
    )


async def lock_overdue(tx: AsyncConnection, as_of: dt.date) -> list[Overdue]:
    """Find payments that are not whole after their due day, beside what is disputed, and hold them."""
    rows = [tuple(row) for row in await tx.execute(_LOCK_OVERDUE, {"as_of": as_of})]
    found = await tx.execute(_REMINDED, {"ids": [uuid.UUID(row[0]) for row in rows]})
    reminded = {row[0]: (row[1], row[2]) for row in found}
    return [
        Overdue(PaymentArranged.model_validate_json(document), cents, *reminded.get(id_, (0, 0)))
        for id_, document, cents in rows
    ]


async def save_reminders(  # noqa: PLR0913 - what is kept of them
    tx: AsyncConnection,
    sent: Sequence[ReminderSent],
    *,
    period: str,
    as_of: dt.date,
    claim: Claim,
    now: dt.datetime,
) -> None:
    """Keep reminders, whose amounts are lines of the run of a period."""
    await tx.execute(
        _SAVE_REMINDERS,
        {
            "period": period,
            "as_of": as_of,
            "sent_by": claim.person,
            "now": now,
            "claim": claim.model_dump_json(),
            "ids": [each.payment_id for each in sent],
            "steps": [each.step for each in sent],
            "fees": [each.fee_cents for each in sent],
            "lates": [each.late_charge_cents for each in sent],
            "documents": [each.model_dump_json() for each in sent],
        },
    )


async def lines_of(tx: AsyncConnection, period: str) -> list[ChargeLine]:
    """Load what reminders charge in the run of a period: the same however often it is drafted."""
    rows = await tx.execute(_REMINDERS, {"period": period})
    return list(reminders.lines_of(ReminderSent.model_validate_json(row[0]) for row in rows))
