"""Files in the database: queued with the run that issues them, made once, read in parts."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import StatementIssued
from allmende.schemas.invoices import DocumentMade, InvoiceHead
from allmende.schemas.register import MemberRegister
from allmende.servicekit.queries import Caller

from .file import PART_BYTES, File, files_of_invoice, files_of_statement
from .rendering import Job, Outcome

_INVOICES = text("""
    select i.head::text,
           case when i.document->'recipient'->>'body' is null then i.recipient
                when i.document->'issuer'->>'body' is null then i.issuer end,
           exists (select from json_array_elements(i.document->'subtotals') s where s->>'category' = 'S')
    from invoice i
    where i.settlement_id = any(cast(:settlements as uuid[])) or i.number = any(cast(:numbers as text[]))
    order by i.number
""")

_STATEMENTS = text("""
    select document::text from statement
    where settlement_id = any(cast(:settlements as uuid[])) order by number
""")

_QUEUE = text("""
    insert into document_file (document_id, kind, settlement_id, invoice_id, statement_id, period, issuer,
                               recipient, number, file_name, media_type, keep_until, state, reason_de,
                               reason_en, made_at)
    select u.document_id, u.kind, u.settlement_id, case when not u.of_statement then u.source_id end,
           case when u.of_statement then u.source_id end, u.period, u.issuer, u.recipient, u.number,
           u.file_name, u.media_type, u.keep_until,
           case when u.reason_de is null then 'pending' else 'impossible' end, u.reason_de, u.reason_en,
           case when u.reason_de is not null then cast(:now as timestamptz) end
    from unnest(cast(:ids as uuid[]), cast(:kinds as text[]), cast(:settlements as uuid[]),
                cast(:sources as uuid[]), cast(:of_statements as bool[]), cast(:periods as text[]),
                cast(:issuers as text[]), cast(:recipients as text[]), cast(:numbers as text[]),
                cast(:names as text[]), cast(:media_types as text[]), cast(:keeps as date[]),
                cast(:reasons_de as text[]), cast(:reasons_en as text[]))
         u (document_id, kind, settlement_id, source_id, of_statement, period, issuer, recipient, number,
            file_name, media_type, keep_until, reason_de, reason_en)
    on conflict do nothing
""")

# Invoices come first: they are what others wait for.
_PENDING = text("""
    select document_id::text, kind from document_file
    where state = 'pending' and document_id <> all(cast(:without as uuid[]))
    order by kind desc, document_id limit :limit
""")

_JOBS = text("""
    select f.document_id::text, f.kind,
           coalesce(i.document::text, s.document::text), i.head::text,
           (select coalesce(array_agg(l.document::text order by l.position), '{}')
            from invoice_line l where l.invoice_id = f.invoice_id),
           s.member, f.settlement_id::text,
           (select p.settlement_id::text from settlement p
            where s.member is not null and p.period < f.period and p.state = 'issued'
            order by p.period desc limit 1),
           (select coalesce(array_agg(distinct v.document->>'legal_basis')
                            filter (where v.document->>'legal_basis' is not null), '{}')
            from invoice_line n join charge_line c using (settlement_id, line)
            join levy v on v.levy_id = cast(c.document->>'levy_id' as uuid)
            where n.invoice_id = f.invoice_id and f.kind like 'notice%')
    from document_file f
    left join invoice i using (invoice_id)
    left join statement s using (statement_id)
    where f.document_id = any(cast(:ids as uuid[])) and f.state = 'pending'
""")

# What is on hold is on no document.
_CHARGED = text("""
    select distinct l.line, l.document::text
    from charge_line l join invoice_line i using (settlement_id, line)
    where l.settlement_id = :settlement_id and (l.payer = :member or l.payee = :member)
    order by l.line
""")

_PERIOD = text("select period from settlement where settlement_id = :settlement_id")

_SAVE = text("""
    update document_file f
    set state = case when u.content is null then 'impossible' else 'made' end, reason_de = u.reason_de,
        reason_en = u.reason_en, content = u.content, sha256 = encode(sha256(u.content), 'hex'),
        made_at = :now
    from unnest(cast(:ids as uuid[]), cast(:contents as bytea[]), cast(:reasons_de as text[]),
                cast(:reasons_en as text[])) u (document_id, content, reason_de, reason_en)
    where f.document_id = u.document_id and f.state = 'pending'
    returning f.document_id
""")

_SHOWN = """
    select document_id::text, kind, period, issuer, recipient, number, file_name, media_type, state,
           coalesce(octet_length(content), 0), sha256, made_at, reason_de, reason_en
    from document_file
"""

_MINE = "(:sees_all or :caller in (issuer, recipient))"

_PAGE = text(f"""
    {_SHOWN}
    where period = :period and file_name > :after and {_MINE}
      and (cast(:kind as text) is null or kind = :kind)
      and (cast(:member as text) is null or :member in (issuer, recipient))
    order by file_name limit :limit
""")

_COUNT_PENDING = text(f"""
    select count(*) from document_file where period = :period and state = 'pending' and {_MINE}
""")

_ONE = text(f"{_SHOWN} where document_id = :document_id and {_MINE}")

_PART = text("""
    select substring(content from :start for :length) from document_file where document_id = :document_id
