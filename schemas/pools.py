"""Cost pools: published keys, what a pool costs and who bears it, advances, settlements, exact cost.

A pool shares the actual costs of a span among its participants by a cost clause. They pay advances on
estimates and old keys, and once the costs and the key are known, their shares less all that was charged.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .attachments import Digest
from .clause import Clause
from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, Period, RecordId, Slug, Uuid
from .money import Cents
from .tariff import AllocationKey

PARTICIPANTS_MAX = 500
COST_CENTS_MAX = 10**13
"""One hundred billion euro: more than anybody's share has room for."""

# -- keys -------------------------------------------------------------------------------------------


class PublishKey(Contract):
    """Publish a version of a key. A published version never changes; another content is another version."""

    key: AllocationKey


class KeyPublished(Contract):
    """A version of a key, by which pools can share from now on; of a span that is over, too."""

    key: AllocationKey
    recorded_at: Instant


class ListKeys(Contract):
    """Ask for versions of keys, in the order of id and version.

    Attributes:
        key_id: of one key only.
        after: `next_after` of the page before.
    """

    key_id: Slug | None = None
    after: Line | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Keys(Contract):
    """A page of versions of keys; `next_after` continues it, or is null on the last page."""

    keys: tuple[KeyPublished, ...]
    next_after: str | None


# -- pools ------------------------------------------------------------------------------------------


class Participant(Contract):
    """Who bears a share.

    Attributes:
        member: who is charged; it may stand for several parties, members of the market or not.
        party: what the clause and its keys call it; the member's id unless it is told.
        since: its first day, where it joined within the span; `until` its last.
    """

    member: MemberId
    party: Line | None = None
    since: Day | None = None
    until: Day | None = None

    @property
    def name(self) -> str:
        """What the clause calls it."""
        return self.party or self.member

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.until < self.since:
            raise ValueError(f"{self.name} leaves before it joins")
        return self


Participants = Annotated[tuple[Participant, ...], Field(max_length=PARTICIPANTS_MAX)]
Bearers = Annotated[tuple[MemberId, ...], Field(max_length=PARTICIPANTS_MAX)]


class OpenPool(Contract):
    """Open a pool for a span, such as a year.

    Attributes:
        clause: of its versions, the one in force on the first day counts, and is frozen into the pool.
        bearers: members who bear costs for the others and report them.
    """

    pool_id: Slug
    title: Line
    first_day: Day
    last_day: Day
    clause: Clause
    participants: Annotated[Participants, Field(min_length=1)]
    bearers: Bearers = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("the span ends before it begins")
        _each_once(self.participants)
        return self


def _each_once(participants: Participants) -> None:
    names = [each.name for each in participants]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} takes part twice")


class PoolOpened(Contract):
    """A pool that takes costs; `clause` has the version alone that counts."""

    pool_id: Slug
    title: Line
    first_day: Day
    last_day: Day
    clause: Clause
    participants: Participants
    bearers: Bearers
    opened_at: Instant


class ChangePool(Contract):
    """Let parties join or leave, with their days, or another member stand for one; name further bearers.

    Attributes:
        participants: each replaces what was known of its party.
        bearers: in addition to those there are.
    """

    pool_id: Slug
    participants: Participants = ()
    bearers: Bearers = ()
    reason: Line

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not (self.participants or self.bearers):
            raise ValueError("give participants or bearers")
        _each_once(self.participants)
        return self


class PoolChanged(Contract):
    """A change of a pool's participants or bearers; `number` counts within the pool, from 1."""

    pool_id: Slug
    number: Count
    participants: Participants
    bearers: Bearers
    reason: Line
    changed_at: Instant


# -- costs ------------------------------------------------------------------------------------------


