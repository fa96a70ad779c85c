"""One realistic example of every message and query: a small market in the spring of 2026.

Four data centres and the office of their cooperative; `alster-it` books virtual machines of `weser-it`.
"""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

from support import booking_examples, pool_examples, settlement_examples

from allmende.schemas import chain, permissions, registry
from allmende.schemas.attachments import (
    AttachmentPart,
    AttachmentReceived,
    AttachmentRemoved,
    AttachmentStored,
    AttachmentSummary,
    ReadAttachment,
    RemoveAttachment,
    StoreAttachment,
)
from allmende.schemas.billing import (
    AlertRaised,
    ChargeLevy,
    ChargeLine,
    Clarification,
    Clarifications,
    ClarificationSettled,
    LevyCharged,
    LevyShare,
    ListClarifications,
    ListSettlements,
    NetPosition,
    RefusedRecord,
    ReportUsage,
    SettleClarification,
    SettlementClosed,
    Settlements,
    ShowStatement,
    Statement,
    StatementIssued,
    StatementItem,
    UsageCancellation,
    UsageRecord,
    UsageRecorded,
    UsageRefused,
)
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.catalog import (
    Certificate,
    Changes,
    CompareRevisions,
    Comparison,
    DataProcessing,
    Differing,
    DiscardDraft,
    DraftDiscarded,
    DraftOffering,
    Estimate,
    EstimateCosts,
    EstimateLine,
    Facets,
    FacetValue,
    Filter,
    Found,
    History,
    Hit,
    ListOfferings,
    Offering,
    OfferingDrafted,
    OfferingHidden,
    OfferingPaused,
    OfferingPublished,
    OfferingResumed,
    OfferingRetired,
    Offerings,
    OfferingShown,
    OfferingSummary,
    PauseOffering,
    Place,
    Plan,
    PublishOffering,
    ReplayChanges,
    ResumeOffering,
    RetireOffering,
    RevisionSummary,
    SearchOfferings,
    ServiceLevel,
    ShowHistory,
    ShowOffering,
    SupportHours,
)
from allmende.schemas.conditions import Circle, Conditions, Pool
from allmende.schemas.contract import Contract
from allmende.schemas.envelope import seal
from allmende.schemas.journal import (
    GENESIS,
    ExportJournal,
    JournalEntry,
    JournalPage,
    JournalPosting,
    VerifyJournal,
)
from allmende.schemas.permissions import Role
from allmende.schemas.register import Land, MemberRegister, RegisteredMember
from allmende.schemas.rejections import Rejected, Rejection, rejected
from allmende.schemas.tariff import (
    AllocationKey,
    Component,
    Free,
    NotOffered,
    OrderQuantity,
    PerUnit,
    Tariff,
)

PROVIDER = "weser-it"
CONSUMER = "alster-it"
OFFICE = "nordverbund"
OFFERING_ID = "weser-it/virtual-machine"
PERIOD = "2026-04"

BOOKING_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8d9e"
LEVY_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8da0"
SETTLEMENT_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8da1"
STATEMENT_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8da2"
UNKNOWN_BOOKING_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8da3"
EVENT_ID = "0196a3c5-0000-7000-8000-000000000001"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW = dt.datetime(2026, 3, 12, 9, 30, 15, 250_000, tzinfo=dt.UTC)


def register() -> MemberRegister:
    """The cooperative. The keys are well-formed, nobody holds their other halves."""
    seats: dict[str, tuple[str, Land]] = {
        "weser-it": ("Weser-IT, Anstalt des öffentlichen Rechts", "Bremen"),
        "alster-it": ("Alster-IT", "Hamburg"),
        "leine-it": ("Leine-Rechenzentrum", "Niedersachsen"),
        "foerde-it": ("Förde-IT", "Schleswig-Holstein"),
    }
    members = [
        RegisteredMember(id=member, name=name, land=land, classes={"weser": "B"}, key="U" + letter * 55)
        for (member, (name, land)), letter in zip(seats.items(), "ABCD", strict=True)
    ]
    office = RegisteredMember(id=OFFICE, name="Nordverbund eG", role=Role.OFFICE, key="U" + "E" * 55)
    return MemberRegister(name="Nordverbund eG", members=(*members, office))


