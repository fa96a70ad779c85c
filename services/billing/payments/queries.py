"""What is told of open items and payments."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.payments import (
    ListOpenItems,
    ListPayments,
    OpenItem,
    OpenItems,
    Payment,
    PaymentArranged,
    Payments,
)
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

_PAYMENTS = text("""
    select number, document::text, greatest(debited_cents, credited_cents), paid_on,
           (select least(d.gross_cents, amount_cents) from payment_disputed d
            where d.payment_id = payment.payment_id)
    from payment
    where number > :after
      and (cast(:member as text) is null or debtor = :member or creditor = :member)
      and (cast(:netting_id as uuid) is null or netting_id = :netting_id)
      and (not :open_only or greatest(debited_cents, credited_cents) < amount_cents)
    order by number limit :limit
""")

_OPEN = """
    select i.number, i.recipient, i.issuer, i.due_on, i.gross_cents, coalesce(b.applied_cents, 0) as applied,
           coalesce(p.paid_cents, 0) as paid, p.payments,
           concat(i.due_on, ' ', i.number) collate "C" as place
    from invoice i
    left join document_balance b on b.document = i.number
    left join document_paid p on p.document = i.number and p.member = :member
    where (i.recipient = :member or i.issuer = :member) and i.gross_cents <> coalesce(p.paid_cents, 0)
"""

_SUMS = text(f"""
    select coalesce(sum(gross_cents - paid) filter (where recipient = :member), 0)::bigint,
           coalesce(sum(gross_cents - paid) filter (where issuer = :member), 0)::bigint
    from ({_OPEN}) o
""")

_ITEMS = text(f"""
    select o.*, coalesce(d.gross_cents, 0) as disputed,
           coalesce(cast(:as_of as date), (now() at time zone 'Europe/Berlin')::date) - o.due_on as overdue,
           (select count(*) from reminder r where r.payment_id = any(o.payments)) as reminders
    from ({_OPEN}) o
    left join document_disputed d on d.document = o.number
    where o.place > :after collate "C"
    order by o.place limit :limit
""")


async def list_payments(
    connection: AsyncConnection, caller: Caller, asked: ListPayments
) -> Payments | Rejected:
    """Payments in the order in which they were arranged; a member sees those it makes or gets."""
    if asked.member not in {None, caller.member} and not caller.sees_all:
        return rejected("not_your_payments", "member", member=asked.member)
    rows = await connection.execute(
        _PAYMENTS,
        {
            "member": asked.member if caller.sees_all else caller.member,
            "netting_id": asked.netting_id,
            "open_only": asked.open_only,
            "after": asked.after,
            "limit": asked.limit + 1,
        },
    )
    found = [
        Payment(
            number=number,
            payment=(payment := PaymentArranged.model_validate_json(document)),
            paid_cents=paid,
            open_cents=payment.amount_cents - paid,
            disputed_cents=disputed or 0,
            paid_on=paid_on,
        )
        for number, document, paid, paid_on, disputed in map(tuple, rows)
    ]
    page = tuple(found[: min(asked.limit, fitting(found))])
    return Payments(payments=page, next_after=page[-1].number if len(found) > len(page) else None)


async def list_items(
    connection: AsyncConnection, caller: Caller, asked: ListOpenItems
) -> OpenItems | Rejected:
    """Documents of a member that are not settled, by due day and number (Offene-Posten-Liste).

    What a document gives back counts in its own direction, below zero.
    """
    member = asked.member or caller.member
    if member != caller.member and not caller.sees_all:
        return rejected("not_your_payments", "member", member=member)
    about: dict[str, Any] = {"member": member}
    payable, receivable = (await connection.execute(_SUMS, about)).one()
    about |= {"as_of": asked.as_of, "after": asked.after or "", "limit": asked.limit + 1}
    rows = (await connection.execute(_ITEMS, about)).all()
    found = [
        OpenItem(
            number=row.number,
            direction="payable" if row.recipient == member else "receivable",
            counterparty=row.issuer if row.recipient == member else row.recipient,
            due_on=row.due_on,
            days_overdue=row.overdue,
            gross_cents=row.gross_cents,
            disputed_cents=row.disputed,
            offset_cents=row.applied,
            paid_cents=row.paid,
            open_cents=row.gross_cents - row.paid,
            reminders=row.reminders,
        )
        for row in rows
    ]
    page = tuple(found[: min(asked.limit, fitting(found))])
    return OpenItems(
        member=member,
        items=page,
        payable_cents=payable,
        receivable_cents=receivable,
        next_after=rows[len(page) - 1].place if len(found) > len(page) else None,
    )


ANSWERS: Mapping[str, Answer] = {
    "billing.payment.list": list_payments,
    "billing.item.list": list_items,
}
