"""A period settled on a real market by two persons of the office, for tests of what comes of it."""

from allmende.client import Market, Signer
from allmende.schemas.billing import SettlementClosed
from allmende.schemas.rejections import Rejection
from allmende.servicekit.testing import Sandbox


def signer(market: Sandbox, member: str, person: str) -> Signer:
    return Signer.read(person, market.person_key(member, person))


async def issue(market: Sandbox, office: Market, period: str) -> SettlementClosed:
    """Draft a run; anna of the office holds what is to be decided on and reviews it, bela approves it."""
    anna, bela = (signer(market, "office", person) for person in ("anna", "bela"))
    drafted = await office.draft_settlement(period)
    assert not isinstance(drafted, Rejection), drafted.message_en
    if drafted.alerts:
        alerts = tuple([each.alert async for each in office.settlement_alerts(period, open_only=True)])
        decided = await office.decide_alerts(period, alerts, "held", "Bleibt liegen", by=anna)
        assert not isinstance(decided, Rejection), decided.message_en
    reviewed = await office.review_settlement(period, drafted.revision, by=anna)
    assert not isinstance(reviewed, Rejection), reviewed.message_en
    approved = await office.approve_settlement(period, drafted.revision, by=bela)
    assert not isinstance(approved, Rejection), approved.message_en
    return approved