class ReportCost(Contract):
    """Report what was spent for a pool, or received for it.

    Attributes:
        cost_id: unique for ever within whoever reports it.
        input: what the clause calls it, an input that is money; of one `party` where it has one for each.
        amount_cents: negative for income.
        day: of the voucher or the service; late ones count in the next settlement.
        evidence: such as the number of the voucher; `attachment` the digest of a copy.
        corrects: an earlier cost of the same sender, which this one reverses and replaces.
    """

    pool_id: Slug
    cost_id: RecordId
    input: Slug
    party: Line | None = None
    amount_cents: Annotated[Cents, Field(ge=-COST_CENTS_MAX, le=COST_CENTS_MAX)]
    day: Day
    evidence: Line
    attachment: Digest | None = None
    corrects: RecordId | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.corrects == self.cost_id:
            raise ValueError("a cost cannot correct itself")
        return self


class CostRecorded(Contract):
    """A cost of a pool; `number` counts within the pool, from 1."""

    pool_id: Slug
    number: Count
    reporter: MemberId
    cost: ReportCost
    recorded_at: Instant


class ListCosts(Contract):
    """Ask for the costs of a pool in the order in which they were recorded, with their evidence."""

    pool_id: Slug
    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class PoolCost(Contract):
    """A cost with what became of it; `corrected_by` is the cost that replaces it, if any."""

    recorded: CostRecorded
    corrected_by: RecordId | None


class Costs(Contract):
    """A page of costs; `next_after` continues it, or is null on the last page."""

    costs: tuple[PoolCost, ...]
    next_after: int | None


# -- advances and settlements -----------------------------------------------------------------------

ToldPart = Annotated[int, Field(ge=-(10**15), le=10**15)] | bool | Line
"""Money in whole cents, whole numbers; other numbers, dates and texts as text."""
Told = ToldPart | Annotated[dict[Line, ToldPart], Field(max_length=2000)]
"""What an input of a clause is told: one value, or one for every party."""
Inputs = Annotated[dict[Slug, Told], Field(max_length=100)]


class KeyUsed(Contract):
    """By which version of a published key was shared."""

    key_id: Slug
    version: Count
    title: Line
    key_date: Day
    published_on: Day
    effective_from: Day
    source: Line


class PoolShare(Contract):
    """What a party comes to; it is charged to the member that stands for it.

    Attributes:
        share_cents: by the clause; negative where it gets something.
        charged_before_cents: what stood charged for this pool before.
        charged_cents: what is charged now; negative where it flows back.
        carried_cents: what is carried into another pool instead.
    """

    party: Line
    member: MemberId
    share_cents: Cents
    charged_before_cents: Cents = 0
    charged_cents: Cents
    carried_cents: Cents = 0


class AdvancePool(Contract):
    """Charge an advance: the clause is run on estimates and the keys that are known now.

    Attributes:
        period: the month in whose statements it is charged.
        inputs: the estimates, by the names of the clause's inputs.
    """

    pool_id: Slug
    period: Period
    title: Line
    inputs: Inputs


class PoolAdvanced(Contract):
    """An advance with everybody's part; `number` counts advances and settlements of the pool together.

    Attributes:
        advance_id: the id of the command.
        amount_cents: the sum of all parts; `carried_cents` is what was carried into the pool and is taken up
            now, in addition.
    """

    advance_id: Uuid
    pool_id: Slug
    number: Count
    period: Period
    title: Line
    keys: tuple[KeyUsed, ...]
    shares: tuple[PoolShare, ...]
    amount_cents: Cents
    carried_cents: Cents = 0
    advanced_at: Instant


class CarryForward(Contract):
    """Carry what is left over into another pool instead of paying it back or asking for it.

    Attributes:
        what: what members are owed (surplus), or what they owe (deficit).
        up_to_cents: at most so much of all together, in proportion; the whole unless it is told.
        into: the pool that takes it up with its next advance or settlement.
    """

    what: Literal["surplus", "deficit"]
    up_to_cents: Annotated[Cents, Field(gt=0)] | None = None
    into: Slug


