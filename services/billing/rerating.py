"""Usage lines: rated from what was measured, and compared with what stands charged for the same span.

A closed period keeps its lines. Where late, corrected or cancelled records change what a span comes to, the
line that stands is taken back and the right one charged, both in the settlement that is being closed.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from allmende.schemas.billing import ChargeLine
from allmende.schemas.rejections import Rejected
from allmende.tariffs.rating import Line, Measured, Unrated, rate_usage

from . import charge
from .metering import Rated, Reading, Span, Unmeasured, UsageLine
from .reckoning import Standing

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
        lines: one for each component of a booking, its terms, and what it is charged for.
        held: what has no price.
    """

    lines: Sequence[UsageLine]
    held: Sequence[HeldUsage]


def rate(readings: Sequence[Reading], span: Span, flat: FlatAmounts) -> RatedUsage:
    """Rate what was measured in a span, booking by booking.

    Args:
        readings: of any bookings.
        span: the month, quarter or year.
        flat: what flat components of the same span come to.
    """
    by_terms: dict[tuple[str, int], list[Reading]] = {}
    for each in readings:
        by_terms.setdefault((each.rated.booking_id, each.rated.terms.number), []).append(each)
    lines: list[UsageLine] = []
    held: list[HeldUsage] = []
    for (booking_id, _), found in by_terms.items():
        rated = found[0].rated
        charged_for = {id(each.measured): each.charged_for for each in found}
        amounts = flat.get((booking_id, span.label), _NOTHING) if flat else _NOTHING
        for line in rate_usage(
            rated.terms.tariff,
            rated.terms.known,
            [each.measured for each in found],
            order_quantities=rated.terms.quantities,
            amounts_of=amounts,
        ):
            if isinstance(line, Unrated):
                held.append(_held(rated, line, span))
            else:
                label = charged_for.get(id(line.measured), span.label)
                lines.append(UsageLine(rated, line, span, label))
    return RatedUsage(lines, held)


_NOTHING: Mapping[str, int] = {}


def _held(rated: Rated, line: Unrated, span: Span) -> HeldUsage:
    records = line.measured.records if isinstance(line.measured, Measured) else 0
    return HeldUsage(rated, line.component.measure or line.component.id, span, records, line.reason)


def reconcile(
    rated: RatedUsage, standing: Mapping[str, Iterable[Standing]]
) -> tuple[list[UsageLine], list[ChargeLine]]:
    """Bring what stands charged for a span in line with what it comes to now.

    Args:
        rated: what the span comes to now.
        standing: by booking, the usage that stands charged for the span.

    Returns:
        What is charged, and the lines that take back what stood.
    """
    charged = {(booking_id, each.key): each for booking_id, found in standing.items() for each in found}
    held = {each.rated.booking_id for each in rated.held}
    right = {(each.rated.booking_id, each.key): each for each in rated.lines}
    lines = []
    back = []
    for key, line in right.items():
        before = charged.get(key)
        if before is None or not _same(before.line, line.line):
            lines.append(line)
            back += [_taken_back(before)] if before is not None else []
    back += [
        _taken_back(before) for key, before in charged.items() if key not in right and key[0] not in held
    ]
    return lines, back


def _same(before: ChargeLine, line: Line) -> bool:
    quantity = line.quantity if line.quantity >= 0 else None
    return (before.amount_cents, before.quantity, before.tariff_version) == (
        line.amount_cents,
        quantity,
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
