"""Every message of the market, once: what it is called, what it carries, who hears it.

AsyncAPI, JSON Schemas, NATS permissions and the golden examples are made from these lists.
"""

import dataclasses
import enum
import functools
from collections.abc import Iterator
from typing import Any

from . import (
    attachments,
    billing,
    brokerage,
    catalog,
    invoices,
    journal,
    payments,
    pools,
    rejections,
    reports,
    settlements,
    statements,
)
from .contract import Contract
from .envelope import Command, Event


class Audience(enum.Enum):
    """Who gets a copy of an event."""

    SERVICES = "services"
    SENDER = "sender"
    CONSUMER = "consumer"
    PROVIDER = "provider"
    MEMBER = "member"
    EVERYONE = "everyone"
    OFFICE = "office"
    CIRCLE = "circle"
    """Those whom the message itself concerns, as its service finds out; everybody, or a list of members."""


@dataclasses.dataclass(frozen=True)
class MessageType:
    """A command, a fact or a rejection.

    Attributes:
        name: `<service>.<noun>.<verb>`.
        data: the payload.
        summary: one sentence for the published contract.
        outcomes: names of the events that can answer a command.
        audiences: who hears an event.
        after_facts: the command is decided only after every fact that was stored before it arrived.
    """

    name: str
    data: type[Contract]
    summary: str
    outcomes: tuple[str, ...] = ()
    audiences: tuple[Audience, ...] = ()
    version: int = 1
    after_facts: bool = False

    @functools.cached_property
    def service(self) -> str:
        """The service that owns the message."""
        return self.name.split(".")[0]

    @functools.cached_property
    def noun(self) -> str:
        """What it is about."""
        return self.name.split(".")[1]

    @functools.cached_property
    def verb(self) -> str:
        """What is to be done, or was."""
        return self.name.split(".")[2]

    @functools.cached_property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"allmende.{self.name}.v{self.version}"

    @functools.cached_property
    def is_command(self) -> bool:
        """Commands are those that somebody has to answer."""
        return bool(self.outcomes)

    @functools.cached_property
    def envelope(self) -> Any:
        """The whole message as a model."""
        return (Command if self.is_command else Event)[self.data]


@dataclasses.dataclass(frozen=True)
class QueryType:
    """A question that a service answers at once, outside every stream."""

    name: str
    request: type[Contract]
    reply: type[Contract]
    summary: str

    @property
    def service(self) -> str:
        """The service that answers."""
        return self.name.split(".")[0]

    @property
    def noun(self) -> str:
        """What it is about."""
        return self.name.split(".")[1]

    @property
    def verb(self) -> str:
        """What is asked."""
        return self.name.split(".")[2]


_REFUSED = rejections.Rejection
_TO_SENDER = (Audience.SENDER,)

