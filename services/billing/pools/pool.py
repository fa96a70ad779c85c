"""Cost pools: opened for a span, their participants joining and leaving, their costs recorded."""

import dataclasses
import datetime as dt
import functools
from collections.abc import Collection, Iterable, Mapping, Sequence

from allmende.schemas.clause import Clause, ClauseVersion, Input
from allmende.schemas.pools import (
    PARTICIPANTS_MAX,
    ChangePool,
    CostRecorded,
    OpenPool,
    Participant,
    PoolChanged,
    PoolOpened,
    PublishKey,
    ReportCost,
)
from allmende.schemas.rejections import Rejected, Said, rejected
from allmende.schemas.tariff import AllocationKey
from allmende.tariffs.clause import Spell
from allmende.tariffs.clause_check import find_flaws

_CENT_DECIMALS = 2


@dataclasses.dataclass(frozen=True)
class Pool:
    """A pool as it is known now.

    Attributes:
        changes: in the order of their numbers.
    """

    opened: PoolOpened
    changes: tuple[PoolChanged, ...] = ()

    @property
    def id(self) -> str:
        """The pool's id."""
        return self.opened.pool_id

    @property
    def version(self) -> ClauseVersion:
        """The version of the clause that is frozen into it."""
        return self.opened.clause.versions[0]

    @functools.cached_property
    def known(self) -> Mapping[str, Participant]:
        """Everybody who was ever named, by party, as it was told last."""
        told = [*self.opened.participants, *(each for change in self.changes for each in change.participants)]
        return {each.name: each for each in told}

    @functools.cached_property
    def parties(self) -> Mapping[str, Participant]:
        """Who takes part in the span for a day at least, by party, in the order of their names."""
        first, last = self.opened.first_day, self.opened.last_day
        return {
            name: each
            for name, each in sorted(self.known.items())
            if (each.since or first) <= last and (each.until or last) >= first
        }

    @property
    def spells(self) -> dict[str, Spell]:
        """The days of those who may not take part all the time."""
        return {
            name: (each.since, each.until)
            for name, each in self.parties.items()
            if each.since is not None or each.until is not None
        }

    @functools.cached_property
    def bearers(self) -> frozenset[str]:
        """Who may report costs beside the office."""
        return frozenset(self.opened.bearers).union(*(change.bearers for change in self.changes))

    @property
    def circle(self) -> tuple[str, ...]:
        """The members whom the pool concerns."""
        return tuple(sorted({each.member for each in self.known.values()} | self.bearers))


@dataclasses.dataclass(frozen=True)
class Cost:
    """A recorded cost, and the one by which it is replaced, if any."""

    recorded: CostRecorded
    corrected_by: str | None = None

    @property
    def due_cents(self) -> int:
        """What counts of it."""
        return 0 if self.corrected_by is not None else self.recorded.cost.amount_cents


# -- keys -------------------------------------------------------------------------------------------


def publish(command: PublishKey, known: AllocationKey | None) -> AllocationKey | Rejected:
    """Publish a version of a key; the same again changes nothing."""
    key = command.key
    if known is not None and known != key:
        return rejected("key_version_taken", "key.version", key=key.key_id, version=key.version)
    return key


# -- opening and changing ---------------------------------------------------------------------------


def open_(
    command: OpenPool, *, members: Collection[str], exists: bool, now: dt.datetime
) -> PoolOpened | Rejected:
    """Open a pool, with the clause's version of its first day frozen into it.

    Args:
        command: what is opened.
        members: everybody who can be charged.
        exists: whether the id is taken.
        now: the moment of opening.
    """
    if exists:
        return rejected("cost_pool_exists", "pool_id", pool=command.pool_id)
    version = _in_force(command.clause, command.first_day)
    if isinstance(version, Rejected):
        return version
    refusal = _unusable(command.clause, version) or _foreign(command.participants, command.bearers, members)
    if refusal is not None:
        return refusal
    return PoolOpened(
        pool_id=command.pool_id,
        title=command.title,
        first_day=command.first_day,
        last_day=command.last_day,
        clause=command.clause.model_copy(update={"versions": (version,)}),
        participants=command.participants,
        bearers=command.bearers,
        opened_at=now,
    )


