"""Cost pools and keys on the command line."""

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel

from allmende.client.output import Column, Kind, Listing
from allmende.schemas.money import euro
from allmende.schemas.pools import (
    AdvancePool,
    ChangePool,
    KeyPublished,
    OpenPool,
    PoolAdvanced,
    PoolSettled,
    PoolShare,
    ReportCost,
    SettlePool,
)
from allmende.schemas.rejections import Rejection
from allmende.schemas.tariff import AllocationKey

from .language import hint, language, refusal, tell
from .reading import read_models
from .session import Session

M = TypeVar("M", bound=BaseModel)

_POOLS = (
    Column("pool", "Kostentopf", "Pool"),
    Column("title", "Titel", "Title"),
    Column("first_day", "Von", "From", Kind.DAY),
    Column("last_day", "Bis", "To", Kind.DAY),
    Column("clause", "Klausel", "Clause"),
    Column("costs_eur", "Kosten", "Costs", Kind.CENTS),
    Column("charged_eur", "Berechnet", "Charged", Kind.CENTS),
)
_SHARES = (
    Column("party", "Beteiligter", "Party"),
    Column("member", "Mitglied", "Member"),
    Column("share_eur", "Anteil", "Share", Kind.CENTS),
    Column("before_eur", "Bereits berechnet", "Charged before", Kind.CENTS),
    Column("charged_eur", "Nun berechnet", "Charged now", Kind.CENTS),
    Column("carried_eur", "Vorgetragen", "Carried", Kind.CENTS),
)
_OUTLOOK = (
    Column("party", "Beteiligter", "Party"),
    Column("amount", "Anteil in kleinsten Einheiten", "Share in smallest units", Kind.NUMBER),
)
_COSTS = (
    Column("number", "Nr.", "No."),
    Column("reporter", "Gemeldet von", "Reported by"),
    Column("cost", "Kennung", "Id"),
    Column("input", "Angabe", "Input"),
    Column("party", "Beteiligter", "Party"),
    Column("day", "Tag", "Day", Kind.DAY),
    Column("evidence", "Beleg", "Evidence"),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
    Column("corrected_by", "Ersetzt durch", "Replaced by"),
)
_KEYS = (
    Column("key", "Schlüssel", "Key"),
    Column("version", "Fassung", "Version"),
    Column("title", "Titel", "Title"),
    Column("key_date", "Stichtag", "Key date", Kind.DAY),
    Column("published_on", "Veröffentlicht", "Published", Kind.DAY),
    Column("effective_from", "Gültig ab", "In effect from", Kind.DAY),
    Column("source", "Quelle", "Source"),
)


async def publish(session: Session, file: str) -> None:
    """Publish the versions of keys in a file."""
    documents = read_models(AllocationKey, file, several=True)
    async with session.market() as market:
        told = [await market.publish_key(each) for each in documents]
    refused = next((each for each in told if isinstance(each, Rejection)), None)
    if refused is not None:
        raise refusal(refused)
    _show_keys(session, [each for each in told if not isinstance(each, Rejection)])


async def keys(session: Session, key_id: str | None) -> None:
    """List the versions of keys."""
    async with session.market() as market:
        found = [each async for each in market.keys(key_id)]
    _show_keys(session, found)


def _show_keys(session: Session, found: list[KeyPublished]) -> None:
    rows = [
        {
            "key": each.key.key_id,
            "version": each.key.version,
            "title": each.key.title,
            "key_date": each.key.key_date,
            "published_on": each.key.published_on,
            "effective_from": each.key.effective_from,
            "source": each.key.source,
        }
        for each in found
    ]
    listing = Listing(_KEYS, rows, [each.model_dump(mode="json") for each in found])
    if not session.empty(listing, "Es ist kein Schlüssel veröffentlicht.", "No key is published."):
        session.show(listing)


async def open_(session: Session, file: str, id_: str | None) -> None:
    """Open the pool of a file."""
    [document] = read_models(OpenPool, file)
    async with session.market() as market:
        told = await market.open_pool(document, id=id_)
    if isinstance(told, Rejection):
        raise refusal(told)
    version = told.clause.versions[0].version
    tell(
        f"Der Kostentopf {told.pool_id} ist eröffnet; es gilt Fassung {version} der Klausel "
        f"{told.clause.clause_id}.",
        f"The pool {told.pool_id} is open; version {version} of the clause {told.clause.clause_id} holds.",
    )
    hint("allmende pool cost -f DATEI meldet Kosten", "allmende pool cost -f FILE reports costs")


async def change(session: Session, file: str, id_: str | None) -> None:
    """Change a pool as a file says."""
    [document] = read_models(ChangePool, file)
    async with session.market() as market:
        told = await market.change_pool(document, id=id_)
    if isinstance(told, Rejection):
        raise refusal(told)
    tell(
        f"Änderung {told.number} des Kostentopfs {told.pool_id} ist festgehalten.",
        f"Change {told.number} of the pool {told.pool_id} is recorded.",
    )


