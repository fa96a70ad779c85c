"""How a cost is shared by a key, to the cent, with a story for every share."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.money import euro, plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import AllocationKey

from .rounding import share_out


@dataclasses.dataclass(frozen=True)
class Share:
    """One member's part.

    Attributes:
        holder: what the key's value belongs to: the member itself, or its Land.
    """

    member: str
    holder: str
    amount_cents: int
    trace_de: str
    trace_en: str


def allocate(
    total_cents: int, key: AllocationKey, holder_of: Mapping[str, str | None]
) -> list[Share] | Rejected:
    """Share a total over members by a key.

    Two steps, each exact to the cent: first over the key's holders, then equally over the members behind
    each holder.

    Args:
        total_cents: what is shared.
        key: the version to share by.
        holder_of: for every member that shares, what holds its value: the member's own id or its Land.

    Returns:
        The shares in the order of the members' ids, summing to the total; or why the key does not fit.
    """
    members: dict[str, list[str]] = {}
    for member in sorted(holder_of):
        holder = holder_of[member]
        if holder is None or holder not in key.values:
            return rejected("member_without_share", key=key.key_id, member=member, holder=holder or "-")
        members.setdefault(holder, []).append(member)
    missing = sorted(set(key.values) - set(members))
    if missing and (key.spread_over == "all" or not members):
        return rejected("key_holder_missing", key=key.key_id, holder=missing[0])
    taking_part = {holder: key.values[holder] for holder in sorted(members)}
    by_holder = share_out(total_cents, {holder: Fraction(value) for holder, value in taking_part.items()})
    shares = []
    for holder, cents in by_holder.items():
        equally = share_out(cents, dict.fromkeys(members[holder], Fraction(1)))
        for member, amount in equally.items():
            german, english = _story(key, holder, taking_part, len(members[holder]), cents, amount)
            shares.append(Share(member, holder, amount, german, english))
    return sorted(shares, key=lambda share: share.member)


def _story(  # noqa: PLR0913 - what the sentence tells
    key: AllocationKey, holder: str, taking_part: Mapping[str, Decimal], count: int, cents: int, amount: int
) -> tuple[str, str]:
    value, whole = plain(taking_part[holder]), plain(sum(taking_part.values(), Decimal(0)))
    part_de = f"{value} von {whole}".replace(".", ",")
    german = f"{key.title} Version {key.version}: {holder} {part_de} = {euro(cents)}"
    english = f"{key.title} version {key.version}: {holder} {value} of {whole} = {euro(cents, language='en')}"
    if count > 1:
        german += f", zu gleichen Teilen auf {count} Mitglieder = {euro(amount)}"
        english += f", in equal parts over {count} members = {euro(amount, language='en')}"
    german += f" (Stichtag {key.key_date:%d.%m.%Y}, {key.source}; Restcent nach größtem Rest)"
    english += f" (key date {key.key_date:%Y-%m-%d}, {key.source}; spare cents by largest remainder)"
    return german, english
