"""Offerings on the command line: applying a file, keeping drafts, listing, showing, comparing."""

import difflib
import json
import typing
from collections.abc import Sequence
from typing import Any

from allmende.client import prices as price_words
from allmende.client.market import Market, Unanswered
from allmende.client.offering_file import read_offerings
from allmende.client.output import Column, Format, Kind, Listing, as_yaml
from allmende.schemas.catalog import Category, Offering, OfferingDrafted, OfferingPublished, OfferingShown
from allmende.schemas.documents import CHARACTERS_MAX, Mistakes
from allmende.schemas.rejections import Rejection, rejected

from .files import read_text
from .language import hint, language, refusal, say, tell
from .session import Session
from .stop import USAGE, Stop, exit_code_of

_APPLIED = (
    Column("offering", "Angebot", "Offering"),
    Column("state", "Stand", "State"),
    Column("revision", "Revision", "Revision"),
)
_LISTED = (
    Column("offering", "Angebot", "Offering"),
    Column("title", "Titel", "Title"),
    Column("category", "Art", "Category"),
    Column("plans", "Pläne", "Plans"),
    Column("state", "Stand", "State"),
    Column("revision", "Revision", "Revision"),
)
_REVISIONS = (
    Column("revision", "Revision", "Revision"),
    Column("published_at", "Veröffentlicht", "Published", Kind.INSTANT),
    Column("title", "Titel", "Title"),
    Column("tariffs", "Tarifversionen", "Tariff versions"),
)
_PRICES = (
    Column("plan", "Plan", "Plan"),
    Column("version", "Tarif", "Tariff", Kind.NUMBER),
    Column("valid_from", "gilt ab", "Valid from", Kind.DAY),
    Column("component", "Bestandteil", "Component"),
    Column("charged", "Berechnet", "Charged"),
    Column("price", "Entgelt", "Price"),
)
_DIFFERENCES = (
    Column("path", "Stelle", "Place"),
    Column("before", "Vorher", "Before"),
    Column("after", "Nachher", "After"),
)
STATES = {
    "new": ("neu", "new"),
    "changed": ("geändert", "changed"),
    "unchanged": ("unverändert", "unchanged"),
    "checked": ("geprüft", "checked"),
    "drafted": ("Entwurf abgelegt", "draft kept"),
    "draft": ("Entwurf", "draft"),
    "published": ("veröffentlicht", "published"),
    "paused": ("angehalten", "paused"),
    "retired": ("geschlossen", "retired"),
    "refused": ("abgelehnt", "refused"),
}


async def apply(session: Session, file: str, *, dry_run: bool) -> int:
    """Publish the offerings of a file, those that changed."""
    offerings = _read(file)
    if dry_run:
        return await _rehearse(session, offerings)
    async with session.market() as market:
        results = [await _publish(market, offering) for offering in offerings]
    code = _finish(session, results)
    if code == 0:
        hint("allmende offer list zeigt den Katalog", "allmende offer list shows the catalogue")
    return code


async def draft(session: Session, file: str) -> int:
    """Keep the offerings of a file as drafts."""
    offerings = _read(file)
    async with session.market() as market:
        results = [await _keep(market, offering) for offering in offerings]
    code = _finish(session, results)
    if code == 0:
        hint(
            "allmende offer diff ANGEBOT --draft vergleicht mit dem Veröffentlichten, "
            "allmende offer apply veröffentlicht",
            "allmende offer diff OFFERING --draft compares with what is published, "
            "allmende offer apply publishes",
        )
    return code


Result = tuple[dict[str, Any], Rejection | None]


def _finish(session: Session, results: Sequence[Result]) -> int:
    _show_applied(session, [row for row, _ in results])
    refusals = [refused for _, refused in results if refused is not None]
    for refused in refusals:
        tell(refused.message_de, refused.message_en)
    return exit_code_of(refusals[0]) if refusals else 0


def _read(file: str) -> list[Offering]:
    name = "<stdin>" if file == "-" else file
    try:
        return read_offerings(read_text(file, 4 * CHARACTERS_MAX), name)
    except Mistakes as error:
        raise Stop("\n".join(mistake.text(name, language()) for mistake in error.mistakes)) from None


