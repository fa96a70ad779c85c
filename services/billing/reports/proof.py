"""The proof that pools charge exactly what they cost, as § 4 Nr. 29 UStG asks for."""

import dataclasses
import datetime as dt
from collections.abc import Iterable

from allmende.schemas.reports import ExactCost, ProvenPool


@dataclasses.dataclass(frozen=True)
class PoolFigures:
    """What a pool comes to, by its rows.

    Attributes:
        cost_cents: of all costs that were reported and not replaced.
        settled_cost_cents: what these were when it was settled last, or null if it never was.
        charged_cents: to members, advances included; what flows back is less.
        carried_cents: carried into other pools; negative where it was carried into this one.
    """

    pool_id: str
    title: str
    first_day: dt.date
    last_day: dt.date
    cost_cents: int
    settled_cost_cents: int | None
    charged_cents: int
    carried_cents: int

    @property
    def is_settled(self) -> bool:
        """Whether it is settled with all its costs; one that comes later opens it again."""
        return self.settled_cost_cents == self.cost_cents


def prove(year: int, pools: Iterable[PoolFigures]) -> ExactCost:
    """Compare what pools charged with what was reported that they cost."""
    found = tuple(
        ProvenPool(
            pool_id=each.pool_id,
            title=each.title,
            first_day=each.first_day,
            last_day=each.last_day,
            state="settled" if each.is_settled else "open",
            cost_cents=each.cost_cents,
            charged_cents=each.charged_cents,
            carried_cents=each.carried_cents,
            markup_cents=each.charged_cents - each.carried_cents - each.cost_cents,
        )
        for each in pools
    )
    return ExactCost(
        year=year,
        pools=found,
        proven=all(each.state == "settled" and each.markup_cents == 0 for each in found),
    )
