"""Levies: a cost of the cooperative, shared by a key."""

import dataclasses
import datetime as dt
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
    command: ChargeLevy, levy_id: str, *, lands: Mapping[str, str | None], period_is_closed: bool
) -> Levy | Rejected:
    """Spread a cost over the members.

    Args:
        command: amount, period and key.
        levy_id: the id of the command.
        lands: the seat of every member that shares.
        period_is_closed: whether the period takes no more charges.
    """
    if period_is_closed:
        return rejected("period_closed", "period", period=command.period)
    key = command.key
    if key.effective_from > dt.date.fromisoformat(f"{command.period}-01"):
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
    )
    return Levy(fact, tuple(shares))


def lines_of(levy: Levy, clearing_house: str) -> list[ChargeLine]:
    """Charge every member's part of a levy."""
    return [
        ChargeLine(
            line=0,
            kind="levy",
            payer=share.member,
            payee=clearing_house,
            title=levy.fact.title,
            service_from=first_day_of(levy.fact.period),
            service_to=last_day_of(levy.fact.period),
            amount_cents=share.amount_cents,
            trace_de=share.trace_de,
            trace_en=share.trace_en,
        )
        for share in levy.shares
    ]
