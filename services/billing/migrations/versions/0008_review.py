"""The recipient's side of statements, objections, levies and documents that are taken back and made anew.

Revision ID: 0008
"""

from allmende.servicekit import migration

revision = "0008"
down_revision = "0007"

TABLES = """
-- How far the recipient of a statement is: certified by one person, ordered by another.
create table statement_review (
    statement_id        uuid        primary key references statement,
    certified_by        text        not null,
    certified_at        timestamptz not null,
    remark              text,
    certification_claim json        not null,
    ordered_by          text,
    ordered_at          timestamptz,
    kassenzeichen       text,
    order_claim         json,
    check (certified_by <> ordered_by),
    check (num_nulls(ordered_by, ordered_at, kassenzeichen, order_claim) in (0, 4))
);

create function refuse_second_decision() returns trigger language plpgsql as $$
begin
    raise exception 'what is decided in % stands', tg_table_name using errcode = 'check_violation';
end $$;

create trigger an_order_stands before update on statement_review
    for each row when (old.ordered_by is not null) execute function refuse_second_decision();

-- Gross amounts hold the VAT of the line alone. The credit of one that is upheld is a line of the run of
-- credit_in, read from here as often as that run is drafted.
create table objection (
    objection_id       uuid    primary key,
    number             bigint  generated always as identity unique,
    settlement_id      uuid    not null,
    line               int     not null,
    period             text    not null,
    payer              text    not null,
    payee              text    not null,
    levy_id            uuid    references levy,
    gross_cents        bigint  not null,
    suspends           boolean not null,
    state              text    not null default 'raised'
        check (state in ('raised', 'upheld', 'dismissed', 'withdrawn')),
    credit_cents       bigint  not null default 0 check (credit_cents >= 0),
    credit_gross_cents bigint  not null default 0 check (credit_gross_cents between 0 and gross_cents),
    credit_in          text,
    credit             json,
    raised             json    not null,
    raise_claim        json    not null,
    settled            json,
    settle_claim       json,
    foreign key (settlement_id, line) references charge_line,
    check (payer <> payee),
    check ((state = 'raised') = (settled is null) and (state = 'raised') = (settle_claim is null)),
    check ((state = 'upheld') = (credit_cents > 0)),
    check ((state = 'upheld') = (credit_in is not null) and (state = 'upheld') = (credit is not null))
);
create unique index objection_open on objection (settlement_id, line) where state = 'raised';
create index objection_of_line on objection (settlement_id, line);
create index objection_of_payer on objection (payer, number);
create index objection_of_payee on objection (payee, number);
create index objection_of_levy on objection (levy_id) where levy_id is not null;
create index objection_credit on objection (credit_in) where credit_in is not null;

create trigger a_decision_stands before update on objection
    for each row when (old.state <> 'raised') execute function refuse_second_decision();

-- A levy that is taken back, with the lines that do so in the run of the period; without lines where it was
-- not charged yet.
create table levy_reversal (
    levy_id     uuid        primary key references levy,
    period      text        not null,
    reversed_at timestamptz not null,
    document    json        not null,
    claim       json        not null,
    lines       json        not null
);
create index levy_reversal_of_period on levy_reversal (period);

create table levy_replacement (
    replaces uuid primary key references levy_reversal,
    levy_id  uuid not null unique references levy
);

-- Who had a document issued again, and by which documents.
create table invoice_reissue (
    number      text        primary key references invoice (number),
    credit_note text        not null unique references invoice (number),
    replacement text        not null unique references invoice (number),
    reissued_at timestamptz not null,
    document    json        not null,
    claim       json        not null
);

-- What of a line need not be paid: all that is disputed with suspensive effect, and what is credited until
-- the run that credits it is issued.
create view disputed_line as
select o.settlement_id, o.line, o.payer, o.payee,
       sum(case o.state when 'raised' then o.gross_cents else o.credit_gross_cents end)::bigint as gross_cents
from objection o
left join accounting_period p on p.period = o.credit_in
where o.suspends and (o.state = 'raised' or (o.state = 'upheld' and p.issued_at is null))
group by 1, 2, 3, 4;

-- What of the gross payable of statements is paid or offset; empty until payments are kept.
create view statement_paid as select statement_id, 0::bigint as paid_cents from statement where false;
"""

_APPEND_ONLY = ("levy_reversal", "levy_replacement", "invoice_reissue")


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    migration.grant(
        {
            "statement_review": (
                "select, insert, update (ordered_by, ordered_at, kassenzeichen, order_claim)"
            ),
            "objection": (
                "select, insert, "
                "update (state, credit_cents, credit_gross_cents, credit_in, credit, settled, settle_claim)"
            ),
            "disputed_line": "select",
            "statement_paid": "select",
            # Locking a levy, so that one at a time decides on it, takes the right to update it; the trigger
            # refuses that.
            "levy": "update",
        }
    )