def _in_force(clause: Clause, day: dt.date) -> ClauseVersion | Rejected:
    flaw = next(iter(find_flaws(clause)), None)
    if flaw is not None:
        place = ".".join(map(str, ("clause", *flaw.path)))
        return rejected("clause_flawed", place, place=place, reason=Said(flaw.german, flaw.english))
    for version in clause.versions:
        if version.valid_from <= day and (version.valid_to is None or day <= version.valid_to):
            return version
    return rejected("clause_not_in_force", "clause.versions", clause=clause.clause_id, day=day)


def _unusable(clause: Clause, version: ClauseVersion) -> Rejected | None:
    if not version.charges:
        return rejected("clause_without_charges", "clause.versions", clause=clause.clause_id)
    for charge in version.charges:
        if charge.kind in {"advance", "true_up"}:
            return rejected("clause_charges_advances", "clause.versions", step=charge.step, kind=charge.kind)
    if version.cash and (version.currency, version.decimals) != ("EUR", _CENT_DECIMALS):
        return rejected(
            "pool_not_in_euro", "clause.versions", currency=version.currency, decimals=version.decimals
        )
    return None


def _foreign(
    participants: Iterable[Participant], bearers: Iterable[str], members: Collection[str]
) -> Rejected | None:
    named = [*(each.member for each in participants), *bearers]
    foreign = next((member for member in named if member not in members), None)
    return rejected("not_a_member_of_market", "participants", member=foreign) if foreign is not None else None


def change(
    command: ChangePool, pool: Pool, *, members: Collection[str], now: dt.datetime
) -> PoolChanged | Rejected:
    """Let parties join or leave; what was charged is put right by the next settlement."""
    refusal = _foreign(command.participants, command.bearers, members)
    if refusal is not None:
        return refusal
    if len(pool.known.keys() | {each.name for each in command.participants}) > PARTICIPANTS_MAX:
        return rejected("too_many_participants", "participants", most=PARTICIPANTS_MAX)
    return PoolChanged(
        pool_id=pool.id,
        number=len(pool.changes) + 1,
        participants=command.participants,
        bearers=command.bearers,
        reason=command.reason,
        changed_at=now,
    )


# -- costs ------------------------------------------------------------------------------------------


def record(  # noqa: PLR0913 - what a cost is decided by
    command: ReportCost,
    reporter: str,
    pool: Pool,
    *,
    office: str,
    known: Mapping[str, Cost],
    number: int,
    now: dt.datetime,
) -> CostRecorded | Rejected:
    """Record a cost; the same again comes to what it was recorded as.

    Args:
        command: the cost.
        reporter: who sent it.
        pool: to which it belongs.
        office: which may report for any pool.
        known: costs of the reporter by id, those that the command names.
        number: the next one of the pool.
        now: the moment of recording.
    """
    if reporter not in pool.bearers | {office}:
        return rejected("not_a_bearer", member=reporter, pool=pool.id)
    same = known.get(command.cost_id)
    if same is not None:
        if same.recorded.cost == command:
            return same.recorded
        return rejected("cost_conflict", "cost_id", cost=command.cost_id)
    asked = pool.version.inputs.get(command.input)
    refusal = _not_a_cost(command, asked) or _not_correctable(command, known)
    if refusal is not None:
        return refusal
    return CostRecorded(pool_id=pool.id, number=number, reporter=reporter, cost=command, recorded_at=now)


def _not_a_cost(command: ReportCost, asked: Input | None) -> Rejected | None:
    if asked is None or asked.kind != "money":
        return rejected("not_a_cost", "input", input=command.input)
    if asked.each and command.party is None:
        return rejected("cost_party_missing", "party", input=command.input)
    if not asked.each and command.party is not None:
        return rejected("cost_party_not_asked", "party", input=command.input, party=command.party)
    return None


def _not_correctable(command: ReportCost, known: Mapping[str, Cost]) -> Rejected | None:
    if command.corrects is None:
        return None
    original = known.get(command.corrects)
    if original is None or original.recorded.pool_id != command.pool_id:
        return rejected("unknown_cost", "corrects", cost=command.corrects)
    if original.corrected_by is not None:
        return rejected("cost_corrected", "corrects", cost=command.corrects, by=original.corrected_by)
    return None


def sums(costs: Sequence[Cost]) -> dict[str, dict[str | None, int]]:
    """Sum costs by input and party, as far as they count; what was reported at all is there, even as zero."""
    found: dict[str, dict[str | None, int]] = {}
    for each in costs:
        cost = each.recorded.cost
        by_party = found.setdefault(cost.input, {})
        by_party[cost.party] = by_party.get(cost.party, 0) + each.due_cents
    return found
