"""Reminders: who is overdue, by which step of the rules, and what being late costs."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator

from allmende.schemas.billing import ChargeLine
from allmende.schemas.clause import ClauseVersion
from allmende.schemas.money import euro
from allmende.schemas.payments import PaymentArranged, ReminderSent
from allmende.schemas.register import SettlementRules
from allmende.schemas.rejections import Rejected, Said, rejected
from allmende.tariffs.clause import Case, Held, run


@dataclasses.dataclass(frozen=True)
class Overdue:
    """A payment that is not whole after its due day.

    Attributes:
        open_cents: without what is disputed with suspensive effect.
        step: of the last reminder, or 0.
        late_cents: what was charged for being late until now.
    """

    payment: PaymentArranged
    open_cents: int
    step: int
    late_cents: int


def remind(overdue: Overdue, rules: SettlementRules, as_of: dt.date) -> ReminderSent | Rejected | None:
    """Make the reminder that is due on a day, or none.

    Of several steps whose days have passed the last one is sent, and those before it no more: nobody gets two
    reminders on one day. The late charge is what the rules' clause comes to on what is open, for all days
    since the due day, less what was charged; it is never given back here.

    Args:
        overdue: a payment.
        rules: of the day.
        as_of: the day.

    Returns:
        A refusal where the clause cannot be worked out.
    """
    payment = overdue.payment
    days = (as_of - payment.due_on).days
    due = [number for number, step in enumerate(rules.reminders, 1) if step.after_days <= days]
    if days <= 0 or not due or due[-1] <= overdue.step:
        return None
    step = rules.reminders[due[-1] - 1]
    german, english, late = "", "", 0
    if rules.late_charge is not None:
        charged = late_charge(rules.late_charge, overdue.open_cents, payment.due_on, as_of)
        if isinstance(charged, Rejected):
            return charged
        late = max(charged.cents - overdue.late_cents, 0)
        german, english = charged.story
        if overdue.late_cents:
            german += f"; abzüglich bereits berechneter {euro(overdue.late_cents)}"
            english += f"; less {euro(overdue.late_cents, language='en')} charged already"
    return ReminderSent(
        payment_id=payment.payment_id,
        reference=payment.reference,
        debtor=payment.debtor,
        creditor=payment.creditor,
        step=due[-1],
        title=step.title,
        open_cents=overdue.open_cents,
        days_overdue=days,
        fee_cents=step.fee_cents,
        late_charge_cents=late,
        trace_de=f"{euro(overdue.open_cents)} seit {days} Tagen offen{_joined(german)}",
        trace_en=f"{euro(overdue.open_cents, language='en')} open for {days} days{_joined(english)}",
        as_of=as_of,
    )


def _joined(story: str) -> str:
    return f"; {story}" if story else ""


@dataclasses.dataclass(frozen=True)
class Late:
    """What a clause comes to, with its story in German and English."""

    cents: int
    story: tuple[str, str]


def late_charge(clause: ClauseVersion, open_cents: int, due_on: dt.date, as_of: dt.date) -> Late | Rejected:
    """Work out what is owed for paying late: the sum of what the clause charges.

    Args:
        clause: with the inputs `amount` (money) and `days` (number), as § 288 BGB or § 240 AO ask for.
        open_cents: what is open.
        due_on: the last day on which it could be paid in time.
        as_of: the day until which it is counted.
    """
    if (clause.currency, clause.decimals) != ("EUR", 2):
        return rejected("late_charge_not_euro", currency=clause.currency)
    case = Case(
        told={"amount": open_cents, "days": (as_of - due_on).days},
        first_day=due_on + dt.timedelta(days=1),
        last_day=as_of,
    )
    outcome = run(clause, case)
    if isinstance(outcome, Held):
        return rejected("late_charge_held", reason=Said(outcome.german, outcome.english))
    if isinstance(outcome, Rejected):
        return rejected("late_charge_held", reason=Said(*outcome.sentences))
    german = "; ".join(told.german for told in outcome.story)
    english = "; ".join(told.english for told in outcome.story)
    return Late(sum(charged.amount for charged in outcome.charges), (german, english))


def lines_of(sent: Iterable[ReminderSent]) -> Iterator[ChargeLine]:
    """Make the lines of a run: of each reminder its fee and its late charge, as far as there are any.

    Both are damages for delay and no consideration for a supply, hence not subject to VAT (§ 1 Abs. 1 Nr. 1
    UStG, Abschnitt 1.3 Abs. 3 UStAE). They carry no treatment of their own.
    """
    for each in sent:
        first_day = each.as_of - dt.timedelta(days=each.days_overdue - 1)
        titles = (
            (each.fee_cents, f"{each.title}, {each.reference}", "Mahngebühr", "reminder fee"),
            (each.late_charge_cents, f"Verspätung, {each.reference}", "Zahlungsverzug", "late payment"),
        )
        for cents, title, german, english in titles:
            if cents:
                yield ChargeLine(
                    line=0,
                    kind="charge",
                    cause="late_charge",
                    payer=each.debtor,
                    payee=each.creditor,
                    title=title[:200].rstrip(),
                    service_from=first_day,
                    service_to=each.as_of,
                    amount_cents=cents,
                    trace_de=f"{german} zur Zahlung {each.reference}: {each.trace_de}",
                    trace_en=f"{english} on the payment {each.reference}: {each.trace_en}",
                )
