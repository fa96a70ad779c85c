"""The table of transitions: every way a booking can go, once.

A phase is where the order stands (TM Forum 641) and where the service stands that was ordered (Open Service
Broker). The code that decides may only go where a row leads; the documentation and the property tests are
made from the same rows.
"""

import dataclasses
from collections.abc import Iterator

from allmende.schemas.brokerage import Actor, BookingState, InstanceState, Trigger

Phase = tuple[BookingState, InstanceState | None]

INTERESTED: Phase = ("interested", None)
HELD: Phase = ("held", None)
OFFERED: Phase = ("offered", None)
PENDING_CONSUMER: Phase = ("pending_consumer", None)
PENDING_PROVIDER: Phase = ("pending_provider", None)
ACKNOWLEDGED: Phase = ("acknowledged", None)
CREATING: Phase = ("in_progress", "creating")
ASSESSING: Phase = ("assessing_cancellation", "creating")
UNDOING: Phase = ("pending_cancellation", "terminating")
ACTIVE: Phase = ("completed", "active")
UPDATING: Phase = ("completed", "updating")
SUSPENDED: Phase = ("completed", "suspended")
TERMINATING: Phase = ("completed", "terminating")
PARTLY_ACTIVE: Phase = ("partial", "active")
PARTLY_UPDATING: Phase = ("partial", "updating")
PARTLY_SUSPENDED: Phase = ("partial", "suspended")
PARTLY_TERMINATING: Phase = ("partial", "terminating")

TERMINATED: Phase = ("completed", "terminated")
PARTLY_TERMINATED: Phase = ("partial", "terminated")
REJECTED: Phase = ("rejected", None)
CANCELLED: Phase = ("cancelled", None)
UNDONE: Phase = ("cancelled", "terminated")
FAILED: Phase = ("failed", "erred")

FINAL = frozenset({TERMINATED, PARTLY_TERMINATED, REJECTED, CANCELLED, UNDONE, FAILED})
WITHOUT_CAPACITY = frozenset({INTERESTED, HELD, *FINAL})
"""Where nothing is reserved; everywhere else what was ordered is."""

_CONFIRMED = (ACKNOWLEDGED, CREATING, ACTIVE)
_GATES = (PENDING_CONSUMER, PENDING_PROVIDER, *_CONFIRMED)


@dataclasses.dataclass(frozen=True)
class Row:
    """By `trigger` of one of `by`, a booking goes from `source` to one of `targets`."""

    trigger: Trigger
    by: tuple[Actor, ...]
    source: Phase | None
    targets: tuple[Phase, ...]
    meaning: str


_C: tuple[Actor, ...] = ("consumer",)
_P: tuple[Actor, ...] = ("provider",)
_E: tuple[Actor, ...] = ("consumer", "provider")
_T: tuple[Actor, ...] = ("clock",)


def _life(active: Phase, updating: Phase, suspended: Phase, terminating: Phase, over: Phase) -> list[Row]:
    """The rows of a service that is up, the same after a full and after a partial delivery."""
    ends = (terminating, over)
    return [
        Row("suspend", _E, active, (suspended,), "the service is interrupted"),
        Row("resume", _E, suspended, (active,), "whoever interrupted it goes on"),
        Row(
            "amend",
            _C,
            active,
            (active, ACTIVE, updating),
            "quantities or plan change: asked, agreed or done",
        ),
        Row("approve", _P, active, (active, ACTIVE, updating), "the provider agrees to the change"),
        Row("decline", _P, active, (active,), "the provider declines the change; the old terms stay"),
        Row("cancel", _C, active, (active,), "the consumer withdraws the change"),
        Row("lapse", _T, active, (active,), "the change was not answered in time; the old terms stay"),
        Row("take_effect", _T, active, (active, ACTIVE, updating), "the day of an agreed change has come"),
        Row("approve", _P, suspended, (suspended,), "the provider agrees to the change"),
        Row("decline", _P, suspended, (suspended,), "the provider declines the change; the old terms stay"),
        Row("cancel", _C, suspended, (suspended,), "the consumer withdraws the change"),
        Row("lapse", _T, suspended, (suspended,), "the change was not answered in time; the old terms stay"),
        Row("accepted", _P, updating, (updating,), "the provider's system works on the change"),
        Row("milestone", _P, updating, (updating,), "a part of the change is done"),
        Row("active", _P, updating, (ACTIVE,), "the change is done, the new terms hold"),
        Row("failed", _P, updating, (active,), "the change failed; the old terms stay"),
        Row("lapse", _T, updating, (active,), "the change was not done in time; the old terms stay"),
        *(
            row
            for source in (active, updating, suspended)
            for row in (
                Row("terminate", _E, source, (source,), "notice is given; the last day is fixed"),
                Row("renew", _T, source, (source,), "no notice was given; the term goes on"),
                Row("end", _T, source, ends, "the last day is over"),
            )
        ),
        Row("dismantled", _P, terminating, (over,), "the service is taken down"),
        Row("lapse", _T, terminating, (over,), "nobody reported the taking down; it counts as done"),
    ]