async def _current(market: Market, offering: Offering) -> OfferingShown | None:
    """What is published under the same id, if anything is."""
    found = await market.offering(offering.offering_id)
    if isinstance(found, OfferingShown):
        return found
    if found.code != "unknown_offering":
        raise refusal(found)
    return None


async def _publish(market: Market, offering: Offering) -> Result:
    before = await _current(market, offering)
    if _is_unchanged(offering, before):
        return _row(offering, "unchanged", before), None
    outcome = await market.publish(offering)
    state = "changed" if before else "new"
    # Prices that follow another list stand in what is published as they were taken.
    if isinstance(outcome, OfferingPublished) and before and before.revision == outcome.revision:
        state = "unchanged"
    return _result(offering, state, before, outcome)


async def _keep(market: Market, offering: Offering) -> Result:
    return _result(offering, "drafted", None, await market.draft(offering))


def _result(
    offering: Offering,
    state: str,
    before: OfferingShown | None,
    outcome: OfferingPublished | OfferingDrafted | Rejection,
) -> Result:
    if isinstance(outcome, Rejection):
        return _row(offering, "refused", before) | {"reason": outcome.model_dump(mode="json")}, outcome
    return _row(offering, state, before) | {"revision": outcome.revision}, None


def _is_unchanged(offering: Offering, before: OfferingShown | None) -> bool:
    return before is not None and before.state == "published" and before.offering == offering


def _row(offering: Offering, state: str, before: OfferingShown | None) -> dict[str, Any]:
    return {
        "offering": offering.offering_id,
        "state": state,
        "revision": before.revision if before else None,
    }


def _show_applied(session: Session, rows: list[dict[str, Any]]) -> None:
    session.show(Listing(_APPLIED, [_told(row) for row in rows], rows))


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"state": say(*STATES[row["state"]])}


async def _rehearse(session: Session, offerings: Sequence[Offering]) -> int:
    current = await _reachable(session, offerings)
    rows = []
    for offering in offerings:
        before = (current or {}).get(offering.offering_id)
        state = "unchanged" if _is_unchanged(offering, before) else "changed" if before else "new"
        row = _row(offering, "checked" if current is None else state, before)
        rows.append(row | {"difference": _difference(before, offering)} if before else row)
    _show_applied(session, rows)
    if session.form is Format.TABLE:
        for row in rows:
            print(row.get("difference", ""), end="")  # noqa: T201 - data
    foreign = [each for each in offerings if session.member and each.provider != session.member]
    if foreign:
        reason = rejected("not_your_offering", offering=foreign[0].offering_id, member=session.member)
        raise refusal(reason.as_rejection("catalog.offering.publish"))
    hint("ohne --dry-run wird veröffentlicht", "without --dry-run it is published")
    return 0


async def _reachable(session: Session, offerings: Sequence[Offering]) -> dict[str, OfferingShown] | None:
    try:
        async with session.market() as market:
            found = [await _current(market, offering) for offering in offerings]
    except (Stop, Unanswered) as error:
        reason = error.sentence if isinstance(error, Stop) else str(error)
        tell(
            f"Nur die Datei ist geprüft, nicht mit dem Markt verglichen: {reason}",
            f"Only the file is checked, not compared with the market: {reason}",
        )
        return None
    return {each.offering.offering_id: each for each in found if each is not None}


def _difference(before: OfferingShown, after: Offering) -> str:
    old, new = (as_yaml(document_of(each)).splitlines(keepends=True) for each in (before.offering, after))
    names = say(f"Revision {before.revision}", f"revision {before.revision}"), say("Datei", "file")
    return "".join(difflib.unified_diff(old, new, *names, n=2))


def document_of(offering: Offering) -> dict[str, Any]:
    """An offering in the form that `offer apply` reads."""
    document: dict[str, Any] = offering.model_dump(mode="json", exclude_none=True)
    return document