def tariff() -> Tariff:
    """What the plan costs in 2026."""
    return Tariff(
        version=1,
        valid_from=dt.date(2026, 1, 1),
        valid_to=dt.date(2026, 12, 31),
        class_scheme="weser",
        source="Entgeltverzeichnis 2026, Ziffer 4.2",
        components=(
            Component(
                id="setup",
                title="Einrichtung",
                billing="one_time",
                measure="vcpu",
                unit="vCPU",
                price=PerUnit(amount=Decimal("25.00")),
            ),
            Component(
                id="runtime",
                title="Laufzeit",
                billing="usage",
                measure="vcpu_hours",
                unit="h",
                price_by_class={
                    "A": Free(reason="Mit der Grundumlage abgegolten"),
                    "B": PerUnit(amount=Decimal("1.25"), per=Decimal(100)),
                    "C": NotOffered(reason="Nur für öffentliche Stellen"),
                },
            ),
        ),
    )


def offering() -> Offering:
    """Virtual machines, with the tariffs of two years."""
    next_year = Tariff(
        version=2,
        valid_from=dt.date(2027, 1, 1),
        components=(
            Component(
                id="runtime",
                title="Laufzeit",
                billing="usage",
                measure="vcpu_hours",
                unit="h",
                price=PerUnit(amount=Decimal("0.0131")),
            ),
        ),
    )
    return Offering(
        offering_id=OFFERING_ID,
        title="Virtuelle Maschine",
        description="Linux auf zwei Rechenzentren.\nSicherung täglich, 30 Tage.",
        category="compute",
        plans=(
            Plan(
                plan_id="standard",
                title="Standard",
                order=(
                    OrderQuantity(
                        id="vcpu",
                        title="Prozessorkerne",
                        unit="vCPU",
                        minimum=Decimal(1),
                        maximum=Decimal(64),
                    ),
                    OrderQuantity(id="ram", title="Arbeitsspeicher", unit="GiB"),
                ),
                capacity={"vcpu": Decimal(2048)},
                tariffs=(tariff(), next_year),
            ),
        ),
    )