MESSAGES: tuple[MessageType, ...] = (
    # catalogue
    MessageType(
        "catalog.offering.draft",
        catalog.DraftOffering,
        "Keep a draft that nobody else sees.",
        outcomes=("catalog.offering.drafted", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.discard",
        catalog.DiscardDraft,
        "Throw a draft away.",
        outcomes=("catalog.offering.discarded", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.publish",
        catalog.PublishOffering,
        "Publish an offering or its next revision.",
        outcomes=("catalog.offering.published", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.pause",
        catalog.PauseOffering,
        "Close an offering for new bookings for a while.",
        outcomes=("catalog.offering.paused", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.resume",
        catalog.ResumeOffering,
        "Open a paused offering again.",
        outcomes=("catalog.offering.resumed", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.retire",
        catalog.RetireOffering,
        "Close an offering for new bookings for good.",
        outcomes=("catalog.offering.retired", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.attachment.store",
        attachments.StoreAttachment,
        "Send one part of an attachment.",
        outcomes=(
            "catalog.attachment.received",
            "catalog.attachment.stored",
            "catalog.attachment.rejected",
        ),
    ),
    MessageType(
        "catalog.attachment.remove",
        attachments.RemoveAttachment,
        "Take an attachment away.",
        outcomes=("catalog.attachment.removed", "catalog.attachment.rejected"),
    ),
    MessageType(
        "catalog.offering.drafted",
        catalog.OfferingDrafted,
        "A draft is kept.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType(
        "catalog.offering.discarded",
        catalog.DraftDiscarded,
        "A draft is thrown away.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType(
        "catalog.offering.published",
        catalog.OfferingPublished,
        "An offering's revision holds from now on.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.paused",
        catalog.OfferingPaused,
        "An offering takes no new bookings for a while.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.resumed",
        catalog.OfferingResumed,
        "An offering takes new bookings again.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.retired",
        catalog.OfferingRetired,
        "An offering is closed for new bookings.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.hidden",
        catalog.OfferingHidden,
        "An offering is no longer visible to the receiver.",
        audiences=(Audience.CIRCLE,),
    ),
    MessageType(
        "catalog.offering.rejected",
        _REFUSED,
        "A command about an offering was refused.",
        audiences=_TO_SENDER,
    ),
    MessageType(
        "catalog.attachment.received",
        attachments.AttachmentReceived,
        "A part of an attachment is kept.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType(
        "catalog.attachment.stored",
        attachments.AttachmentStored,
        "An attachment is complete.",
        audiences=(Audience.CIRCLE,),
    ),
    MessageType(
        "catalog.attachment.removed",
        attachments.AttachmentRemoved,
        "An attachment is no longer there.",
        audiences=(Audience.CIRCLE,),
    ),
    MessageType(
        "catalog.attachment.rejected",
        _REFUSED,
        "A command about an attachment was refused.",
        audiences=_TO_SENDER,
    ),
    # brokerage
    MessageType(
        "brokerage.booking.request",
        brokerage.RequestBooking,
        "Book a plan of an offering.",
        outcomes=(
            "brokerage.booking.confirmed",
            "brokerage.booking.acknowledged",
            "brokerage.booking.rejected",
        ),
    ),
    MessageType(
        "brokerage.booking.accept",
        brokerage.AcceptBooking,
        "Take up an offer of the waiting list, or make an interest binding.",
        outcomes=("brokerage.booking.confirmed", "brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.approve",
        brokerage.ApproveBooking,
        "Approve a booking or a change of one.",
        outcomes=(
            "brokerage.booking.confirmed",
            "brokerage.booking.amended",
            "brokerage.booking.changed",
            "brokerage.booking.rejected",
        ),
    ),
    MessageType(
        "brokerage.booking.decline",
        brokerage.DeclineBooking,
        "Decline a booking, a change of one or its cancellation.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.cancel",
        brokerage.CancelBooking,
        "Withdraw from a booking before its service is up.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.concede",
        brokerage.ConcedeCancellation,
        "Agree to a cancellation.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.report",
        brokerage.ReportProgress,
        "Report what was set up, changed or taken down.",
        outcomes=("brokerage.booking.amended", "brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.suspend",
        brokerage.SuspendBooking,
        "Interrupt a service.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.resume",
        brokerage.ResumeBooking,
        "Go on after an interruption.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.amend",
        brokerage.AmendBooking,
        "Change quantities or plan from a day on.",
        outcomes=("brokerage.booking.amended", "brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.terminate",
        brokerage.TerminateBooking,
        "Give notice.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.write",
        brokerage.WriteMessage,
        "Write to the other side about a booking.",
        outcomes=("brokerage.booking.written", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.access.share",
        brokerage.ShareAccess,
        "Hand over sealed access data.",
        outcomes=("brokerage.access.shared", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.maintenance.announce",
        brokerage.AnnounceMaintenance,
        "Announce maintenance to everybody who has a booking.",
        outcomes=("brokerage.maintenance.told", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.maintenance.update",
        brokerage.UpdateMaintenance,
        "Change a maintenance notice or move it on.",
        outcomes=("brokerage.maintenance.told", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.breach.report",
        brokerage.ReportBreach,
        "Own up to a missed service level.",
        outcomes=("brokerage.breach.recorded", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.confirmed",
        brokerage.BookingConfirmed,
        "A booking holds, with the terms frozen into it.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.acknowledged",
        brokerage.BookingAcknowledged,
        "A request is taken in and waits.",
        audiences=(
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.changed",
        brokerage.BookingChanged,
        "A booking moved on.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.amended",
        brokerage.BookingAmended,
        "New terms hold for a booking from a day on.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.written",
        brokerage.MessageWritten,
        "The other side wrote about a booking.",
        audiences=(
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.access.shared",
        brokerage.AccessShared,
        "Sealed access data for the consumer.",
        audiences=(
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.maintenance.told",
        brokerage.MaintenanceNotice,
        "Maintenance is announced, changed, begun or over.",
        audiences=(
            Audience.PROVIDER,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "brokerage.breach.recorded",
        brokerage.BreachRecorded,
        "A missed service level and its credit.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.rejected", _REFUSED, "A command about a booking was refused.", audiences=_TO_SENDER
    ),
    # billing
    MessageType(
        "billing.usage.report",
        billing.ReportUsage,
        "Report usage of one's own offerings.",
        outcomes=("billing.usage.recorded", "billing.usage.rejected"),
    ),
    MessageType(
        "billing.usage.recorded", billing.UsageRecorded, "What became of a report.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.usage.refused",
        billing.UsageRefused,
        "Parked records whose booking, meter or original did not come in time.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType("billing.usage.rejected", _REFUSED, "A report was refused as a whole.", audiences=_TO_SENDER),
    MessageType(
        "billing.alert.raised",
        billing.AlertRaised,
        "Something that costs money and that nobody can charge as it is.",
        audiences=(Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.clarification.settle",
        billing.SettleClarification,
        "Close an entry of the list of contradictory records.",
        outcomes=("billing.clarification.settled", "billing.clarification.rejected"),
    ),
    MessageType(
        "billing.clarification.settled",
        billing.ClarificationSettled,
        "An entry of the list of contradictory records is closed.",
        audiences=(Audience.SENDER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.clarification.rejected",
        _REFUSED,
        "Closing an entry of the list was refused.",
        audiences=_TO_SENDER,
    ),
    MessageType(
        "billing.levy.charge",
        billing.ChargeLevy,
        "Spread a cost of the cooperative over its members.",
        outcomes=("billing.levy.charged", "billing.levy.rejected"),
    ),
    MessageType(
        "billing.levy.charged",
        billing.LevyCharged,
        "A levy and every member's part of it.",
        audiences=(Audience.SERVICES, Audience.EVERYONE, Audience.OFFICE),
    ),
    MessageType("billing.levy.rejected", _REFUSED, "A levy was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.key.publish",
        pools.PublishKey,
        "Publish a version of a key.",
        outcomes=("billing.key.published", "billing.key.rejected"),
    ),
    MessageType(
        "billing.key.published",
        pools.KeyPublished,
        "A version of a key that pools can share by.",
        audiences=(Audience.SERVICES, Audience.EVERYONE, Audience.OFFICE),
    ),
    MessageType("billing.key.rejected", _REFUSED, "A version of a key was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.pool.open",
        pools.OpenPool,
        "Open a cost pool for a span.",
        outcomes=("billing.pool.opened", "billing.pool.rejected"),
    ),
    MessageType(
        "billing.pool.change",
        pools.ChangePool,
        "Let parties join or leave a cost pool, or name further bearers.",
        outcomes=("billing.pool.changed", "billing.pool.rejected"),
    ),
    MessageType(
        "billing.pool.advance",
        pools.AdvancePool,
        "Charge an advance on the costs of a pool.",
        outcomes=("billing.pool.advanced", "billing.pool.rejected"),
    ),
    MessageType(
        "billing.pool.settle",
        pools.SettlePool,
        "Charge the actual costs of a pool less what was charged.",
        outcomes=("billing.pool.settled", "billing.pool.rejected"),
    ),
    MessageType(
        "billing.cost.report",
        pools.ReportCost,
        "Report a cost of a pool with its evidence.",
        outcomes=("billing.cost.recorded", "billing.cost.rejected"),
    ),
    MessageType(
        "billing.pool.opened",
        pools.PoolOpened,
        "A cost pool takes costs.",
        audiences=(Audience.SERVICES, Audience.CIRCLE, Audience.OFFICE),
    ),
    MessageType(
        "billing.pool.changed",
        pools.PoolChanged,
        "Parties join or leave a cost pool.",
        audiences=(Audience.SERVICES, Audience.CIRCLE, Audience.OFFICE),
    ),
    MessageType(
        "billing.pool.advanced",
        pools.PoolAdvanced,
        "An advance with everybody's part.",
        audiences=(Audience.SERVICES, Audience.CIRCLE, Audience.OFFICE),
    ),
    MessageType(
        "billing.pool.settled",
        pools.PoolSettled,
        "A settlement of a pool with everybody's share and the proof of exact cost.",
        audiences=(Audience.SERVICES, Audience.CIRCLE, Audience.OFFICE),
    ),
    MessageType(
        "billing.pool.rejected", _REFUSED, "A command about a pool was refused.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.cost.recorded",
        pools.CostRecorded,
        "A cost of a pool is recorded.",
        audiences=(Audience.SERVICES, Audience.SENDER, Audience.OFFICE),
    ),
    MessageType("billing.cost.rejected", _REFUSED, "A cost was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.settlement.close",
        billing.CloseSettlement,
        "Rate, state and net a period.",
        outcomes=("billing.settlement.closed", "billing.settlement.rejected"),
        after_facts=True,
    ),
    MessageType(
        "billing.settlement.draft",
        settlements.DraftSettlement,
        "Collect all that a period charges, as a draft.",
        outcomes=("billing.settlement.drafted", "billing.settlement.rejected"),
        after_facts=True,
    ),
    MessageType(
        "billing.settlement.drafted",
        settlements.SettlementDrafted,
        "A draft can be looked at, made anew and reviewed.",
        audiences=(Audience.OFFICE,),
    ),
    MessageType(
        "billing.settlement.decide",
        settlements.SettleAlerts,
        "Decide on alerts of a run: release its lines or leave them out.",
        outcomes=("billing.settlement.decided", "billing.settlement.rejected"),
    ),
    MessageType(
        "billing.settlement.decided",
        settlements.AlertsSettled,
        "Alerts of a run are decided on.",
        audiences=(Audience.OFFICE,),
    ),
    MessageType(
        "billing.settlement.review",
        settlements.ReviewSettlement,
        "Find a draft right.",
        outcomes=("billing.settlement.reviewed", "billing.settlement.rejected"),
    ),
    MessageType(
        "billing.settlement.reviewed",
        settlements.SettlementReviewed,
        "A run waits for somebody else's approval.",
        audiences=(Audience.OFFICE,),
    ),
    MessageType(
        "billing.settlement.approve",
        settlements.ApproveSettlement,
        "Release a reviewed run: its statements and documents are issued.",
        outcomes=("billing.settlement.closed", "billing.settlement.rejected"),
    ),
    MessageType(
        "billing.settlement.closed",
        billing.SettlementClosed,
        "An issued run with every party's net position.",
        audiences=(Audience.SERVICES, Audience.OFFICE),
    ),
    MessageType(
        "billing.statement.issued",
        billing.StatementIssued,
        "One member's statement for a period.",
        audiences=(Audience.MEMBER, Audience.OFFICE),
    ),
    MessageType(
        "billing.settlement.rejected", _REFUSED, "Closing a period was refused.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.statement.certify",
        statements.CertifyStatement,
        "Certify one's statement as factually and arithmetically right.",
        outcomes=("billing.statement.certified", "billing.statement.rejected"),
    ),
    MessageType(
        "billing.statement.certified",
        statements.StatementCertified,
        "A statement is certified by its recipient.",
        audiences=(Audience.MEMBER, Audience.OFFICE),
    ),
    MessageType(
        "billing.statement.order",
        statements.OrderStatement,
        "Order the payment of a certified statement.",
        outcomes=("billing.statement.ordered", "billing.statement.rejected"),
    ),
    MessageType(
        "billing.statement.ordered",
        statements.StatementOrdered,
        "The payment of a statement is ordered by its recipient.",
        audiences=(Audience.MEMBER, Audience.OFFICE),
    ),
    MessageType(
        "billing.statement.rejected", _REFUSED, "A step of a recipient was refused.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.objection.raise",
        statements.RaiseObjection,
        "Object to a line.",
        outcomes=("billing.objection.raised", "billing.objection.rejected"),
    ),
    MessageType(
        "billing.objection.raised",
        statements.ObjectionRaised,
        "A line is disputed.",
        audiences=(Audience.CONSUMER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.objection.decide",
        statements.DecideObjection,
        "Decide an objection.",
        outcomes=("billing.objection.settled", "billing.objection.rejected"),
    ),
    MessageType(
        "billing.objection.withdraw",
        statements.WithdrawObjection,
        "Take one's objection back.",
        outcomes=("billing.objection.settled", "billing.objection.rejected"),
    ),
    MessageType(
        "billing.objection.settled",
        statements.ObjectionSettled,
        "An objection is decided or withdrawn.",
        audiences=(Audience.CONSUMER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.objection.rejected", _REFUSED, "A step of an objection was refused.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.levy.reverse",
        statements.ReverseLevy,
        "Take a whole levy back.",
        outcomes=("billing.levy.reversed", "billing.levy.rejected"),
    ),
    MessageType(
        "billing.levy.reversed",
        statements.LevyReversed,
        "A levy is taken back.",
        audiences=(Audience.SERVICES, Audience.EVERYONE, Audience.OFFICE),
    ),
    MessageType(
        "billing.invoice.reissue",
        statements.ReissueInvoice,
        "Take a document back and issue it again.",
        outcomes=("billing.invoice.reissued", "billing.invoice.rejected"),
    ),
    MessageType(
        "billing.invoice.reissued",
        statements.InvoiceReissued,
        "A document was taken back and issued again.",
        audiences=(Audience.CONSUMER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType("billing.invoice.rejected", _REFUSED, "A new issue was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.payment.arrange",
        payments.ArrangePayments,
        "Net what is due and fix who pays whom.",
        outcomes=("billing.netting.done", "billing.payment.rejected"),
    ),
    MessageType(
        "billing.netting.done",
        payments.NettingDone,
        "Open items were netted.",
        audiences=(Audience.OFFICE,),
    ),
    MessageType(
        "billing.payment.arranged",
        payments.PaymentArranged,
        "Who pays whom how much, and under which reference.",
        audiences=(Audience.CONSUMER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.payment.received",
        payments.PaymentReceived,
        "A payment is made, as a whole or in part.",
        audiences=(Audience.CONSUMER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.payment.rejected", _REFUSED, "A command about payments was refused.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.bank.report",
        payments.ReportBankStatement,
        "Tell entries of one's own account, to mark what was paid.",
        outcomes=("billing.bank.booked", "billing.bank.rejected"),
    ),
    MessageType(
        "billing.bank.booked",
        payments.BankStatementBooked,
        "What became of the entries of an account statement.",
        audiences=_TO_SENDER,
    ),
    MessageType("billing.bank.rejected", _REFUSED, "An account statement was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.reminder.send",
        payments.SendReminders,
        "Remind whoever is overdue.",
        outcomes=("billing.reminder.done", "billing.reminder.rejected"),
    ),
    MessageType(
        "billing.reminder.sent",
        payments.ReminderSent,
        "A payment is overdue.",
        audiences=(Audience.CONSUMER, Audience.PROVIDER, Audience.OFFICE),
    ),
    MessageType(
        "billing.reminder.done",
        payments.RemindersSent,
        "How many were reminded.",
        audiences=_TO_SENDER,
    ),
    MessageType("billing.reminder.rejected", _REFUSED, "Reminders were refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.turnover.declare",
        reports.DeclareTurnover,
        "Tell what one turned over on the open market in a year.",
        outcomes=("billing.turnover.declared", "billing.turnover.rejected"),
    ),
    MessageType(
        "billing.turnover.declared",
        reports.TurnoverDeclared,
        "A member's turnover on the open market.",
        audiences=(Audience.SENDER, Audience.OFFICE),
    ),
    MessageType("billing.turnover.rejected", _REFUSED, "A declaration was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.year.close",
        reports.CloseYear,
        "Close a budget year.",
        outcomes=("billing.year.closed", "billing.year.rejected"),
        after_facts=True,
    ),
    MessageType(
        "billing.year.closed",
        reports.YearClosed,
        "A budget year is closed.",
        audiences=(Audience.EVERYONE, Audience.OFFICE),
    ),
    MessageType("billing.year.rejected", _REFUSED, "Closing a year was refused.", audiences=_TO_SENDER),
)

QUERIES: tuple[QueryType, ...] = (
    QueryType("catalog.offering.list", catalog.ListOfferings, catalog.Offerings, "List offerings."),
    QueryType("catalog.offering.show", catalog.ShowOffering, catalog.OfferingShown, "Show one offering."),
    QueryType(
        "catalog.offering.history",
        catalog.ShowHistory,
        catalog.History,
        "List the revisions of an offering.",
    ),
    QueryType(
        "catalog.offering.compare",
        catalog.CompareRevisions,
        catalog.Comparison,
        "Tell what two revisions of an offering differ in.",
    ),
    QueryType("catalog.offering.search", catalog.SearchOfferings, catalog.Found, "Search offerings."),
    QueryType(
        "catalog.offering.estimate",
        catalog.EstimateCosts,
        catalog.Estimate,
        "Estimate what a booking would cost.",
    ),
    QueryType(
        "catalog.change.replay",
        catalog.ReplayChanges,
        catalog.Changes,
        "Tell changes of the catalogue again.",
    ),
    QueryType(
        "catalog.attachment.read",
        attachments.ReadAttachment,
        attachments.AttachmentPart,
        "Read one part of an attachment.",
    ),
    QueryType("brokerage.booking.list", brokerage.ListBookings, brokerage.Bookings, "List one's bookings."),
    QueryType(
        "brokerage.booking.show",
        brokerage.ShowBooking,
        brokerage.BookingStory,
        "Show a booking with its story.",
    ),
    QueryType(
        "brokerage.maintenance.list",
        brokerage.ListMaintenance,
        brokerage.Maintenance,
        "List maintenance of what one books or provides.",
    ),
    QueryType(
        "billing.clarification.list",
        billing.ListClarifications,
        billing.Clarifications,
        "List contradictory records.",
    ),
    QueryType("billing.key.list", pools.ListKeys, pools.Keys, "List the versions of keys."),
    QueryType("billing.pool.list", pools.ListPools, pools.Pools, "List cost pools."),
    QueryType(
        "billing.pool.show",
        pools.ShowPool,
        pools.PoolShown,
        "Show a cost pool with its settlement and what its clause comes to by now.",
    ),
    QueryType("billing.cost.list", pools.ListCosts, pools.Costs, "List the costs of a pool."),
    QueryType("billing.settlement.list", billing.ListSettlements, billing.Settlements, "List settlements."),
    QueryType(
        "billing.statement.show", billing.ShowStatement, billing.Statement, "Show a statement with its lines."
    ),
    QueryType("billing.settlement.show", settlements.ShowRun, settlements.Run, "Show the run of a period."),
    QueryType(
        "billing.settlement.alerts",
        settlements.ListAlerts,
        settlements.RunAlerts,
        "List the alerts of a run.",
    ),
    QueryType(
        "billing.settlement.matrix", settlements.ShowMatrix, settlements.Matrix, "Show who charges whom."
    ),
    QueryType(
        "billing.statement.compare",
        settlements.CompareStatements,
        settlements.StatementComparison,
        "Show a statement by service, beside an earlier one.",
    ),
    QueryType("billing.statement.list", statements.ListStatements, statements.Statements, "List statements."),
    QueryType(
        "billing.line.explain", settlements.ExplainLine, settlements.LineStory, "Tell the story of a line."
    ),
    QueryType("billing.objection.list", statements.ListObjections, statements.Objections, "List objections."),
    QueryType("billing.invoice.list", invoices.ListInvoices, invoices.Invoices, "List documents."),
    QueryType(
        "billing.document.list", invoices.ListDocuments, invoices.Documents, "List the files of a period."
    ),
    QueryType(
        "billing.document.read", invoices.ReadDocument, invoices.DocumentPart, "Read one part of a file."
    ),
    QueryType("billing.payment.list", payments.ListPayments, payments.Payments, "List payments."),
    QueryType("billing.item.list", payments.ListOpenItems, payments.OpenItems, "List open items."),
    QueryType(
        "billing.report.treatments",
        reports.ReportTreatments,
        reports.Treatments,
        "List all VAT treatments of a year.",
    ),
    QueryType(
        "billing.report.cost", reports.ReportExactCost, reports.ExactCost, "Prove a year's exact cost."
    ),
    QueryType(
        "billing.report.market",
        reports.ReportOpenMarket,
        reports.OpenMarketShare,
        "Tell a member's share of the open market.",
    ),
    QueryType(
        "billing.journal.export",
        journal.ExportJournal,
        journal.JournalPage,
        "Read the journal of the ledger.",
    ),
    QueryType(
        "billing.journal.verify",
        journal.VerifyJournal,
        journal.JournalVerified,
        "Check the hash chain of the ledger.",
    ),
)

_BY_NAME = {message.name: message for message in MESSAGES}
_BY_DATA = {message.data: message for message in MESSAGES if message.data is not _REFUSED}
_QUERY_BY_NAME = {query.name: query for query in QUERIES}


def message(name: str) -> MessageType:
    """Find a message by `<service>.<noun>.<verb>`.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


def message_of(data: Contract | type[Contract]) -> MessageType:
    """Find the message that carries a payload. A rejection's name depends on what it refuses.

    Raises:
        KeyError: no message carries it.
    """
    return _BY_DATA[data if isinstance(data, type) else type(data)]


def query(name: str) -> QueryType:
    """Find a query by `<service>.<noun>.<verb>`.

    Raises:
        KeyError: there is none.
    """
    return _QUERY_BY_NAME[name]


def commands() -> Iterator[MessageType]:
    """All messages that somebody has to answer."""
    return (entry for entry in MESSAGES if entry.is_command)


def rejection_of(command: MessageType) -> MessageType:
    """Find the event by which a command is refused."""
    return next(_BY_NAME[name] for name in command.outcomes if _BY_NAME[name].data is _REFUSED)
