"""Billing's messages and queries about usage, levies, keys, cost pools and the ledger."""

from .. import billing, journal, pools
from .kinds import REFUSED, TO_SENDER, Audience, MessageType, QueryType

MESSAGES: tuple[MessageType, ...] = (
    MessageType(
        "billing.usage.report",
        billing.ReportUsage,
        "Report usage of one's own offerings.",
        outcomes=("billing.usage.recorded", "billing.usage.rejected"),
    ),
    MessageType(
        "billing.usage.recorded", billing.UsageRecorded, "What became of a report.", audiences=TO_SENDER
    ),
    MessageType(
        "billing.usage.refused",
        billing.UsageRefused,
        "Parked records whose booking, meter or original did not come in time.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType("billing.usage.rejected", REFUSED, "A report was refused as a whole.", audiences=TO_SENDER),
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
        REFUSED,
        "Closing an entry of the list was refused.",
        audiences=TO_SENDER,
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
    MessageType("billing.levy.rejected", REFUSED, "A levy was refused.", audiences=TO_SENDER),
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
    MessageType("billing.key.rejected", REFUSED, "A version of a key was refused.", audiences=TO_SENDER),
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
    MessageType("billing.pool.rejected", REFUSED, "A command about a pool was refused.", audiences=TO_SENDER),
    MessageType(
        "billing.cost.recorded",
        pools.CostRecorded,
        "A cost of a pool is recorded.",
        audiences=(Audience.SERVICES, Audience.SENDER, Audience.OFFICE),
    ),
    MessageType("billing.cost.rejected", REFUSED, "A cost was refused.", audiences=TO_SENDER),
)

QUERIES: tuple[QueryType, ...] = (
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