""")


async def queue(
    tx: AsyncConnection,
    register: MemberRegister,
    now: dt.datetime,
    *,
    settlements: Collection[str] = (),
    numbers: Collection[str] = (),
) -> None:
    """Queue the files of runs that are issued, and of documents that are issued by themselves.

    Args:
        tx: the transaction that issues them, so that nothing is issued without its files.
        register: tells whose statement lacks a body.
        now: when it is known that a file is impossible.
        settlements: ids of runs.
        numbers: of documents.
    """
    asked = {"settlements": list(settlements), "numbers": list(numbers)}
    found = [
        file
        for head, missing, bears_vat in await tx.execute(_INVOICES, asked)
        for file in files_of_invoice(InvoiceHead.model_validate_json(head), missing, bears_vat=bears_vat)
    ]
    bodies = {member.id for member in register.members if member.body is not None}
    for (document,) in await tx.execute(_STATEMENTS, {"settlements": list(settlements)}):
        statement = StatementIssued.model_validate_json(document)
        missing = next(
            (each for each in (statement.member, statement.clearing_house) if each not in bodies), None
        )
        found += files_of_statement(statement, missing)
    await _queue(tx, found, now)


async def _queue(tx: AsyncConnection, files: Sequence[File], now: dt.datetime) -> None:
    reasons = [each.refusal.sentences if each.refusal else (None, None) for each in files]
    await tx.execute(
        _QUEUE,
        {
            "now": now,
            "ids": [each.document_id for each in files],
            "kinds": [each.kind for each in files],
            "settlements": [each.settlement_id for each in files],
            "sources": [each.source_id for each in files],
            "of_statements": [each.of_statement for each in files],
            "periods": [each.period for each in files],
            "issuers": [each.issuer for each in files],
            "recipients": [each.recipient for each in files],
            "numbers": [each.number for each in files],
            "names": [each.file_name for each in files],
            "media_types": [each.media_type for each in files],
            "keeps": [each.keep_until for each in files],
            "reasons_de": [german for german, _ in reasons],
            "reasons_en": [english for _, english in reasons],
        },
    )


async def pending(connection: AsyncConnection, limit: int, without: Collection[str]) -> list[tuple[str, str]]:
    """Find files that are not made yet, with their kinds; some are left out."""
    rows = await connection.execute(_PENDING, {"limit": limit, "without": sorted(without)})
    return [(row[0], row[1]) for row in rows]


async def jobs(connection: AsyncConnection, ids: Sequence[str]) -> list[Job]:
    """Read what files are made of, as it stands in the database; a statement's also of the period before."""
    found = []
    for row in (await connection.execute(_JOBS, {"ids": list(ids)})).all():
        document_id, kind, document, head, lines, member, settlement_id, before, bases = row
        if member is None:
            whole = f'{document[:-1]},"head":{head},"lines":[{",".join(lines)}]}}'
            found.append(Job(document_id, kind, whole, legal_bases=tuple(bases)))
            continue
        charged = await _charged(connection, settlement_id, member)
        against, earlier = None, []
        if before is not None:
            against = (await connection.execute(_PERIOD, {"settlement_id": before})).scalar_one()
            earlier = await _charged(connection, before, member)
        found.append(Job(document_id, kind, document, tuple(charged), against, tuple(earlier)))
    return found


async def _charged(connection: AsyncConnection, settlement_id: str, member: str) -> list[str]:
    rows = await connection.execute(_CHARGED, {"settlement_id": settlement_id, "member": member})
    return [row[1] for row in rows]


async def save(tx: AsyncConnection, outcomes: Iterable[Outcome], now: dt.datetime) -> int:
    """Keep files that are made, or why they cannot be; what is made already stays. Returns how many."""
    found = list(outcomes)
    rows = await tx.execute(
        _SAVE,
        {
            "now": now,
            "ids": [each.document_id for each in found],
            "contents": [each.content for each in found],
            "reasons_de": [each.reasons[0] if each.reasons else None for each in found],
            "reasons_en": [each.reasons[1] if each.reasons else None for each in found],
        },
    )
    return len(rows.all())


async def page(  # noqa: PLR0913 - what a page is asked by
    connection: AsyncConnection,
    caller: Caller,
    *,
    period: str,
    kind: str | None,
    member: str | None,
    after: str,
    limit: int,
) -> tuple[list[DocumentMade], int]:
    """Read a page of the files that somebody may see, and how many of the period are pending."""
    about = {"period": period, "sees_all": caller.sees_all, "caller": caller.member}
    rows = await connection.execute(
        _PAGE, {**about, "kind": kind, "member": member, "after": after, "limit": limit}
    )
    waiting = (await connection.execute(_COUNT_PENDING, about)).scalar_one()
    return [_shown(tuple(row)) for row in rows], waiting


async def one(connection: AsyncConnection, caller: Caller, document_id: str) -> DocumentMade | None:
    """Find a file that somebody may see."""
    about = {"document_id": document_id, "sees_all": caller.sees_all, "caller": caller.member}
    row = (await connection.execute(_ONE, about)).first()
    return _shown(tuple(row)) if row is not None else None


async def part(connection: AsyncConnection, document_id: str, number: int) -> bytes:
    """Read a part of a file that is made."""
    about = {"document_id": document_id, "start": number * PART_BYTES + 1, "length": PART_BYTES}
    return bytes((await connection.execute(_PART, about)).scalar_one())


def _shown(row: tuple[object, ...]) -> DocumentMade:
    return DocumentMade.model_validate(dict(zip(DocumentMade.model_fields, row, strict=True)))
