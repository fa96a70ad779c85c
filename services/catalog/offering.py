"""Offerings: what may be published, what may change afterwards, what stays as it was."""

import dataclasses
import datetime as dt
from typing import Literal

from allmende.schemas.catalog import Offering, OfferingPublished, OfferingRetired
from allmende.schemas.rejections import Rejected, rejected

TARIFF_BYTES_MAX = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Listed:
    """An offering as the catalogue holds it."""

    offering: Offering
    revision: int
    state: Literal["published", "retired"] = "published"


def publish(
    listed: Listed | None, offering: Offering, provider: str, now: dt.datetime
) -> OfferingPublished | Rejected:
    """Publish an offering or its next revision. An unchanged document keeps its revision."""
    if offering.provider != provider:
        return rejected(
            "not_your_offering", "offering.offering_id", offering=offering.offering_id, member=provider
        )
    if refusal := refuse_large_terms(offering):
        return refusal
    if listed is None:
        return _published(offering, 1, now)
    if listed.state == "published" and listed.offering == offering:
        return _published(offering, listed.revision, now)
    return refuse_rewriting(listed.offering, offering) or _published(offering, listed.revision + 1, now)


def refuse_large_terms(offering: Offering) -> Rejected | None:
    """Refuse a tariff version that is too large to be frozen into every booking."""
    for plan in offering.plans:
        for tariff in plan.tariffs:
            if (size := len(tariff.model_dump_json().encode())) > TARIFF_BYTES_MAX:
                detail = f"{plan.plan_id}, version {tariff.version}: {size} > {TARIFF_BYTES_MAX} bytes"
                return rejected("too_large", "offering.plans", detail=detail)
    return None


def retire(
    listed: Listed | None, offering_id: str, provider: str, now: dt.datetime
) -> OfferingRetired | Rejected:
    """Close an offering for new bookings. Retiring twice is the same as once."""
    if not offering_id.startswith(f"{provider}/"):
        return rejected("not_your_offering", "offering_id", offering=offering_id, member=provider)
    if listed is None:
        return rejected("unknown_offering", "offering_id", offering=offering_id)
    return OfferingRetired(
        offering_id=offering_id, provider=provider, revision=listed.revision, retired_at=now
    )


def refuse_rewriting(before: Offering, after: Offering) -> Rejected | None:
    """Refuse a revision that changes the past: bookings point at published plans and tariff versions.

    An open version may be given its last day, so that a next one can follow.
    """
    plans = {plan.plan_id: plan for plan in after.plans}
    for old_plan in before.plans:
        new_plan = plans.get(old_plan.plan_id)
        if new_plan is None:
            return rejected("plan_missing", "offering.plans", plan=old_plan.plan_id)
        versions = {tariff.version: tariff for tariff in new_plan.tariffs}
        for old in old_plan.tariffs:
            new = versions.get(old.version)
            about = {"plan": old_plan.plan_id, "version": old.version}
            if new is None:
                return rejected("tariff_version_missing", "offering.plans", **about)
            ended = old.valid_to is None and new == old.model_copy(update={"valid_to": new.valid_to})
            if new != old and not ended:
                return rejected("tariff_version_changed", "offering.plans", **about)
    return None


def evolve(listed: Listed | None, fact: OfferingPublished | OfferingRetired) -> Listed:
    """Apply a fact."""
    match fact:
        case OfferingPublished():
            return Listed(fact.offering, fact.revision)
        case OfferingRetired():
            if listed is None:
                raise ValueError("an offering that is not listed cannot have been retired")
            return dataclasses.replace(listed, state="retired")


def _published(offering: Offering, revision: int, now: dt.datetime) -> OfferingPublished:
    return OfferingPublished(
        offering=offering, provider=offering.provider, revision=revision, published_at=now
    )