def draft() -> Offering:
    """Housing in two regions, with everything that can be said about an offering."""
    return Offering(
        offering_id="weser-it/housing",
        title="Stellfläche",
        description="Schränke in zwei Rechenzentren.",
        category="hosting",
        keywords=("Housing", "Rack"),
        contact="betrieb@weser-it.example",
        certificates=(
            Certificate(name="ISO/IEC 27001", scope="Beide Standorte", valid_until=dt.date(2028, 6, 30)),
        ),
        data_processing=DataProcessing(personal_data=False, location="Deutschland"),
        service_level=ServiceLevel(availability_percent=Decimal("99.90"), response_minutes=30),
        support_hours=(SupportHours(days=("monday", "friday"), opens="07:00", closes="18:00"),),
        visible_to=Circle(classes={"weser": ("A", "B")}),
        bookable_by=Circle(members=(CONSUMER,)),
        plans=(
            Plan(
                plan_id="rack",
                title="Schrank",
                order=(OrderQuantity(id="racks", title="Schränke", unit="Stk", minimum=Decimal(1)),),
                order_form={
                    "type": "object",
                    "required": ["purpose"],
                    "properties": {"purpose": {"type": "string", "title": "Zweck", "maxLength": 200}},
                },
                pools=(
                    Pool(
                        pool_id="nord",
                        title="Bremen-Nord",
                        region="bremen",
                        capacity={"racks": Decimal(12)},
                    ),
                ),
                conditions=Conditions(provider_approval_hours=72, minimum_term_months=12, notice_months=3),
                tariffs=(
                    Tariff(
                        version=1,
                        valid_from=dt.date(2026, 1, 1),
                        components=(
                            Component(
                                id="rack",
                                title="Schrank",
                                billing="limit",
                                period="month",
                                measure="racks",
                                unit="Stk",
                                price=PerUnit(amount=Decimal("310.00")),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )


def attachment() -> AttachmentSummary:
    """The agreement on the processing of personal data, 300,000 bytes."""
    return AttachmentSummary(
        name="Auftragsverarbeitung.pdf",
        media_type="application/pdf",
        size_bytes=300_000,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )


def booking() -> BookingConfirmed:
    """Eight cores for a year."""
    return BookingConfirmed(
        booking_id=BOOKING_ID,
        offering_id=OFFERING_ID,
        offering_revision=3,
        plan_id="standard",
        provider=PROVIDER,
        consumer=CONSUMER,
        consumer_class="B",
        quantities={"vcpu": Decimal(8), "ram": Decimal("32.5")},
        start=dt.date(2026, 4, 1),
        end=dt.date(2027, 3, 31),
        reference="Auftrag 2026/0417",
        tariff=tariff(),
        confirmed_at=NOW,
    )


def allocation_key() -> AllocationKey:
    """Inhabitants on 31 December 2022 (Destatis) of the four Länder where members sit."""
    return AllocationKey(
        key_id="inhabitants-north",
        version=1,
        title="Einwohner der beteiligten Länder",
        holders="land",
        unit="weight",
        values={
            "Bremen": Decimal(684_864),
            "Hamburg": Decimal(1_892_122),
            "Niedersachsen": Decimal(8_140_242),
            "Schleswig-Holstein": Decimal(2_953_270),
        },
        spread_over="all",
        key_date=dt.date(2022, 12, 31),
        published_on=dt.date(2023, 10, 20),
        effective_from=dt.date(2026, 1, 1),
        source="Destatis, GV100AD",
    )


def usage_record(number: int = 1, booking_id: str = BOOKING_ID) -> UsageRecord:
    """A day of eight cores, counted in April 2026."""
    start = dt.datetime(2026, 4, number, 22, 0, tzinfo=dt.UTC)
    return UsageRecord(
        id=f"vm-0815/2026-04-{number:02d}",
        booking_id=booking_id,
        meter="vcpu_hours",
        quantity=Decimal(192),
        start=start,
        end=start + dt.timedelta(days=1),
    )


def journal_entry() -> JournalEntry:
    """The first entry of the ledger, chained."""
    payer, payee = CONSUMER, PROVIDER
    accounts = (
        (f"{payer}:aufwendungen:leistungen", 27_200),
        (f"{payer}:verbindlichkeiten:{payee}", -27_200),
        (f"{payee}:forderungen:{payer}", 27_200),
        (f"{payee}:erträge:leistungen", -27_200),
    )
    entry = JournalEntry(
        sequence=1,
        entry_id=BOOKING_ID,
        date=dt.date(2026, 4, 30),
        booked_at=NOW,
        kind="charge",
        narration=f"Leistungen {PERIOD}: {payer} an {payee}",
        reference=f"{PERIOD}/charge/{payer}/{payee}",
        settlement_id=BOOKING_ID,
        reverses=None,
        reason=None,
        numbers={payer: "2026/000001", payee: "2026/000001"},
        postings=tuple(JournalPosting(account=name, amount_cents=cents) for name, cents in accounts),
        previous_hash=GENESIS,
        hash=GENESIS,
    )
    return entry.model_copy(update={"hash": chain.hash_of(entry)})


def _cancellation() -> UsageCancellation:
    return UsageCancellation(id="storno-1", cancels="vm-0815/2026-03-31", reason="doppelt gezählt")


def _clarifications() -> Clarifications:
    standing = usage_record(1)
    return Clarifications(
        clarifications=(
            Clarification(
                clarification=7,
                provider=PROVIDER,
                record_id=standing.id,
                standing=standing,
                offered=standing.model_copy(update={"quantity": Decimal(96)}),
                noted_at=NOW,
            ),
        ),
        next_after=7,
    )


def settlement() -> SettlementClosed:
    """April 2026: one booking and one levy."""
    paid = {"weser-it": 60_117, "alster-it": 193_291, "leine-it": 714_553, "foerde-it": 259_239}
    received = {"weser-it": 27_200, OFFICE: 1_200_000}
    return SettlementClosed(
        settlement_id=SETTLEMENT_ID,
        period=PERIOD,
        clearing_house=OFFICE,
        charges_cents=27_200,
        levies_cents=1_200_000,
        usage_records=30,
        lines=6,
        positions=tuple(
            NetPosition(
                party=party,
                receivable_cents=received.get(party, 0),
                payable_cents=paid.get(party, 0),
                net_cents=received.get(party, 0) - paid.get(party, 0),
            )
            for party in sorted({*paid, *received})
        ),
        closed_at=NOW,
    )


def statement() -> StatementIssued:
    """What `alster-it` owes for April 2026."""
    return StatementIssued(
        statement_id=STATEMENT_ID,
        settlement_id=SETTLEMENT_ID,
        number="2026-04/002",
        period=PERIOD,
        member=CONSUMER,
        payable=(
            StatementItem(kind="charge", counterparty=PROVIDER, amount_cents=27_200, lines=2),
            StatementItem(kind="levy", counterparty=OFFICE, amount_cents=166_091, lines=1),
        ),
        receivable=(),
        payable_cents=193_291,
        receivable_cents=0,
        net_cents=-193_291,
        clearing_house=OFFICE,
        issued_at=NOW,
    )


def charge_line() -> ChargeLine:
    """The runtime of the booking in April 2026."""
    return ChargeLine(
        line=2,
        kind="charge",
        payer=CONSUMER,
        payee=PROVIDER,
        title="Laufzeit",
        booking_id=BOOKING_ID,
        offering_id=OFFERING_ID,
        component="runtime",
        tariff_version=1,
        quantity=Decimal(5760),
        unit="h",
        records=30,
        service_from=dt.date(2026, 4, 1),
        service_to=dt.date(2026, 4, 30),
        amount_cents=7_200,
        trace_de="5.760 h zu 1,25 € je 100 h = 72,00 €",
        trace_en="5,760 h at €1.25 per 100 h = €72.00",
    )


def _levy_charged() -> LevyCharged:
    shares = {"weser-it": 60_117, "alster-it": 166_091, "leine-it": 714_553, "foerde-it": 259_239}
    return LevyCharged(
        levy_id=LEVY_ID,
        period=PERIOD,
        title="Geschäftsstelle, April 2026",
        amount_cents=1_200_000,
        key_id="inhabitants-north",
        key_version=1,
        shares=tuple(LevyShare(member=member, amount_cents=cents) for member, cents in shares.items()),
    )


def _refused_record() -> RefusedRecord:
    german, english = rejected("unknown_booking", booking=UNKNOWN_BOOKING_ID).sentences
    return RefusedRecord(
        id="vm-4711/2026-04-01", code="unknown_booking", message_de=german, message_en=english
    )


_REASONS: dict[str, tuple[str, Rejected]] = {
    "catalog.offering.rejected": (
        "catalog.offering.publish",
        rejected("not_your_offering", "data.offering.offering_id", offering="elbe-it/disk", member=PROVIDER),
    ),
    "catalog.attachment.rejected": (
        "catalog.attachment.store",
        rejected("attachments_full", "size_bytes", offering=OFFERING_ID, limit=33_554_432),
    ),
    "brokerage.booking.rejected": (
        "brokerage.booking.request",
        rejected("no_capacity", "data.quantities.vcpu", quantity="vcpu", value=64, free=12),
    ),
    "billing.usage.rejected": (
        "billing.usage.report",
        rejected("invalid_field", "data.records.0.quantity", field="data.records.0.quantity", detail="NaN"),
    ),
    "billing.clarification.rejected": (
        "billing.clarification.settle",
        rejected("clarification_settled", clarification=7),
    ),
    "billing.key.rejected": (
        "billing.key.publish",
        rejected("key_version_taken", "key.version", key="inhabitants-north", version=1),
    ),
    "billing.pool.rejected": (
        "billing.pool.settle",
        rejected("unknown_cost_pool", "pool_id", pool=pool_examples.POOL),
    ),
    "billing.cost.rejected": (
        "billing.cost.report",
        rejected("not_a_bearer", member=CONSUMER, pool=pool_examples.POOL),
    ),
    "billing.levy.rejected": (
        "billing.levy.charge",
        rejected("key_not_effective", "data.key", key="inhabitants-north", day="2027-01-01"),
    ),
    **settlement_examples.REASONS,
}

_settling = settlement_examples.Examples(
    settlement=settlement(),
    line=charge_line(),
    booking=booking(),
    record=usage_record(),
    levy_id=LEVY_ID,
    statement_id=STATEMENT_ID,
)

_PAYLOADS: dict[str, Callable[[], Contract]] = {
    "catalog.offering.draft": lambda: DraftOffering(offering=draft()),
    "catalog.offering.discard": lambda: DiscardDraft(offering_id="weser-it/housing"),
    "catalog.offering.drafted": lambda: OfferingDrafted(
        offering=draft(), provider=PROVIDER, revision=1, drafted_at=NOW
    ),
    "catalog.offering.discarded": lambda: DraftDiscarded(
        offering_id="weser-it/housing", provider=PROVIDER, discarded_at=NOW
    ),
    "catalog.offering.pause": lambda: PauseOffering(offering_id=OFFERING_ID, reason="Umzug des Speichers"),
    "catalog.offering.paused": lambda: OfferingPaused(
        offering_id=OFFERING_ID,
        provider=PROVIDER,
        category="compute",
        revision=3,
        position=42,
        reason="Umzug des Speichers",
        paused_at=NOW,
    ),
    "catalog.offering.resume": lambda: ResumeOffering(offering_id=OFFERING_ID),
    "catalog.offering.resumed": lambda: OfferingResumed(
        offering_id=OFFERING_ID,
        provider=PROVIDER,
        category="compute",
        revision=3,
        position=43,
        resumed_at=NOW,
    ),
    "catalog.offering.hidden": lambda: OfferingHidden(
        offering_id="weser-it/housing",
        provider=PROVIDER,
        category="hosting",
        revision=2,
        position=44,
        hidden_at=NOW,
    ),
    "catalog.attachment.store": lambda: StoreAttachment(
        offering_id=OFFERING_ID, part=1, content="JVBERi0xLjcK", **attachment().model_dump()
    ),
    "catalog.attachment.remove": lambda: RemoveAttachment(
        offering_id=OFFERING_ID, sha256=attachment().sha256
    ),
    "catalog.attachment.received": lambda: AttachmentReceived(
        offering_id=OFFERING_ID, provider=PROVIDER, attachment=attachment(), missing=(0,)
    ),
    "catalog.attachment.stored": lambda: AttachmentStored(
        offering_id=OFFERING_ID, provider=PROVIDER, attachment=attachment(), stored_at=NOW
    ),
    "catalog.attachment.removed": lambda: AttachmentRemoved(
        offering_id=OFFERING_ID, provider=PROVIDER, sha256=attachment().sha256, removed_at=NOW
    ),
    "catalog.offering.publish": lambda: PublishOffering(offering=offering()),
    "catalog.offering.retire": lambda: RetireOffering(offering_id=OFFERING_ID),
    "catalog.offering.published": lambda: OfferingPublished(
        offering=offering(), provider=PROVIDER, revision=3, position=41, published_at=NOW
    ),
    "catalog.offering.retired": lambda: OfferingRetired(
        offering_id=OFFERING_ID,
        provider=PROVIDER,
        category="compute",
        revision=3,
        position=45,
        retired_at=NOW,
    ),
    "billing.usage.report": lambda: ReportUsage(
        records=(
            usage_record(1),
            usage_record(2).model_copy(
                update={"corrects": "vm-0815/2026-04-1", "dimensions": {"purpose": "teaching"}}
            ),
        ),
        cancellations=(_cancellation(),),
    ),
    "billing.usage.recorded": lambda: UsageRecorded(
        accepted=1, repeated=0, parked=0, refused=(_refused_record(),)
    ),
    "billing.usage.refused": lambda: UsageRefused(refused=(_refused_record(),)),
    "billing.alert.raised": lambda: AlertRaised(
        kind="usage_unknown_meter",
        provider=PROVIDER,
        booking_id=BOOKING_ID,
        meter="gpu_hours",
        period=PERIOD,
        records=12,
        message_de="Der Tarif der Buchung kennt den Zähler gpu_hours nicht.",
        message_en="The tariff of the booking has no meter gpu_hours.",
    ),
    "billing.clarification.settle": lambda: SettleClarification(
        clarification=7, reason="Die Erstmeldung stimmt"
    ),
    "billing.clarification.settled": lambda: ClarificationSettled(
        clarification=7,
        provider=PROVIDER,
        record_id="vm-0815/2026-04-01",
        settled_by=PROVIDER,
        reason="Die Erstmeldung stimmt",
        settled_at=NOW,
    ),
    "billing.levy.charge": lambda: ChargeLevy(
        period=PERIOD,
        title="Geschäftsstelle, April 2026",
        amount_cents=1_200_000,
        key=allocation_key(),
    ),
    "billing.levy.charged": _levy_charged,
    "billing.settlement.closed": settlement,
    "billing.statement.issued": statement,
    **pool_examples.payloads(allocation_key()),
    **_settling.payloads(),
}

_QUERIES: dict[str, tuple[Callable[[], Contract], Callable[[], Contract]]] = {
    "catalog.offering.list": (
        lambda: ListOfferings(category="compute", after="alster-it/disk", limit=1),
        lambda: Offerings(
            offerings=(OfferingSummary(offering=offering(), state="published", revision=3, position=41),),
            next_after=OFFERING_ID,
            position=45,
        ),
    ),
    "catalog.offering.show": (
        lambda: ShowOffering(offering_id=OFFERING_ID, revision=3),
        lambda: OfferingShown(
            offering=offering(),
            state="paused",
            revision=3,
            newest=3,
            position=42,
            since=NOW,
            bookable=False,
            attachments=(attachment(),),
        ),
    ),
    "catalog.offering.history": (
        lambda: ShowHistory(offering_id=OFFERING_ID, before=4, limit=1),
        lambda: History(
            offering_id=OFFERING_ID,
            revisions=(
                RevisionSummary(
                    revision=3, published_at=NOW, title="Virtuelle Maschine", tariffs={"standard": 2}
                ),
            ),
            next_before=3,
        ),
    ),
    "catalog.offering.compare": (
        lambda: CompareRevisions(offering_id=OFFERING_ID, earlier=2, later=3),
        lambda: Comparison(
            offering_id=OFFERING_ID,
            earlier=2,
            later=3,
            differences=(
                Differing(path="title", before="Maschine", after="Virtuelle Maschine"),
                Differing(path="plans[standard].tariffs[1].valid_to", after="2026-12-31"),
            ),
        ),
    ),
    "catalog.offering.search": (
        lambda: SearchOfferings(
            text="virtuelle Maschine",
            filter=Filter(category=("compute",), certificate=("ISO/IEC 27001",)),
            after=Place(rank=2_060_793, offering_id="alster-it/disk"),
            limit=1,
        ),
        lambda: Found(
            hits=(
                Hit(
                    offering_id=OFFERING_ID,
                    title="Virtuelle Maschine",
                    category="compute",
                    state="published",
                    revision=3,
                    rank=2_060_793,
                    bookable=True,
                ),
            ),
            counted=2,
            complete=True,
            facets=Facets(
                category=(FacetValue(value="compute", count=2),),
                region=(FacetValue(value="bremen", count=1),),
            ),
            next_after=Place(rank=2_060_793, offering_id=OFFERING_ID),
        ),
    ),
    "catalog.offering.estimate": (
        lambda: EstimateCosts(
            offering_id=OFFERING_ID,
            plan_id="standard",
            start=dt.date(2026, 4, 1),
            months=2,
            quantities={"vcpu": Decimal(8), "ram": Decimal("32.5")},
            usage_per_month={"vcpu_hours": Decimal(5760)},
        ),
        lambda: Estimate(
            offering_id=OFFERING_ID,
            offering_revision=3,
            plan_id="standard",
            tariff_version=1,
            consumer_class="B",
            lines=(
                EstimateLine(
                    component="runtime",
                    title="Laufzeit",
                    billing="usage",
                    quantity=Decimal(5760),
                    unit="h",
                    amount_cents=7_200,
                    times=2,
                    first="2026-04",
                    last="2026-05",
                    trace_de="5.760 h zu 1,25 € je 100 h = 72,00 €",
                    trace_en="5,760 h at €1.25 per 100 h = €72.00",
                ),
            ),
            monthly_cents=(7_200, 7_200),
            total_cents=14_400,
        ),
    ),
    "catalog.change.replay": (
        lambda: ReplayChanges(after=41, categories=("compute",), limit=1),
        lambda: Changes(
            changes=(
                OfferingResumed(
                    offering_id=OFFERING_ID,
                    provider=PROVIDER,
                    category="compute",
                    revision=3,
                    position=43,
                    resumed_at=NOW,
                ),
            ),
            position=43,
            end=False,
        ),
    ),
    "catalog.attachment.read": (
        lambda: ReadAttachment(offering_id=OFFERING_ID, sha256=attachment().sha256, part=1),
        lambda: AttachmentPart(attachment=attachment(), part=1, parts=2, content="JVBERi0xLjcK"),
    ),
    "billing.clarification.list": (
        lambda: ListClarifications(limit=1),
        _clarifications,
    ),
    "billing.settlement.list": (
        lambda: ListSettlements(limit=12),
        lambda: Settlements(settlements=(settlement(),)),
    ),
    "billing.statement.show": (
        lambda: ShowStatement(period=PERIOD),
        lambda: Statement(statement=statement(), lines=(charge_line(),), next_after=None),
    ),
    "billing.journal.export": (
        lambda: ExportJournal(period=PERIOD),
        lambda: JournalPage(entries=(journal_entry(),), total=1, next_after=None),
    ),
    "billing.journal.verify": (
        lambda: VerifyJournal(head=journal_entry().hash),
        lambda: chain.verify([journal_entry()], head=journal_entry().hash),
    ),
    **pool_examples.queries(allocation_key()),
    **_settling.queries(),
}


def payload(name: str) -> Contract:
    """The example payload of a message, by its name in the registry."""
    if name in _REASONS:
        command, reason = _REASONS[name]
        rejection: Rejection = reason.as_rejection(command)
        return rejection
    if name.startswith("brokerage."):
        return booking_examples.payloads(booking())[name]
    return settlement_examples.signed(_PAYLOADS[name](), sender(name).removeprefix("/members/"), BOOKING_ID)


def query_request(name: str) -> Contract:
    """The example request of a query, by its name in the registry."""
    return _query(name)[0]


def query_reply(name: str) -> Contract:
    """The example reply to a query, by its name in the registry."""
    return _query(name)[1]


def _query(name: str) -> tuple[Contract, Contract]:
    if name.startswith("brokerage."):
        return booking_examples.queries(booking())[name]
    request, reply = _QUERIES[name]
    return request(), reply()


def sender(name: str) -> str:
    """Who sends the example, as the CloudEvents source."""
    message = registry.message(name)
    if not message.is_command:
        return f"/services/{message.service}"
    if message in permissions.commands_of(Role.OFFICE) and message not in permissions.commands_of(
        Role.MEMBER
    ):
        return f"/members/{OFFICE}"
    by_consumer = name in settlement_examples.BY_PAYER or (
        message.service == "brokerage" and name not in booking_examples.BY_PROVIDER
    )
    return f"/members/{CONSUMER if by_consumer else PROVIDER}"


def sealed(name: str) -> bytes:
    """The whole example message as it travels, an event still without its sequence."""
    message = registry.message(name)
    return seal(
        id=BOOKING_ID if message.is_command else EVENT_ID,
        source=sender(name),
        type=message.type,
        time=NOW,
        data_json=payload(name).model_dump_json().encode(),
        subject=None if message.is_command else BOOKING_ID,
        traceparent=TRACEPARENT,
        causationid=None if message.is_command else BOOKING_ID,
    )
