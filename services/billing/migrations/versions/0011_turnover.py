"""Turnovers that members declare, and budget years that are closed.

Revision ID: 0011
"""

from allmende.servicekit import migration

revision = "0011"
down_revision = "0010"

TABLES = """
-- What members turned over on the open market; the newest declaration of a year counts.
create table turnover (
    number            bigint generated always as identity primary key,
    member            text   not null,
    year              int    not null,
    open_market_cents bigint not null check (open_market_cents >= 0),
    document          json   not null,
    claim             json   not null
);
create index turnover_of_member on turnover (member, year, number);

create table accounting_year (
    year     int  primary key,
    document json not null,
    claim    json not null
);

create function refuse_entry_of_closed_year() returns trigger language plpgsql as $$
declare
    place int;
begin
    select y.year into place from added e
    join accounting_year y on y.year = extract(year from e.value_date)
    limit 1;
    if found then
        raise exception 'the year % is closed', place using errcode = 'check_violation';
    end if;
    return null;
end $$;

create trigger entry_is_of_open_year after insert on journal_entry
    referencing new table as added for each statement execute function refuse_entry_of_closed_year();
"""

_APPEND_ONLY = ("turnover", "accounting_year")


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only(*_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
