"""Nettings, payments, entries of account statements, reminders.

Revision ID: 0009
"""

from allmende.servicekit import migration

revision = "0009"
down_revision = "0008"

TABLES = """
-- What neither a closing nor a reversal posts is posted by a netting or a payment.
alter table journal_entry drop constraint journal_entry_check1;
alter table journal_entry add constraint journal_entry_has_a_source
    check (settlement_id is not null or reverses is not null or kind in ('netting', 'payment'));

alter table invoice add unique (number, gross_cents);

-- How much of a document is applied in nettings: never more than its gross amount, whoever nets at once.
create table document_balance (
    document      text   primary key,
    gross_cents   bigint not null,
    applied_cents bigint not null default 0,
    foreign key (document, gross_cents) references invoice (number, gross_cents),
    constraint applied_within_gross
        check (applied_cents between least(gross_cents, 0) and greatest(gross_cents, 0))
);
create index document_balance_open on document_balance (document) where applied_cents <> gross_cents;

create table netting (
    netting_id  uuid        primary key,
    method      text        not null check (method in ('clearing_house', 'bilateral', 'cycles')),
    due_by      date        not null,
    arranged_by text        not null,
    arranged_at timestamptz not null,
    claim       json        not null,
    document    json        not null
);

-- What both sides' banks told of a payment; more of the two is what is paid.
create table payment (
    payment_id     uuid   primary key,
    number         bigint generated always as identity unique,
    netting_id     uuid   not null references netting,
    debtor         text   not null,
    creditor       text   not null,
    amount_cents   bigint not null check (amount_cents > 0),
    reference      text   not null unique,
    due_on         date   not null,
    debited_cents  bigint not null default 0,
    credited_cents bigint not null default 0,
    paid_on        date,
    document       json   not null,
    check (debtor <> creditor),
    constraint debited_within_amount check (debited_cents between 0 and amount_cents),
    constraint credited_within_amount check (credited_cents between 0 and amount_cents),
    check ((paid_on is null) = (greatest(debited_cents, credited_cents) = 0))
);
create index payment_of_debtor on payment (debtor, number);
create index payment_of_creditor on payment (creditor, number);
create index payment_open on payment (due_on) where greatest(debited_cents, credited_cents) < amount_cents;

-- What of a document a netting settles. Who owes it and who is owed it is turned where it gives back. Without
-- a payment, it is offset as a whole for that side.
create table netting_item (
    netting_id       uuid   not null references netting,
    document         text   not null references document_balance,
    debtor           text   not null,
    creditor         text   not null,
    amount_cents     bigint not null check (amount_cents <> 0),
    debtor_payment   uuid   references payment,
    creditor_payment uuid   references payment,
    primary key (netting_id, document)
);
create index netting_item_of_document on netting_item (document);
create index netting_item_of_debtor on netting_item (debtor);
create index netting_item_of_creditor on netting_item (creditor);

-- What of documents is paid or offset, for each of their two parties. What is open of a payment lies on the
-- documents that were due last (§ 366 Abs. 2 BGB: older debts are paid first).
create view document_paid as
select s.document, s.member,
       sum(sign(s.amount_cents) * (s.cents - least(s.cents, greatest(s.rest - s.until + s.cents, 0))))::bigint
           as paid_cents,
       array_agg(s.payment_id) filter (where s.payment_id is not null) as payments
from (
    select n.document, n.member, n.payment_id, n.amount_cents, abs(n.amount_cents) as cents,
           coalesce(p.amount_cents - greatest(p.debited_cents, p.credited_cents), 0) as rest,
           sum(abs(n.amount_cents)) over (partition by n.member, n.payment_id
                                          order by i.due_on desc, n.document desc
                                          rows unbounded preceding) as until
    from (
        select document, debtor as member, debtor_payment as payment_id, amount_cents from netting_item
        union all
        select document, creditor, creditor_payment, amount_cents from netting_item
    ) n
    join invoice i on i.number = n.document
    left join payment p on p.payment_id = n.payment_id
) s
group by s.document, s.member;

-- Each line stands on the document that was not taken back.
create view document_disputed as
select i.number as document, sum(d.gross_cents)::bigint as gross_cents
from disputed_line d
join invoice_line l using (settlement_id, line)
join invoice i using (invoice_id)
where i.gross_cents > 0 and not exists (select from invoice later where later.preceding = i.number)
group by i.number;

create or replace view statement_paid as
select st.statement_id, sum(d.paid_cents)::bigint as paid_cents
from statement st
join invoice i on i.settlement_id = st.settlement_id and i.recipient = st.member
join document_paid d on d.document = i.number and d.member = st.member
group by 1;

-- Entries that paid something or took it back; the bank's reference is unique within the account.
create table bank_entry (
    iban         text        not null,
    entry_id     text        not null,
    member       text        not null,
    statement_id text        not null,
    amount_cents bigint      not null,
    payment_id   uuid        not null references payment,
    paid_cents   bigint      not null check (paid_cents <> 0),
    reported_at  timestamptz not null,
    document     json        not null,
    primary key (iban, entry_id)
);
create index bank_entry_of_payment on bank_entry (payment_id);

-- Each step once for each payment; its amounts are lines of the run of this period.
create table reminder (
    payment_id        uuid        not null references payment,
    step              int         not null check (step > 0),
    period            text        not null,
    as_of             date        not null,
    fee_cents         bigint      not null check (fee_cents >= 0),
    late_charge_cents bigint      not null check (late_charge_cents >= 0),
    sent_by           text        not null,
    sent_at           timestamptz not null,
    claim             json        not null,
    document          json        not null,
    primary key (payment_id, step)
);
create index reminder_of_period on reminder (period);
"""

_APPEND_ONLY = ("netting", "netting_item", "bank_entry", "reminder")


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    migration.grant(
        {
            "document_balance": "select, insert, update (applied_cents)",
            "document_paid": "select",
            "document_disputed": "select",
            "payment": "select, insert, update (debited_cents, credited_cents, paid_on)",
        }
    )
