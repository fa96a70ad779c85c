"""Alerts of a closing: what it holds for want of a price, once for each booking and meter or component."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from allmende.schemas.billing import AlertRaised

from ..rating.reckoning import HeldDue
from ..rating.rerating import HeldUsage

_Kind = Literal["usage_unknown_meter", "usage_unpriced"]


def of_usage(held: Iterable[HeldUsage]) -> list[AlertRaised]:
    """Tell of usage that is held: one alert for each booking, meter, kind and period.

    A provider chooses the values of dimensions, so that a meter may be held in any number of parts. The
    reason told is that of the first part by component, terms and what it is charged for.
    """
    groups: defaultdict[tuple[str, str, str, _Kind, str], list[HeldUsage]] = defaultdict(list)
    for each in held:
        kind: _Kind = "usage_unknown_meter" if each.reason.code == "unknown_meter" else "usage_unpriced"
        rated = each.rated
        groups[rated.provider, rated.booking_id, each.meter, kind, each.span.last_period].append(each)
    alerts = []
    for (provider, booking_id, meter, kind, period), found in sorted(groups.items()):
        first = min(found, key=lambda each: (each.key or ("", 0, ""), each.reason.sentences))
        german, english = first.reason.sentences
        alerts.append(
            AlertRaised(
                kind=kind,
                provider=provider,
                booking_id=booking_id,
                meter=meter,
                period=period,
                records=_records(found),
                message_de=german,
                message_en=english,
            )
        )
    return alerts


def _records(found: Sequence[HeldUsage]) -> int:
    """Count records once where several components measure the same meter."""
    by_component: Counter[str] = Counter()
    for each in found:
        by_component[each.key[0] if each.key else ""] += each.records
    return max(by_component.values())


def of_dues(held: Iterable[HeldDue], period: str) -> list[AlertRaised]:
    """Tell of flat charges that are held: one alert for each booking and component, by its earliest charge.

    Args:
        held: what fell due and has no price.
        period: the month that is closed.
    """
    groups: defaultdict[tuple[str, str], list[HeldDue]] = defaultdict(list)
    for each in held:
        groups[each.booking.confirmed.booking_id, each.due.component.id].append(each)
    alerts = []
    for (booking_id, _), found in sorted(groups.items()):
        first = min(found, key=lambda each: (each.due.first_day, each.due.terms.number, each.due.charged_for))
        name = f"{first.due.component.title}, {first.due.charged_for}"
        german, english = first.reason.sentences
        more = len(found) - 1
        alerts.append(
            AlertRaised(
                kind="charge_held",
                provider=first.booking.confirmed.provider,
                booking_id=booking_id,
                period=period,
                records=0,
                message_de=f"{name}{f' und {more} weitere' if more else ''}: {german}",
                message_en=f"{name}{f' and {more} more' if more else ''}: {english}",
            )
        )
    return alerts
