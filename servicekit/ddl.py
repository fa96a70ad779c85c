"""The tables every service has for its messages.

A released version is never changed: a change is a further constant, applied by a further migration.
"""

MESSAGING_V1 = """
create table inbox (
    id          uuid        not null,
    sender      text        not null,
    type        text        not null,
    digest      bytea       not null,
    received_at timestamptz not null default now(),
    primary key (id, sender, type)
);

-- What this service has told, for ever. The stream is delivery; this is the archive.
create table fact (
    position        bigint generated always as identity primary key,
    id              uuid        not null,
    type            text        not null,
    subject         text,
    causation_id    uuid,
    caused_by       text,
    subjects        text[]      not null,
    traceparent     text,
    recorded_at     timestamptz not null,
    data            json        not null
);
create index fact_causation on fact (causation_id) where causation_id is not null;

-- What is told but not yet in the stream.
create table outbox (
    id         bigint generated always as identity primary key,
    message_id text        not null,
    subjects   text[]      not null,
    body       bytea       not null,
    created_at timestamptz not null default now()
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or removed', tg_table_name
        using errcode = 'restrict_violation';
end $$;

create trigger fact_is_append_only before update or delete on fact
    for each row execute function refuse_change();
create trigger fact_is_never_emptied before truncate on fact
    for each statement execute function refuse_change();
"""

MESSAGING_V1_GRANTS = {
    "inbox": "select, insert",
    "fact": "select, insert",
    "outbox": "select, insert, delete",
}
