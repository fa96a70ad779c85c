"""Billing's messages and queries from a draft to an objection, and the documents."""

from .. import billing, invoices, settlements, statements
from .kinds import REFUSED, TO_SENDER, Audience, MessageType, QueryType

MESSAGES: tuple[MessageType, ...] = (
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
    MessageType("billing.settlement.rejected", REFUSED, "Closing a period was refused.", audiences=TO_SENDER),
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
        "billing.statement.rejected", REFUSED, "A step of a recipient was refused.", audiences=TO_SENDER
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
        "billing.objection.rejected", REFUSED, "A step of an objection was refused.", audiences=TO_SENDER
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
    MessageType("billing.invoice.rejected", REFUSED, "A new issue was refused.", audiences=TO_SENDER),
)

QUERIES: tuple[QueryType, ...] = (
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
)
