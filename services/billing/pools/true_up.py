"""Settling a pool: everybody is charged the share of the actual costs less all that stands charged.

Settlements of settlements follow the same rule: a late cost or a corrected key charges the difference only.
"""

import datetime as dt
from collections.abc import Mapping
from fractions import Fraction

from allmende.schemas.billing import ChargeLine
from allmende.schemas.money import euro
from allmende.schemas.pools import CarryForward, ExactCost, PoolSettled, PoolShare, SettlePool
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.rounding import share_out
from allmende.tariffs.steps import amount_of
from allmende.tariffs.values import Unit

from .apportionment import (
    CARRIED,
    Apportioned,
    Entry,
    Known,
    Place,
    Worked,
    by_party,
    keys_used,
    line_of,
    with_costs,
    work_out,
)
from .pool import Pool


def settle(
    command: SettlePool, id_: str, known: Known, *, office: str, now: dt.datetime
) -> Apportioned | Rejected:
    """Charge the shares of the actual costs less all that stands charged, and pay the bearers back.

    Args:
        command: further inputs, and the month of the statements.
        id_: of the command.
        known: the pool with its costs.
        office: the clearing house.
        now: the moment.
    """
    pool = known.pool
    if not pool.version.cash:
        return rejected("pool_not_cash", pool=pool.id)
    told = with_costs(known, command.inputs)
    if isinstance(told, Rejected):
        return told
    worked = work_out(known, told)
    if isinstance(worked, Rejected):
        return worked
    before = known.standing.shares
    places = sorted(worked.due.keys() | before.keys())
    balances = {place: worked.due.get(place, 0) - before.get(place, 0) for place in places}
    carried = _carried(command.carry_forward, balances)
    entries: list[Entry] = []
    for place, balance in balances.items():
        entries += _carry(command, place, carried.get(place, 0), pool)
        if amount := balance - carried.get(place, 0):
            line = _true_up(known, worked, place, amount, carried.get(place, 0), office)
            entries.append(Entry(pool.id, *place, amount, line))
    reimbursed = _reimbursements(known, office)
    fact = PoolSettled(
        settlement_id=id_,
        pool_id=pool.id,
        number=known.number,
        period=command.period,
        keys=keys_used(known),
        shares=_shares(worked.due, before, carried),
        proof=_proof(known, worked, balances, carried),
        reimbursed_cents=sum(each.amount_cents for each in reimbursed),
        carried_into=command.carry_forward.into if command.carry_forward and carried else None,
        settled_at=now,
    )
    return Apportioned(fact, (*entries, *reimbursed))


def _carried(wish: CarryForward | None, balances: Mapping[Place, int]) -> dict[Place, int]:
    """Find what is carried of balances: of all in proportion, to the cent, where it is limited."""
    if wish is None:
        return {}
    sign = -1 if wish.what == "surplus" else 1
    open_ = {"\n".join(place): sign * cents for place, cents in balances.items() if sign * cents > 0}
    whole = sum(open_.values())
    limit = min(whole, wish.up_to_cents or whole)
    if not limit:
        return {}
    parts = share_out(limit, {name: Fraction(cents) for name, cents in open_.items()})
    places = {"\n".join(place): place for place in balances}
    return {places[name]: sign * cents for name, cents in parts.items() if cents}


def _carry(command: SettlePool, place: Place, cents: int, pool: Pool) -> list[Entry]:
    """Here it counts as charged; there as charged the other way, which the next run there makes good."""
    if not cents or command.carry_forward is None:
        return []
    _, party, member = place
    there = Entry(command.carry_forward.into, f"{CARRIED}{pool.id}", party, member, -cents)
    return [Entry(pool.id, *place, cents), there]


def _true_up(  # noqa: PLR0913 - what the line tells
    known: Known, worked: Worked, place: Place, amount: int, carried: int, office: str
) -> ChargeLine:
    step, party, member = place
    pool, due, before = known.pool, worked.due.get(place, 0), known.standing.shares.get(place, 0)
    german = f"Abrechnung {known.number} von {pool.opened.title}, {party}: Anteil {euro(due)}"
    english = f"settlement {known.number} of {pool.opened.title}, {party}: share {euro(due, language='en')}"
    german += f" abzüglich bereits berechneter {euro(before)}"
    english += f" less {euro(before, language='en')} charged already"
    if carried:
        german += f" abzüglich vorgetragener {euro(carried)}"
        english += f" less {euro(carried, language='en')} carried forward"
    story = worked.story(party) if place in worked.due else ("", "")
    told = (
        f"{german} = {euro(amount)}; {story[0]}".rstrip("; "),
        f"{english} = {euro(amount, language='en')}; {story[1]}".rstrip("; "),
    )
    title = worked.titles.get(step, f"Vortrag aus {step.removeprefix(CARRIED)}")
    return line_of(pool, "true_up", member, office, title, amount, party, told)


def _shares(
    due: Mapping[Place, int], before: Mapping[Place, int], carried: Mapping[Place, int]
) -> tuple[PoolShare, ...]:
    shares, standing, left = by_party(due), by_party(before), by_party(carried)
    return tuple(
        PoolShare(
            party=party,
            member=member,
            share_cents=(share := shares.get((party, member), 0)),
            charged_before_cents=(charged := standing.get((party, member), 0)),
            charged_cents=share - charged - left.get((party, member), 0),
            carried_cents=left.get((party, member), 0),
        )
        for party, member in sorted(shares.keys() | standing.keys())
        if shares.get((party, member), 0) or standing.get((party, member), 0)
    )


def _proof(
    known: Known, worked: Worked, balances: Mapping[Place, int], carried: Mapping[Place, int]
) -> ExactCost:
    version = known.pool.version
    unit = Unit(version.currency, version.decimals)
    by_clause = None
    if version.exact_cost is not None:
        by_clause = int(amount_of(version.exact_cost, worked.result.values, unit))
    costs = sum(each.due_cents for each in known.costs)
    shares = sum(worked.due.values())
    before = sum(known.standing.shares.values())
    left = sum(carried.values())
    true_up = sum(balances.values()) - left
    wanted = costs if by_clause is None else by_clause
    return ExactCost(
        costs_cents=costs,
        cost_by_clause_cents=by_clause,
        shares_cents=shares,
        charged_before_cents=before,
        true_up_cents=true_up,
        carried_cents=left,
        difference_cents=shares - costs,
        exact=before + true_up + left == shares == wanted,
    )


def _reimbursements(known: Known, office: str) -> list[Entry]:
    """Pay each cost back to whoever bore it, once; one that was replaced is asked back."""
    pool, found = known.pool, []
    for each in known.costs:
        reporter, cost = each.recorded.reporter, each.recorded.cost
        amount = each.due_cents - known.standing.costs.get((reporter, cost.cost_id), 0)
        if not amount:
            continue
        german, english = f"Kosten {cost.cost_id}", f"cost {cost.cost_id}"
        if each.corrected_by is not None:
            german = f"Storno der {german}, ersetzt durch {each.corrected_by}"
            english = f"reversal of the {english}, replaced by {each.corrected_by}"
        told = (
            f"{german} vom {cost.day:%d.%m.%Y}, Beleg {cost.evidence}: {euro(amount)}",
            f"{english} of {cost.day}, voucher {cost.evidence}: {euro(amount, language='en')}",
        )
        title = f"Kostenerstattung {pool.opened.title}"
        line = line_of(pool, "reimbursement", office, reporter, title, amount, None, told)
        entry = Entry(pool.id, "", cost.party or "", reporter, amount, line, (reporter, cost.cost_id))
        found.append(entry)
    return found
