"""A batch of the catalogue's commands in, one set of writes, facts out."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import OfferingPublished, OfferingRetired, PublishOffering, RetireOffering
from allmende.schemas.rejections import Rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import offering, store
from .offering import Listed


class CatalogHandler:
    """Decides commands about offerings."""

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Load every offering the batch names, decide in order, write once."""
        listed = await store.load(tx, map(_offering_id, messages))
        changed: dict[str, Listed] = {}
        revisions: list[Listed] = []
        facts = []
        for message in messages:
            offering_id = _offering_id(message)
            before = listed.get(offering_id)
            fact = _decide(message, before, now)
            if isinstance(fact, Rejected):
                facts.append(refuse(message, fact))
                continue
            facts.append(Outgoing(fact, cause=message, subject=offering_id))
            listed[offering_id] = changed[offering_id] = offering.evolve(before, fact)
            revisions.append(changed[offering_id])
        await store.save(tx, changed, revisions, now)
        return facts

    async def tick(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Nothing is due by the clock."""
        del tx, now
        return []


def _offering_id(message: Incoming) -> str:
    match message.data:
        case PublishOffering():
            return message.data.offering.offering_id
        case RetireOffering():
            return message.data.offering_id
        case _:
            raise TypeError(f"the catalogue has no command {message.message.name}")


def _decide(
    message: Incoming, listed: Listed | None, now: dt.datetime
) -> OfferingPublished | OfferingRetired | Rejected:
    match message.data:
        case PublishOffering():
            return offering.publish(listed, message.data.offering, message.sender, now)
        case RetireOffering():
            return offering.retire(listed, message.data.offering_id, message.sender, now)
        case _:
            raise TypeError(f"the catalogue has no command {message.message.name}")
