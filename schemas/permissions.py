"""Who may do what: the one table from which NATS accounts, documentation and the matrix test are made."""

import dataclasses
import enum

from . import registry


class Role(enum.Enum):
    """What an account is on the market."""

    MEMBER = "member"
    OFFICE = "office"


@dataclasses.dataclass(frozen=True)
class Permission:
    """A role may send a command or ask a query.

    Attributes:
        name: `<service>.<noun>.<verb>` of a command or query in the registry.
        scope: `own` sees and touches what is one's own or shown to one; `all` sees everybody's.
    """

    role: Role
    name: str
    scope: str = "own"


TABLE: tuple[Permission, ...] = (
    Permission(Role.MEMBER, "catalog.offering.draft"),
    Permission(Role.MEMBER, "catalog.offering.discard"),
    Permission(Role.MEMBER, "catalog.offering.publish"),
    Permission(Role.MEMBER, "catalog.offering.pause"),
    Permission(Role.MEMBER, "catalog.offering.resume"),
    Permission(Role.MEMBER, "catalog.offering.retire"),
    Permission(Role.MEMBER, "catalog.attachment.store"),
    Permission(Role.MEMBER, "catalog.attachment.remove"),
    Permission(Role.MEMBER, "brokerage.booking.request"),
    Permission(Role.MEMBER, "brokerage.booking.accept"),
    Permission(Role.MEMBER, "brokerage.booking.approve"),
    Permission(Role.MEMBER, "brokerage.booking.decline"),
    Permission(Role.MEMBER, "brokerage.booking.cancel"),
    Permission(Role.MEMBER, "brokerage.booking.concede"),
    Permission(Role.MEMBER, "brokerage.booking.report"),
    Permission(Role.MEMBER, "brokerage.booking.suspend"),
    Permission(Role.MEMBER, "brokerage.booking.resume"),
    Permission(Role.MEMBER, "brokerage.booking.amend"),
    Permission(Role.MEMBER, "brokerage.booking.terminate"),
    Permission(Role.MEMBER, "brokerage.booking.write"),
    Permission(Role.MEMBER, "brokerage.access.share"),
    Permission(Role.MEMBER, "brokerage.maintenance.announce"),
    Permission(Role.MEMBER, "brokerage.maintenance.update"),
    Permission(Role.MEMBER, "brokerage.breach.report"),
    Permission(Role.MEMBER, "billing.usage.report"),
    Permission(Role.MEMBER, "billing.clarification.settle"),
    Permission(Role.MEMBER, "billing.cost.report"),
    Permission(Role.MEMBER, "billing.statement.certify"),
    Permission(Role.MEMBER, "billing.statement.order"),
    Permission(Role.MEMBER, "billing.objection.raise"),
    Permission(Role.MEMBER, "billing.objection.decide"),
    Permission(Role.MEMBER, "billing.objection.withdraw"),
    Permission(Role.MEMBER, "billing.invoice.reissue"),
    Permission(Role.MEMBER, "billing.bank.report"),
    Permission(Role.MEMBER, "billing.turnover.declare"),
    Permission(Role.MEMBER, "catalog.offering.list"),
    Permission(Role.MEMBER, "catalog.offering.show"),
    Permission(Role.MEMBER, "catalog.offering.history"),
    Permission(Role.MEMBER, "catalog.offering.compare"),
    Permission(Role.MEMBER, "catalog.offering.search"),
    Permission(Role.MEMBER, "catalog.offering.estimate"),
    Permission(Role.MEMBER, "catalog.change.replay"),
    Permission(Role.MEMBER, "catalog.attachment.read"),
    Permission(Role.MEMBER, "brokerage.booking.list"),
    Permission(Role.MEMBER, "brokerage.booking.show"),
    Permission(Role.MEMBER, "brokerage.maintenance.list"),
    Permission(Role.MEMBER, "billing.clarification.list"),
    Permission(Role.MEMBER, "billing.key.list"),
    Permission(Role.MEMBER, "billing.pool.list"),
    Permission(Role.MEMBER, "billing.pool.show"),
    Permission(Role.MEMBER, "billing.cost.list"),
    Permission(Role.MEMBER, "billing.settlement.list"),
    Permission(Role.MEMBER, "billing.statement.show"),
    Permission(Role.MEMBER, "billing.settlement.show"),
    Permission(Role.MEMBER, "billing.settlement.alerts"),
    Permission(Role.MEMBER, "billing.settlement.matrix"),
    Permission(Role.MEMBER, "billing.statement.compare"),
    Permission(Role.MEMBER, "billing.statement.list"),
    Permission(Role.MEMBER, "billing.line.explain"),
    Permission(Role.MEMBER, "billing.objection.list"),
    Permission(Role.MEMBER, "billing.invoice.list"),
    Permission(Role.MEMBER, "billing.document.list"),
    Permission(Role.MEMBER, "billing.document.read"),
    Permission(Role.MEMBER, "billing.payment.list"),
    Permission(Role.MEMBER, "billing.item.list"),
    Permission(Role.MEMBER, "billing.report.treatments"),
    Permission(Role.MEMBER, "billing.report.cost"),
    Permission(Role.MEMBER, "billing.report.market"),
    Permission(Role.OFFICE, "billing.clarification.settle", "all"),
    Permission(Role.MEMBER, "billing.journal.export"),
    Permission(Role.MEMBER, "billing.journal.verify"),
    Permission(Role.OFFICE, "billing.levy.charge", "all"),
    Permission(Role.OFFICE, "billing.key.publish", "all"),
    Permission(Role.OFFICE, "billing.pool.open", "all"),
    Permission(Role.OFFICE, "billing.pool.change", "all"),
    Permission(Role.OFFICE, "billing.pool.advance", "all"),
    Permission(Role.OFFICE, "billing.pool.settle", "all"),
    Permission(Role.OFFICE, "billing.cost.report", "all"),
    Permission(Role.OFFICE, "billing.levy.reverse", "all"),
    Permission(Role.OFFICE, "billing.settlement.draft", "all"),
    Permission(Role.OFFICE, "billing.settlement.decide", "all"),
    Permission(Role.OFFICE, "billing.settlement.review", "all"),
    Permission(Role.OFFICE, "billing.settlement.approve", "all"),
    Permission(Role.OFFICE, "billing.statement.certify"),
    Permission(Role.OFFICE, "billing.statement.order"),
    Permission(Role.OFFICE, "billing.objection.raise"),
    Permission(Role.OFFICE, "billing.objection.decide"),
    Permission(Role.OFFICE, "billing.objection.withdraw"),
    Permission(Role.OFFICE, "billing.invoice.reissue", "all"),
    Permission(Role.OFFICE, "billing.payment.arrange", "all"),
    Permission(Role.OFFICE, "billing.bank.report"),
    Permission(Role.OFFICE, "billing.reminder.send", "all"),
    Permission(Role.OFFICE, "billing.turnover.declare"),
    Permission(Role.OFFICE, "billing.year.close", "all"),
    Permission(Role.OFFICE, "catalog.offering.list", "all"),
    Permission(Role.OFFICE, "catalog.offering.show", "all"),
    Permission(Role.OFFICE, "catalog.offering.history", "all"),
    Permission(Role.OFFICE, "catalog.offering.compare", "all"),
    Permission(Role.OFFICE, "catalog.offering.search", "all"),
    Permission(Role.OFFICE, "catalog.offering.estimate", "all"),
    Permission(Role.OFFICE, "catalog.change.replay", "all"),
    Permission(Role.OFFICE, "catalog.attachment.read", "all"),
    Permission(Role.OFFICE, "brokerage.booking.list", "all"),
    Permission(Role.OFFICE, "brokerage.booking.show", "all"),
    Permission(Role.OFFICE, "brokerage.maintenance.list", "all"),
    Permission(Role.OFFICE, "billing.clarification.list", "all"),
    Permission(Role.OFFICE, "billing.key.list", "all"),
    Permission(Role.OFFICE, "billing.pool.list", "all"),
    Permission(Role.OFFICE, "billing.pool.show", "all"),
    Permission(Role.OFFICE, "billing.cost.list", "all"),
    Permission(Role.OFFICE, "billing.settlement.list", "all"),
    Permission(Role.OFFICE, "billing.statement.show", "all"),
    Permission(Role.OFFICE, "billing.settlement.show", "all"),
    Permission(Role.OFFICE, "billing.settlement.alerts", "all"),
    Permission(Role.OFFICE, "billing.settlement.matrix", "all"),
    Permission(Role.OFFICE, "billing.statement.compare", "all"),
    Permission(Role.OFFICE, "billing.statement.list", "all"),
    Permission(Role.OFFICE, "billing.line.explain", "all"),
    Permission(Role.OFFICE, "billing.objection.list", "all"),
    Permission(Role.OFFICE, "billing.invoice.list", "all"),
    Permission(Role.OFFICE, "billing.document.list", "all"),
    Permission(Role.OFFICE, "billing.document.read", "all"),
    Permission(Role.OFFICE, "billing.payment.list", "all"),
    Permission(Role.OFFICE, "billing.item.list", "all"),
    Permission(Role.OFFICE, "billing.report.treatments", "all"),
    Permission(Role.OFFICE, "billing.report.cost", "all"),
    Permission(Role.OFFICE, "billing.report.market", "all"),
    Permission(Role.OFFICE, "billing.journal.export", "all"),
    Permission(Role.OFFICE, "billing.journal.verify", "all"),
)


def commands_of(role: Role) -> list[registry.MessageType]:
    """The commands a role may send."""
    allowed = {permission.name for permission in TABLE if permission.role is role}
    return [message for message in registry.commands() if message.name in allowed]


def queries_of(role: Role) -> list[registry.QueryType]:
    """The queries a role may ask."""
    allowed = {permission.name for permission in TABLE if permission.role is role}
    return [query for query in registry.QUERIES if query.name in allowed]


def sees_all(role: Role, name: str) -> bool:
    """Tell whether a role's permission reaches beyond what is its own."""
    return any(p.role is role and p.name == name and p.scope == "all" for p in TABLE)
