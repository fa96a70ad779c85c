"""The picture of the catalogue: what its facts tell of offerings."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import OfferingPaused, OfferingPublished, OfferingResumed, OfferingRetired
from allmende.servicekit.messages import Incoming

from . import store
from .listing import Availability, Listed


async def learn(tx: AsyncConnection, facts: Sequence[Incoming]) -> list[str]:
    """Keep what the catalogue told. Returns the offerings it told of."""
    published: dict[str, Listed] = {}
    news: dict[str, tuple[int, Availability]] = {}

    def tell(offering_id: str, position: int, state: Availability) -> None:
        news[offering_id] = max((position, state), news.get(offering_id, (0, "")))

    for fact in facts:
        match fact.data:
            case OfferingPublished() as told:
                id_ = told.offering.offering_id
                if id_ not in published or told.revision >= published[id_].revision:
                    published[id_] = Listed(told.offering, told.revision)
                tell(id_, told.position, "open")
            case OfferingPaused() as told:
                tell(told.offering_id, told.position, "paused")
            case OfferingResumed() as told:
                tell(told.offering_id, told.position, "open")
            case OfferingRetired() as told:
                tell(told.offering_id, told.position, "retired")
            case _:
                raise TypeError(f"the brokerage does not read {fact.message.name}")
    await store.save_offerings(tx, published)
    await store.save_availability(tx, news)
    return sorted(published)
