"""Settlement runs with their states and alerts, and the documents that they issue.

Revision ID: 0007
"""

from allmende.servicekit import migration

revision = "0007"
down_revision = "0006"

TABLES = """
-- A period takes no more charges once it is collected (closed_at), and nothing is posted in it once its run
-- is issued.
alter table accounting_period add column issued_at timestamptz;
update accounting_period set issued_at = closed_at;

alter table settlement
    add column state          text        not null default 'issued'
        check (state in ('draft', 'in_review', 'issued')),
    add column revision       int         not null default 1,
    add column grace_until    timestamptz,
    add column redraft_reason text,
    add column late_records   bigint      not null default 0,
    add column reviewed_by    text,
    add column reviewed_at    timestamptz,
    add column review_claim   json,
    add column approved_by    text,
    add column issued_at      timestamptz,
    add column approval_claim json,
    add check (reviewed_by <> approved_by),
    add check (state <> 'draft' or reviewed_by is null),
    add check (state = 'issued' or approved_by is null);

-- What somebody has to decide on before the run is issued; a line stays out until it is released.
create table run_alert (
    settlement_id uuid        not null references settlement,
    alert         int         not null,
    line          int,
    provider      text        not null,
    decision      text        check (decision in ('released', 'held')),
    decided_by    text,
    reason        text,
    decided_at    timestamptz,
    claim         json,
    document      json        not null,
    primary key (settlement_id, alert),
    foreign key (settlement_id, line) references charge_line,
    check ((decision is null) = (decided_by is null)),
    check (line is not null or decision is distinct from 'released')
);
create index run_alert_open on run_alert (settlement_id) where decision is null;

-- A line that an issued run left out, and the line of the run that took it up.
create table carried_line (
    from_settlement uuid not null,
    from_line       int  not null,
    settlement_id   uuid not null,
    line            int  not null,
    primary key (from_settlement, from_line),
    foreign key (from_settlement, from_line) references charge_line,
    foreign key (settlement_id, line) references charge_line
);

-- Numbers of documents, gapless by issuer, kind (R, G, U) and year; whoever issues holds the row.
create table invoice_series (
    issuer      text   not null,
    kind        text   not null check (kind in ('R', 'G', 'U')),
    year        int    not null,
    last_number bigint not null check (last_number >= 0),
    primary key (issuer, kind, year)
);

-- Documents as they were issued; document holds an Invoice without its lines and head.
create table invoice (
    invoice_id    uuid    primary key,
    number        text    not null unique,
    kind          text    not null check (kind in ('invoice', 'credit_note', 'notice')),
    settlement_id uuid    not null references settlement,
    period        text    not null,
    issuer        text    not null,
    recipient     text    not null,
    issued_on     date    not null,
    due_on        date    not null,
    reference     text    not null,
    net_cents     bigint  not null,
    tax_cents     bigint  not null,
    gross_cents   bigint  not null,
    preceding     text    references invoice (number),
    keep_until    date    not null,
    head          json    not null,
    document      json    not null,
    check (issuer <> recipient),
    check (gross_cents = net_cents + tax_cents)
);
create index invoice_of_issuer on invoice (issuer, number);
create index invoice_of_recipient on invoice (recipient, number);
create index invoice_of_settlement on invoice (settlement_id);

-- A line is on one document, and again on those that take it back and replace it.
create table invoice_line (
    invoice_id    uuid    not null references invoice,
    position      int     not null,
    settlement_id uuid    not null,
    line          int     not null,
    net_cents     bigint  not null,
    category      text    not null,
    rate_percent  numeric not null,
    rule          text,
    service_year  int     not null,
    budget_item   text,
    document      json    not null,
    primary key (invoice_id, position),
    foreign key (settlement_id, line) references charge_line
);
create index invoice_of_line on invoice_line (settlement_id, line);
"""

_APPEND_ONLY = ("invoice", "invoice_line")


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    migration.grant(
        {
            "invoice_series": "select, insert, update",
            "run_alert": "select, insert, update, delete",
            "carried_line": "select, insert, delete",
        }
    )
