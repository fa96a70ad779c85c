"""Which entries of an account statement pay which payments."""

import dataclasses
import datetime as dt
import re
import uuid
from collections.abc import Mapping, Sequence

from allmende.schemas.payments import BankEntry, PaymentArranged, UnmatchedEntry
from allmende.schemas.rejections import Rejected, rejected

_BODY = 16
_REFERENCE = re.compile(rf"(?=(RF[0-9]{{2}}[A-Z0-9]{{{_BODY}}}))")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def reference_of(payment_id: str) -> str:
    """Derive a structured creditor reference (ISO 11649) of 20 characters: 82 bits of a payment's id."""
    number = uuid.UUID(payment_id).int
    body = ""
    for _ in range(_BODY):
        number, digit = divmod(number, 36)
        body = _DIGITS[digit] + body
    return f"RF{98 - _mod_97(f'{body}RF00'):02d}{body}"


def _mod_97(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text)) % 97


def references_in(entry: BankEntry) -> set[str]:
    """Find what may be references of payments, however they are grouped, and even within other text."""
    told = (re.sub(r"[^A-Z0-9]", "", said.upper()) for said in (*entry.references, entry.text))
    found = {match[1] for said in told for match in _REFERENCE.finditer(said)}
    return {each for each in found if _mod_97(each[4:] + each[:4]) == 1}


@dataclasses.dataclass(frozen=True)
class Standing:
    """A payment and what both sides' banks told of it.

    Attributes:
        debited_cents: from the debtor's account; credited_cents to the creditor's. Both tell of the same
            money, so that more of the two is what is paid.
    """

    payment: PaymentArranged
    debited_cents: int
    credited_cents: int

    @property
    def paid_cents(self) -> int:
        """What is paid by now."""
        return max(self.debited_cents, self.credited_cents)

    @property
    def open_cents(self) -> int:
        """What is not paid yet."""
        return self.payment.amount_cents - self.paid_cents

    def told(self, member: str) -> int:
        """What a party's bank told of it."""
        return self.debited_cents if member == self.payment.debtor else self.credited_cents

    def with_more(self, member: str, cents: int) -> "Standing":
        """After a party's bank told of so much more."""
        if member == self.payment.debtor:
            return dataclasses.replace(self, debited_cents=self.debited_cents + cents)
        return dataclasses.replace(self, credited_cents=self.credited_cents + cents)


@dataclasses.dataclass(frozen=True)
class Receipt:
    """An entry that pays.

    Attributes:
        cents: of the payment, what it shows; the rest of the entry is more than was owed. Below zero where
            the bank returned it.
        before: the payment as it stood, and `after` as it stands; they are the same money where the other
            side told of it already.
    """

    entry: BankEntry
    cents: int
    before: Standing
    after: Standing


@dataclasses.dataclass(frozen=True)
class Matched:
    """What becomes of the entries of a report.

    Attributes:
        repeated: how many were booked before.
    """

    receipts: tuple[Receipt, ...]
    repeated: int
    unmatched: tuple[UnmatchedEntry, ...]


def match(
    entries: Sequence[BankEntry],
    member: str,
    *,
    payments: Mapping[str, Standing],
    known: Mapping[str, int],
    today: dt.date,
) -> Matched:
    """Find what entries of a member's account pay.

    Args:
        entries: as reported.
        member: whose account it is.
        payments: by reference, those that the entries may name.
        known: the amounts of entries that were booked before, by id.
        today: entries are not booked later.
    """
    found, amounts = dict(payments), dict(known)
    receipts: list[Receipt] = []
    unmatched: list[UnmatchedEntry] = []
    repeated = 0
    for entry in entries:
        if amounts.get(entry.entry_id) == entry.amount_cents:
            repeated += 1
            continue
        standing = _paid_by(entry, member, found, amounts, today)
        if isinstance(standing, Rejected):
            unmatched.append(_unmatched(entry, entry.amount_cents, standing))
            continue
        amounts[entry.entry_id] = entry.amount_cents
        payment = standing.payment
        cents = min(_towards(entry, member, payment), payment.amount_cents - standing.told(member))
        after = standing.with_more(member, cents)
        found[payment.reference] = after
        receipts.append(Receipt(entry, cents, standing, after))
        if surplus := abs(entry.amount_cents) - abs(cents):
            why = rejected("bank_overpaid", reference=payment.reference)
            unmatched.append(_unmatched(entry, surplus if entry.amount_cents > 0 else -surplus, why))
    return Matched(tuple(receipts), repeated, tuple(unmatched))


def _paid_by(
    entry: BankEntry, member: str, payments: Mapping[str, Standing], known: Mapping[str, int], today: dt.date
) -> Standing | Rejected:
    if entry.entry_id in known:
        return rejected("bank_entry_differs", entry=entry.entry_id)
    if entry.booked_on > today:
        return rejected("bank_entry_in_future", day=entry.booked_on)
    named = [payments[each] for each in sorted(references_in(entry)) if each in payments]
    # Whose payment it is not, is not told that there is one.
    own = [each for each in named if member in {each.payment.debtor, each.payment.creditor}]
    if not own:
        return rejected("bank_reference_unknown")
    if len(own) > 1:
        return rejected("bank_reference_ambiguous", references=", ".join(e.payment.reference for e in own))
    (standing,) = own
    payment = standing.payment
    cents = _towards(entry, member, payment)
    if cents > 0 and standing.told(member) == payment.amount_cents:
        return rejected("bank_overpaid", reference=payment.reference)
    if cents > 0 or (cents < 0 and entry.returned and standing.told(member) >= -cents):
        return standing
    return rejected("bank_other_way", reference=payment.reference)


def _towards(entry: BankEntry, member: str, payment: PaymentArranged) -> int:
    """What an entry pays: a debit of the debtor, a credit of the creditor; below zero the other way."""
    return -entry.amount_cents if member == payment.debtor else entry.amount_cents


def _unmatched(entry: BankEntry, cents: int, why: Rejected) -> UnmatchedEntry:
    german, english = why.sentences
    return UnmatchedEntry(
        entry_id=entry.entry_id, amount_cents=cents, code=why.code, message_de=german, message_en=english
    )
