"""Usage lines: rated from what was measured, and compared with what stands charged for the same span.

A closed period keeps its lines. Where late, corrected or cancelled records change what a span comes to, the
line that stands is taken back and the right one charged, both in the settlement that is being closed.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from allmende.schemas.billing import ChargeLine
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.rating import Measured, Unrated, rate_usage

from . import charge
from .metering import Rated, Reading, Span, Unmeasured
from .reckoning import Key, Standing

FlatAmounts = Mapping[tuple[str, int], Mapping[str, int]]
"""Cents of flat components of a span by booking and terms, of which a percentage may be taken."""


@dataclasses.dataclass(frozen=True, slots=True)
class HeldUsage:
    """Usage without a price: it is charged as soon as there is one.

    Attributes:
        key: under which it would be charged; None of a meter that no terms know.
    """

    rated: Rated
    meter: str
    span: Span
    records: int
    reason: Rejected
    key: Key | None = None


@dataclasses.dataclass(frozen=True)
class RatedUsage:
    """What usage comes to.

    Attributes:
        lines: by booking, component, terms and what they are charged for.
        held: what has no price.
    """

    lines: Mapping[tuple[str, Key], ChargeLine]
    held: tuple[HeldUsage, ...]


def rate(
    readings: Sequence[Reading],
    span: Span,
    period: str,
    flat: FlatAmounts = MappingProxyType({}),
    percentages: Iterable[Rated] = (),
) -> RatedUsage:
    """Rate what was measured in a span, booking by booking.

    Args:
        readings: of any bookings.
        span: the month, quarter or year.
        period: the month of the statement.
        flat: what flat components of the same span come to.
        percentages: terms that charge a percentage of them, be anything measured or not.
    """
    by_terms: defaultdict[tuple[str, int], list[Reading]] = defaultdict(list)
    for each in readings:
        by_terms[each.rated.booking_id, each.rated.terms.number].append(each)
    terms = {(each.booking_id, each.terms.number): each for each in percentages}
    terms |= {key: found[0].rated for key, found in by_terms.items()}
    lines: dict[tuple[str, Key], ChargeLine] = {}
    held: list[HeldUsage] = []
    for (booking_id, number), rated in sorted(terms.items(), key=lambda each: each[0]):
        found = by_terms.get((booking_id, number), [])
        charged_for = {id(each.measured): each.charged_for for each in found}
        for line in rate_usage(
            rated.terms.tariff,
            rated.terms.known,
            [each.measured for each in found],
            order_quantities=rated.terms.quantities,
            amounts_of=flat.get((booking_id, number), {}),
            day=span.first_day,
        ):
            label = charged_for.get(id(line.measured), span.label)
            key = (line.component.id, number, label)
            if isinstance(line, Unrated):
                held.append(_held(rated, line, span, key))
            else:
                lines[booking_id, key] = charge.of_usage(rated, line, span, label, period)
    return RatedUsage(lines, tuple(held))


def _held(rated: Rated, line: Unrated, span: Span, key: Key) -> HeldUsage:
    records = line.measured.records if isinstance(line.measured, Measured) else 0
    return HeldUsage(rated, line.component.measure or line.component.id, span, records, line.reason, key)


def reconcile(rated: RatedUsage, standing: Mapping[str, Iterable[Standing]]) -> list[ChargeLine]:
    """Bring what stands charged for a span in line with what it comes to now.

    What stands charged of something that has no price any more stays until it has one.

    Args:
        rated: what the span comes to now.
        standing: by booking, the usage that stands charged for the span.
    """
    charged = {(booking_id, each.key): each for booking_id, found in standing.items() for each in found}
    held = {(each.rated.booking_id, each.key) for each in rated.held}
    lines = []
    for key, line in rated.lines.items():
        before = charged.get(key)
        if before is None:
            lines.append(line)
        elif not _same(before.line, line):
            lines += [_taken_back(before), line]
    for key, before in charged.items():
        if key not in rated.lines and key not in held:
            lines.append(_taken_back(before))
    return lines


def _same(before: ChargeLine, line: ChargeLine) -> bool:
    return (before.amount_cents, before.quantity, before.tariff_version) == (
        line.amount_cents,
        line.quantity,
        line.tariff_version,
    )


def _taken_back(standing: Standing) -> ChargeLine:
    german = "Nachberechnung nach verspäteten oder berichtigten Verbrauchsdaten"
    english = "rated again after late or corrected usage"
    component, terms, charged_for = standing.key
    line = charge.reversal(standing.line, standing.settled_in, (german, english), standing.credited_cents)
    return line.model_copy(update={"component": component, "terms": terms, "charged_for": charged_for})


def unmeasured(lost: Unmeasured, span: Span) -> HeldUsage:
    """Hold usage of a meter that no terms of its booking know."""
    reason = rejected("unknown_meter", meter=lost.meter)
    return HeldUsage(lost.rated, lost.meter, span, lost.records, reason)
