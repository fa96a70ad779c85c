"""Sections of the output on statements, the levy and net positions."""

from allmende.schemas.billing import ChargeLine

from .page import Column, Section
from .picture import Picture
from .voice import Voice

_LINES_SHOWN = 4
"""Of each side of a statement; the levy comes beside them."""


def statement(picture: Picture, member: str, voice: Voice) -> Section:
    """One party's statement, gross on both sides."""
    issued = picture.statements[member].statement
    kinds = {"charge": voice.say("charge"), "levy": voice.say("levy_kind")}
    receivable = [
        (kinds[item.kind], item.counterparty, voice.amount(item.amount_cents), "", str(item.lines))
        for item in issued.receivable
    ]
    payable = [
        (kinds[item.kind], item.counterparty, "", voice.amount(item.amount_cents), str(item.lines))
        for item in issued.payable
    ]
    total = voice.say(
        "statement_total",
        receivable=voice.amount(issued.receivable_cents),
        payable=voice.amount(issued.payable_cents),
        net=voice.amount(issued.net_cents),
        clearing_house=issued.clearing_house,
    )
    columns = (
        Column(voice.say("kind")),
        Column(voice.say("counterparty")),
        Column(voice.say("receivable"), right=True),
        Column(voice.say("payable"), right=True),
        Column(voice.say("line_count"), right=True),
    )
    title = voice.say("statement", number=issued.number, member=_name(picture, member))
    return Section(title, columns, (*receivable, *payable), (total,))


def lines(picture: Picture, member: str, voice: Voice) -> Section:
    """The first lines of a statement with the story of each amount."""
    statement = picture.statements[member]
    rows = [
        (
            str(line.line),
            line.payer if line.payee == member else line.payee,
            voice.amount(line.amount_cents if line.payee == member else -line.amount_cents),
            f"{line.title}: {voice.choose(line.trace_de, line.trace_en)}",
        )
        for line in _first_lines(statement.lines, member)
    ]
    columns = (
        Column(voice.say("number"), right=True),
        Column(voice.say("counterparty")),
        Column(voice.say("amount"), right=True),
        Column(voice.say("trace"), wraps=True),
    )
    return Section(voice.say("lines", number=statement.statement.number), columns, tuple(rows))


def _first_lines(lines: tuple[ChargeLine, ...], member: str) -> list[ChargeLine]:
    charges = [line for line in lines if line.kind == "charge"]
    sold = [line for line in charges if line.payee == member][:_LINES_SHOWN]
    bought = [line for line in charges if line.payer == member][:_LINES_SHOWN]
    return [*sold, *bought, *(line for line in lines if line.kind == "levy")][: 2 * _LINES_SHOWN + 1]


def levy(picture: Picture, voice: Voice) -> Section:
    """Every member's share of the office's cost."""
    lines = [line for line in picture.lines if line.kind == "levy"]
    rows = [(line.payer, _name(picture, line.payer), voice.amount(line.amount_cents)) for line in lines]
    total = voice.say("levy_total", amount=voice.amount(sum(line.amount_cents for line in lines)))
    columns = (
        Column(voice.say("member")),
        Column(voice.say("name"), wraps=True),
        Column(voice.say("amount"), right=True),
    )
    return Section(voice.say("levy"), columns, tuple(rows), (total,))


def positions(picture: Picture, voice: Voice) -> Section:
    """Every party and the sum over all, which is zero."""
    settlement = picture.settlement
    rows = [
        (
            position.party,
            _name(picture, position.party),
            voice.amount(position.receivable_cents),
            voice.amount(position.payable_cents),
            voice.amount(position.net_cents),
        )
        for position in settlement.positions
    ]
    columns = (
        Column(voice.say("member")),
        Column(voice.say("name"), wraps=True),
        Column(voice.say("receivable"), right=True),
        Column(voice.say("payable"), right=True),
        Column(voice.say("net"), right=True),
    )
    about = voice.say(
        "settlement_total",
        period=settlement.period,
        charges=voice.amount(settlement.charges_cents),
        levies=voice.amount(settlement.levies_cents),
        lines=voice.count(settlement.lines),
        records=voice.count(settlement.usage_records),
        clearing_house=settlement.clearing_house,
    )
    total = voice.say("positions_total", amount=voice.amount(picture.net_total_cents))
    return Section(voice.say("positions"), columns, tuple(rows), (about, total))


def _name(picture: Picture, party: str) -> str:
    return picture.said.names.get(party, party)
