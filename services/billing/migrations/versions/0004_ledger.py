"""The ledger: accounts, gapless numbers, a hash chain, reversals.

Revision ID: 0004
"""

import json

import sqlalchemy as sa
from alembic import op

from allmende.schemas import chain
from allmende.schemas.journal import GENESIS, JournalEntry, JournalPosting
from allmende.servicekit import migration

revision = "0004"
down_revision = "0003"

TABLES = """
alter table journal_entry rename to old_journal_entry;
alter table old_journal_entry rename constraint journal_entry_pkey to old_journal_entry_pkey;
alter table posting rename to old_posting;
alter table old_posting rename constraint posting_pkey to old_posting_pkey;

-- The value date decides period and budget year, booked_at is when the entry was written.
create table journal_entry (
    entry_id      uuid        primary key,
    sequence      bigint      not null unique check (sequence > 0),
    value_date    date        not null,
    booked_at     timestamptz not null,
    kind          text        not null,
    narration     text        not null,
    reference     text        not null,
    settlement_id uuid        references settlement,
    reverses      uuid        unique references journal_entry,
    reason        text,
    previous_hash text        not null,
    hash          text        not null,
    check ((reverses is null) = (reason is null)),
    check (settlement_id is not null or reverses is not null),
    check (reverses <> entry_id)
);
create index journal_entry_of_day on journal_entry (value_date, sequence);

-- Debit is positive, credit negative.
create table posting (
    entry_id     uuid   not null references journal_entry,
    position     int    not null,
    account      text   not null,
    body         text   not null,
    amount_cents bigint not null check (amount_cents <> 0),
    primary key (entry_id, position),
    check (split_part(account, ':', 1) = body)
);

create table number_series (
    body        text   not null,
    year        int    not null,
    last_number bigint not null check (last_number >= 0),
    primary key (body, year)
);

create table entry_number (
    body     text   not null,
    year     int    not null,
    number   bigint not null check (number > 0),
    entry_id uuid   not null references journal_entry,
    primary key (body, year, number),
    unique (entry_id, body)
);

-- One row: where the chain ends. Whoever posts holds it until the transaction ends.
create table ledger_head (
    only_one boolean primary key default true check (only_one),
    sequence bigint  not null,
    hash     text    not null
);
"""

# Until now an entry had one posting for each of its two parties: what the first owes the second.
ROWS = """
create temporary table moved on commit drop as
select e.entry_id, e.settlement_id, e.period, e.narration, e.posted_at, a.party as payer, b.party as payee,
       b.amount_cents as cents, case when e.narration like 'Umlage%' then 'levy' else 'charge' end as kind,
       case when e.narration like 'Umlage%' then 'umlage' else 'leistungen' end as detail,
       row_number() over (order by e.posted_at, e.settlement_id, e.narration, e.entry_id) as sequence
from old_journal_entry e
join old_posting a on a.entry_id = e.entry_id and a.position = 1
join old_posting b on b.entry_id = e.entry_id and b.position = 2;

insert into journal_entry (entry_id, sequence, value_date, booked_at, kind, narration, reference,
                           settlement_id, previous_hash, hash)
select entry_id, sequence, ((period || '-01')::date + interval '1 month - 1 day')::date, posted_at, kind,
       narration, concat_ws('/', period, kind, payer, payee), settlement_id, '', ''
from moved;

insert into posting (entry_id, position, account, body, amount_cents)
select m.entry_id, s.position, s.account, split_part(s.account, ':', 1), s.cents
from moved m, lateral (values
    (1, m.payer || ':aufwendungen:' || m.detail, m.cents),
    (2, m.payer || ':verbindlichkeiten:' || m.payee, -m.cents),
    (3, m.payee || ':forderungen:' || m.payer, m.cents),
    (4, m.payee || ':erträge:' || m.detail, -m.cents)
) s (position, account, cents);

insert into entry_number (body, year, number, entry_id)
select u.body, left(m.period, 4)::int,
       row_number() over (partition by u.body, left(m.period, 4) order by m.sequence), m.entry_id
from moved m, lateral (values (m.payer), (m.payee)) u (body);

insert into number_series select body, year, max(number) from entry_number group by body, year;

drop table old_posting;
drop table old_journal_entry;
drop function refuse_unbalanced();
"""

