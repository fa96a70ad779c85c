"""What is told of documents."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.invoices import Invoices, ListInvoices
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_invoices(
    connection: AsyncConnection, caller: Caller, asked: ListInvoices
) -> Invoices | Rejected:
    """Documents by number; a member sees those that it issued or received."""
    member = asked.member if caller.sees_all else asked.member or caller.member
    if member != caller.member and not caller.sees_all:
        return rejected("report_not_yours", "member", member=member)
    found = await store.heads(
        connection, period=asked.period, member=member, after=asked.after or "", limit=asked.limit + 1
    )
    page = tuple(found[: min(asked.limit, fitting(found))])
    return Invoices(invoices=page, next_after=page[-1].number if len(found) > len(page) else None)


ANSWERS: Mapping[str, Answer] = {"billing.invoice.list": list_invoices}
