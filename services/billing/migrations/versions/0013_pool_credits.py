"""What objections credited of what cost pools charge.

Revision ID: 0013
"""

from allmende.servicekit import migration

revision = "0013"
down_revision = "0012"

TABLES = """
-- By what the charge is reckoned by: what was credited of it does not stand charged any more.
create view pool_credit as
select c.pool_id, c.step, c.party, c.member, o.credit_cents
from objection o
join charge_line l on l.settlement_id = o.settlement_id and l.line = o.line
                  and l.document->>'pool_id' is not null
join lateral (
    select p.pool_id, p.step, p.party, p.member from pool_charge p
    where p.pool_id = l.document->>'pool_id' and p.cost_id is null and p.member = l.payer
      and p.party = l.document->>'party' and p.document->>'title' = l.document->>'title'
    order by p.period = o.period desc, p.run_id, p.line limit 1
) c on true
where o.state = 'upheld';
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.grant({"pool_credit": "select"})
