"""A small cost pool: two bearers, three participants, a published key that is renewed."""

import datetime as dt
from typing import Any

from support.builders import key

from allmende.schemas.clause import (
    Charge,
    Clause,
    ClauseVersion,
    Input,
    Key,
    Requirement,
    Share,
    Source,
    Step,
    Test,
)
from allmende.schemas.pools import (
    AdvancePool,
    ChangePool,
    OpenPool,
    Participant,
    PublishKey,
    ReportCost,
    SettlePool,
)
from allmende.schemas.tariff import AllocationKey

FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
COST = Input(kind="money")


def clause(*steps: Step, **changes: Any) -> Clause:
    """Costs are shared by the published key `einwohner`, by days of participation, exactly."""
    shared = Step(id="share", title="Umlage", share=Share(amount="costs", by="people", prorate="day"))
    given: dict[str, Any] = {
        "version": 1,
        "valid_from": dt.date(2025, 1, 1),
        "inputs": {"costs": COST},
        "keys": {"people": Key(published="einwohner")},
        "steps": steps or (shared,),
        "charges": (Charge(step="share", title="Umlage Rechenzentrum"),),
        "exact_cost": "costs",
    }
    source = Source(title="Satzung § 7")
    version = ClauseVersion(**given | changes)
    return Clause(clause_id="rz", title="Rechenzentrum", source=source, versions=(version,))


def needs(parties: int) -> dict[str, Any]:
    """What a clause requires where so many must take part."""
    enough = Test(value="parties", at_least=str(parties))
    return {"requires": (Requirement(when=(enough,), reason="Zu wenige Beteiligte"),)}


def inhabitants(version: int = 1, since: int = 2020, **values: int) -> AllocationKey:
    return key(
        values or {"desy": 50, "gsi": 30, "lrz": 20},
        key_id="einwohner",
        title="Einwohner",
        version=version,
        spread_over="participants",
        effective_from=dt.date(since, 1, 1),
        key_date=dt.date(since - 1, 6, 30),
    )


def published(version: int = 1, since: int = 2020, **values: int) -> PublishKey:
    return PublishKey(key=inhabitants(version, since, **values))


def opening(*participants: Participant, pool_id: str = "rz-2026", **changes: Any) -> OpenPool:
    given: dict[str, Any] = {"pool_id": pool_id, "title": "Rechenzentrum 2026", "clause": clause()}
    given |= {"first_day": FIRST, "last_day": LAST, "bearers": ("lrz", "gsi")}
    people = participants or tuple(Participant(member=name) for name in ("desy", "gsi", "lrz"))
    return OpenPool(**given | {"participants": people} | changes)


def joining(
    *participants: Participant, pool_id: str = "rz-2026", bearers: tuple[str, ...] = ()
) -> ChangePool:
    return ChangePool(pool_id=pool_id, participants=participants, bearers=bearers, reason="Beitritt")


def cost(id_: str, cents: int, **changes: Any) -> ReportCost:
    given: dict[str, Any] = {"pool_id": "rz-2026", "cost_id": id_, "input": "costs", "amount_cents": cents}
    return ReportCost(**given | {"day": dt.date(2026, 3, 1), "evidence": f"ER-{id_}"} | changes)


def advancing(cents: int, period: str = "2026-02", **changes: Any) -> AdvancePool:
    given: dict[str, Any] = {"pool_id": "rz-2026", "period": period, "title": "1. Abschlag"}
    return AdvancePool(**given | {"inputs": {"costs": cents}} | changes)


def settling(period: str = "2026-04", **changes: Any) -> SettlePool:
    return SettlePool(**{"pool_id": "rz-2026", "period": period} | changes)
