"""From the draft of the run to payment: two persons of the office, and of those who owe."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from allmende.client import Signer
from allmende.schemas.billing import SettlementClosed
from allmende.schemas.payments import Payment
from allmende.schemas.rejections import Rejection
from allmende.schemas.statements import Objection, StatementProgress

from .connections import Markets
from .orders import signed_id
from .outcomes import Unexpected, agreed
from .register import person_key
from .script import Script

CERTIFIED = "desy"
OBJECTS = "gsi"
_PAYMENT_DAYS = 40
"""After the issue, by when everything is due by the rules."""


@dataclasses.dataclass(frozen=True)
class Aftermath:
    """What became of the statements."""

    statements: Sequence[StatementProgress]
    objections: Sequence[Objection]
    payments: Sequence[Payment]


class Signatures:
    """Anna and Bela of every member, with ids that are the same in every play."""

    def __init__(self, said: Script, home: Path) -> None:
        year, month = map(int, said.period.split("-"))
        self._moment = dt.datetime(year, month, 1, tzinfo=dt.UTC) + dt.timedelta(days=40)
        self._said = said
        self._home = home

    def of(self, member: str, person: str) -> Signer:
        """A person of a member."""
        return Signer.read(person, person_key(self._home, member, person))

    def id(self, *about: str) -> str:
        """The id of a command."""
        return signed_id(self._moment, self._said.period, *about)


async def settle(said: Script, markets: Markets, signatures: Signatures) -> None:
    """Draft the run; Anna of the office reviews it, Bela approves it.

    Raises:
        Unexpected: the market refuses a step.
    """
    office, name = markets[said.office], said.office
    drafted = await office.draft_settlement(said.period, id=said.closing_id)
    if isinstance(drafted, Rejection):
        raise Unexpected.refused(drafted)
    anna, bela = signatures.of(name, "anna"), signatures.of(name, "bela")
    revision = drafted.revision
    agreed(await office.review_settlement(said.period, revision, by=anna, id=signatures.id("review")))
    agreed(await office.approve_settlement(said.period, revision, by=bela, id=signatures.id("approve")))


async def follow_up(said: Script, markets: Markets, signatures: Signatures, issued: SettlementClosed) -> None:
    """One statement is certified and ordered, one line disputed, and all that is due is netted.

    Raises:
        Unexpected: the market refuses a step.
    """
    member = markets[CERTIFIED]
    anna, bela = signatures.of(CERTIFIED, "anna"), signatures.of(CERTIFIED, "bela")
    agreed(await member.certify_statement(said.period, by=anna, id=signatures.id("certify")))
    reference = f"DEMO {said.period}"
    agreed(await member.order_statement(said.period, reference, by=bela, id=signatures.id("order")))
    await _object(said, markets, signatures)
    anna = signatures.of(said.office, "anna")
    due_by = issued.closed_at.date() + dt.timedelta(days=_PAYMENT_DAYS)
    agreed(await markets[said.office].arrange_payments(due_by, by=anna, id=signatures.id("arrange")))


async def _object(said: Script, markets: Markets, signatures: Signatures) -> None:
    objecting = markets[OBJECTS]
    statement = agreed(await objecting.statement(said.period))
    line = next(
        each.line
        for each in statement.lines
        if each.payer == OBJECTS and each.kind == "charge" and each.amount_cents > 0
    )
    reason = "DEMONSTRATION: An einem Tag war der Rechner nicht erreichbar."
    anna = signatures.of(OBJECTS, "anna")
    agreed(await objecting.raise_objection(said.period, line, reason, by=anna, id=signatures.id("object")))


async def aftermath(said: Script, markets: Markets) -> Aftermath:
    """Ask what became of the statements. Changes nothing."""
    office = markets[said.office]
    return Aftermath(
        statements=[each async for each in office.statements(period=said.period)],
        objections=[each async for each in office.objections(period=said.period, open_only=False)],
        payments=[each async for each in office.payments()],
    )