MOVED = """
select e.sequence, e.entry_id::text, e.value_date, e.booked_at, e.kind, e.narration, e.reference,
       e.settlement_id::text,
       (select json_object_agg(n.body, n.year || '/' || lpad(n.number::text, 6, '0'))::text
        from entry_number n where n.entry_id = e.entry_id) as numbers,
       (select json_agg(json_build_array(p.account, p.amount_cents) order by p.position)::text
        from posting p where p.entry_id = e.entry_id) as postings
from journal_entry e order by e.sequence
"""

CHAINED = """
update journal_entry e set previous_hash = u.previous, hash = u.hash
from unnest(cast(:ids as uuid[]), cast(:previous as text[]), cast(:hashes as text[])) u (id, previous, hash)
where e.entry_id = u.id
"""

GUARDS = """
create function refuse_unbalanced() returns trigger language plpgsql as $$
declare
    total numeric;
    owner text;
begin
    select sum(amount_cents) into total from posting where entry_id = new.entry_id;
    if total <> 0 then
        raise exception 'the postings of entry % sum to % cents, not to zero', new.entry_id, total
            using errcode = 'check_violation';
    end if;
    select body, sum(amount_cents) into owner, total from posting where entry_id = new.entry_id
    group by body having sum(amount_cents) <> 0 limit 1;
    if found then
        raise exception 'the postings of entry % to % sum to % cents, not to zero', new.entry_id, owner, total
            using errcode = 'check_violation';
    end if;
    return null;
end $$;

create constraint trigger entry_balances after insert on posting
    deferrable initially deferred for each row execute function refuse_unbalanced();

-- The closing of a period posts before it marks the period as closed.
create function refuse_entry() returns trigger language plpgsql as $$
declare
    place text;
begin
    select p.period into place from added e
    join accounting_period p on p.period = to_char(e.value_date, 'YYYY-MM') and p.closed_at is not null
    limit 1;
    if found then
        raise exception 'the period % is closed', place using errcode = 'check_violation';
    end if;
    select r.sequence into place from added e
    join journal_entry r on r.entry_id = e.reverses and r.reverses is not null limit 1;
    if found then
        raise exception 'entry % is a reversal, which is not reversed', place
            using errcode = 'check_violation';
    end if;
    return null;
end $$;

create trigger entry_is_in_order after insert on journal_entry
    referencing new table as added for each statement execute function refuse_entry();
"""

_APPEND_ONLY = ("journal_entry", "posting", "entry_number")


def upgrade() -> None:
    migration.script(TABLES)
    migration.script(ROWS)
    _chain()
    migration.script(GUARDS)
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    migration.grant({"number_series": "select, insert, update", "ledger_head": "select, update"})


def _chain() -> None:
    """Chain what there is, in the order in which it was posted."""
    connection = op.get_bind()
    previous, links = GENESIS, []
    for row in connection.execute(sa.text(MOVED)):
        entry = JournalEntry(
            sequence=row.sequence,
            entry_id=row.entry_id,
            date=row.value_date,
            booked_at=row.booked_at,
            kind=row.kind,
            narration=row.narration,
            reference=row.reference,
            settlement_id=row.settlement_id,
            reverses=None,
            reason=None,
            numbers=json.loads(row.numbers),
            postings=tuple(
                JournalPosting(account=account, amount_cents=cents)
                for account, cents in json.loads(row.postings)
            ),
            previous_hash=previous,
            hash=GENESIS,
        )
        links.append((row.entry_id, previous, chain.hash_of(entry)))
        previous = links[-1][2]
    columns = {
        "ids": [id_ for id_, _, _ in links],
        "previous": [before for _, before, _ in links],
        "hashes": [hash_ for _, _, hash_ in links],
    }
    connection.execute(sa.text(CHAINED), columns)
    connection.execute(
        sa.text("insert into ledger_head (sequence, hash) values (:sequence, :hash)"),
        {"sequence": len(links), "hash": previous},
    )