async def cost(session: Session, file: str) -> None:
    """Report the costs of a file, in their order."""
    documents = read_models(ReportCost, file, several=True)
    async with session.market() as market:
        for document in documents:
            told = await market.report_cost(document)
            if isinstance(told, Rejection):
                tell(f"Abgelehnt: {document.cost_id}", f"Refused: {document.cost_id}")
                raise refusal(told)
            amount = euro(document.amount_cents, language=language())
            tell(
                f"{document.cost_id}: {amount}, Nr. {told.number}",
                f"{document.cost_id}: {amount}, no. {told.number}",
            )


async def advance(session: Session, file: str, id_: str | None) -> None:
    """Charge the advance of a file."""
    [document] = read_models(AdvancePool, file)
    async with session.market() as market:
        told = await market.advance_pool(document, id=id_)
    if isinstance(told, Rejection):
        raise refusal(told)
    _show_shares(session, told)
    amount = euro(told.amount_cents, language=language())
    tell(
        f"Abschlag über {amount}, berechnet in {told.period}",
        f"Advance of {amount}, charged in {told.period}",
    )


async def settle(session: Session, file: str, id_: str | None) -> None:
    """Settle a pool as a file says."""
    [document] = read_models(SettlePool, file)
    async with session.market() as market:
        told = await market.settle_pool(document, id=id_)
    if isinstance(told, Rejection):
        raise refusal(told)
    _show_shares(session, told)
    _tell_proof(told)


def _show_shares(session: Session, told: PoolAdvanced | PoolSettled) -> None:
    session.show(Listing(_SHARES, list(map(_share_row, told.shares)), told.model_dump(mode="json")))


def _share_row(share: PoolShare) -> dict[str, object]:
    return {
        "party": share.party,
        "member": share.member,
        "share_eur": share.share_cents,
        "before_eur": share.charged_before_cents,
        "charged_eur": share.charged_cents,
        "carried_eur": share.carried_cents,
    }


def _tell_proof(settled: PoolSettled) -> None:
    proof = settled.proof

    def money(cents: int) -> str:
        return euro(cents, language=language())

    tell(
        f"Kosten {money(proof.costs_cents)}, Anteile {money(proof.shares_cents)}: bereits berechnet "
        f"{money(proof.charged_before_cents)}, nun {money(proof.true_up_cents)}, vorgetragen "
        f"{money(proof.carried_cents)}",
        f"Costs {money(proof.costs_cents)}, shares {money(proof.shares_cents)}: charged before "
        f"{money(proof.charged_before_cents)}, now {money(proof.true_up_cents)}, carried "
        f"{money(proof.carried_cents)}",
    )
    if proof.exact:
        tell("Kostendeckung auf den Cent", "Exact cost, to the cent")
    else:
        difference = money(proof.difference_cents)
        tell(f"Anteile weniger Kosten: {difference}", f"Shares less costs: {difference}")


async def show_all(session: Session) -> None:
    """List one's pools."""
    async with session.market() as market:
        found = [each async for each in market.pools()]
    rows = [
        {
            "pool": each.pool_id,
            "title": each.title,
            "first_day": each.first_day,
            "last_day": each.last_day,
            "clause": each.clause_id,
            "costs_eur": each.costs_cents if each.cash else None,
            "charged_eur": each.charged_cents if each.cash else None,
        }
        for each in found
    ]
    listing = Listing(_POOLS, rows, [each.model_dump(mode="json") for each in found])
    if not session.empty(listing, "Es gibt keinen Kostentopf.", "There is no pool."):
        session.show(listing)
        hint("allmende pool show KOSTENTOPF zeigt Anteile", "allmende pool show POOL shows the shares")


async def show(session: Session, pool_id: str) -> None:
    """Show a pool: its last settlement, or what its clause comes to by now."""
    async with session.market() as market:
        found = await market.pool(pool_id)
    if isinstance(found, Rejection):
        raise refusal(found)
    document = found.model_dump(mode="json")
    outlook = found.outlook
    if found.settled is not None:
        session.show(Listing(_SHARES, list(map(_share_row, found.settled.shares)), document))
        _tell_proof(found.settled)
    else:
        rows = [{"party": party, "amount": amount} for party, amount in outlook.amounts.items()]
        session.show(Listing(_OUTLOOK, rows, document))
    if outlook.held_de is not None and outlook.held_en is not None:
        tell(outlook.held_de, outlook.held_en)
    _tell_all(zip(outlook.story_de, outlook.story_en, strict=True))


def _tell_all(stories: Iterable[tuple[str, str]]) -> None:
    for german, english in stories:
        tell(german, english)


async def costs(session: Session, pool_id: str) -> None:
    """List the costs of a pool with their evidence."""
    async with session.market() as market:
        found = [each async for each in market.pool_costs(pool_id)]
    rows = [
        {
            "number": each.recorded.number,
            "reporter": each.recorded.reporter,
            "cost": each.recorded.cost.cost_id,
            "input": each.recorded.cost.input,
            "party": each.recorded.cost.party,
            "day": each.recorded.cost.day,
            "evidence": each.recorded.cost.evidence,
            "amount_eur": each.recorded.cost.amount_cents,
            "corrected_by": each.corrected_by,
        }
        for each in found
    ]
    listing = Listing(_COSTS, rows, [each.model_dump(mode="json") for each in found])
    if not session.empty(listing, "Noch sind keine Kosten gemeldet.", "No costs are reported yet."):
        session.show(listing)
