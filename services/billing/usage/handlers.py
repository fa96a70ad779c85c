"""Usage reports in, records and lineage written set by set, answers out."""

import dataclasses
import datetime as dt
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import (
    ClarificationSettled,
    RefusedRecord,
    ReportUsage,
    SettleClarification,
    UsageRecorded,
    UsageRefused,
)
from allmende.schemas.brokerage import BookingAmended
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from .. import store as billing_store
from ..period import period_with
from . import admission, lineage, store
from .admission import Accepted, Outcome, Parked, Repeated
from .lineage import Cancelling, Original, Superseded
from .store import Key, Reported

_REFUSED_MOST = 250
"""Refused records of any length that fit into one message."""
_ANSWER_BYTES_MAX = MESSAGE_BYTES_MAX - 8 * 1024
"""What the envelope leaves."""
_ACCEPTED, _REPEATED = Accepted(), Repeated()


class Recording:
    """Takes usage in. What it remembers between batches only saves reading again what has not changed."""

    def __init__(self, office: str, park_for: dt.timedelta) -> None:
        self._office = office
        self._park_for = park_for
        self._admissions = store.Admissions()

    async def amended(
        self, tx: AsyncConnection, amendments: Sequence[BookingAmended], now: dt.datetime
    ) -> None:
        """Note closed periods from the day on from which new terms hold: their usage is rated again."""
        since = [(each.booking_id, period_with(each.effective_on)) for each in amendments]
        pairs = await store.touched(tx, since)
        closed = await billing_store.closed_periods(tx, (period for _, period in pairs))
        await store.mark_late(tx, admission.late(pairs, closed), now)

    # -- reports ----------------------------------------------------------------------------------

    async def record(
        self, tx: AsyncConnection, reports: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Take reports in, records first; one answer for each report."""
        reported = [Reported(each.sender, record) for each in reports for record in _report(each).records]
        outcomes: list[Outcome] = [_ACCEPTED] * len(reported)
        for places in _rounds(reported):
            decided = await self._take(tx, [reported[place] for place in places], now)
            for place, outcome in decided.items():
                outcomes[places[place]] = outcome
        cancelling = [Cancelling(each.sender, one) for each in reports for one in _report(each).cancellations]
        cancelled = iter(await self._cancel(tx, cancelling, now) if cancelling else ())
        recorded = iter(outcomes)
        facts = []
        for each in reports:
            data = _report(each)
            own = list(itertools.islice(recorded, len(data.records)))
            own += itertools.islice(cancelled, len(data.cancellations))
            facts.append(Outgoing(_told(data, own), cause=each))
        return facts

    async def _take(
        self, tx: AsyncConnection, reported: Sequence[Reported], now: dt.datetime
    ) -> dict[int, Outcome]:
        """Store records with ids of their own; tells what became of those that do not simply count."""
        admissions = await self._admissions.of(tx, {each.record.booking_id for each in reported})
        others: dict[int, Reported] = {}
        new: list[tuple[int, Reported]] = []
        for place, each in enumerate(reported):
            source, record, _ = each
            found = admissions.get(record.booking_id)
            if (
                found is not None
                and record.corrects is None
                and found.provider == source
                and found.admits(record)
            ):
                new.append((place, each))
            else:
                others[place] = each
        outcomes, moved = await self._look_closer(tx, others)
        new += moved.items()
        # Sorted, so that two processes with overlapping batches wait for each other in one order.
        new.sort(key=_record_id)
        known = await store.take(tx, [each for _, each in new], until=now + self._park_for, now=now)
        stood = [new[each] for each in known]
        standing = await store.standing(tx, [each for _, each in stood])
        again = [each for n, each in enumerate(stood) if standing[n].state == "refused"]
        await store.take_again(tx, [each for _, each in again], until=now + self._park_for, now=now)
        for n, (place, each) in enumerate(stood):
            if standing[n].state != "refused":
                outcomes[place] = _of_known(each, same=standing[n].same)
        counting = reported
        if outcomes or moved:
            outcomes |= {
                place: Parked(each.waits_for, rejected("unknown_record"))
                for place, each in moved.items()
                if place not in outcomes and each.waits_for
            }
            unclear = [each for place, each in enumerate(reported) if _is_conflict(outcomes.get(place))]
            await lineage.clarify(tx, [(each.source, each.record) for each in unclear], now)
            counting = [each for place, each in enumerate(reported) if place not in outcomes]
        await self._count(tx, counting, now)
        return outcomes

    async def _look_closer(
        self, tx: AsyncConnection, reported: dict[int, Reported]
    ) -> tuple[dict[int, Outcome], dict[int, Reported]]:
        """Decide records that need it, by their places: those that end here, and those to be stored."""
        outcomes: dict[int, Outcome] = {}
        places = list(reported)
        standing = await store.standing(tx, list(reported.values()))
        for n, found in standing.items():
            if found.state != "refused":
                outcomes[places[n]] = _of_known(reported[places[n]], same=found.same)
        left = [place for place in places if place not in outcomes]
        decided = await self._decide(tx, [reported[place] for place in left])
        moved: dict[int, Reported] = {}
        for place, outcome in zip(left, decided, strict=True):
            match outcome:
                case Parked(waits_for=waits_for):
                    moved[place] = reported[place]._replace(waits_for=waits_for)
                case Accepted():
                    moved[place] = reported[place]
                case Rejected():
                    outcomes[place] = outcome
        return outcomes, moved

    @staticmethod
    async def _decide(
        tx: AsyncConnection, reported: Sequence[Reported]
    ) -> list[Accepted | Parked | Rejected]:
        """Decide records by all that is known, and keep it so until this transaction ends."""
        originals = await lineage.lock(
            tx, (_original(each) for each in reported if each.record.corrects is not None)
        )
        decided: list[Accepted | Parked | Rejected] = []
        for start in range(0, len(reported), store.SLICE):
            some = reported[start : start + store.SLICE]
            bookings = await billing_store.load_bookings(tx, (each.record.booking_id for each in some))
            for each in some:
                original = originals.get(_original(each))
                outcome = admission.decide(
                    each.record,
                    each.source,
                    booking=bookings.get(each.record.booking_id),
                    original=original.state if original else None,
                )
                if original and isinstance(outcome, Accepted):
                    # A second correction in the same batch finds it replaced.
                    replaced = dataclasses.replace(original, state="corrected")
                    originals[_original(each)] = replaced
                decided.append(outcome)
        return decided

    async def _count(self, tx: AsyncConnection, counting: Sequence[Reported], now: dt.datetime) -> None:
        """Let records count from now on, and what they correct no longer; note closed periods."""
        corrections = [each for each in counting if each.record.corrects is not None]
        superseded = [Superseded(_original(each), "corrected", each.record.id) for each in corrections]
        await self._supersede(tx, superseded, now, counting)

    @staticmethod
    async def _supersede(
        tx: AsyncConnection,
        superseded: Sequence[Superseded],
        now: dt.datetime,
        counting: Sequence[Reported] = (),
    ) -> None:
        """Take records out of the count; note the closed periods of all that changed."""
        originals = await lineage.lock(tx, (each.key for each in superseded))
        gone = [(each.booking_id, each.period) for each in originals.values()]
        # Until this transaction ends no closing of these periods begins, and none is under way.
        periods = {period for _, period in gone} | {each.period for each in counting}
        if not periods:
            return
        closed = await billing_store.closed_periods(tx, periods)
        await lineage.supersede(tx, superseded, now)
        if closed:
            come = [(each.record.booking_id, each.period) for each in counting]
            await store.mark_late(tx, admission.late([*gone, *come], closed), now)

    async def _cancel(
        self, tx: AsyncConnection, cancelling: Sequence[Cancelling], now: dt.datetime
    ) -> list[Outcome]:
        """Decide cancellations in their order."""
        known = await lineage.known_cancellations(tx, cancelling)
        before = frozenset(known)
        originals = await lineage.lock(tx, (each.original for each in cancelling))
        outcomes: list[Outcome] = []
        decided: list[tuple[Cancelling, lineage.Standing]] = []
        for each in cancelling:
            stood = known.get(each.key)
            if stood is not None and stood[1] != "refused":
                outcomes.append(
                    _REPEATED if stood[0] == each.cancellation else _conflict(each.cancellation.id)
                )
                continue
            outcome = _decide_cancellation(each, originals)
            outcomes.append(outcome)
            if not isinstance(outcome, Rejected):
                state: lineage.Standing = "recorded" if isinstance(outcome, Accepted) else "parked"
                decided.append((each, state))
                known[each.key] = (each.cancellation, state)
        await lineage.save_cancellations(tx, decided, known=before, until=now + self._park_for, now=now)
        await self._supersede(tx, _cancelled(decided), now)
        pairs = zip(cancelling, outcomes, strict=True)
        unclear = [(each.source, each.cancellation) for each, outcome in pairs if _is_conflict(outcome)]
        await lineage.clarify(tx, unclear, now)
        return outcomes

    # -- what waited ------------------------------------------------------------------------------

    async def learned(
        self, tx: AsyncConnection, booking_ids: Iterable[str], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide what waited for bookings or their terms; what is beyond the first slice is left to `due`."""
        waited = await store.parked_for(tx, booking_ids)
        return await self._resolve(tx, waited, now, overdue=False) if waited else []

    async def due(self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime) -> list[Outgoing]:
        """Decide a slice of what waited: its booking may have come by another process, or its time is over.

        Every fact told before `informed_until` is known; what waits for one is refused only when its time was
        over by then.
        """
        overdue_at = min(now, informed_until)
        facts: list[Outgoing] = []
        waited, overdue = await store.decidable(tx, overdue_at)
        if waited:
            facts += await self._resolve(tx, waited, now, overdue=overdue)
        cancelling, overdue = await lineage.decidable_cancellations(tx, overdue_at)
        if cancelling:
            facts += await self._resolve_cancellations(tx, cancelling, now, overdue=overdue)
        return facts

    async def before_closing(self, tx: AsyncConnection, period: str, now: dt.datetime) -> list[Outgoing]:
        """Decide what waits in a period. What still waits then holds nothing up: it will be late."""
        waited = await store.parked_in(tx, period)
        return await self._resolve(tx, waited, now, overdue=False) if waited else []

    async def _resolve(
        self, tx: AsyncConnection, waited: Sequence[Reported], now: dt.datetime, *, overdue: bool
    ) -> list[Outgoing]:
        resolved: list[tuple[Reported, admission.State]] = []
        refused: list[tuple[Reported, Rejected]] = []
        for each, outcome in zip(waited, await self._decide(tx, waited), strict=True):
            match outcome:
                case Accepted():
                    resolved.append((each, "recorded"))
                case Parked(waits_for=waits_for) if not overdue:
                    resolved.append((each._replace(waits_for=waits_for), "parked"))
                case Parked(refusal=refusal) | (Rejected() as refusal):
                    resolved.append((each, "refused"))
                    refused.append((each, refusal))
        await store.resolve(tx, resolved)
        await self._count(tx, [each for each, state in resolved if state == "recorded"], now)
        told = [(each.source, each.record.id, refusal) for each, refusal in refused]
        return [*_refusals(told), *_alerts(refused)]

    async def _resolve_cancellations(
        self, tx: AsyncConnection, waited: Sequence[Cancelling], now: dt.datetime, *, overdue: bool
    ) -> list[Outgoing]:
        originals = await lineage.lock(tx, (each.original for each in waited))
        decided: list[tuple[Cancelling, lineage.Standing]] = []
        refused: list[tuple[str, str, Rejected]] = []
        for each in waited:
            match _decide_cancellation(each, originals):
                case Accepted():
                    decided.append((each, "recorded"))
                case Parked() if not overdue:
                    continue
                case Parked(refusal=refusal) | (Rejected() as refusal):
                    decided.append((each, "refused"))
                    refused.append((each.source, each.cancellation.id, refusal))
        keys = {each.key for each in waited}
        await lineage.save_cancellations(tx, decided, known=keys, until=now, now=now)
        await self._supersede(tx, _cancelled(decided), now)
        return _refusals(refused)

    # -- what is unclear --------------------------------------------------------------------------

    async def settle(
        self, tx: AsyncConnection, message: Incoming, command: SettleClarification, now: dt.datetime
    ) -> Outgoing:
        """Close an entry of the list of contradictory records."""
        number = command.clarification
        found = await lineage.lock_clarification(tx, number)
        if found is None or message.sender not in {found[0], self._office}:
            return refuse(message, rejected("unknown_clarification", clarification=number))
        provider, record_id, settled_as = found
        if settled_as is not None:
            return refuse(message, rejected("clarification_settled", clarification=number))
        await lineage.settle(tx, number, command.reason, now)
        settled = ClarificationSettled(
            clarification=number,
            provider=provider,
            record_id=record_id,
            settled_by=message.sender,
            reason=command.reason,
            settled_at=now,
        )
        return Outgoing(settled, cause=message, subject=str(number), parties={Audience.PROVIDER: provider})


def _rounds(reported: Sequence[Reported]) -> Iterator[Sequence[int]]:
    """Divide a batch: in a round each id stands once, and a correction is in a later one than its original.

    Nearly always that is one round. Records that correct each other in a circle are taken as they come.

    Returns:
        The places of each round.
    """
    left: Sequence[int] = range(len(reported))
    while left:
        keys = {(reported[place][0], reported[place][1].id) for place in left}
        originals = {each: _original(reported[each]) for each in left if reported[each][1].corrects}
        if len(keys) == len(left) and not originals:
            yield left
            return
        first: dict[Key, int] = {}
        for place in left:
            first.setdefault(reported[place].key, place)
        some = [place for place in first.values() if originals.get(place) not in keys]
        yield (some := some or list(first.values()))
        taken = set(some)
        left = [place for place in left if place not in taken]


def _record_id(placed: tuple[int, Reported]) -> str:
    return placed[1].record.id


def _original(reported: Reported) -> Key:
    """The record that a correction replaces."""
    return (reported.source, reported.record.corrects or "")


def _report(message: Incoming) -> ReportUsage:
    if not isinstance(message.data, ReportUsage):
        raise TypeError(f"{message.message.name} reports no usage")
    return message.data


def _conflict(record_id: str) -> Rejected:
    return rejected("record_conflict", record=record_id)


def _is_conflict(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Rejected) and outcome.code == "record_conflict"


def _of_known(reported: Reported, *, same: bool) -> Outcome:
    return _REPEATED if same else _conflict(reported.record.id)


def _decide_cancellation(
    cancelling: Cancelling, originals: dict[Key, Original]
) -> Accepted | Parked | Rejected:
    original = originals.get(cancelling.original)
    outcome = admission.supersede(cancelling.cancellation.cancels, original.state if original else None)
    if original and isinstance(outcome, Accepted):
        originals[cancelling.original] = dataclasses.replace(original, state="cancelled")
    return outcome


def _cancelled(decided: Iterable[tuple[Cancelling, lineage.Standing]]) -> list[Superseded]:
    return [
        Superseded(each.original, "cancelled", each.cancellation.id)
        for each, state in decided
        if state == "recorded"
    ]


def _told(report: ReportUsage, outcomes: Sequence[Outcome]) -> UsageRecorded:
    """Answer a report; the sentences are left out where they would not fit into a message."""
    kinds = Counter(map(type, outcomes))
    refused = _refused_of(report, outcomes) if kinds[Rejected] else ()
    told = UsageRecorded(
        accepted=kinds[Accepted], repeated=kinds[Repeated], parked=kinds[Parked], refused=refused
    )
    if len(refused) <= _REFUSED_MOST or len(told.model_dump_json().encode()) < _ANSWER_BYTES_MAX:
        return told
    silent = {"message_de": "", "message_en": ""}
    return told.model_copy(update={"refused": tuple(each.model_copy(update=silent) for each in refused)})


def _refused_of(report: ReportUsage, outcomes: Sequence[Outcome]) -> tuple[RefusedRecord, ...]:
    ids = [each.id for each in report.records] + [each.id for each in report.cancellations]
    return tuple(
        _refused(id_, outcome)
        for id_, outcome in zip(ids, outcomes, strict=True)
        if isinstance(outcome, Rejected)
    )


def _refused(record_id: str, reason: Rejected) -> RefusedRecord:
    german, english = reason.sentences
    return RefusedRecord(id=record_id, code=reason.code, message_de=german, message_en=english)


def _refusals(refused: Iterable[tuple[str, str, Rejected]]) -> list[Outgoing]:
    """Tell providers what waited and was refused."""
    by_provider: defaultdict[str, list[RefusedRecord]] = defaultdict(list)
    for provider, record_id, reason in refused:
        by_provider[provider].append(_refused(record_id, reason))
    return [
        Outgoing(
            UsageRefused(refused=tuple(records[start : start + _REFUSED_MOST])),
            parties={Audience.PROVIDER: provider},
        )
        for provider, records in sorted(by_provider.items())
        for start in range(0, len(records), _REFUSED_MOST)
    ]


def _alerts(refused: Iterable[tuple[Reported, Rejected]]) -> list[Outgoing]:
    """Raise an alert for each booking, meter and period of which usage was refused that nobody can charge."""
    counted: Counter[tuple[str, str, str, str, str]] = Counter()
    for each, reason in refused:
        if reason.code in admission.ALERTS:
            record = each.record
            counted[each.source, reason.code, record.booking_id, record.meter, each.period] += 1
    return [
        Outgoing(
            admission.alert(provider, code, booking_id, meter, period, records),
            subject=booking_id,
            parties={Audience.PROVIDER: provider},
        )
        for (provider, code, booking_id, meter, period), records in sorted(counted.items())
    ]
