"""Levies are taken back as a whole, and may then be billed again under another key."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from allmende.schemas.billing import ChargeLine, LevyCharged
from allmende.schemas.bodies import Person
from allmende.schemas.money import euro
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.statements import LevyReversed, ReverseLevy
from allmende.tariffs.allocation import Share

from ..period import first_day_of, last_day_of


@dataclasses.dataclass(frozen=True)
class Standing:
    """A levy with all that became of it.

    Attributes:
        shares: with the story of each.
        reversed_in: the period in whose run it is taken back.
        replaced_by: the levy that bills it again.
        disputed: how many objections to its lines are open.
        lines: of its own period's run, by payer; none where it is not collected.
        credited: net cents by payer, after objections.
    """

    fact: LevyCharged
    shares: Sequence[Share]
    reversed_in: str | None = None
    replaced_by: str | None = None
    disputed: int = 0
    lines: Mapping[str, ChargeLine] = dataclasses.field(default_factory=dict)
    credited: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Reversal:
    """What takes a levy back; without lines where none of it was collected."""

    fact: LevyReversed
    lines: tuple[ChargeLine, ...]


def reverse(
    command: ReverseLevy, found: Standing | None, person: Person, *, office: str, closed: Collection[str]
) -> Reversal | Rejected:
    """Take a levy back.

    What is not collected yet is simply left out of its own period, and nobody is charged. Otherwise every
    share is taken back less what was credited of it after objections, with the dates, the VAT treatment and
    the budget item of the line that charged it.

    Args:
        command: which levy, in which period, and why.
        found: the levy, if there is one.
        person: who acts, with the duty to approve.
        office: who received the levy.
        closed: which of the two periods take no more charges.
    """
    if found is None:
        return rejected("unknown_levy", "levy_id", levy=command.levy_id)
    levy = found.fact
    if found.reversed_in is not None:
        return rejected("levy_reversed", "levy_id", levy=levy.levy_id, period=found.reversed_in)
    if command.period in closed:
        return rejected("period_closed", "period", period=command.period)
    if levy.period not in closed and command.period != levy.period:
        return rejected("levy_not_charged", "period", levy=levy.levy_id, period=levy.period)
    if command.period < levy.period:
        return rejected("levy_later", "period", levy=levy.levy_id, period=levy.period)
    if found.disputed:
        return rejected("levy_disputed", "levy_id", levy=levy.levy_id, count=found.disputed)
    collected = levy.period in closed
    lines = tuple(_lines(command, found, office)) if collected else ()
    fact = LevyReversed(
        levy_id=levy.levy_id,
        period=command.period,
        title=levy.title,
        amount_cents=-sum(line.amount_cents for line in lines) if collected else levy.amount_cents,
        reason=command.reason,
        reversed_by=person.id,
    )
    return Reversal(fact, lines)


def _lines(command: ReverseLevy, found: Standing, office: str) -> list[ChargeLine]:
    levy = found.fact
    spread = levy.charged_for or levy.period
    lines = []
    for share in found.shares:
        left = share.amount_cents - found.credited.get(share.member, 0)
        if not left:
            continue
        charged = found.lines.get(share.member)
        number = f" (Position {charged.line})" if charged is not None else ""
        number_en = f" (line {charged.line})" if charged is not None else ""
        lines.append(
            ChargeLine(
                line=0,
                kind="levy",
                cause="reversal",
                payer=share.member,
                payee=office,
                title=levy.title,
                levy_id=levy.levy_id,
                service_from=first_day_of(spread),
                service_to=last_day_of(spread),
                amount_cents=-left,
                tax=charged.tax if charged is not None else None,
                budget_item=charged.budget_item if charged is not None else None,
                trace_de=(
                    f"Storno der Umlage aus {levy.period}{number}: {command.reason} = {euro(-left)}; "
                    f"ursprünglich: {share.trace_de}"
                ),
                trace_en=(
                    f"reversal of the levy of {levy.period}{number_en}: {command.reason} = "
                    f"{euro(-left, language='en')}; originally: {share.trace_en}"
                ),
            )
        )
    return lines


def replacing(levy_id: str, found: Standing | None) -> LevyCharged | Rejected:
    """Find the levy that another one bills again: it is taken back, and nothing else replaces it."""
    if found is None:
        return rejected("unknown_levy", "replaces", levy=levy_id)
    if found.reversed_in is None:
        return rejected("levy_not_reversed", "replaces", levy=levy_id)
    if found.replaced_by is not None:
        return rejected("levy_replaced", "replaces", levy=levy_id, by=found.replaced_by)
    return found.fact
