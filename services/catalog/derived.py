"""Offerings whose prices follow another provider's list: taken over when a tariff version is published.

A published version never changes: when the other list changes later, the price stays as it was taken, until
its provider publishes a new version, which takes the other price as it is then.
"""

import datetime as dt
from collections.abc import Iterator, Mapping

from allmende.schemas.catalog import Offering
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, Derived, Price, Tariff, prices_of
from allmende.tariffs.derivation import derive, derived_in, origin_of, with_prices
from allmende.tariffs.terms import tariff_on

from .offering import Listed
from .visibility import Marks, admits, seen_by


def sources_of(offering: Offering) -> Iterator[str]:
    """The ids of offerings that must be known before this one can be published."""
    for plan in offering.plans:
        for tariff in plan.tariffs:
            yield from (origin.offering_id for origin in derived_in(tariff))


def resolve(
    offering: Offering,
    before: Offering | None,
    sources: Mapping[str, Listed],
    borne: Marks,
    day: dt.date,
) -> Offering | Rejected:
    """Take all prices from other lists that a document asks for.

    Args:
        offering: the document.
        before: as it is published now; what its versions took over stays.
        sources: other offerings by id, as far as they are known.
        borne: the marks of the document's provider, which must see what it takes from.
        day: whose prices are taken.

    Returns:
        The document with prices that name where they come from; or why one cannot be taken.
    """
    published = {
        (plan.plan_id, tariff.version): tariff
        for plan in (before.plans if before else ())
        for tariff in plan.tariffs
    }
    plans = []
    for plan in offering.plans:
        tariffs = []
        for tariff in plan.tariffs:
            resolved = tariff
            if derived_in(tariff):
                taken = _Taken(tariff, published.get((plan.plan_id, tariff.version)), sources, borne, day)
                resolved = tariff.model_copy(
                    update={"components": tuple(map(taken.component, tariff.components))}
                )
                if taken.refusals:
                    return taken.refusals[0]
            tariffs.append(resolved)
        plans.append(plan.model_copy(update={"tariffs": tuple(tariffs)}))
    return offering.model_copy(update={"plans": tuple(plans)})


class _Taken:
    """The prices of one tariff version, and why some cannot be taken."""

    def __init__(
        self,
        tariff: Tariff,
        published: Tariff | None,
        sources: Mapping[str, Listed],
        borne: Marks,
        day: dt.date,
    ) -> None:
        self._tariff, self._sources, self._borne, self._day = tariff, sources, borne, day
        self._before = {each.id: each for each in published.components} if published else {}
        self.refusals: list[Rejected] = []

    def component(self, component: Component) -> Component:
        before = self._before.get(component.id)
        kept = list(prices_of(before)) if before is not None else []

        def exchange(price: Price) -> Price:
            origin = origin_of(price)
            if origin is None:
                return price
            # What was taken stays taken; a document may tell it as it was asked for, or as it was published.
            stays = next((each for each in kept if each == price), None) or next(
                (each for each in kept if isinstance(price, Derived) and origin_of(each) == origin), None
            )
            if stays is not None:
                return stays
            taken = self._take(origin, component)
            if isinstance(taken, Rejected):
                self.refusals.append(taken)
                return price
            if not isinstance(price, Derived) and taken != price:
                about = {"offering": origin.offering_id, "component": component.id}
                self.refusals.append(rejected("derived_otherwise", "offering.plans", **about))
            return taken

        return with_prices(component, exchange)

    def _take(self, origin: Derived, component: Component) -> Price | Rejected:
        about = {"offering": origin.offering_id, "plan": origin.plan_id, "component": origin.component}
        unknown = rejected("derived_unknown", "offering.plans", **about)
        listed = self._sources.get(origin.offering_id)
        if listed is None or listed.state not in {"published", "paused"}:
            return unknown
        if not admits(seen_by(listed.offering), self._borne):
            return unknown  # it must not learn that there is one
        plan = next((plan for plan in listed.offering.plans if plan.plan_id == origin.plan_id), None)
        source = tariff_on(plan, self._day) if plan is not None else None
        if source is None:
            return unknown
        return derive(origin, component.unit, self._tariff.currency, source)
