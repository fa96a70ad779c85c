"""What somebody has to decide on before a run is issued: each alert holds a line, never the run.

Where nothing can be charged yet there is no line, and it can only be held.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from allmende.schemas.billing import AlertRaised, ChargeLine
from allmende.schemas.money import euro
from allmende.schemas.register import JumpAlert
from allmende.schemas.settlements import AlertKind, RunAlert

Group = tuple[str | None, str | None, str | None]
"""What is compared with the period before: booking and component, or payer, payee and kind."""


@dataclasses.dataclass(frozen=True)
class Carried:
    """A line that an issued run left out, which comes up again.

    Attributes:
        settlement_id: the run that left it out.
        period: of that run.
    """

    settlement_id: str
    period: str
    line: ChargeLine

    def again(self) -> ChargeLine:
        """The same line with its story extended, without a number."""
        number, period = self.line.line, self.period
        return self.line.model_copy(
            update={
                "line": 0,
                "trace_de": f"{self.line.trace_de}; zurückgestellt als Position {number} in {period}",
                "trace_en": f"{self.line.trace_en}; held as line {number} in {period}",
            }
        )


def group_of(line: ChargeLine) -> Group:
    """Tell with what a line is compared."""
    if line.booking_id is not None:
        return (line.booking_id, line.component, None)
    return (line.payer, line.payee, line.kind)


def jumps(
    lines: Sequence[ChargeLine],
    previous: Mapping[Group, int],
    rule: JumpAlert | None,
    without: Container[int] = (),
) -> list[tuple[int, int]]:
    """Find the lines of what changed unusually since the period before.

    What was not charged there has nothing to be compared with.

    Args:
        lines: of a run.
        previous: net cents of the period before.
        rule: a change is unusual that passes both of its limits.
        without: places of lines that belong to an earlier period.

    Returns:
        Places of lines, each with what its group came to before, in cents.
    """
    if rule is None:
        return []
    sums: Counter[Group] = Counter()
    for place, line in enumerate(lines):
        if place not in without:
            sums[group_of(line)] += line.amount_cents
    unusual = set()
    for group, cents in sums.items():
        if group in previous:
            before = previous[group]
            change = abs(cents - before)
            if change > rule.cents and change * 100 > rule.percent * abs(before):
                unusual.add(group)
    return [
        (place, previous[group])
        for place, line in enumerate(lines)
        if place not in without and (group := group_of(line)) in unusual
    ]


def balanced(lines: Sequence[ChargeLine], carried: Collection[int]) -> dict[int, int]:
    """Find what comes up again and is taken back by the same run: both count, and sum to zero.

    Args:
        lines: of a run.
        carried: the places of those that come up again.

    Returns:
        The place of each reversal, with that of the line that it takes back.
    """
    standing: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for place in sorted(carried):
        if lines[place].cause != "reversal":
            standing[_charged(lines[place], 1)].append(place)
    found = {}
    for place, line in enumerate(lines):
        if place not in carried and line.cause == "reversal":
            back = standing.get(_charged(line, -1))
            if back:
                found[place] = back.pop(0)
    return found


def _charged(line: ChargeLine, sign: int) -> tuple[object, ...]:
    return (
        line.payer,
        line.payee,
        line.booking_id,
        line.component,
        line.terms,
        line.charged_for,
        line.levy_id,
        sign * line.amount_cents,
    )


class Notified(NamedTuple):
    """What a provider is told of once, however often its run is drafted."""

    kind: str
    provider: str
    booking_id: str | None
    records: int
    message_de: str

    @classmethod
    def of(cls, raised: AlertRaised) -> Self:
        """Name it."""
        return cls(raised.kind, raised.provider, raised.booking_id, raised.records, raised.message_de)


# -- what is told ---------------------------------------------------------------------------------


def of_lines(
    lines: Sequence[ChargeLine],
    *,
    carried: Mapping[int, Carried],
    undecided: Iterable[int],
    overruns: Iterable[tuple[int, int, int]],
    unusual: Iterable[tuple[int, int]],
) -> list[RunAlert]:
    """Raise the alerts that hold lines, by line; they are not numbered yet.

    Args:
        lines: of a run, numbered.
        carried: by place, what an issued run left out and nothing takes back.
        undecided: places of lines whose VAT nobody has decided on.
        overruns: places of lines that exceed a budget item, with its limit and what it comes to.
        unusual: places of lines that changed unusually, with what was charged before.
    """
    found = [
        _of_line(
            "held_before",
            lines[place],
            f"Zurückgestellt im Lauf {each.period} als Position {each.line.line}",
            f"Held in the run {each.period} as line {each.line.line}",
        )
        for place, each in carried.items()
    ]
    found += [
        _of_line(
            "tax_undecided",
            lines[place],
            f"Über die Umsatzsteuer hat {lines[place].payee} nicht entschieden",
            f"{lines[place].payee} has not decided on the VAT",
        )
        for place in undecided
    ]
    found += [
        _of_line(
            "budget_exceeded",
            lines[place],
            f"Die Buchungsstelle {lines[place].budget_item} käme auf {euro(total)} bei einem Ansatz von "
            f"{euro(limit)}",
            f"The budget item {lines[place].budget_item} would come to {euro(total, language='en')} with a "
            f"limit of {euro(limit, language='en')}",
            previous_cents=limit,
        )
        for place, limit, total in overruns
    ]
    found += [
        _of_line(
            "unusual_jump",
            lines[place],
            f"Ungewöhnliche Veränderung, im Vorzeitraum {euro(before)}",
            f"Unusual change, {euro(before, language='en')} in the period before",
            previous_cents=before,
        )
        for place, before in unusual
    ]
    return sorted(found, key=lambda each: (each.line or 0, each.kind))


def _of_line(kind: AlertKind, line: ChargeLine, german: str, english: str, **more: Any) -> RunAlert:
    return RunAlert(
        alert=1,
        kind=kind,
        line=line.line,
        provider=line.payee,
        consumer=line.payer,
        booking_id=line.booking_id,
        component=line.component,
        amount_cents=line.amount_cents,
        records=line.records,
        message_de=f"{line.title}: {german}",
        message_en=f"{line.title}: {english}",
        **more,
    )


def of_unpriced(raised: Iterable[AlertRaised]) -> list[RunAlert]:
    """Hold what has no price, of which its provider is told at once; the alerts are not numbered yet."""
    return [
        RunAlert(
            alert=1,
            kind=_UNPRICED[each.kind],
            provider=each.provider,
            booking_id=each.booking_id,
            records=each.records,
            message_de=each.message_de,
            message_en=each.message_en,
        )
        for each in raised
    ]


_UNPRICED: Mapping[str, AlertKind] = {
    "usage_unknown_meter": "usage_unknown_meter",
    "usage_unpriced": "usage_unpriced",
    "charge_held": "charge_held",
}


def numbered(found: Iterable[RunAlert]) -> list[RunAlert]:
    """Number the alerts of a run from 1 on."""
    return [each.model_copy(update={"alert": number}) for number, each in enumerate(found, 1)]
