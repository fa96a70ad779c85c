"""What search knows of an offering: its words, by weight, and what it can be filtered by."""

import dataclasses
import datetime as dt
from collections.abc import Iterator

from allmende.schemas.catalog import Offering

from .offering import Listed
from .visibility import Marks, marks_for, seen_by

_COMPOUND_CHARACTERS_MIN = 10
"""A German word of this length is hardly ever simple; shorter ones of a description are found as they are."""
_PLAIN_CHARACTERS_MAX = 500


@dataclasses.dataclass(frozen=True)
class Listing:
    """One offering as search reads it.

    Attributes:
        open: some plan takes new bookings.
        facets: `category:hosting`, `region:bremen` and so on.
        proof_ends: the last day on which all its valid certificates are.
        headline: what it is called.
        body: what else is said of it, the weightier part first.
    """

    offering_id: str
    provider: str
    category: str
    state: str
    revision: int
    title: str
    seen_by: Marks | None
    bookable_by: Marks | None
    open: bool
    facets: tuple[str, ...]
    proof_ends: dt.date | None
    headline: str
    body: tuple[str, str]

    @property
    def plain(self) -> str:
        """The words inside of which others may be found: all that name something, and long ones."""
        names, description = self.body
        long = dict.fromkeys(w for w in description.split() if len(w) >= _COMPOUND_CHARACTERS_MIN)
        return " ".join((self.headline, names, *long))[:_PLAIN_CHARACTERS_MAX]


def listing_of(listed: Listed, today: dt.date) -> Listing:
    """Tell what search knows of an offering on a day."""
    offering = listed.offering
    valid_until = [c.valid_until for c in offering.certificates if c.valid_until and c.valid_until >= today]
    return Listing(
        offering_id=offering.offering_id,
        provider=offering.provider,
        category=offering.category,
        state=listed.state,
        revision=listed.revision,
        title=offering.title,
        seen_by=seen_by(offering),
        bookable_by=marks_for(offering.bookable_by),
        open=any(not plan.closed_to_new for plan in offering.plans),
        facets=tuple(sorted(set(_facets(offering, today)))),
        proof_ends=min(valid_until, default=None),
        headline=" ".join((offering.title, *offering.keywords)),
        body=(" ".join(_names(offering)), offering.description),
    )


def _facets(offering: Offering, today: dt.date) -> Iterator[str]:
    yield f"category:{offering.category}"
    yield f"provider:{offering.provider}"
    for plan in offering.plans:
        for pool in plan.pools:
            if pool.region:
                yield f"region:{pool.region}"
    for certificate in offering.certificates:
        if certificate.valid_until is None or certificate.valid_until >= today:
            yield f"certificate:{certificate.name}"
    for keyword in offering.keywords:
        yield f"keyword:{keyword}"


def _names(offering: Offering) -> Iterator[str]:
    yield offering.provider
    for plan in offering.plans:
        yield plan.title
        for pool in plan.pools:
            yield pool.title
    for certificate in offering.certificates:
        yield certificate.name
