"""Dated terms and changes of bookings, breaches, and what each flat component was charged for.

Revision ID: 0002
"""

from allmende.servicekit import migration

revision = "0002"
down_revision = "0001"

TABLES = """
-- Facts about a booking may come before it, so these refer to it by its id only. A closing that takes a fact
-- into account notes its period in reckoned_in.
create table booking_terms (
    booking_id  uuid   not null,
    number      bigint not null check (number > 0),
    valid_from  date   not null,
    document    json   not null,
    reckoned_in text,
    primary key (booking_id, number)
);
create index booking_terms_not_reckoned on booking_terms (booking_id) where reckoned_in is null;

create table booking_change (
    booking_id         uuid   not null,
    number             bigint not null check (number > 0),
    compensation_cents bigint not null,
    due_in             text   not null,
    document           json   not null,
    charged_in         text,
    reckoned_in        text,
    primary key (booking_id, number)
);
create index booking_change_not_reckoned on booking_change (booking_id) where reckoned_in is null;
create index compensation_not_charged on booking_change (due_in)
    where charged_in is null and compensation_cents <> 0;

create table breach (
    breach_id    uuid   primary key,
    booking_id   uuid   not null,
    credit_cents bigint not null,
    due_in       text   not null,
    document     json   not null,
    charged_in   text
);
create index credit_not_given on breach (due_in) where charged_in is null and credit_cents <> 0;

-- Each step charges a component for a span once more or takes it back: odd steps charge, even ones take back.
create table component_charge (
    booking_id    uuid   not null,
    component     text   not null,
    terms         bigint not null,
    charged_for   text   not null,
    step          int    not null check (step > 0),
    first_day     date   not null,
    settlement_id uuid   not null,
    line          int    not null,
    primary key (booking_id, component, terms, charged_for, step),
    foreign key (settlement_id, line) references charge_line
);

insert into component_charge
select b.booking_id, l.document->>'component', 0, 'total', 1, b.start_day, l.settlement_id, l.line
from booking b
join settlement s on s.period = b.one_time_charged_in
join charge_line l on l.settlement_id = s.settlement_id and l.document->>'booking_id' = b.booking_id::text
join json_array_elements(b.terms->'tariff'->'components') c
  on c->>'id' = l.document->>'component' and c->>'billing' = 'one_time';

-- The first day with which no closing has reckoned; none once nothing more falls due by what is known.
alter table booking add column open_from date;
update booking set open_from = start_day;
create index booking_open on booking (open_from) where open_from is not null;
alter table booking drop column one_time_charged_in;
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only("component_charge")
    migration.grant(
        {
            "booking_terms": "select, insert, update",
            "booking_change": "select, insert, update",
            "breach": "select, insert, update",
            "component_charge": "select, insert",
        }
    )
