"""Levies: a cost of the cooperative, shared by a key."""

import dataclasses
from collections.abc import Mapping

from allmende.schemas.billing import ChargeLevy, ChargeLine, LevyCharged, LevyShare
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.allocation import Share, allocate

from ..period import first_day_of, last_day_of


@dataclasses.dataclass(frozen=True)
class Levy:
    """A levy with the story of every share, which only the member's own statement tells."""

    fact: LevyCharged
    shares: tuple[Share, ...]


def charge(
    command: ChargeLevy,
    levy_id: str,
    *,
    lands: Mapping[str, str | None],
    period_is_closed: bool,
    replaced: LevyCharged | None = None,
) -> Levy | Rejected:
    """Spread a cost over the members.

    Args:
        command: amount, period and key.
        levy_id: the id of the command.
        lands: the seat of every member that shares.
        period_is_closed: whether the period takes no more charges.
        replaced: the levy that this one bills again; the key must hold for the period whose cost that was.
    """
    if period_is_closed:
        return rejected("period_closed", "period", period=command.period)
    key = command.key
    charged_for = (replaced.charged_for or replaced.period) if replaced is not None else None
    if key.effective_from > first_day_of(charged_for or command.period):
        return rejected("key_not_effective", "key.effective_from", key=key.key_id, day=key.effective_from)
    holder_of = lands if key.holders == "land" else {member: member for member in lands}
    shares = allocate(command.amount_cents, key, holder_of)
    if isinstance(shares, Rejected):
        return shares
    fact = LevyCharged(
        levy_id=levy_id,
        period=command.period,
        title=command.title,
        amount_cents=command.amount_cents,
        key_id=key.key_id,
        key_version=key.version,
        shares=tuple(LevyShare(member=share.member, amount_cents=share.amount_cents) for share in shares),
        replaces=command.replaces,
        charged_for=charged_for,
        legal_basis=command.legal_basis,
    )
    return Levy(fact, tuple(shares))


def lines_of(levy: Levy, clearing_house: str) -> list[ChargeLine]:
    """Charge every member's part of a levy; one that is billed again keeps the time of its cost."""
    spread = levy.fact.charged_for or levy.fact.period
    again = levy.fact.replaces is not None
    german = f"; neu berechnet für {spread} anstelle einer zurückgenommenen Umlage" if again else ""
    english = f"; billed again for {spread} in place of a levy that was taken back" if again else ""
    return [
        ChargeLine(
            line=0,
            kind="levy",
            payer=share.member,
            payee=clearing_house,
            title=levy.fact.title,
            levy_id=levy.fact.levy_id,
            service_from=first_day_of(spread),
            service_to=last_day_of(spread),
            amount_cents=share.amount_cents,
            trace_de=share.trace_de + german,
            trace_en=share.trace_en + english,
        )
        for share in levy.shares
    ]
