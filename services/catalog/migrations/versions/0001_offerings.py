"""Offerings with their revisions.

Revision ID: 0001
"""

from allmende.servicekit import migration

revision = "0001"
down_revision = None

TABLES = """
create table offering (
    offering_id  text        primary key,
    provider     text        not null,
    category     text        not null,
    state        text        not null check (state in ('published', 'retired')),
    revision     int         not null check (revision > 0),
    document     jsonb       not null,
    changed_at   timestamptz not null
);
create index offering_by_category on offering (category, offering_id);

create table offering_revision (
    offering_id  text        not null,
    revision     int         not null,
    document     jsonb       not null,
    published_at timestamptz not null,
    primary key (offering_id, revision)
);
"""


def upgrade() -> None:
    migration.create_messaging_v1()
    migration.script(TABLES)
    migration.make_append_only("offering_revision")
    migration.grant({"offering": "select, insert, update", "offering_revision": "select, insert"})
