"""Examples of every message and query from a draft to its payment: April 2026 of the small market.

`anna` reviews, certifies and raises; `bela` approves and orders. Their signatures are real: their keys are
those of `support.bodies`.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal

from support import bodies, payment_examples
from support.payment_examples import DUE_ON, ISSUED_ON, NOW, NUMBER, REFERENCE, TEXT_HASH, UNSIGNED

from allmende.schemas import registry
from allmende.schemas.billing import ChargeLine, LineTax, NetPosition, SettlementClosed, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.claims import Signable, sign
from allmende.schemas.contract import Contract
from allmende.schemas.invoices import (
    DocumentMade,
    DocumentPart,
    Documents,
    InvoiceHead,
    Invoices,
    ListDocuments,
    ListInvoices,
    ReadDocument,
)
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.settlements import (
    AlertsSettled,
    ApproveSettlement,
    CompareStatements,
    DraftSettlement,
    ExplainLine,
    LineStory,
    ListAlerts,
    Matrix,
    MatrixCell,
    PricedBy,
    ReviewSettlement,
    Run,
    RunAlert,
    RunAlerts,
    ServiceSum,
    SettleAlerts,
    SettlementDrafted,
    SettlementReviewed,
    ShowMatrix,
    ShowRun,
    StatementComparison,
    TaxTreatment,
)
from allmende.schemas.statements import (
    CertifyStatement,
    DecideObjection,
    Evidence,
    InvoiceReissued,
    LevyReversed,
    ListObjections,
    ListStatements,
    Objection,
    ObjectionRaised,
    Objections,
    ObjectionSettled,
    OrderStatement,
    RaiseObjection,
    ReissueInvoice,
    ReverseLevy,
    StatementCertified,
    StatementOrdered,
    StatementProgress,
    Statements,
    WithdrawObjection,
)

PERIOD = "2026-04"
OBJECTION_ID = "0196b001-7e1b-7c55-9d1e-3f5a6b7c8d01"
DOCUMENT_ID = "0196b001-7e1b-7c55-9d1e-3f5a6b7c8d04"

BY_PAYER = frozenset(
    {
        "billing.statement.certify",
        "billing.statement.order",
        "billing.objection.raise",
        "billing.objection.withdraw",
    }
)
"""What the consumer sends, not the provider."""

_BELA = frozenset({"billing.settlement.approve", "billing.statement.order", "billing.objection.decide"})


def signed(data: Contract, sender: str, command_id: str) -> Contract:
    """The command as its person signs it; what needs no claim stays as it is."""
    if not hasattr(data, "claim"):
        return data
    name = registry.message_of(data).name
    person = "bela" if name in _BELA else "anna"
    claim = sign(Signable(sender, name, command_id, data), person, bodies.seed(sender, person), NOW)
    return data.model_copy(update={"claim": claim})


REASONS: dict[str, tuple[str, Rejected]] = {
    "billing.settlement.rejected": (
        "billing.settlement.draft",
        rejected("period_not_over", period=PERIOD),
    ),
    "billing.statement.rejected": (
        "billing.statement.order",
        rejected("duty_missing", "claim.person", person="anna", duty="order"),
    ),
    "billing.objection.rejected": (
        "billing.objection.raise",
        rejected("claim_invalid", "claim.signature", person="anna"),
    ),
    "billing.invoice.rejected": (
        "billing.invoice.reissue",
        rejected("person_left", "claim.person", person="carl", day="2026-04-30"),
    ),
    "billing.payment.rejected": (
        "billing.payment.arrange",
        rejected("unknown_person", "claim.person", person="emil", member="nordverbund"),
    ),
    "billing.bank.rejected": (
        "billing.bank.report",
        rejected("invalid_field", "data.iban", field="data.iban", detail="is no IBAN"),
    ),
    "billing.reminder.rejected": (
        "billing.reminder.send",
        rejected("duty_missing", "claim.person", person="bela", duty="treasury"),
    ),
    "billing.turnover.rejected": (
        "billing.turnover.declare",
        rejected("claim_invalid", "claim.signature", person="anna"),
    ),
    "billing.year.rejected": (
        "billing.year.close",
        rejected("duty_missing", "claim.person", person="anna", duty="approve"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Examples:
    """The examples, over what the rest of the market has in April 2026."""

    settlement: SettlementClosed
    line: ChargeLine
    booking: BookingConfirmed
    record: UsageRecord
    levy_id: str
    statement_id: str
    statement_number: str = "2026-04/002"
    consumer: str = "alster-it"
    provider: str = "weser-it"

    def drafted(self) -> SettlementDrafted:
        """The second draft, with two records that came late."""
        return SettlementDrafted(
            settlement_id=self.settlement.settlement_id,
            period=PERIOD,
            revision=2,
            grace_until=NOW,
            charges_cents=self.settlement.charges_cents,
            levies_cents=self.settlement.levies_cents,
            tax_cents=0,
            usage_records=30,
            late_records=2,
            lines=6,
            alerts=1,
            positions=tuple(NetPosition(**dict(each)) for each in self.settlement.positions),
            drafted_at=NOW,
        )

    def alert(self) -> RunAlert:
        """The runtime is much more than in March; it was decided on."""
        return RunAlert(
            alert=1,
            kind="unusual_jump",
            line=2,
            provider=self.provider,
            consumer=self.consumer,
            booking_id=self.booking.booking_id,
            component="runtime",
            amount_cents=7_200,
            previous_cents=1_200,
            records=30,
            message_de="Laufzeit: 72,00 € nach 12,00 € im März.",
            message_en="Laufzeit: €72.00 after €12.00 in March.",
            decision="released",
            decided_by="anna",
            reason="Acht Kerne statt einem, so gebucht",
        )

    def run(self) -> Run:
        """As it was issued."""
        return Run(
            settlement_id=self.settlement.settlement_id,
            period=PERIOD,
            state="issued",
            revision=2,
            drafted_at=NOW,
            grace_until=NOW,
            redraft_reason="Zwei Nachmeldungen",
            reviewed_by="anna",
            reviewed_at=NOW,
            approved_by="bela",
            issued_at=NOW,
            charges_cents=27_200,
            levies_cents=1_200_000,
            tax_cents=0,
            lines=6,
            held_lines=0,
            late_records=2,
            alerts=1,
            open_alerts=0,
            previous_period="2026-03",
            previous_charges_cents=21_200,
            previous_levies_cents=None,
        )

    def comparison(self) -> StatementComparison:
        """The runtime beside March."""
        return StatementComparison(
            period=PERIOD,
            against="2026-03",
            member=self.consumer,
            services=(
                ServiceSum(
                    direction="payable",
                    counterparty=self.provider,
                    kind="charge",
                    cause="regular",
                    offering_id=self.booking.offering_id,
                    title="Laufzeit",
                    unit="h",
                    quantity=Decimal(5760),
                    lines=1,
                    amount_cents=7_200,
                    previous_cents=1_200,
                ),
            ),
            next_after=1,
        )

    def story(self) -> LineStory:
        """The runtime down to a record, with an objection to it."""
        rule = bodies.NOT_TAXABLE
        line = self.line.model_copy(
            update={
                "tax": LineTax(category=rule.category, rate_percent=rule.rate_percent, rule=rule.id),
                "budget_item": "11.1.02 / 5431000 / IT-Betrieb",
            }
        )
        return LineStory(
            period=PERIOD,
            state="issued",
            line=line,
            invoice_number=NUMBER,
            treatment=self.treatment(),
            priced_by=PricedBy(
                tariff_version=1,
                valid_from=dt.date(2026, 1, 1),
                component=self.booking.tariff.components[1],
            ),
            booking=self.booking,
            related=(("2026-03", self.line.model_copy(update={"line": 9, "amount_cents": 1_200})),),
            records=(self.record,),
            next_after=1,
            objection_id=OBJECTION_ID,
            objection_state="raised",
            objection_until=DUE_ON,
        )

    def treatment(self) -> TaxTreatment:
        """Not subject to VAT, as the provider decided."""
        rule = bodies.NOT_TAXABLE
        return TaxTreatment(
            rule=rule.id,
            category=rule.category,
            rate_percent=rule.rate_percent,
            code=rule.code,
            reason_de=rule.reason_de,
            reason_en=rule.reason_en,
            basis=rule.basis,
            decided_on=rule.decided_on,
            decided_by=rule.decided_by,
        )

    def raised(self) -> ObjectionRaised:
        """To the runtime."""
        return ObjectionRaised(
            objection_id=OBJECTION_ID,
            period=PERIOD,
            line=2,
            payer=self.consumer,
            payee=self.provider,
            gross_cents=7_200,
            reason="Am 12. April war die Maschine abgeschaltet.",
            documents=(Evidence(title="Abschaltprotokoll.pdf", sha256=TEXT_HASH),),
            suspends=True,
            raised_by="anna",
            raised_at=NOW,
        )

    def settled(self) -> ObjectionSettled:
        """A day is credited."""
        return ObjectionSettled(
            objection_id=OBJECTION_ID,
            period=PERIOD,
            line=2,
            payer=self.consumer,
            payee=self.provider,
            state="upheld",
            credit_cents=240,
            reason="Ein Tag von dreißig wird gutgeschrieben.",
            settled_by="bela",
            settled_at=NOW,
        )

    def progress(self) -> StatementProgress:
        """An ordered statement with a disputed line."""
        return StatementProgress(
            statement_id=self.statement_id,
            number=self.statement_number,
            period=PERIOD,
            member=self.consumer,
            state="ordered",
            payable_cents=193_291,
            receivable_cents=0,
            disputed_cents=7_200,
            paid_cents=0,
            certified_by="anna",
            certified_at=NOW,
            ordered_by="bela",
            ordered_at=NOW,
            kassenzeichen="HH 2026/0417",
        )

    def head(self) -> InvoiceHead:
        """The invoice over the booking."""
        return InvoiceHead(
            invoice_id=DOCUMENT_ID,
            number=NUMBER,
            kind="invoice",
            settlement_id=self.settlement.settlement_id,
            period=PERIOD,
            issuer=self.provider,
            recipient=self.consumer,
            issued_on=ISSUED_ON,
            due_on=DUE_ON,
            reference=REFERENCE,
            net_cents=27_200,
            tax_cents=0,
            gross_cents=27_200,
            lines=2,
            keep_until=dt.date(2034, 12, 31),
        )

    def document(self) -> DocumentMade:
        """Its XRechnung."""
        return DocumentMade(
            document_id=DOCUMENT_ID,
            kind="xrechnung",
            period=PERIOD,
            issuer=self.provider,
            recipient=self.consumer,
            number=NUMBER,
            file_name="2026-04_weser-it_alster-it_R-2026-000017.xml",
            media_type="application/xml",
            state="made",
            size=18_204,
            sha256=TEXT_HASH,
            made_at=NOW,
        )

    @property
    def about(self) -> payment_examples.About:
        """What payments and reports are about."""
        return payment_examples.About(
            self.consumer, self.provider, self.settlement.clearing_house, self.treatment()
        )

    def payloads(self) -> dict[str, Callable[[], Contract]]:
        """The example of every message from a draft to its payment but the refusals, without signatures."""
        return self._of_runs() | self._of_recipients() | payment_examples.payloads(self.about)

    def _of_runs(self) -> dict[str, Callable[[], Contract]]:
        settlement_id = self.settlement.settlement_id
        return {
            "billing.settlement.draft": lambda: DraftSettlement(period=PERIOD, reason="Zwei Nachmeldungen"),
            "billing.settlement.drafted": self.drafted,
            "billing.settlement.decide": lambda: SettleAlerts(
                period=PERIOD,
                alerts=(1,),
                decision="released",
                reason="Acht Kerne statt einem, so gebucht",
                claim=UNSIGNED,
            ),
            "billing.settlement.decided": lambda: AlertsSettled(
                settlement_id=settlement_id,
                period=PERIOD,
                alerts=(1,),
                decision="released",
                person="anna",
                reason="Acht Kerne statt einem, so gebucht",
                open=0,
            ),
            "billing.settlement.review": lambda: ReviewSettlement(period=PERIOD, revision=2, claim=UNSIGNED),
            "billing.settlement.reviewed": lambda: SettlementReviewed(
                settlement_id=settlement_id, period=PERIOD, revision=2, reviewed_by="anna", reviewed_at=NOW
            ),
            "billing.settlement.approve": lambda: ApproveSettlement(
                period=PERIOD, revision=2, claim=UNSIGNED
            ),
            "billing.levy.reverse": lambda: ReverseLevy(
                levy_id=self.levy_id, period=PERIOD, reason="Falscher Stichtag", claim=UNSIGNED
            ),
            "billing.levy.reversed": lambda: LevyReversed(
                levy_id=self.levy_id,
                period=PERIOD,
                title="Geschäftsstelle, April 2026",
                amount_cents=1_200_000,
                reason="Falscher Stichtag",
                reversed_by="anna",
            ),
            "billing.invoice.reissue": lambda: ReissueInvoice(
                number=NUMBER, reason="Neue Leitweg-ID", claim=UNSIGNED
            ),
            "billing.invoice.reissued": lambda: InvoiceReissued(
                number=NUMBER,
                credit_note="weser-it/G/2026/000002",
                replacement="weser-it/R/2026/000018",
                reason="Neue Leitweg-ID",
                reissued_by="anna",
                reissued_at=NOW,
            ),
        }

    def _of_recipients(self) -> dict[str, Callable[[], Contract]]:
        return {
            "billing.statement.certify": lambda: CertifyStatement(
                period=PERIOD, remark="Zeile 2 ist strittig", claim=UNSIGNED
            ),
            "billing.statement.certified": lambda: StatementCertified(
                statement_id=self.statement_id,
                number=self.statement_number,
                period=PERIOD,
                member=self.consumer,
                certified_by="anna",
                certified_at=NOW,
                remark="Zeile 2 ist strittig",
            ),
            "billing.statement.order": lambda: OrderStatement(
                period=PERIOD, kassenzeichen="HH 2026/0417", claim=UNSIGNED
            ),
            "billing.statement.ordered": lambda: StatementOrdered(
                statement_id=self.statement_id,
                number=self.statement_number,
                period=PERIOD,
                member=self.consumer,
                kassenzeichen="HH 2026/0417",
                ordered_by="bela",
                ordered_at=NOW,
            ),
            "billing.objection.raise": lambda: RaiseObjection(
                period=PERIOD,
                line=2,
                reason="Am 12. April war die Maschine abgeschaltet.",
                documents=self.raised().documents,
                claim=UNSIGNED,
            ),
            "billing.objection.raised": self.raised,
            "billing.objection.decide": lambda: DecideObjection(
                objection_id=OBJECTION_ID,
                decision="upheld",
                credit_cents=240,
                reason="Ein Tag von dreißig wird gutgeschrieben.",
                claim=UNSIGNED,
            ),
            "billing.objection.withdraw": lambda: WithdrawObjection(
                objection_id=OBJECTION_ID, reason="Das Protokoll war falsch", claim=UNSIGNED
            ),
            "billing.objection.settled": self.settled,
        }

    def queries(self) -> dict[str, tuple[Callable[[], Contract], Callable[[], Contract]]]:
        """The example of every query from a draft to its payment."""
        return self._of_figures() | self._of_papers() | payment_examples.queries(self.about)

    def _of_figures(self) -> dict[str, tuple[Callable[[], Contract], Callable[[], Contract]]]:
        cell = MatrixCell(
            provider=self.provider,
            consumer=self.consumer,
            charges_cents=27_200,
            levies_cents=0,
            tax_cents=0,
            lines=2,
        )
        return {
            "billing.settlement.show": (lambda: ShowRun(period=PERIOD), self.run),
            "billing.settlement.alerts": (
                lambda: ListAlerts(period=PERIOD, limit=1),
                lambda: RunAlerts(alerts=(self.alert(),), next_after=1),
            ),
            "billing.settlement.matrix": (
                lambda: ShowMatrix(period=PERIOD),
                lambda: Matrix(period=PERIOD, state="issued", cells=(cell,)),
            ),
            "billing.statement.compare": (
                lambda: CompareStatements(period=PERIOD, against="2026-03", limit=1),
                self.comparison,
            ),
            "billing.line.explain": (lambda: ExplainLine(period=PERIOD, line=2, limit=1), self.story),
        }

    def _of_papers(self) -> dict[str, tuple[Callable[[], Contract], Callable[[], Contract]]]:
        return {
            "billing.statement.list": (
                lambda: ListStatements(period=PERIOD, state="ordered", limit=1),
                lambda: Statements(statements=(self.progress(),), next_after=self.statement_number),
            ),
            "billing.objection.list": (
                lambda: ListObjections(period=PERIOD, open_only=False, limit=1),
                lambda: Objections(
                    objections=(Objection(number=1, raised=self.raised(), settled=self.settled()),),
                    next_after=1,
                ),
            ),
            "billing.invoice.list": (
                lambda: ListInvoices(period=PERIOD, limit=1),
                lambda: Invoices(invoices=(self.head(),), next_after=NUMBER),
            ),
            "billing.document.list": (
                lambda: ListDocuments(period=PERIOD, kind="xrechnung", limit=1),
                lambda: Documents(
                    documents=(self.document(),), pending=0, next_after=self.document().file_name
                ),
            ),
            "billing.document.read": (
                lambda: ReadDocument(document_id=DOCUMENT_ID),
                lambda: DocumentPart(
                    document_id=DOCUMENT_ID, part=0, parts=1, sha256=TEXT_HASH, content="PHhtbC8+"
                ),
            ),
        }
