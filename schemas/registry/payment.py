"""Billing's messages and queries about netting, payments, and reports."""

from .. import payments, reports
from .kinds import REFUSED, TO_SENDER, Audience, MessageType, QueryType

MESSAGES: tuple[MessageType, ...] = (
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
        "billing.payment.rejected", REFUSED, "A command about payments was refused.", audiences=TO_SENDER
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
        audiences=TO_SENDER,
    ),
    MessageType("billing.bank.rejected", REFUSED, "An account statement was refused.", audiences=TO_SENDER),
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
        audiences=TO_SENDER,
    ),
    MessageType("billing.reminder.rejected", REFUSED, "Reminders were refused.", audiences=TO_SENDER),
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
    MessageType("billing.turnover.rejected", REFUSED, "A declaration was refused.", audiences=TO_SENDER),
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
    MessageType("billing.year.rejected", REFUSED, "Closing a year was refused.", audiences=TO_SENDER),
)

QUERIES: tuple[QueryType, ...] = (
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
)
