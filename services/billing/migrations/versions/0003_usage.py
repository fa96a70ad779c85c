"""Usage with dimensions, corrections, cancellations, a list of contradictions and marks of late records.

Revision ID: 0003
"""

from allmende.servicekit import migration

revision = "0003"
down_revision = "0002"

TABLES = """
-- Content is compared column by column; a digest told numbers that differ in their zeros apart.
alter table usage_record
    drop column digest,
    add column dimensions jsonb,
    add column corrects   text,
    add column waits_for  text check (waits_for in ('booking', 'meter', 'record')),
    drop constraint usage_record_state_check,
    add constraint usage_record_state_check
        check (state in ('recorded', 'parked', 'refused', 'corrected', 'cancelled'));
update usage_record set waits_for = 'booking' where state = 'parked';
alter table usage_record
    drop constraint usage_record_check,
    add constraint usage_record_waits check (
        (state = 'parked') = (parked_until is not null) and (state = 'parked') = (waits_for is not null));

-- A closing reads a whole period, and records of a period lie close together; one booking's are found by it.
drop index usage_of_period;
create index usage_by_period on usage_record using brin (period) with (pages_per_range = 32);
create index usage_by_booking on usage_record (booking_id, period);
drop index usage_parked_for;
create index usage_parked_for on usage_record (booking_id)
    where state = 'parked' and waits_for <> 'record';
create index usage_parked_corrections on usage_record (source, corrects)
    where state = 'parked' and waits_for = 'record';

create table usage_cancellation (
    source          text        not null,
    cancellation_id text        not null,
    cancels         text        not null,
    reason          text        not null,
    state           text        not null check (state in ('recorded', 'parked', 'refused')),
    parked_until    timestamptz,
    received_at     timestamptz not null,
    primary key (source, cancellation_id),
    check ((state = 'parked') = (parked_until is not null))
);
create index cancellation_parked on usage_cancellation (source, cancels) where state = 'parked';

-- What no longer counts, and why. The key sees to it that a record is corrected or cancelled at most once.
create table usage_lineage (
    source    text        not null,
    record_id text        not null,
    kind      text        not null check (kind in ('corrected', 'cancelled')),
    by_id     text        not null,
    noted_at  timestamptz not null,
    primary key (source, record_id)
);

-- One id, two contents.
create table usage_clarification (
    clarification        bigint generated always as identity primary key,
    source               text        not null,
    record_id            text        not null,
    offered              jsonb,
    offered_cancellation jsonb,
    noted_at             timestamptz not null,
    settled_as           text check (settled_as in ('corrected', 'cancelled', 'settled')),
    settled_at           timestamptz,
    reason               text,
    check ((offered is null) <> (offered_cancellation is null)),
    check ((settled_as is null) = (settled_at is null))
);
create unique index clarification_once on usage_clarification
    (source, record_id, md5(coalesce(offered, offered_cancellation)::text));
create index clarification_of_source on usage_clarification (source, clarification);

-- Closed periods of which a booking's usage changed. A closing takes the marks first and reads the records
-- afterwards; so whoever writes a record always adds a mark, even where one stands.
create table usage_late (
    mark       bigint generated always as identity primary key,
    booking_id uuid        not null,
    period     text        not null,
    noted_at   timestamptz not null,
    rated_in   text
);
create index usage_late_open on usage_late (booking_id, period) where rated_in is null;
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only("usage_lineage")
    migration.grant(
        {
            "usage_cancellation": "select, insert, update",
            "usage_lineage": "select, insert",
            "usage_clarification": "select, insert, update",
            "usage_late": "select, insert, update",
        }
    )
