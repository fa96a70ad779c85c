"""What rating needs of a booking's terms in columns of its own, and each tariff once.

Revision ID: 0005
"""

from allmende.servicekit import migration

revision = "0005"
down_revision = "0004"

TABLES = """
-- The tariffs frozen into bookings. Thousands of bookings share a few, which a closing reads once.
create table tariff (
    digest   bytea primary key,
    document json  not null
);

-- What prices the usage of a booking from a day on; number 0 are the terms as booked.
create table rated_terms (
    booking_id     uuid   not null,
    number         bigint not null,
    valid_from     date   not null,
    provider       text   not null,
    consumer       text   not null,
    offering_id    text   not null,
    plan_id        text   not null,
    consumer_class text,
    tariff         bytea  not null references tariff,
    quantities     json   not null,
    details        json,
    primary key (booking_id, number)
);
create index rated_terms_of_offering on rated_terms (offering_id);

create view told as
    select booking_id, 0::bigint as number, start_day as valid_from, terms as document from booking
    union all
    select booking_id, number, valid_from, document from booking_terms;
insert into tariff
    select distinct on (1) sha256(convert_to((document->'tariff')::text, 'UTF8')), document->'tariff'
    from told
    order by 1;
insert into rated_terms
    select booking_id, number, valid_from, document->>'provider', document->>'consumer',
           document->>'offering_id', document->>'plan_id', document->>'consumer_class',
           sha256(convert_to((document->'tariff')::text, 'UTF8')), document->'quantities',
           nullif((document->'details')::text, 'null')::json
    from told;
drop view told;

-- Usage is rated anew by span, flat components are reckoned by what falls due.
alter table component_charge add column metered boolean not null default false;
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only("tariff", "rated_terms")
    migration.grant({"tariff": "select, insert", "rated_terms": "select, insert"})
