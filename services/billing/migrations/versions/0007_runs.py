"""Settlement runs with their states and alerts, and the documents that they issue.

Revision ID: 0007
"""

from alembic import op

from allmende.servicekit import migration

revision = "0007"
down_revision = "0006"

TABLES = """
-- A period takes no more charges once it is collected (closed_at), and nothing is posted in it once its run
-- is issued.
alter table accounting_period add column issued_at timestamptz;
update accounting_period set issued_at = closed_at;

-- Until now what was collected was issued at once, and nothing of it could be removed.
drop trigger settlement_is_append_only on settlement;
drop trigger charge_line_is_append_only on charge_line;
drop trigger component_charge_is_append_only on component_charge;

-- closed_at is when the period was collected first.
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
update settlement set issued_at = closed_at;
-- What is collected rests on every run before it, so one run at a time is not issued.
create unique index one_run_is_open on settlement ((true)) where state <> 'issued';

-- Drafting anew removes lines, for which the database looks up who refers to them.
create index component_charge_of_line on component_charge (settlement_id, line);
create index usage_late_rated on usage_late (rated_in);

-- What somebody has to decide on before the run is issued; a line stays out until all of its alerts are
-- released.
create table run_alert (
    settlement_id   uuid        not null references settlement,
    alert           int         not null,
    line            int,
    provider        text        not null,
    decision        text        check (decision in ('released', 'held')),
    decided_by      text,
    reason          text,
    decided_at      timestamptz,
    after_review    bool        not null default false,
    claim           json,
    document        json        not null,
    primary key (settlement_id, alert),
    foreign key (settlement_id, line) references charge_line,
    check ((decision is null) = (decided_by is null)),
    check (line is not null or decision is distinct from 'released')
);
create index run_alert_open on run_alert (settlement_id) where decision is null;
create index run_alert_of_line on run_alert (settlement_id, line) where line is not null;
create index run_alert_held on run_alert (settlement_id, line) where decision = 'held' and line is not null;

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
create index carried_line_to on carried_line (settlement_id, line);

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

GUARDS = """
-- What a run consists of can be removed as long as the run is not issued.
create function refuse_change_of_issued() returns trigger language plpgsql as $$
begin
    if (select state from settlement where settlement_id = old.settlement_id) = 'issued' then
        raise exception 'rows of % are never changed or removed once their run is issued', tg_table_name
            using errcode = 'restrict_violation';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end $$;

-- A run goes forward only, by one step: it is drafted anew as its next revision, reviewed, or issued.
create function refuse_step() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.state = 'issued' then
        raise exception 'rows of settlement are never changed or removed once they are issued'
            using errcode = 'restrict_violation';
    end if;
    if new.settlement_id <> old.settlement_id or new.period <> old.period or not (
        (new.state = 'draft' and new.revision = old.revision + 1)
        or (new.revision = old.revision
            and (old.state, new.state) in (('draft', 'in_review'), ('in_review', 'issued')))
    ) then
        raise exception 'a run does not go from % (revision %) to % (revision %)',
            old.state, old.revision, new.state, new.revision using errcode = 'check_violation';
    end if;
    return new;
end $$;

create or replace function refuse_entry() returns trigger language plpgsql as $$
declare
    place text;
begin
    select p.period into place from added e
    join accounting_period p on p.period = to_char(e.value_date, 'YYYY-MM') and p.issued_at is not null
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

create trigger settlement_goes_forward before update or delete on settlement
    for each row execute function refuse_step();
"""

_APPEND_ONLY = ("invoice", "invoice_line")
_NEVER_CHANGED = ("charge_line", "component_charge", "carried_line")
"""Rows are written once, and removed at most with the draft of which they are."""


def upgrade() -> None:
    migration.script(TABLES)
    migration.script(GUARDS)
    for table in (*_NEVER_CHANGED, "run_alert"):
        op.execute(
            f"create trigger {table}_stays_once_issued before update or delete on {table} "
            "for each row execute function refuse_change_of_issued()"
        )
    for table in _NEVER_CHANGED:
        op.execute(
            f"create trigger {table}_is_not_changed before update on {table} "
            "for each row execute function refuse_change()"
        )
    for table in ("run_alert", "carried_line"):
        op.execute(
            f"create trigger {table}_is_never_emptied before truncate on {table} "
            "for each statement execute function refuse_change()"
        )
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    migration.grant(
        {
            "settlement": "select, insert, update",
            "charge_line": "select, insert, delete",
            "component_charge": "select, insert, delete",
            "invoice_series": "select, insert, update",
            "run_alert": "select, insert, update, delete",
            "carried_line": "select, insert, delete",
        }
    )