TABLE: tuple[Row, ...] = (
    Row("request", _C, None, (INTERESTED, HELD, *_GATES), "a plan is booked, or an interest in it stated"),
    Row("accept", _C, INTERESTED, (HELD, *_GATES), "the interest becomes a binding request"),
    Row("cancel", _E, INTERESTED, (CANCELLED,), "the interest is withdrawn"),
    Row("decline", _P, INTERESTED, (REJECTED,), "the provider sees no way"),
    Row("lapse", _T, INTERESTED, (CANCELLED,), "nothing came of the interest"),
    Row("offer", _T, HELD, (OFFERED,), "capacity is free for the first in line and is reserved"),
    Row("cancel", _C, HELD, (CANCELLED,), "the consumer leaves the line"),
    Row("decline", _P, HELD, (REJECTED,), "the provider sees no way"),
    Row("lapse", _T, HELD, (CANCELLED,), "the day to wait until is over"),
    Row("accept", _C, OFFERED, _GATES, "the consumer takes the offer up"),
    Row("decline", _C, OFFERED, (CANCELLED,), "the consumer lets the next one have it"),
    Row("cancel", _C, OFFERED, (CANCELLED,), "the consumer lets the next one have it"),
    Row("lapse", _T, OFFERED, (CANCELLED,), "the offer was not taken up in time"),
    Row("approve", _C, PENDING_CONSUMER, (PENDING_PROVIDER, *_CONFIRMED), "the consumer's own side agrees"),
    Row("decline", _C, PENDING_CONSUMER, (CANCELLED,), "the consumer's own side does not agree"),
    Row("cancel", _C, PENDING_CONSUMER, (CANCELLED,), "the consumer withdraws"),
    Row("lapse", _T, PENDING_CONSUMER, (CANCELLED,), "the consumer's own side did not answer in time"),
    Row("approve", _P, PENDING_PROVIDER, _CONFIRMED, "the provider agrees"),
    Row("decline", _P, PENDING_PROVIDER, (REJECTED,), "the provider does not agree"),
    Row("cancel", _C, PENDING_PROVIDER, (CANCELLED,), "the consumer withdraws"),
    Row("lapse", _T, PENDING_PROVIDER, (REJECTED,), "the provider did not answer in time"),
    Row("begin", _T, ACKNOWLEDGED, (ACTIVE,), "the first day has come"),
    Row("cancel", _E, ACKNOWLEDGED, (CANCELLED,), "one side withdraws before the first day"),
    Row("accepted", _P, CREATING, (CREATING,), "the provider's system has begun"),
    Row("milestone", _P, CREATING, (CREATING,), "a part is done, such as prepared or moved"),
    Row("active", _P, CREATING, (ACTIVE,), "the service is up"),
    Row("partial", _P, CREATING, (PARTLY_ACTIVE,), "less than was ordered is up, and no more will come"),
    Row("failed", _P, CREATING, (FAILED,), "the service cannot be set up"),
    Row("cancel", _C, CREATING, (ASSESSING,), "the consumer wants to withdraw from what is under way"),
    Row("cancel", _P, CREATING, (UNDONE,), "the provider withdraws"),
    Row("lapse", _T, CREATING, (FAILED,), "the provider's system did not report in time"),
    Row("concede", _P, ASSESSING, (UNDOING, UNDONE), "the provider agrees, perhaps for a compensation"),
    Row("decline", _P, ASSESSING, (CREATING,), "the provider insists"),
    Row("active", _P, ASSESSING, (ACTIVE,), "the service was up before the provider had read it"),
    Row("partial", _P, ASSESSING, (PARTLY_ACTIVE,), "the same, with less than was ordered"),
    Row("failed", _P, ASSESSING, (FAILED,), "the service cannot be set up"),
    Row("lapse", _T, ASSESSING, (UNDONE,), "the provider did not answer; the cancellation holds"),
    Row("dismantled", _P, UNDOING, (UNDONE,), "what was begun is taken down"),
    Row("lapse", _T, UNDOING, (UNDONE,), "nobody reported the taking down; it counts as done"),
    *_life(ACTIVE, UPDATING, SUSPENDED, TERMINATING, TERMINATED),
    *_life(PARTLY_ACTIVE, PARTLY_UPDATING, PARTLY_SUSPENDED, PARTLY_TERMINATING, PARTLY_TERMINATED),
)

_BY_KEY = {(row.trigger, actor, row.source): row for row in TABLE for actor in row.by}


def find(trigger: Trigger, by: Actor, source: Phase | None) -> Row | None:
    """Find the row for a trigger in a phase; None where there is no such way."""
    return _BY_KEY.get((trigger, by, source))


def phases() -> Iterator[Phase]:
    """Every phase, in the order of the table."""
    found = {row.source: None for row in TABLE if row.source} | {
        t: None for row in TABLE for t in row.targets
    }
    yield from found


def name_of(phase: Phase | None) -> str:
    """Write a phase for people: `completed/active`."""
    if phase is None:
        return "–"
    return "/".join(part for part in phase if part)


def as_markdown() -> str:
    """Write the table for the documentation."""
    lines = [
        "| from | by | trigger | to | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name_of(row.source)} | {', '.join(row.by)} | `{row.trigger}` "
        f"| {', '.join(map(name_of, row.targets))} | {row.meaning} |"
        for row in TABLE
    ]
    return "\n".join(lines) + "\n"
