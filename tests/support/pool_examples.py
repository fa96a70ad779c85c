"""Examples of every message and query about keys and cost pools: a shared backup of four data centres."""

import datetime as dt
from collections.abc import Callable

from allmende.schemas.clause import Charge, Clause, ClauseVersion, Input, Key, Share, Source, Step
from allmende.schemas.contract import Contract
from allmende.schemas.pools import (
    AdvancePool,
    CarryForward,
    ChangePool,
    CostRecorded,
    Costs,
    ExactCost,
    KeyPublished,
    Keys,
    KeyUsed,
    ListCosts,
    ListKeys,
    ListPools,
    OpenPool,
    Outlook,
    Participant,
    PoolAdvanced,
    PoolChanged,
    PoolCost,
    PoolOpened,
    PoolRun,
    Pools,
    PoolSettled,
    PoolShare,
    PoolShown,
    PoolSummary,
    PublishKey,
    ReportCost,
    SettlePool,
    ShowPool,
)
from allmende.schemas.tariff import AllocationKey

POOL = "datensicherung-2026"
NOW = dt.datetime(2026, 5, 3, 8, 30, tzinfo=dt.UTC)
RUN_ID = "5f0c7a52-6f0a-4c55-9f0e-3d0a6a1b2c44"


def clause() -> Clause:
    """The backup is shared by inhabitants, by days of participation, to the cent."""
    share = Share(amount="betrieb", by="einwohner", prorate="day")
    version = ClauseVersion(
        version=1,
        valid_from=dt.date(2026, 1, 1),
        inputs={"betrieb": Input(kind="money", title="Betriebskosten")},
        keys={"einwohner": Key(published="inhabitants-north")},
        steps=(Step(id="umlage", title="Umlage", share=share),),
        charges=(Charge(step="umlage", title="Datensicherung"),),
        exact_cost="betrieb",
    )
    source = Source(title="Vereinbarung Datensicherung § 4")
    return Clause(clause_id="datensicherung", title="Datensicherung", source=source, versions=(version,))


PARTICIPANTS = (
    Participant(member="weser-it", party="Bremen"),
    Participant(member="alster-it", party="Hamburg"),
    Participant(member="foerde-it", party="Schleswig-Holstein", since=dt.date(2026, 7, 1)),
)


def _opening() -> OpenPool:
    return OpenPool(
        pool_id=POOL,
        title="Datensicherung 2026",
        first_day=dt.date(2026, 1, 1),
        last_day=dt.date(2026, 12, 31),
        clause=clause(),
        participants=PARTICIPANTS[:2],
        bearers=("weser-it",),
    )


def _opened() -> PoolOpened:
    return PoolOpened(**dict(_opening()), opened_at=NOW)


