"""Objections to lines: until when, with what effect, and what is credited if they are upheld."""

import dataclasses
import datetime as dt
from collections.abc import Collection

from allmende.schemas.billing import ChargeLine
from allmende.schemas.bodies import Person
from allmende.schemas.money import euro
from allmende.schemas.register import MemberRegister, ObjectionTerms
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.statements import (
    DecideObjection,
    ObjectionRaised,
    ObjectionSettled,
    ObjectionState,
    RaiseObjection,
    WithdrawObjection,
)

from ..invoicing.tax import tax_on
from ..period import day_of, first_day_of, last_day_of, period_with


@dataclasses.dataclass(frozen=True)
class Charged:
    """A line of a run, as far as an objection to it is concerned.

    Attributes:
        issued_at: when its run was issued; None before.
        held: it is on hold, so that no sum contains it.
        disputed: an objection to it is open.
        reversed: it is taken back by a run, be that a draft, or the levy is that it is a share of.
        credited_cents: net, by objections that were upheld; `credited_gross_cents` with their VAT.
    """

    settlement_id: str
    period: str
    issued_at: dt.datetime | None
    line: ChargeLine
    held: bool = False
    disputed: bool = False
    reversed: bool = False
    credited_cents: int = 0
    credited_gross_cents: int = 0

    @property
    def left_cents(self) -> int:
        """What the line still asks for, net."""
        return 0 if self.reversed else self.line.amount_cents - self.credited_cents

    @property
    def left_gross_cents(self) -> int:
        """The same with VAT, so that it and all credits sum to the line's gross amount to the cent."""
        return 0 if self.reversed else gross(self.line, self.line.amount_cents) - self.credited_gross_cents


@dataclasses.dataclass(frozen=True)
class Standing:
    """An objection with the line that it is about."""

    raised: ObjectionRaised
    settled: ObjectionSettled | None
    charged: Charged


@dataclasses.dataclass(frozen=True)
class Credit:
    """What an objection that is upheld brings.

    Attributes:
        line: of the run of `period`, not numbered yet.
        gross_cents: with VAT, positive.
    """

    period: str
    line: ChargeLine
    gross_cents: int


def gross(line: ChargeLine, net_cents: int) -> int:
    """Add the VAT of a single line, or of a part of it, rounded once.

    A document reckons its tax once on the sum of all lines of a treatment, so that the gross amounts of its
    lines may differ from it by at most half a cent for each line.
    """
    return net_cents + (tax_on(net_cents, line.tax.rate_percent) if line.tax is not None else 0)


def terms_of(line: ChargeLine, issued_on: dt.date, register: MemberRegister) -> ObjectionTerms:
    """Find what the rules of the day of issue say of objections to a line."""
    rules = register.rules_on(issued_on)
    return rules.levy_objections if line.kind == "levy" else rules.objections


def deadline(issued_on: dt.date, terms: ObjectionTerms) -> dt.date:
    """Tell the last day for an objection; the day of issue does not count (§ 187 Abs. 1 BGB)."""
    return issued_on + dt.timedelta(days=terms.days)


def possible_until(charged: Charged, register: MemberRegister) -> dt.date | None:
    """Tell the last day for an objection to a line; None where nothing of it can be objected to as it is."""
    if charged.issued_at is None or charged.held or charged.disputed:
        return None
    if charged.line.amount_cents <= 0 or charged.left_cents <= 0:
        return None
    issued_on = day_of(charged.issued_at)
    return deadline(issued_on, terms_of(charged.line, issued_on, register))


def raise_(  # noqa: PLR0913 - what an objection is decided by
    command: RaiseObjection,
    objection_id: str,
    sender: str,
    charged: Charged,
    register: MemberRegister,
    person: Person,
    now: dt.datetime,
) -> ObjectionRaised | Rejected:
    """Object to a line.

    Args:
        command: to which line, and why.
        objection_id: the id of the command.
        sender: the member, who must owe the line.
        charged: the line.
        register: with the rules; those of the day of issue decide on time and effect.
        person: who acts, with the duty to object.
        now: when; the day in Europe/Berlin counts.
    """
    about = {"line": command.line, "period": command.period}
    if sender not in {charged.line.payer, charged.line.payee}:
        return unknown_line(command)
    if charged.issued_at is None:
        return rejected("statement_not_issued", "period", period=command.period)
    if sender != charged.line.payer:
        return rejected("line_not_owed", "line", **about, payer=charged.line.payer)
    if charged.held:
        return rejected("line_held", "line", **about)
    if charged.line.amount_cents <= 0:
        return rejected("line_charges_nothing", "line", **about)
    issued_on = day_of(charged.issued_at)
    terms = terms_of(charged.line, issued_on, register)
    last = deadline(issued_on, terms)
    if day_of(now) > last:
        return rejected("objection_too_late", "period", **about, deadline=last)
    if charged.disputed:
        return rejected("line_disputed", "line", **about)
    if charged.left_cents <= 0:
        return rejected("line_credited", "line", **about)
    return ObjectionRaised(
        objection_id=objection_id,
        period=command.period,
        line=command.line,
        payer=charged.line.payer,
        payee=charged.line.payee,
        gross_cents=charged.left_gross_cents,
        reason=command.reason,
        documents=command.documents,
        suspends=terms.suspends,
        raised_by=person.id,
        raised_at=now,
    )


