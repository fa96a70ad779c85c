"""What of payments is disputed after they were arranged.

Revision ID: 0012
"""

from allmende.servicekit import migration

revision = "0012"
down_revision = "0011"

TABLES = """
-- What is disputed of a document counts first against what of it is not arranged. A document stands once in a
-- payment, even where it is the one by which both sides settle it.
create view payment_disputed as
select n.payment_id,
       sum(least(n.amount_cents, d.gross_cents - (b.gross_cents - b.applied_cents)))::bigint as gross_cents
from document_disputed d
join document_balance b on b.document = d.document and d.gross_cents > b.gross_cents - b.applied_cents
join (
    select document, debtor_payment as payment_id, amount_cents from netting_item
    union
    select document, creditor_payment, amount_cents from netting_item
) n on n.document = d.document and n.payment_id is not null and n.amount_cents > 0
group by 1;
"""


def upgrade() -> None:
    migration.script(TABLES)
    migration.grant({"payment_disputed": "select"})