class SettlePool(Contract):
    """Settle a pool: the clause is run on its actual costs and the keys that are known now.

    Everybody is charged the share less all that stands charged. It can be settled again, when a cost came
    late or a key was corrected; then the difference is charged.

    Attributes:
        period: the month in whose statements it is charged.
        inputs: those that are no reported costs, such as use, spend or a carried deficit.
    """

    pool_id: Slug
    period: Period
    inputs: Inputs = Field(default_factory=dict)
    carry_forward: CarryForward | None = None


class ExactCost(Contract):
    """The proof that a pool costs its participants what it costs, to the cent.

    Attributes:
        costs_cents: the sum of all costs that were reported and not replaced.
        cost_by_clause_cents: what the clause says that its charges must sum to, if it does; an input such
            as a carried deficit makes it differ from the costs.
        shares_cents: the sum of all shares.
        charged_before_cents: advances, and settlements before this one.
        true_up_cents: charged now; negative where a surplus flows back.
        carried_cents: carried into another pool.
        difference_cents: shares less costs.
        exact: whether advances, true-ups and what is carried sum to the shares, and these to what the clause
            says, or to the costs where it says nothing.
    """

    costs_cents: Cents
    cost_by_clause_cents: Cents | None
    shares_cents: Cents
    charged_before_cents: Cents
    true_up_cents: Cents
    carried_cents: Cents
    difference_cents: Cents
    exact: bool


class PoolSettled(Contract):
    """A settlement of a pool; `number` counts advances and settlements of the pool together.

    Attributes:
        settlement_id: the id of the command.
        reimbursed_cents: what the bearers are paid back now.
        carried_into: the pool that takes up what is carried.
    """

    settlement_id: Uuid
    pool_id: Slug
    number: Count
    period: Period
    keys: tuple[KeyUsed, ...]
    shares: tuple[PoolShare, ...]
    proof: ExactCost
    reimbursed_cents: Cents
    carried_into: Slug | None = None
    settled_at: Instant


# -- questions --------------------------------------------------------------------------------------


class ListPools(Contract):
    """Ask for the pools in which one takes part or bears costs, in the order of their ids.

    The office sees all.
    """

    after: Slug | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class PoolSummary(Contract):
    """A pool in a list.

    Attributes:
        cash: false for an internal currency, which is never charged.
        costs_cents: reported and not replaced.
        charged_cents: advances and true-ups.
    """

    pool_id: Slug
    title: Line
    first_day: Day
    last_day: Day
    clause_id: Slug
    cash: bool
    costs_cents: Cents
    charged_cents: Cents


class Pools(Contract):
    """A page of the list; `next_after` continues it, or is null on the last page."""

    pools: tuple[PoolSummary, ...]
    next_after: str | None


class ShowPool(Contract):
    """Ask for a pool, and what its clause comes to by now.

    Attributes:
        inputs: told for the outlook, beside the reported costs.
    """

    pool_id: Slug
    inputs: Inputs = Field(default_factory=dict)


class PoolRun(Contract):
    """An advance or a settlement in the story of a pool."""

    number: Count
    kind: Literal["advance", "settlement"]
    period: Period
    charged_cents: Cents
    ran_at: Instant


class Outlook(Contract):
    """What the clause comes to on the costs that are known by now, or why it comes to nothing yet.

    Attributes:
        amounts: by party, in the smallest unit of the clause's currency.
        story_de: how one's own came about.
    """

    amounts: dict[Line, int]
    story_de: tuple[str, ...] = ()
    story_en: tuple[str, ...] = ()
    held_de: str | None = None
    held_en: str | None = None


class PoolShown(Contract):
    """A pool with its story.

    Attributes:
        clause: as it is frozen; null where it is too large for an answer, the event has it.
        participants: as they are by now; of hundreds with very long names, here and in the shares, as many as
            an answer has room for, one's own first.
        settled: the last settlement, if any, with everybody's share and the proof of exact cost.
    """

    summary: PoolSummary
    clause: Clause | None
    participants: Participants
    bearers: Bearers
    changes: Count
    runs: tuple[PoolRun, ...]
    settled: PoolSettled | None
    outlook: Outlook