def unknown_line(command: RaiseObjection) -> Rejected:
    """Refuse to object to what is not there, or is between others."""
    return rejected("unknown_line", "line", line=command.line, period=command.period)


def unknown(objection_id: str) -> Rejected:
    """Refuse to settle what is not there, or is between others."""
    return rejected("unknown_objection", "objection_id", objection=objection_id)


def decide(
    command: DecideObjection, sender: str, found: Standing, person: Person, now: dt.datetime
) -> ObjectionSettled | Rejected:
    """Decide an objection.

    Args:
        command: the decision.
        sender: the member, who must be owed the line; of levies that is the office.
        found: the objection.
        person: who acts, with the duty to object.
        now: when.
    """
    if sender not in {found.raised.payer, found.raised.payee}:
        return unknown(command.objection_id)
    if sender != found.raised.payee:
        return rejected(
            "not_yours_to_decide",
            "objection_id",
            objection=command.objection_id,
            payee=found.raised.payee,
        )
    if found.settled is not None:
        return _settled_already(found.settled)
    if command.decision == "dismissed" and command.credit_cents is not None:
        return rejected("credit_of_dismissal", "credit_cents")
    limit = found.charged.left_cents
    if command.decision == "upheld" and limit <= 0:
        about = {"line": found.raised.line, "period": found.raised.period}
        return rejected("line_taken_back", "objection_id", **about)
    credit = 0 if command.decision == "dismissed" else command.credit_cents or limit
    if credit > limit:
        return rejected("credit_too_large", "credit_cents", limit=limit)
    return _settle(found.raised, command.decision, command.reason, person, now, credit)


def withdraw(
    command: WithdrawObjection, sender: str, found: Standing, person: Person, now: dt.datetime
) -> ObjectionSettled | Rejected:
    """Take an objection back; arguments as of `decide`, the sender is the member who raised it."""
    if sender not in {found.raised.payer, found.raised.payee}:
        return unknown(command.objection_id)
    if sender != found.raised.payer:
        return rejected(
            "not_your_objection", "objection_id", objection=command.objection_id, payer=found.raised.payer
        )
    if found.settled is not None:
        return _settled_already(found.settled)
    return _settle(found.raised, "withdrawn", command.reason, person, now)


def _settle(  # noqa: PLR0913 - what is told of it
    raised: ObjectionRaised,
    state: ObjectionState,
    reason: str,
    person: Person,
    now: dt.datetime,
    credit_cents: int = 0,
) -> ObjectionSettled:
    return ObjectionSettled(
        objection_id=raised.objection_id,
        period=raised.period,
        line=raised.line,
        payer=raised.payer,
        payee=raised.payee,
        state=state,
        credit_cents=credit_cents,
        reason=reason,
        settled_by=person.id,
        settled_at=now,
    )


def _settled_already(settled: ObjectionSettled) -> Rejected:
    day = day_of(settled.settled_at)
    return rejected("objection_settled", "objection_id", objection=settled.objection_id, day=day)


def months_after(period: str, now: dt.datetime) -> list[str]:
    """List the months after a period up to the current one, which is never collected yet."""
    months = []
    day = last_day_of(period) + dt.timedelta(days=1)
    while day <= first_day_of(period_with(day_of(now))):
        months.append(period_with(day))
        day = last_day_of(months[-1]) + dt.timedelta(days=1)
    return months


def next_run(months: Collection[str], closed: Collection[str]) -> str:
    """Find the month whose run is collected next: the first one after the last that is collected."""
    newest = max(closed, default="")
    return min(month for month in months if month > newest)


def credit_of(charged: Charged, raised: ObjectionRaised, settled: ObjectionSettled, period: str) -> Credit:
    """Credit a line, as a whole or in part: negative, with the line's own VAT treatment and budget item.

    Args:
        charged: the line.
        raised: the objection.
        settled: its decision, `upheld`.
        period: in whose run the credit stands.
    """
    line, cents = charged.line, settled.credit_cents
    whole = cents == charged.left_cents
    with_tax = charged.left_gross_cents if whole else min(gross(line, cents), charged.left_gross_cents)
    day = day_of(raised.raised_at)
    amount = euro(-cents)
    credit = ChargeLine(
        line=0,
        kind=line.kind,
        cause="credit",
        payer=line.payer,
        payee=line.payee,
        title=line.title,
        booking_id=line.booking_id,
        offering_id=line.offering_id,
        pool_id=line.pool_id,
        party=line.party,
        levy_id=line.levy_id,
        objection_id=raised.objection_id,
        service_from=line.service_from,
        service_to=line.service_to,
        amount_cents=-cents,
        tax=line.tax,
        budget_item=line.budget_item,
        trace_de=(
            f"Gutschrift zur Position {line.line} aus {charged.period} nach Widerspruch "
            f"{raised.objection_id} vom {day:%d.%m.%Y} ({raised.reason}), "
            f"{'ganz' if whole else 'teilweise'} stattgegeben: {settled.reason} = {amount}"
        ),
        trace_en=(
            f"credit of line {line.line} of {charged.period} after objection {raised.objection_id} of "
            f"{day} ({raised.reason}), upheld {'as a whole' if whole else 'in part'}: {settled.reason} = "
            f"{euro(-cents, language='en')}"
        ),
    )
    return Credit(period, credit, with_tax)
