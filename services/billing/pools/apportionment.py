"""What a pool charges: everybody's share by the clause, less all that stands charged; bearers are paid back.

Advances, settlements and settlements of settlements are one rule: due less charged. Nothing is edited.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from allmende.schemas.billing import ChargeLine
from allmende.schemas.money import euro
from allmende.schemas.pools import (
    COST_CENTS_MAX,
    AdvancePool,
    KeyUsed,
    Outlook,
    PoolAdvanced,
    PoolSettled,
    PoolShare,
)
from allmende.schemas.rejections import Rejected, Said, rejected
from allmende.schemas.tariff import AllocationKey
from allmende.tariffs.clause import Case, Held, Result, run
from allmende.tariffs.keys import Book, NotYet
from allmende.tariffs.values import ONE

from .pool import Cost, Pool, sums

STORY_CHARACTERS_MAX = 2_000
"""So much of a story stands on a line; the whole statement has to be told in answers of bounded size."""
STORIES_MAX = 20
"""So many stories of parties for which one member stands are told in an answer."""

Place = tuple[str, str, str]
"""The step that is charged, the party, and the member that stands for it."""
CARRIED = "carried/"
"""Stands before a pool's id in place of a step: what that pool carried into this one."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """What stands charged for a pool: to whom; and what is paid back of each cost, by reporter and id."""

    shares: Mapping[Place, int] = dataclasses.field(default_factory=dict)
    costs: Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What one run of a pool adds to what stands charged.

    Attributes:
        step: empty of a cost that is paid back.
        cost: the reporter and id of such a cost.
        line: None where something is carried into another pool, so that nothing is charged.
    """

    pool_id: str
    step: str
    party: str
    member: str
    amount_cents: int
    line: ChargeLine | None = None
    cost: tuple[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class Apportioned:
    """A fact and what it charges."""

    fact: PoolAdvanced | PoolSettled
    entries: tuple[Entry, ...]


@dataclasses.dataclass(frozen=True)
class Worked:
    """What a clause came to for a pool.

    Attributes:
        due: in the smallest unit of its currency.
        titles: of the steps that are charged.
        stories: by party, in German and English.
    """

    result: Result
    due: Mapping[Place, int]
    titles: Mapping[str, str]
    stories: Mapping[str, tuple[list[str], list[str]]]

    def story(self, party: str) -> tuple[str, str]:
        """How a party's share came about, in German and English, in bounded length."""
        german, english = self.stories.get(party) or self.stories.get(ONE) or ([], [])
        return _bounded("; ".join(german)), _bounded("; ".join(english))


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a pool when it is run.

    Attributes:
        keys: the versions of published keys that are known now.
        lands: the Land of members that have one.
        number: of the run.
    """

    pool: Pool
    keys: Sequence[AllocationKey]
    lands: Mapping[str, str | None]
    costs: Sequence[Cost]
    standing: Standing
    number: int


def work_out(known: Known, told: Mapping[str, Any]) -> Worked | Rejected:
    """Run the clause of a pool; what holds it is a refusal with the reason."""
    pool = known.pool
    outcome = run(pool.version, _case(known, told))
    if isinstance(outcome, Held):
        return rejected("pool_held", reason=Said(outcome.german, outcome.english))
    if isinstance(outcome, Rejected):
        return outcome
    due: dict[Place, int] = {}
    for charged in outcome.charges:
        participant = pool.parties.get(charged.payer)
        if participant is None:
            return rejected("unknown_party", party=charged.payer, pool=pool.id)
        if abs(charged.amount) > COST_CENTS_MAX:
            return rejected("amount_too_large", party=charged.payer)
        place = (charged.charge.step, charged.payer, participant.member)
        due[place] = due.get(place, 0) + charged.amount
    titles = {charge.step: charge.title for charge in pool.version.charges}
    return Worked(outcome, due, titles, _stories(outcome, pool.parties))


def _case(known: Known, told: Mapping[str, Any]) -> Case:
    pool = known.pool
    lands = {name: known.lands.get(each.member) for name, each in pool.parties.items()}
    return Case(
        told,
        pool.opened.first_day,
        pool.opened.last_day,
        parties=list(pool.parties),
        keys=known.keys,
        taking_part=pool.spells,
        holder_of={name: land for name, land in lands.items() if land is not None},
    )


def _stories(result: Result, parties: Iterable[str]) -> dict[str, tuple[list[str], list[str]]]:
    found: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in (ONE, *parties)}
    for told in result.story:
        concerned = found if told.party == ONE else {told.party} & found.keys()
        for name in concerned:
            found[name][0].append(told.german)
            found[name][1].append(told.english)
    return found


def _bounded(text: str) -> str:
    return text if len(text) <= STORY_CHARACTERS_MAX else f"{text[: STORY_CHARACTERS_MAX - 2]} …"


def with_costs(known: Known, inputs: Mapping[str, Any]) -> dict[str, Any] | Rejected:
    """Put the sums of the reported costs beside the inputs that are told."""
    told = dict(inputs)
    for name, by_party in sums(known.costs).items():
        if name in told:
            return rejected("input_reported", f"inputs.{name}", input=name)
        told[name] = by_party.get(None, by_party)
    return told


# -- advances ---------------------------------------------------------------------------------------


def advance(  # noqa: PLR0913 - what an advance is made of
    command: AdvancePool, id_: str, known: Known, *, office: str, settled: bool, now: dt.datetime
) -> Apportioned | Rejected:
    """Charge an advance on estimates, and take up what was carried into the pool.

    Args:
        command: the estimates, and the month of the statements.
        id_: of the command.
        known: the pool.
        office: the clearing house, which everybody pays.
        settled: whether the pool was settled before.
        now: the moment.
    """
    pool = known.pool
    if not pool.version.cash:
        return rejected("pool_not_cash", pool=pool.id)
    if settled:
        return rejected("pool_settled", pool=pool.id)
    worked = work_out(known, command.inputs)
    if isinstance(worked, Rejected):
        return worked
    several = len(worked.titles) > 1
    entries = []
    for (step, party, member), amount in sorted(worked.due.items()):
        title = f"{command.title}: {worked.titles[step]}" if several else command.title
        story = worked.story(party)
        told = (
            f"Abschlag auf {pool.opened.title} für {party} = {euro(amount)}; {story[0]}",
            f"advance on {pool.opened.title} for {party} = {euro(amount, language='en')}; {story[1]}",
        )
        line = line_of(pool, "advance", member, office, title, amount, party, told)
        entries.append(Entry(pool.id, step, party, member, amount, line))
    carried = _taken_up(known, office)
    standing = by_party(known.standing.shares)
    shares = [
        PoolShare(
            party=party,
            member=member,
            share_cents=amount,
            charged_before_cents=standing.get((party, member), 0),
            charged_cents=amount,
        )
        for (party, member), amount in sorted(by_party(worked.due).items())
    ]
    fact = PoolAdvanced(
        advance_id=id_,
        pool_id=pool.id,
        number=known.number,
        period=command.period,
        title=command.title,
        keys=keys_used(known),
        shares=tuple(shares),
        amount_cents=sum(worked.due.values()),
        carried_cents=sum(each.amount_cents for each in carried),
        advanced_at=now,
    )
    return Apportioned(fact, (*entries, *carried))


def _taken_up(known: Known, office: str) -> list[Entry]:
    """Charge or give back what other pools carried into this one: nobody is to owe it."""
    found = []
    for (step, party, member), amount in sorted(known.standing.shares.items()):
        if amount and step.startswith(CARRIED):
            source = step.removeprefix(CARRIED)
            told = (
                f"Vortrag aus dem Kostentopf {source} für {party} = {euro(-amount)}",
                f"carried forward from the pool {source} for {party} = {euro(-amount, language='en')}",
            )
            line = line_of(
                known.pool, "true_up", member, office, f"Vortrag aus {source}", -amount, party, told
            )
            found.append(Entry(known.pool.id, step, party, member, -amount, line))
    return found


def keys_used(known: Known) -> tuple[KeyUsed, ...]:
    """Find the versions of published keys that count now, with their dates and sources."""
    pool = known.pool
    book = Book(pool.version.keys, known.keys, {}, pool.opened.first_day)
    found = [book.version_of(key) for key in pool.version.keys.values() if key.published is not None]
    versions = {(each.key_id, each.version): each for each in found if not isinstance(each, NotYet)}
    return tuple(
        KeyUsed(
            key_id=each.key_id,
            version=each.version,
            title=each.title,
            key_date=each.key_date,
            published_on=each.published_on,
            effective_from=each.effective_from,
            source=each.source,
        )
        for _, each in sorted(versions.items())
    )


def by_party(amounts: Mapping[Place, int]) -> dict[tuple[str, str], int]:
    """Sum what is charged by party and member."""
    found: dict[tuple[str, str], int] = {}
    for (_, party, member), amount in amounts.items():
        found[party, member] = found.get((party, member), 0) + amount
    return found


def line_of(  # noqa: PLR0913 - what a line consists of
    pool: Pool,
    cause: str,
    payer: str,
    payee: str,
    title: str,
    amount: int,
    party: str | None,
    told: tuple[str, str],
) -> ChargeLine:
    """Write a line of a pool: a levy of the clearing house, or what it pays back."""
    return ChargeLine(
        line=0,
        kind="levy",
        cause=cause,  # type: ignore[arg-type] # one of three, and checked
        payer=payer,
        payee=payee,
        title=title[:200].rstrip(),
        pool_id=pool.id,
        party=party,
        service_from=pool.opened.first_day,
        service_to=pool.opened.last_day,
        amount_cents=amount,
        trace_de=told[0],
        trace_en=told[1],
    )


def outlook(known: Known, inputs: Mapping[str, Any], member: str) -> Outlook:
    """Tell what the clause comes to on the costs that are known by now; of an internal currency, too.

    Args:
        known: the pool with its costs.
        inputs: told for the purpose.
        member: who is told how its own share came about.
    """
    told = with_costs(known, inputs)
    worked = told if isinstance(told, Rejected) else work_out(known, told)
    if isinstance(worked, Rejected):
        german, english = worked.sentences
        return Outlook(amounts={}, held_de=german, held_en=english)
    amounts: dict[str, int] = {}
    for (_, party, _), amount in sorted(worked.due.items()):
        amounts[party] = amounts.get(party, 0) + amount
    own = [name for name, each in known.pool.parties.items() if each.member == member][:STORIES_MAX]
    stories = [worked.story(name) for name in own]
    return Outlook(
        amounts=amounts,
        story_de=tuple(german for german, _ in stories),
        story_en=tuple(english for _, english in stories),
    )
