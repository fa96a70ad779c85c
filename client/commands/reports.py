"""Reports on the command line, and the end of a budget year."""

from allmende.client.output import Column, Kind, Listing
from allmende.schemas.money import euro
from allmende.schemas.rejections import Rejection
from allmende.schemas.reports import TreatedSum

from .language import hint, language, refusal, say, tell
from .sending import cents_of, told
from .session import Session
from .stop import CONFLICT

_TREATMENTS = (
    Column("supplier", "Leistender", "Supplier"),
    Column("consumer", "Empfänger", "Recipient"),
    Column("service_year", "Leistungsjahr", "Year of service"),
    Column("category", "Kategorie", "Category"),
    Column("rate_percent", "Satz %", "Rate %", Kind.NUMBER),
    Column("reason", "Grund", "Reason"),
    Column("basis", "Grundlage", "Basis"),
    Column("decided_on", "Entschieden", "Decided", Kind.DAY),
    Column("decided_by", "Von", "By"),
    Column("lines", "Zeilen", "Lines", Kind.NUMBER),
    Column("net_eur", "Netto", "Net", Kind.CENTS),
)
_POOLS = (
    Column("pool", "Kostentopf", "Pool"),
    Column("title", "Titel", "Title"),
    Column("state", "Stand", "State"),
    Column("cost_eur", "Kosten", "Cost", Kind.CENTS),
    Column("charged_eur", "Berechnet", "Charged", Kind.CENTS),
    Column("carried_eur", "Vorgetragen", "Carried", Kind.CENTS),
    Column("markup_eur", "Aufschlag", "Mark-up", Kind.CENTS),
)
_YEARS = (
    Column("year", "Jahr", "Year"),
    Column("within_eur", "Im Verbund", "Within", Kind.CENTS),
    Column("open_market_eur", "Am offenen Markt", "Open market", Kind.CENTS),
)


async def treatments(session: Session, year: int, of: str | None) -> None:
    """List the VAT treatments of a year."""
    async with session.market() as market:
        found = [each async for each in market.treatments(year, member=of)]
    listing = Listing(
        _TREATMENTS, [_treated_row(each) for each in found], [each.model_dump(mode="json") for each in found]
    )
    if not session.empty(listing, "In dem Jahr ist nichts ausgestellt.", "Nothing is issued in that year."):
        session.show(listing)


def _treated_row(each: TreatedSum) -> dict[str, object]:
    found = each.treatment
    return {
        "supplier": each.supplier,
        "consumer": each.consumer,
        "service_year": each.service_year,
        "category": found.category if found else None,
        "rate_percent": found.rate_percent if found else None,
        "reason": say(found.reason_de or "", found.reason_en or "") if found else None,
        "basis": found.basis if found else None,
        "decided_on": found.decided_on if found else None,
        "decided_by": found.decided_by if found else None,
        "lines": each.lines,
        "net_eur": each.net_cents,
    }


async def cost(session: Session, year: int) -> int:
    """Show the proof of exact cost."""
    async with session.market() as market:
        found = await market.exact_cost(year)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [
        {
            "pool": each.pool_id,
            "title": each.title,
            "state": say("offen", "open") if each.state == "open" else say("abgerechnet", "settled"),
            "cost_eur": each.cost_cents,
            "charged_eur": each.charged_cents,
            "carried_eur": each.carried_cents,
            "markup_eur": each.markup_cents,
        }
        for each in found.pools
    ]
    listing = Listing(_POOLS, rows, found.model_dump(mode="json"))
    if session.empty(listing, "In dem Jahr gibt es keinen Kostentopf.", "There is no pool in that year."):
        return 0
    session.show(listing)
    if found.proven:
        tell("Kostendeckung auf den Cent, kein Aufschlag.", "Exact cost, to the cent, without a mark-up.")
        return 0
    tell("Die Kostendeckung ist nicht nachgewiesen.", "Exact cost is not proven.")
    return CONFLICT


async def market_share(session: Session, year: int, of: str | None) -> None:
    """Show the share of the open market."""
    async with session.market() as market:
        found = await market.open_market_share(year, of)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [
        {
            "year": each.year,
            "within_eur": each.within_cents,
            "open_market_eur": each.open_market_cents,
        }
        for each in found.years
    ]
    session.show(Listing(_YEARS, rows, found.model_dump(mode="json")))
    if found.share_percent is None:
        tell(
            f"{found.member}: Der Anteil ist unbekannt, solange ein Jahr nicht erklärt ist.",
            f"{found.member}: the share is unknown while a year is not declared.",
        )
        hint(
            'allmende report declare JAHR --amount EUR --evidence "..." --person NAME erklärt es',
            'allmende report declare YEAR --amount EUR --evidence "..." --person NAME declares it',
        )
        return
    percent = found.share_percent
    tell(
        f"{found.member}: {percent.replace('.', ',')} % am offenen Markt, "
        f"{'unter' if found.below_limit else 'nicht unter'} 20 %.",
        f"{found.member}: {percent} % on the open market, "
        f"{'below' if found.below_limit else 'not below'} 20 %.",
    )


async def declare(session: Session, year: int, amount: str, evidence: str, id_: str | None) -> None:
    """Tell what one turned over on the open market."""
    cents = cents_of("--amount", amount) or 0
    found = await told(session, lambda m, i: m.declare_turnover(year, cents, evidence, id=i), id_)
    money = euro(found.open_market_cents, language=language())
    tell(
        f"{found.member} erklärt für {found.year} {money} am offenen Markt.",
        f"{found.member} declares {money} on the open market in {found.year}.",
    )


async def close_year(session: Session, year: int, id_: str | None) -> None:
    """Close a budget year."""
    found = await told(session, lambda m, i: m.close_year(year, id=i), id_)
    tell(
        f"Das Haushaltsjahr {found.year} ist geschlossen: {found.periods} Monate, {found.entries} "
        f"Buchungssätze. Bücher bis {found.keep_books_until:%d.%m.%Y} aufbewahren, Belege bis "
        f"{found.keep_vouchers_until:%d.%m.%Y}.",
        f"The budget year {found.year} is closed: {found.periods} months, {found.entries} entries. Keep "
        f"books until {found.keep_books_until}, vouchers until {found.keep_vouchers_until}.",
    )
    print(found.last_hash)  # noqa: T201 - the one datum of this command
    hint(
        f"allmende ledger verify --head {found.last_hash} findet später jede Änderung davor",
        f"allmende ledger verify --head {found.last_hash} later finds any change before it",
    )
