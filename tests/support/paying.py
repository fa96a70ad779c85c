"""Nettings, account statements and reminders for tests: give only what matters."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from support.bodies import UNSIGNED, iban, signed
from support.builders import NOW, command

from allmende.schemas.clause import ClauseVersion
from allmende.schemas.payments import (
    ArrangePayments,
    BankEntry,
    BankStatementBooked,
    PaymentArranged,
    ReportBankStatement,
    SendReminders,
)
from allmende.schemas.register import ReminderStep
from allmende.servicekit.messages import Incoming, Outgoing

DUE = dt.date(2026, 7, 1)
ACCOUNTS = {name: iban(number) for number, name in enumerate(("office", "desy", "kit", "lrz"), 1)}
STEPS = (
    ReminderStep(after_days=1, title="Zahlungserinnerung"),
    ReminderStep(after_days=14, title="Mahnung", fee_cents=500),
    ReminderStep(after_days=28, title="Letzte Mahnung", fee_cents=1_000),
)
INTEREST = ClauseVersion.model_validate_json("""
{"version": 1, "valid_from": "2020-01-01",
 "inputs": {"amount": {"kind": "money"}, "days": {"kind": "number"}},
 "steps": [{"id": "interest",
            "calculate": {"multiply": ["amount", "days"], "divide": ["365"], "percent": "9"}}],
 "charges": [{"step": "interest", "title": "Verzugszinsen", "payer": "debtor", "kind": "charge"}]}
""")
"""Nine percent a year (made up after § 288 BGB)."""

HELD = INTEREST.model_copy(
    update={
        "requires": ClauseVersion.model_validate_json("""
{"version": 1, "valid_from": "2020-01-01", "steps": [{"id": "a", "calculate": {"add": ["1"]}}],
 "requires": [{"when": [{"value": "days", "at_least": "30"}], "reason": "Kein Basiszinssatz bekannt"}]}
""").requires
    }
)
"""The same, which cannot be worked out for less than thirty days."""


def arranging(number: int = 100, due_by: dt.date = DUE, at: dt.datetime = NOW) -> Incoming:
    return signed("office", "anna", ArrangePayments(due_by=due_by, claim=UNSIGNED), number, at)


def reminding(as_of: dt.date, number: int, at: dt.datetime = NOW) -> Incoming:
    return signed("office", "anna", SendReminders(as_of=as_of, claim=UNSIGNED), number, at)


def arranged(facts: Sequence[Outgoing]) -> dict[tuple[str, str], PaymentArranged]:
    told = [fact.data for fact in facts if isinstance(fact.data, PaymentArranged)]
    return {(each.debtor, each.creditor): each for each in told}


def amounts(facts: Sequence[Outgoing]) -> dict[tuple[str, str], int]:
    return {pair: each.amount_cents for pair, each in arranged(facts).items()}


def entry(id_: str, cents: int, *references: str, **changes: Any) -> BankEntry:
    given: dict[str, Any] = {
        "entry_id": id_,
        "booked_on": NOW.date(),
        "amount_cents": cents,
        "references": references,
    }
    return BankEntry(**given | changes)


def reporting(who: str, *entries: BankEntry, number: int = 200, account: str | None = None) -> Incoming:
    told = ReportBankStatement(iban=account or ACCOUNTS[who], statement_id="2026/1", entries=entries)
    return command(who, told, number)


def booked(facts: Sequence[Outgoing]) -> BankStatementBooked:
    (found,) = [fact.data for fact in facts if isinstance(fact.data, BankStatementBooked)]
    return found
