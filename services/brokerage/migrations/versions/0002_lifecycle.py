"""The full life of a booking: phases, time limits, changes, messages, waiting lines, maintenance.

Revision ID: 0002
"""

from allmende.servicekit import migration

revision = "0002"
down_revision = "0001"

TABLES = """
-- Whether an offering takes new bookings, by the newest change of the catalogue; kept apart from the picture,
-- since the news may come first.
create table availability (
    offering_id text   primary key,
    position    bigint not null,
    state       text   not null check (state in ('open', 'paused', 'retired'))
);
insert into availability (offering_id, position, state)
select o.offering_id, 0, case when o.revision <= r.revision then 'retired' else 'open' end
from offering o left join retired r using (offering_id);
drop table retired;

alter table capacity add column pool_id text not null default '';
alter table capacity drop constraint capacity_pkey;
alter table capacity add primary key (offering_id, plan_id, pool_id, quantity_id);

alter table booking drop constraint booking_state_check;
alter table booking
    add column pool_id    text  not null default '',
    add column instance   text,
    add column changes    int   not null default 0,
    add column waits_for  text check (waits_for in ('consumer', 'provider')),
    add column until      timestamptz,
    -- The moment at which the clock moves it on.
    add column due_at     timestamptz,
    -- What it holds, as plan/pool/quantity: amount; null where it holds nothing.
    add column reserved   jsonb,
    -- What is remembered beside the terms, where there is anything.
    add column progress   json;
alter table booking rename column confirmed_at to requested_at;
update booking b set state = 'completed', instance = 'active', reserved = (
    select coalesce(jsonb_object_agg(b.plan_id || '//' || q.key, q.value), '{}')
    from json_each_text(b.terms -> 'quantities') q where q.value::numeric > 0);
update booking set due_at = ((terms ->> 'end')::date + 1)::timestamp at time zone 'Europe/Berlin'
where terms ->> 'end' is not null;
create index booking_due on booking (due_at) where due_at is not null;
create index booking_in_line on booking (offering_id, plan_id, pool_id, number) where state = 'held';
create index booking_of_offering on booking (offering_id);

-- How a booking came to stand where it stands.
create table change (
    booking_id uuid not null,
    number     int  not null,
    data       json not null,
    primary key (booking_id, number)
);

create table message (
    number     bigint generated always as identity primary key,
    booking_id uuid not null,
    data       json not null
);
create index message_of_booking on message (booking_id, number);

create table notice (
    notice_id    uuid        primary key,
    provider     text        not null,
    offering_ids text[]      not null,
    state        text        not null,
    starts_at    timestamptz not null,
    due_at       timestamptz,
    data         json        not null
);
create index notice_due on notice (due_at) where due_at is not null;
create index notice_of_offering on notice using gin (offering_ids);

-- Commands that name an offering or a booking not known yet.
alter table parked rename column offering_id to awaited;
alter table parked add column message text not null default 'brokerage.booking.request';
alter table parked drop constraint parked_pkey;
alter table parked add primary key (booking_id, sender, message);
alter table parked rename column booking_id to command_id;
alter index parked_by_offering rename to parked_by_awaited;
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only("change")
    migration.make_append_only("message")
    migration.grant(
        {
            "availability": "select, insert, update",
            "capacity": "delete",
            "change": "select, insert",
            "message": "select, insert",
            "notice": "select, insert, update",
        }
    )
