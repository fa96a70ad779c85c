"""Sections of the output on what became of the statements: certified, disputed, netted."""

from .page import Column, Section
from .picture import Picture
from .voice import Voice


def recipients(picture: Picture, voice: Voice) -> Section:
    """How far every statement is."""
    rows = [
        (
            each.number,
            each.member,
            voice.say(f"state_{each.state}"),
            voice.amount(each.payable_cents),
            voice.amount(each.disputed_cents),
            each.certified_by or "",
            each.ordered_by or "",
        )
        for each in sorted(picture.aftermath.statements, key=lambda each: each.number)
    ]
    columns = (
        Column(voice.say("number")),
        Column(voice.say("member")),
        Column(voice.say("state"), wraps=True),
        Column(voice.say("payable"), right=True),
        Column(voice.say("disputed"), right=True),
        Column(voice.say("certified_by")),
        Column(voice.say("ordered_by")),
    )
    settlement = picture.settlement
    below = voice.say("two_persons", reviewed=settlement.reviewed_by, approved=settlement.approved_by)
    return Section(voice.say("recipients"), columns, tuple(rows), (below,))


def objections(picture: Picture, voice: Voice) -> Section:
    """Every disputed line."""
    rows = [
        (
            each.raised.payer,
            each.raised.payee,
            str(each.raised.line),
            voice.amount(each.raised.gross_cents),
            each.raised.reason,
        )
        for each in picture.aftermath.objections
    ]
    columns = (
        Column(voice.say("payer")),
        Column(voice.say("payee")),
        Column(voice.say("number"), right=True),
        Column(voice.say("amount"), right=True),
        Column(voice.say("reason"), wraps=True),
    )
    return Section(voice.say("objections"), columns, tuple(rows), (voice.say("objections_note"),))


def payments(picture: Picture, voice: Voice) -> Section:
    """Who pays whom after netting."""
    rows = [
        (
            each.payment.debtor,
            each.payment.creditor,
            voice.amount(each.payment.amount_cents),
            each.payment.reference,
        )
        for each in picture.aftermath.payments
    ]
    columns = (
        Column(voice.say("payer")),
        Column(voice.say("payee")),
        Column(voice.say("amount"), right=True),
        Column(voice.say("reference")),
    )
    paid = sum(each.payment.amount_cents for each in picture.aftermath.payments)
    gross = picture.settlement.charges_cents + picture.settlement.levies_cents + picture.settlement.tax_cents
    below = voice.say("payments_total", count=len(rows), paid=voice.amount(paid), gross=voice.amount(gross))
    return Section(voice.say("payments"), columns, tuple(rows), (below,))
