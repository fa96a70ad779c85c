"""Bookings, usage, levies, settlements, ledger.

Revision ID: 0001
"""

from allmende.servicekit import migration

revision = "0001"
down_revision = None

TABLES = """
-- The picture of bookings, with the terms frozen into them.
create table booking (
    booking_id         uuid  primary key,
    provider           text  not null,
    consumer           text  not null,
    start_day          date  not null,
    end_day            date,
    terms              json  not null,
    one_time_charged_in text
);
create index booking_with_open_charges on booking (start_day) where one_time_charged_in is null;

create table accounting_period (
    period    text primary key,
    closed_at timestamptz
);

create table usage_record (
    source       text        not null,
    record_id    text        not null,
    booking_id   uuid        not null,
    meter        text        not null,
    quantity     numeric     not null check (quantity >= 0),
    started_at   timestamptz not null,
    ended_at     timestamptz not null,
    period       text        not null,
    digest       bytea       not null,
    state        text        not null check (state in ('recorded', 'parked', 'refused')),
    parked_until timestamptz,
    received_at  timestamptz not null,
    primary key (source, record_id),
    check ((state = 'parked') = (parked_until is not null))
);
create index usage_of_period on usage_record (period, booking_id, meter) where state = 'recorded';
create index usage_parked_for on usage_record (booking_id) where state = 'parked';
create index usage_overdue on usage_record (parked_until) where state = 'parked';

create table levy (
    levy_id      uuid        primary key,
    period       text        not null,
    title        text        not null,
    amount_cents bigint      not null,
    charged_at   timestamptz not null,
    document     json        not null,
    shares       json        not null
);
create index levy_of_period on levy (period);

create table settlement (
    settlement_id uuid        primary key,
    period        text        not null unique,
    closed_at     timestamptz not null,
    document      json        not null
);

create table statement (
    statement_id  uuid   primary key,
    settlement_id uuid   not null references settlement,
    member        text   not null,
    period        text   not null,
    number        text   not null unique,
    document      json   not null,
    unique (settlement_id, member)
);

create table charge_line (
    settlement_id uuid   not null references settlement,
    line          int    not null,
    payer         text   not null,
    payee         text   not null,
    amount_cents  bigint not null,
    document      json   not null,
    primary key (settlement_id, line),
    check (payer <> payee)
);
create index charge_line_of_payer on charge_line (settlement_id, payer, line);
create index charge_line_of_payee on charge_line (settlement_id, payee, line);

-- The ledger of the clearing house: what a party is owed is positive, what it owes negative.
create table journal_entry (
    entry_id      uuid        primary key,
    settlement_id uuid        not null references settlement,
    period        text        not null,
    narration     text        not null,
    posted_at     timestamptz not null
);

create table posting (
    entry_id     uuid   not null references journal_entry,
    position     int    not null,
    party        text   not null,
    amount_cents bigint not null,
    primary key (entry_id, position)
);

create function refuse_unbalanced() returns trigger language plpgsql as $$
declare
    total numeric;
begin
    select sum(amount_cents) into total from posting where entry_id = new.entry_id;
    if total <> 0 then
        raise exception 'the postings of entry % sum to % cents, not to zero', new.entry_id, total
            using errcode = 'check_violation';
    end if;
    return null;
end $$;

create constraint trigger entry_balances after insert on posting
    deferrable initially deferred for each row execute function refuse_unbalanced();
"""

_APPEND_ONLY = ("levy", "settlement", "statement", "charge_line", "journal_entry", "posting")


def upgrade() -> None:
    migration.create_messaging_v1()
    migration.script(TABLES)
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    migration.grant(
        {
            "booking": "select, insert, update",
            "accounting_period": "select, insert, update",
            "usage_record": "select, insert, update",
        }
    )