async def show_all(session: Session, category: str | None, *, drafts: bool) -> None:
    """List the catalogue, or one's own drafts."""
    if category is not None and category not in typing.get_args(Category):
        allowed = ", ".join(typing.get_args(Category))
        raise Stop(
            say(
                f"»{category}« ist keine Art; es gibt {allowed}.",
                f"{category!r} is not a category; there are {allowed}.",
            ),
            USAGE,
        )
    async with session.market() as market:
        found = market.offerings(typing.cast("Category | None", category), drafts=drafts)
        summaries = [each async for each in found]
    rows = [
        {
            "offering": each.offering.offering_id,
            "title": each.offering.title,
            "category": each.offering.category,
            "plans": ", ".join(plan.plan_id for plan in each.offering.plans),
            "state": say(*STATES[each.state]),
            "revision": each.revision,
        }
        for each in summaries
    ]
    listing = Listing(_LISTED, rows, [each.model_dump(mode="json") for each in summaries])
    empty = ("Es gibt keine Entwürfe.", "There are no drafts.")
    if not session.empty(
        listing, *(empty if drafts else ("Der Katalog ist leer.", "The catalogue is empty."))
    ):
        session.show(listing)
        hint("allmende booking request ANGEBOT PLAN bucht", "allmende booking request OFFERING PLAN books")
    else:
        hint("allmende offer apply -f DATEI veröffentlicht", "allmende offer apply -f FILE publishes")


async def show(session: Session, offering_id: str, *, revision: int | None, draft: bool) -> None:
    """Show one offering in the form that `offer apply` reads; a table would not hold it."""
    async with session.market() as market:
        found = await market.offering(offering_id, revision=revision, draft=draft)
    if isinstance(found, Rejection):
        raise refusal(found)
    form = Format.YAML if session.form in {Format.TABLE, Format.CSV} else session.form
    Session(form=form).show(Listing((), (), document_of(found.offering)))
    state = say(*STATES[found.state])
    tell(f"Revision {found.revision}, {state}", f"revision {found.revision}, {state}")


async def prices(session: Session, offering_id: str, *, revision: int | None, draft: bool) -> None:
    """Show what every component of an offering costs, by plan and tariff version."""
    async with session.market() as market:
        found = await market.offering(offering_id, revision=revision, draft=draft)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [
        {
            "plan": plan.plan_id,
            "version": tariff.version,
            "valid_from": tariff.valid_from,
            "component": component.title,
            "charged": price_words.charged(component, language()),
            "price": price_words.price(component, tariff.currency, language()),
        }
        for plan in found.offering.plans
        for tariff in plan.tariffs
        for component in tariff.components
    ]
    session.show(Listing(_PRICES, rows, document_of(found.offering)))
    hint(
        f"allmende offer estimate {offering_id} PLAN schätzt die Kosten",
        f"allmende offer estimate {offering_id} PLAN estimates the costs",
    )


async def history(session: Session, offering_id: str) -> None:
    """Show the revisions of an offering."""
    async with session.market() as market:
        found = await market.revisions(offering_id)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [
        {
            "revision": each.revision,
            "published_at": each.published_at,
            "title": each.title,
            "tariffs": ", ".join(f"{plan} {version}" for plan, version in each.tariffs.items()),
        }
        for each in found
    ]
    session.show(Listing(_REVISIONS, rows, [each.model_dump(mode="json") for each in found]))
    hint(
        f"allmende offer diff {offering_id} vergleicht zwei",
        f"allmende offer diff {offering_id} compares two",
    )


async def compare(
    session: Session, offering_id: str, earlier: int | None, later: int | None, *, draft: bool
) -> None:
    """Show what two revisions differ in; the newest and the one before, unless others are named."""
    async with session.market() as market:
        first = earlier or await _before(market, offering_id, later, draft=draft)
        found = await market.compare(offering_id, first, later, draft=draft)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [
        {"path": each.path, "before": _value(each.before), "after": _value(each.after)}
        for each in found.differences
    ]
    listing = Listing(_DIFFERENCES, rows, found.model_dump(mode="json"))
    if not session.empty(listing, "Kein Unterschied.", "No difference."):
        session.show(listing)
    if not found.complete:
        tell("Weitere Unterschiede passen nicht hierher.", "Further differences do not fit here.")


async def _before(market: Market, offering_id: str, later: int | None, *, draft: bool) -> int:
    if later is not None:
        return max(later - 1, 1)
    now = await market.offering(offering_id)
    if isinstance(now, Rejection):
        raise refusal(now)
    return now.newest if draft else max(now.newest - 1, 1)


def _value(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
