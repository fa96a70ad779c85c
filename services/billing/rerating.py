"""Usage lines: rated from what was measured, and compared with what stands charged for the same span.

A closed period keeps its lines. Where late, corrected or cancelled records change what a span comes to, the
line that stands is taken back and the right one charged, both in the settlement that is being closed.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from allmende.schemas.billing import ChargeLine
from allmende.schemas.rejections import Rejected
from allmende.tariffs.rating import Measured, Unrated, rate_usage

from . import charge
from .metering import Rated, Reading, Span, Unmeasured
from .reckoning import Key, Standing

FlatAmounts = Mapping[tuple[str, str], Mapping[str, int]]
"""Cents of flat components by booking and what they are charged for, of which usage may be a percentage."""


@dataclasses.dataclass(frozen=True, slots=True)
class HeldUsage:
    """Usage without a price: it is charged as soon as there is one."""

    rated: Rated
    meter: str
    span: Span
    records: int
    reason: Rejected


@dataclasses.dataclass(frozen=True)
class RatedUsage:
    """What usage comes to.

    Attributes:
        lines: by booking, component, terms and what they are charged for.
        held: what has no price.
    """

    lines: Mapping[tuple[str, Key], ChargeLine]
    held: tuple[HeldUsage, ...]


def rate(readings: Sequence[Reading], span: Span, period: str, flat: FlatAmounts) -> RatedUsage:
    """Rate what was measured in a span, booking by booking.

    Args:
        readings: of any bookings.
        span: the month, quarter or year.
        period: the month of the statement.
        flat: what flat components of the same span come to.
    """
    by_terms: defaultdict[tuple[str, int], list[Reading]] = defaultdict(list)
    for each in readings:
        by_terms[each.rated.booking_id, each.rated.terms.number].append(each)
    lines: dict[tuple[str, Key], ChargeLine] = {}
    held: list[HeldUsage] = []
    for (booking_id, number), found in sorted(by_terms.items()):
        rated = found[0].rated
        charged_for = {id(each.measured): each.charged_for for each in found}
        for line in rate_usage(
            rated.terms.tariff,
            rated.terms.known,
            [each.measured for each in found],
            order_quantities=rated.terms.quantities,
            amounts_of=flat.get((booking_id, span.label), {}),
        ):
            label = charged_for.get(id(line.measured), span.label)
            if isinstance(line, Unrated):
                held.append(_held(rated, line, span))
            else:
                key = (line.component.id, number, label)
                lines[booking_id, key] = charge.of_usage(rated, line, span, label, period)
    return RatedUsage(lines, tuple(held))


def _held(rated: Rated, line: Unrated, span: Span) -> HeldUsage:
    records = line.measured.records if isinstance(line.measured, Measured) else 0
    return HeldUsage(rated, line.component.measure or line.component.id, span, records, line.reason)


def reconcile(rated: RatedUsage, standing: Mapping[str, Iterable[Standing]]) -> list[ChargeLine]:
    """Bring what stands charged for a span in line with what it comes to now.

    Args:
        rated: what the span comes to now.
        standing: by booking, the usage that stands charged for the span.
    """
    charged = {(booking_id, each.key): each for booking_id, found in standing.items() for each in found}
    held = {each.rated.booking_id for each in rated.held}
    lines = []
    for key, line in rated.lines.items():
        before = charged.get(key)
        if before is None:
            lines.append(line)
        elif not _same(before.line, line):
            lines += [_taken_back(before), line]
    for key, before in charged.items():
        if key not in rated.lines and key[0] not in held:
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
    line = charge.reversal(standing.line, standing.settled_in, (german, english))
    return line.model_copy(update={"component": component, "terms": terms, "charged_for": charged_for})


def unmeasured_reason(lost: Unmeasured) -> Rejected:
    """Why usage of a meter is not charged: no terms of its booking know the meter."""
    return Rejected("unknown_meter", {"meter": lost.meter})
