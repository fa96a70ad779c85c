"""Finding offerings and estimating their costs on the command line."""

from collections.abc import Mapping, Sequence

from allmende.client.market import Market
from allmende.client.output import Column, Format, Kind, Listing
from allmende.schemas.catalog import Estimate, EstimateCosts, Facets, Found, SearchOfferings
from allmende.schemas.money import euro

from .language import hint, language, refusal, say, tell
from .offers import STATES
from .sending import command_of
from .session import Session

_HITS = (
    Column("offering", "Angebot", "Offering"),
    Column("title", "Titel", "Title"),
    Column("category", "Art", "Category"),
    Column("state", "Stand", "State"),
    Column("bookable", "Buchbar", "Bookable"),
)
_LINES = (
    Column("title", "Bestandteil", "Component"),
    Column("times", "Mal", "Times", Kind.NUMBER),
    Column("first", "Von", "From"),
    Column("last", "Bis", "To"),
    Column("amount_eur", "Je Mal", "Each", Kind.CENTS),
    Column("total_eur", "Zusammen", "Together", Kind.CENTS),
    Column("trace", "Rechnung", "Calculation"),
)
_FACETS = {
    "category": ("Art", "Category"),
    "provider": ("Bereitsteller", "Provider"),
    "region": ("Region", "Region"),
    "certificate": ("Nachweis", "Certificate"),
    "keyword": ("Stichwort", "Keyword"),
}
_PAGE = 100


async def search(
    session: Session,
    text: str,
    filters: Mapping[str, Sequence[str] | None],
    *,
    bookable: bool,
    limit: int,
) -> None:
    """Find offerings by words and by what they have."""
    given = {name: values for name, values in filters.items() if values}
    asked = command_of(
        SearchOfferings,
        {"text": text, "filter": given, "bookable": bookable, "limit": min(limit, _PAGE)},
    )
    async with session.market() as market:
        first = await market.ask("catalog.offering.search", asked, Found)
        hits = list(first.hits)
        page = first
        while page.next_after is not None and len(hits) < limit:
            page = await _next(market, asked, page)
            hits += page.hits
    rows = [
        each.model_dump(mode="json")
        | {
            "offering": each.offering_id,
            "state": say(*STATES[each.state]),
            "bookable": say("ja", "yes") if each.bookable else say("nein", "no"),
        }
        for each in hits[:limit]
    ]
    document = first.model_copy(update={"hits": tuple(hits[:limit])}).model_dump(mode="json")
    listing = Listing(_HITS, rows, document)
    if not session.empty(listing, "Nichts gefunden.", "Nothing found."):
        session.show(listing)
    if session.form is Format.TABLE:
        _tell_about(first)


async def _next(market: Market, asked: SearchOfferings, page: Found) -> Found:
    following = asked.model_copy(update={"after": page.next_after, "facets": False})
    return await market.ask("catalog.offering.search", following, Found)


def _tell_about(found: Found) -> None:
    if found.similar:
        tell(
            "Genau so steht es nirgends; das ist ähnlich geschrieben.",
            "Nothing has these words; these are spelt alike.",
        )
    if found.counted:
        german = f"{'' if found.complete else 'mehr als '}{found.counted} Treffer"
        english = f"{'' if found.complete else 'more than '}{found.counted} hits"
        tell(german, english)
    if found.facets is not None:
        _tell_facets(found.facets)
    if found.hits:
        hint(
            "allmende offer estimate ANGEBOT PLAN schätzt die Kosten",
            "allmende offer estimate OFFERING PLAN estimates the costs",
        )


def _tell_facets(facets: Facets) -> None:
    for kind, (german, english) in _FACETS.items():
        values = getattr(facets, kind)[:8]
        if values:
            counts = ", ".join(f"{each.value} {each.count}" for each in values)
            tell(f"{german}: {counts}", f"{english}: {counts}")


async def estimate(session: Session, given: Mapping[str, object]) -> None:
    """Estimate what a booking costs."""
    asked = command_of(EstimateCosts, given)
    async with session.market() as market:
        found = await market.estimate(
            asked.offering_id,
            asked.plan_id,
            asked.quantities,
            start=asked.start,
            months=asked.months,
            usage_per_month=asked.usage_per_month,
            details=asked.details,
        )
    if not isinstance(found, Estimate):
        raise refusal(found)
    rows = [
        {
            "title": each.title,
            "times": each.times,
            "first": each.first,
            "last": each.last,
            "amount_eur": each.amount_cents,
            "total_eur": each.amount_cents * each.times,
            "trace": say(each.trace_de, each.trace_en),
        }
        for each in found.lines
    ]
    session.show(Listing(_LINES, rows, found.model_dump(mode="json")))
    total = euro(found.total_cents, language=language())
    tell(
        f"Zusammen {total} in {asked.months} Monaten, nach Tarifversion {found.tariff_version}; ohne Gewähr.",
        f"{total} in {asked.months} months, by tariff version {found.tariff_version}; nothing is promised.",
    )
