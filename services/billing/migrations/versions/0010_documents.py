"""Files of invoices and statements.

Revision ID: 0010
"""

from allmende.servicekit import migration

revision = "0010"
down_revision = "0009"

TABLES = """
-- Whoever makes a file turns its row from pending to made or impossible, once; then it never changes.
create table document_file (
    document_id   uuid        primary key,
    kind          text        not null
        check (kind in ('xrechnung', 'statement_de', 'statement_en', 'notice_de', 'notice_en')),
    settlement_id uuid        not null references settlement,
    invoice_id    uuid        references invoice,
    statement_id  uuid        references statement,
    period        text        not null,
    issuer        text        not null,
    recipient     text        not null,
    number        text        not null,
    file_name     text        not null unique,
    media_type    text        not null,
    state         text        not null default 'pending' check (state in ('pending', 'made', 'impossible')),
    reason_de     text,
    reason_en     text,
    sha256        text,
    content       bytea,
    made_at       timestamptz,
    keep_until    date        not null,
    check (num_nonnulls(invoice_id, statement_id) = 1),
    check ((state = 'made') = (content is not null)),
    check ((state = 'impossible') = (reason_de is not null and reason_en is not null)),
    check ((state = 'pending') = (made_at is null)),
    check (sha256 is not distinct from encode(sha256(content), 'hex')),
    unique (invoice_id, kind),
    unique (statement_id, kind)
);
create index document_file_pending on document_file (kind desc, document_id) where state = 'pending';
create index document_file_of_period on document_file (period, file_name);
-- What is compressed already is not compressed again, and parts of it are read alone.
alter table document_file alter column content set storage external;

create function keep_made_file() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.state = 'pending' and new.state <> 'pending'
       and (to_jsonb(new) - '{state,reason_de,reason_en,sha256,content,made_at}'::text[])
         = (to_jsonb(old) - '{state,reason_de,reason_en,sha256,content,made_at}'::text[]) then
        return new;
    end if;
    raise exception 'a file is made once, and then never changed or removed'
        using errcode = 'restrict_violation';
end $$;
create trigger document_file_is_kept before update or delete on document_file
    for each row execute function keep_made_file();
create trigger document_file_is_never_emptied before truncate on document_file
    for each statement execute function refuse_change();
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.grant(
        {"document_file": "select, insert, update (state, reason_de, reason_en, sha256, content, made_at)"}
    )
