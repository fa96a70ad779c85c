"""Offerings: what may be published, what may change afterwards, what stays as it was."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Literal

from allmende.schemas.catalog import (
    DiscardDraft,
    DraftDiscarded,
    DraftOffering,
    Offering,
    OfferingDrafted,
    OfferingPaused,
    OfferingPublished,
    OfferingResumed,
    OfferingRetired,
    PauseOffering,
    PublishOffering,
    ResumeOffering,
    RetireOffering,
    State,
)
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.order_form import refuse_schema

TARIFF_BYTES_MAX = 64 * 1024

Command = DraftOffering | DiscardDraft | PublishOffering | PauseOffering | ResumeOffering | RetireOffering
Kept = OfferingDrafted | DraftDiscarded
"""What concerns its provider alone."""
Changed = OfferingPublished | OfferingPaused | OfferingResumed | OfferingRetired
"""What changes the catalogue for others."""

Move = Literal["pause", "resume", "retire"]
MOVES: Mapping[Move, Mapping[State, str]] = {
    "pause": {
        "draft": "not_published",
        "published": "paused",
        "paused": "paused",
        "retired": "offering_retired",
    },
    "resume": {
        "draft": "not_published",
        "published": "not_paused",
        "paused": "published",
        "retired": "offering_retired",
    },
    "retire": {
        "draft": "not_published",
        "published": "retired",
        "paused": "retired",
        "retired": "retired",
    },
}
"""Where a move leads from each state, or why it is refused. Drafting and publishing lead from everywhere."""


@dataclasses.dataclass(frozen=True)
class Listed:
    """An offering as the catalogue holds it.

    Attributes:
        offering: the newest published document; before the first publication, the draft.
        revision: of that document; 0 before the first publication.
        position: of the last change of the catalogue that it made; 0 before the first publication.
        draft: what its provider is working on, if anything.
    """

    offering: Offering
    revision: int
    state: State = "published"
    position: int = 0
    draft: Offering | None = None


Resolve = Callable[[Offering, Offering | None], Offering | Rejected]
"""Takes prices from other lists that a document asks for, beside what is published of it now."""


def as_it_is(offering: Offering, _published: Offering | None) -> Offering:
    """Leave a document as it is."""
    return offering


def decide(  # noqa: PLR0913 - what a decision depends on
    listed: Listed | None,
    command: Command,
    sender: str,
    now: dt.datetime,
    position: int,
    *,
    resolve: Resolve = as_it_is,
) -> Kept | Changed | Rejected:
    """Decide one command.

    Args:
        listed: the offering, if the catalogue has it.
        command: what is asked for.
        sender: who asks.
        now: the moment of the decision.
        position: what the next change of the catalogue is counted as.
        resolve: how prices are taken from other lists.
    """
    if isinstance(command, PublishOffering | DraftOffering):
        resolved = resolved_of(listed, command.offering, sender, resolve)
        if isinstance(resolved, Rejected):
            return resolved
        if isinstance(command, PublishOffering):
            return publish(listed, resolved, sender, now, position)
        # A draft goes on to ask for a price: that is taken when it is published.
        kept = draft(listed, resolved, sender, now)
        return kept if isinstance(kept, Rejected) else kept.model_copy(update={"offering": command.offering})
    if not command.offering_id.startswith(f"{sender}/"):
        return rejected("not_your_offering", "offering_id", offering=command.offering_id, member=sender)
    if listed is None:
        return rejected("unknown_offering", "offering_id", offering=command.offering_id)
    match command:
        case DiscardDraft():
            return discard(listed, now)
        case PauseOffering():
            return pause(listed, command.reason, now, position)
        case ResumeOffering():
            return resume(listed, now, position)
        case RetireOffering():
            return retire(listed, now, position)


def resolved_of(
    listed: Listed | None, offering: Offering, provider: str, resolve: Resolve
) -> Offering | Rejected:
    """The document with all its prices. Only its provider is told why one cannot be taken."""
    if offering.provider != provider:
        return offering
    return resolve(offering, listed.offering if listed is not None and listed.revision else None)


def draft(
    listed: Listed | None, offering: Offering, provider: str, now: dt.datetime
) -> OfferingDrafted | Rejected:
    """Keep a draft, if it could be published as it is."""
    if refusal := refuse_document(listed, offering, provider):
        return refusal
    revision = listed.revision + 1 if listed else 1
    return OfferingDrafted(offering=offering, provider=provider, revision=revision, drafted_at=now)


def discard(listed: Listed, now: dt.datetime) -> DraftDiscarded | Rejected:
    """Throw a draft away."""
    offering = listed.offering
    if listed.draft is None:
        return rejected("no_draft", "offering_id", offering=offering.offering_id)
    return DraftDiscarded(offering_id=offering.offering_id, provider=offering.provider, discarded_at=now)


def publish(
    listed: Listed | None, offering: Offering, provider: str, now: dt.datetime, position: int
) -> OfferingPublished | Rejected:
    """Publish an offering or its next revision. What changes nothing keeps its revision and position."""
    if refusal := refuse_document(listed, offering, provider):
        return refusal
    revision = listed.revision + 1 if listed else 1
    if listed is not None and listed.state == "published" and listed.offering == offering:
        revision, position = listed.revision, listed.position
    return OfferingPublished(
        offering=offering, provider=provider, revision=revision, position=position, published_at=now
    )


def pause(listed: Listed, reason: str, now: dt.datetime, position: int) -> OfferingPaused | Rejected:
    """Close an offering for a while. Pausing again tells another reason."""
    refusal = refuse_move("pause", listed)
    return refusal or OfferingPaused(
        offering_id=listed.offering.offering_id,
        provider=listed.offering.provider,
        category=listed.offering.category,
        revision=listed.revision,
        position=position,
        reason=reason,
        paused_at=now,
    )


def resume(listed: Listed, now: dt.datetime, position: int) -> OfferingResumed | Rejected:
    """Open a paused offering again."""
    refusal = refuse_move("resume", listed)
    return refusal or OfferingResumed(
        offering_id=listed.offering.offering_id,
        provider=listed.offering.provider,
        category=listed.offering.category,
        revision=listed.revision,
        position=position,
        resumed_at=now,
    )


def retire(listed: Listed, now: dt.datetime, position: int) -> OfferingRetired | Rejected:
    """Close an offering for new bookings for good. Retiring twice is the same as once."""
    refusal = refuse_move("retire", listed)
    return refusal or OfferingRetired(
        offering_id=listed.offering.offering_id,
        provider=listed.offering.provider,
        category=listed.offering.category,
        revision=listed.revision,
        position=listed.position if listed.state == "retired" else position,
        retired_at=now,
    )


def refuse_move(move: Move, listed: Listed) -> Rejected | None:
    """Refuse a move that leads nowhere from where the offering stands."""
    leads_to = MOVES[move][listed.state]
    if leads_to in {"published", "paused", "retired"}:
        return None
    return rejected(leads_to, "offering_id", offering=listed.offering.offering_id)


def refuse_document(listed: Listed | None, offering: Offering, provider: str) -> Rejected | None:
    """Refuse a document that its sender may not publish."""
    if offering.provider != provider:
        return rejected(
            "not_your_offering", "offering.offering_id", offering=offering.offering_id, member=provider
        )
    if refusal := refuse_large_terms(offering) or refuse_forms(offering):
        return refusal
    return refuse_rewriting(listed.offering, offering) if listed and listed.revision else None


def refuse_large_terms(offering: Offering) -> Rejected | None:
    """Refuse a tariff version that is too large to be frozen into every booking."""
    for plan in offering.plans:
        for tariff in plan.tariffs:
            if (size := len(tariff.model_dump_json().encode())) > TARIFF_BYTES_MAX:
                detail = f"{plan.plan_id}, version {tariff.version}: {size} > {TARIFF_BYTES_MAX} bytes"
                return rejected("too_large", "offering.plans", detail=detail)
    return None


def refuse_forms(offering: Offering) -> Rejected | None:
    """Refuse an order form that no booking could be checked against."""
    return next((refusal for plan in offering.plans if (refusal := refuse_schema(plan))), None)


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


def evolve(listed: Listed | None, fact: Kept | Changed) -> Listed | None:
    """Apply a fact. What was never published is gone with its draft."""
    match fact:
        case OfferingDrafted():
            before = listed if listed and listed.revision else Listed(fact.offering, 0, "draft")
            return dataclasses.replace(before, draft=fact.offering)
        case DraftDiscarded():
            return dataclasses.replace(listed, draft=None) if listed and listed.revision else None
        case _:
            return change(listed, fact)


def change(listed: Listed | None, fact: Changed) -> Listed:
    """Apply a fact that changes the catalogue for others."""
    if isinstance(fact, OfferingPublished):
        return Listed(fact.offering, fact.revision, "published", fact.position)
    if listed is None:
        raise ValueError("an offering that is not listed cannot have changed")
    match fact:
        case OfferingPaused():
            return dataclasses.replace(listed, state="paused", position=fact.position)
        case OfferingResumed():
            return dataclasses.replace(listed, state="published", position=fact.position)
        case OfferingRetired():
            return dataclasses.replace(listed, state="retired", position=fact.position)
