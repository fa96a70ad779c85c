"""Bookings, capacity, the picture of offerings, parked requests.

Revision ID: 0001
"""

from allmende.servicekit import migration

revision = "0001"
down_revision = None

TABLES = """
-- The picture of the catalogue, kept from its facts.
create table offering (
    offering_id text   primary key,
    revision    int    not null,
    document    jsonb  not null
);

-- Up to which revision an offering is closed for new bookings; kept apart, since it may come first.
create table retired (
    offering_id text primary key,
    revision    int  not null
);

-- What can still be booked; the database refuses to oversell, whatever the code does.
create table capacity (
    offering_id text    not null,
    plan_id     text    not null,
    quantity_id text    not null,
    total       numeric not null check (total >= 0),
    booked      numeric not null default 0 check (booked >= 0),
    check (booked <= total),
    primary key (offering_id, plan_id, quantity_id)
) with (fillfactor = 50);

create table booking (
    number       bigint generated always as identity,
    booking_id   uuid        primary key,
    consumer     text        not null,
    provider     text        not null,
    offering_id  text        not null,
    plan_id      text        not null,
    state        text        not null check (state in ('confirmed')),
    confirmed_at timestamptz not null,
    terms        json        not null
);
create index booking_of_consumer on booking (consumer, number);
create index booking_of_provider on booking (provider, number);

-- Requests that name an offering not known yet.
create table parked (
    number      bigint generated always as identity,
    booking_id  uuid        not null,
    sender      text        not null,
    offering_id text        not null,
    traceparent text,
    until       timestamptz not null,
    data        json        not null,
    primary key (booking_id, sender)
);
create index parked_by_offering on parked (offering_id);
create index parked_by_deadline on parked (until);
"""


def upgrade() -> None:
    migration.create_messaging_v1()
    migration.script(TABLES)
    migration.grant(
        {
            "offering": "select, insert, update",
            "retired": "select, insert, update",
            "capacity": "select, insert, update",
            "booking": "select, insert, update",
            "parked": "select, insert, update, delete",
        }
    )
