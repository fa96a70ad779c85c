"""Who joined a waiting line first, which is not who first asked: an interest may become binding late.

Revision ID: 0003
"""

from allmende.servicekit import migration

revision = "0003"
down_revision = "0002"

TABLES = """
create sequence waiting_line;
-- The place in the waiting line; null for who does not wait.
alter table booking add column joined bigint;
update booking set joined = n.place
from (select booking_id, nextval('waiting_line') as place
      from (select booking_id from booking where state = 'held' order by number) h) n
where booking.booking_id = n.booking_id;
drop index booking_in_line;
create index booking_in_line on booking (offering_id, plan_id, pool_id, joined) where state = 'held';
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.grant({})