def _cost() -> ReportCost:
    return ReportCost(
        pool_id=POOL,
        cost_id="er-2026-0815",
        input="betrieb",
        amount_cents=1_250_000,
        day=dt.date(2026, 3, 31),
        evidence="ER-2026-0815, Bandbibliothek",
        attachment="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )


def _recorded() -> CostRecorded:
    return CostRecorded(pool_id=POOL, number=1, reporter="weser-it", cost=_cost(), recorded_at=NOW)


def _key_used() -> KeyUsed:
    return KeyUsed(
        key_id="inhabitants-north",
        version=1,
        title="Einwohner der beteiligten Länder",
        key_date=dt.date(2022, 12, 31),
        published_on=dt.date(2023, 10, 20),
        effective_from=dt.date(2026, 1, 1),
        source="Destatis, GV100AD",
    )


def _shares(before: tuple[int, int], now: tuple[int, int]) -> tuple[PoolShare, ...]:
    people = (("Bremen", "weser-it", 332_152), ("Hamburg", "alster-it", 917_848))
    return tuple(
        PoolShare(
            party=party,
            member=member,
            share_cents=share,
            charged_before_cents=before[place],
            charged_cents=now[place],
        )
        for place, (party, member, share) in enumerate(people)
    )


def _advanced() -> PoolAdvanced:
    return PoolAdvanced(
        advance_id=RUN_ID,
        pool_id=POOL,
        number=1,
        period="2026-04",
        title="Abschlag 1. Halbjahr",
        keys=(_key_used(),),
        shares=_shares((0, 0), (332_152, 917_848)),
        amount_cents=1_250_000,
        advanced_at=NOW,
    )


def _settled() -> PoolSettled:
    return PoolSettled(
        settlement_id=RUN_ID,
        pool_id=POOL,
        number=2,
        period="2026-04",
        keys=(_key_used(),),
        shares=_shares((300_000, 900_000), (32_152, 17_848)),
        proof=ExactCost(
            costs_cents=1_250_000,
            cost_by_clause_cents=1_250_000,
            shares_cents=1_250_000,
            charged_before_cents=1_200_000,
            true_up_cents=50_000,
            carried_cents=0,
            difference_cents=0,
            exact=True,
        ),
        reimbursed_cents=1_250_000,
        settled_at=NOW,
    )


def _summary() -> PoolSummary:
    return PoolSummary(
        pool_id=POOL,
        title="Datensicherung 2026",
        first_day=dt.date(2026, 1, 1),
        last_day=dt.date(2026, 12, 31),
        clause_id="datensicherung",
        cash=True,
        costs_cents=1_250_000,
        charged_cents=1_250_000,
    )


def _shown() -> PoolShown:
    return PoolShown(
        summary=_summary(),
        clause=clause(),
        participants=PARTICIPANTS,
        bearers=("weser-it",),
        changes=1,
        runs=(PoolRun(number=2, kind="settlement", period="2026-04", charged_cents=50_000, ran_at=NOW),),
        settled=_settled(),
        outlook=Outlook(
            amounts={"Bremen": 332_152, "Hamburg": 917_848},
            story_de=("Umlage: Bremen: 684864 von 2576986 = 3.321,52 €",),
            story_en=("Umlage: Bremen: 684864 of 2576986 = €3,321.52",),
        ),
    )


def payloads(key: AllocationKey) -> dict[str, Callable[[], Contract]]:
    """The example of every message about keys and pools but the refusals."""
    return {
        "billing.key.publish": lambda: PublishKey(key=key),
        "billing.key.published": lambda: KeyPublished(key=key, recorded_at=NOW),
        "billing.pool.open": _opening,
        "billing.pool.opened": _opened,
        "billing.pool.change": lambda: ChangePool(
            pool_id=POOL, participants=PARTICIPANTS[2:], reason="Beitritt zum 1. Juli"
        ),
        "billing.pool.changed": lambda: PoolChanged(
            pool_id=POOL,
            number=1,
            participants=PARTICIPANTS[2:],
            bearers=(),
            reason="Beitritt zum 1. Juli",
            changed_at=NOW,
        ),
        "billing.pool.advance": lambda: AdvancePool(
            pool_id=POOL, period="2026-04", title="Abschlag 1. Halbjahr", inputs={"betrieb": 1_250_000}
        ),
        "billing.pool.advanced": _advanced,
        "billing.pool.settle": lambda: SettlePool(
            pool_id=POOL,
            period="2026-04",
            carry_forward=CarryForward(what="surplus", up_to_cents=10_000, into="datensicherung-2027"),
        ),
        "billing.pool.settled": _settled,
        "billing.cost.report": _cost,
        "billing.cost.recorded": _recorded,
    }


def queries(key: AllocationKey) -> dict[str, tuple[Callable[[], Contract], Callable[[], Contract]]]:
    """The example of every query about keys and pools."""
    return {
        "billing.key.list": (
            lambda: ListKeys(key_id="inhabitants-north"),
            lambda: Keys(keys=(KeyPublished(key=key, recorded_at=NOW),), next_after=None),
        ),
        "billing.pool.list": (
            lambda: ListPools(limit=10),
            lambda: Pools(pools=(_summary(),), next_after=None),
        ),
        "billing.pool.show": (lambda: ShowPool(pool_id=POOL), _shown),
        "billing.cost.list": (
            lambda: ListCosts(pool_id=POOL, limit=10),
            lambda: Costs(costs=(PoolCost(recorded=_recorded(), corrected_by=None),), next_after=None),
        ),
    }
