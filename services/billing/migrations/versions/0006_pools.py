"""Published keys, cost pools, their costs and what they charge.

Revision ID: 0006
"""

from allmende.servicekit import migration

revision = "0006"
down_revision = "0005"

TABLES = """
create table allocation_key (
    key_id      text        not null,
    version     int         not null,
    recorded_at timestamptz not null,
    document    json        not null,
    primary key (key_id, version)
);

create table pool (
    pool_id   text        primary key,
    opened_at timestamptz not null,
    document  json        not null
);

create table pool_change (
    pool_id    text        not null references pool,
    number     int         not null,
    changed_at timestamptz not null,
    document   json        not null,
    primary key (pool_id, number)
);

-- Who was ever named, by which change (0: as the pool was opened); a bearer is a party of its own name.
create table pool_participant (
    pool_id text    not null references pool,
    number  int     not null,
    bearer  boolean not null,
    party   text    not null,
    member  text    not null,
    since   date,
    until   date,
    primary key (pool_id, number, bearer, party)
);
create index pool_of_member on pool_participant (member, pool_id);

create table pool_cost (
    reporter     text        not null,
    cost_id      text        not null,
    pool_id      text        not null references pool,
    number       bigint      not null,
    corrects     text,
    amount_cents bigint      not null,
    recorded_at  timestamptz not null,
    document     json        not null,
    primary key (reporter, cost_id),
    unique (pool_id, number),
    unique (reporter, corrects),
    foreign key (reporter, corrects) references pool_cost
);

-- Advances and settlements, numbered within their pool.
create table pool_run (
    run_id   uuid        primary key,
    pool_id  text        not null references pool,
    number   int         not null,
    kind     text        not null check (kind in ('advance', 'settlement')),
    period   text        not null,
    ran_at   timestamptz not null,
    inputs   json        not null,
    document json        not null,
    unique (pool_id, number)
);

-- What stands charged: shares by step, party and member; costs that are paid back by reporter and id.
-- Without a document it is carried from one pool into another, and charged to nobody.
create table pool_charge (
    run_id       uuid   not null references pool_run,
    line         int    not null,
    pool_id      text   not null references pool,
    step         text   not null,
    party        text   not null,
    member       text   not null,
    reporter     text,
    cost_id      text,
    amount_cents bigint not null,
    period       text   not null,
    document     json,
    primary key (run_id, line),
    foreign key (reporter, cost_id) references pool_cost
);
create index charge_of_pool on pool_charge (pool_id);
create index pool_charge_of_period on pool_charge (period);
"""

_APPEND_ONLY = (
    "allocation_key",
    "pool_change",
    "pool_participant",
    "pool_cost",
    "pool_run",
    "pool_charge",
)


def upgrade() -> None:
    migration.script(TABLES)
    migration.make_append_only("pool", *_APPEND_ONLY)
    migration.grant(dict.fromkeys(_APPEND_ONLY, "select, insert"))
    # Locking a row, so that one at a time decides, takes the right to update it; the trigger refuses that.
    migration.grant({"pool": "select, insert, update"})
