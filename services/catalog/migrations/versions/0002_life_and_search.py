"""Drafts, pauses, circles; the order of all changes; search; attachments.

Revision ID: 0002
"""

from allmende.servicekit import migration

revision = "0002"
down_revision = "0001"

# Both extensions are trusted: the owner of the database may create them.
# Stop words are dropped before accents are, since the list of stop words has accents.
WORDS = """
create extension if not exists unaccent;
create extension if not exists pg_trgm;

create text search dictionary german_stop (template = simple, stopwords = german, accept = false);
create text search configuration german_words (copy = german);
alter text search configuration german_words
    alter mapping for asciiword, asciihword, hword_asciipart, word, hword, hword_part
    with german_stop, unaccent, german_stem;
"""

TABLES = """
create table catalogue (
    only_one boolean primary key default true check (only_one),
    position bigint  not null check (position >= 0)
);

create table draft (
    offering_id text        primary key,
    provider    text        not null,
    document    jsonb       not null,
    drafted_at  timestamptz not null
);
create index draft_by_provider on draft (provider, offering_id);

-- What was told about the catalogue, to be told again. `seen_by` holds the marks of which one lets a member
-- see the row, null for everybody; `unless` the marks that keep it from whoever has one.
create table change (
    position    bigint      not null,
    type        text        not null,
    offering_id text        not null,
    categories  text[]      not null,
    seen_by     text[],
    unless      text[]      not null default '{}',
    told_at     timestamptz not null,
    data        json        not null,
    primary key (position, type)
);
create index change_by_time on change (told_at, position);

alter table offering drop constraint offering_state_check;
alter table offering add constraint offering_state_check check (state in ('published', 'paused', 'retired'));
alter table offering add column position bigint, add column seen_by text[];
create index offering_by_provider on offering (provider, offering_id);
alter table offering_revision add column seen_by text[];

-- What search reads, narrow and apart from the documents.
create table listing (
    offering_id  text     primary key,
    provider     text     not null,
    category     text     not null,
    state        text     not null check (state in ('published', 'paused')),
    revision     int      not null,
    title        text     not null,
    seen_by      text[],
    bookable_by  text[],
    open         boolean  not null,
    facets       text[]   not null,
    proof_ends   date,
    headline     tsvector not null,
    words        tsvector not null,
    name         text     not null,
    plain        text     not null
);
-- New entries wait in a list that every search reads too, so it is kept short: without it a change of one row
-- costs milliseconds, with the usual one a search does.
create index listing_headline on listing using gin (headline) with (gin_pending_list_limit = 256);
create index listing_words on listing using gin (words) with (gin_pending_list_limit = 256);
create index listing_plain on listing using gin (plain gin_trgm_ops) with (gin_pending_list_limit = 256);
create index listing_name on listing using gin (name gin_trgm_ops) with (gin_pending_list_limit = 256);
create index listing_facets on listing using gin (facets) with (gin_pending_list_limit = 256);
create index listing_proofs on listing (proof_ends) where proof_ends is not null;

create table attachment (
    offering_id text        not null,
    sha256      text        not null,
    name        text        not null,
    media_type  text        not null,
    size_bytes  int         not null,
    begun_at    timestamptz not null,
    stored_at   timestamptz,
    primary key (offering_id, sha256)
);
create index attachment_unfinished on attachment (begun_at) where stored_at is null;

create table attachment_part (
    offering_id text  not null,
    sha256      text  not null,
    part        int   not null,
    content     bytea not null,
    primary key (offering_id, sha256, part),
    foreign key (offering_id, sha256) references attachment on delete cascade
);
alter table attachment_part alter column content set storage external;
"""

# What was published before positions were counted is counted now, in the order of time.
COUNTED = """
insert into change (position, type, offering_id, categories, told_at, data)
select position, type, offering_id, array[category], told_at,
       json_build_object('provider', provider, 'revision', revision, 'position', position)::jsonb || about
from (
    select row_number() over (order by told_at, offering_id, revision, type) as position, c.*
    from (
        select 'catalog.offering.published' as type, r.offering_id, o.provider,
               r.document->>'category' as category, r.revision, r.published_at as told_at,
               jsonb_build_object('offering', r.document, 'published_at', r.published_at) as about
        from offering_revision r join offering o using (offering_id)
        union all
        select 'catalog.offering.retired', offering_id, provider, category, revision, changed_at,
               jsonb_build_object('offering_id', offering_id, 'category', category, 'retired_at', changed_at)
        from offering where state = 'retired'
    ) c
) counted;

update offering o set position = (select max(position) from change c where c.offering_id = o.offering_id);
alter table offering alter column position set not null;
insert into catalogue (position) select coalesce(max(position), 0) from change;

insert into listing (offering_id, provider, category, state, revision, title, open, facets, headline, words,
                     name, plain)
select o.offering_id, o.provider, o.category, 'published', o.revision, o.document->>'title', true,
       array['category:' || o.category, 'provider:' || o.provider],
       to_tsvector('german_words', o.document->>'title'),
       setweight(to_tsvector('german_words', o.document->>'title'), 'A')
           || setweight(to_tsvector('german_words', coalesce(o.document->>'description', '')), 'C'),
       lower(unaccent(o.document->>'title')),
       lower(unaccent(concat_ws(' ', o.document->>'title', o.document->>'description')))
from offering o where o.state = 'published';
"""


def upgrade() -> None:
    migration.script(WORDS + TABLES + COUNTED)
    migration.make_append_only("change")
    migration.grant(
        {
            "catalogue": "select, update",
            "draft": "select, insert, update, delete",
            "change": "select, insert",
            "listing": "select, insert, update, delete",
            "attachment": "select, insert, update, delete",
            "attachment_part": "select, insert, update, delete",
        }
    )
