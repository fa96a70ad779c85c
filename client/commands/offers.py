"""Offerings on the command line: applying a file, listing, showing."""

import difflib
import typing
from collections.abc import AsyncIterator, Sequence
from typing import Any

from allmende.client.market import Market, Unanswered
from allmende.client.offering_file import CHARACTERS_MAX, Mistakes, read_offerings
from allmende.client.output import Column, Format, Listing, as_yaml
from allmende.schemas.catalog import Category, Offering, OfferingSummary
from allmende.schemas.rejections import Rejection, rejected

from .files import read_text
from .language import hint, language, refusal, say, tell
from .session import Session
from .stop import NOT_FOUND, USAGE, Stop, exit_code_of

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
_STATES = {
    "new": ("neu", "new"),
    "changed": ("geändert", "changed"),
    "unchanged": ("unverändert", "unchanged"),
    "checked": ("geprüft", "checked"),
    "published": ("veröffentlicht", "published"),
    "retired": ("geschlossen", "retired"),
    "refused": ("abgelehnt", "refused"),
}


async def apply(session: Session, file: str, *, dry_run: bool) -> int:
    """Publish the offerings of a file, those that changed."""
    offerings = _read(file)
    if dry_run:
        return await _rehearse(session, offerings)
    rows: list[dict[str, Any]] = []
    refusals: list[Rejection] = []
    async with session.market() as market:
        current = await _current(market)
        for offering in offerings:
            row, refused = await _publish(market, offering, current.get(offering.offering_id))
            rows.append(row)
            refusals += [refused] if refused else []
    _show_applied(session, rows)
    for refused in refusals:
        tell(refused.message_de, refused.message_en)
    if refusals:
        return exit_code_of(refusals[0])
    hint("allmende offer list zeigt den Katalog", "allmende offer list shows the catalogue")
    return 0


def _read(file: str) -> list[Offering]:
    name = "<stdin>" if file == "-" else file
    try:
        return read_offerings(read_text(file, 4 * CHARACTERS_MAX), name)
    except Mistakes as error:
        raise Stop("\n".join(mistake.text(name, language()) for mistake in error.mistakes)) from None


async def _current(market: Market) -> dict[str, OfferingSummary]:
    return {summary.offering.offering_id: summary async for summary in market.offerings()}


async def _publish(
    market: Market, offering: Offering, before: OfferingSummary | None
) -> tuple[dict[str, Any], Rejection | None]:
    if _is_unchanged(offering, before):
        return _row(offering, "unchanged", before), None
    outcome = await market.publish(offering)
    if isinstance(outcome, Rejection):
        return _row(offering, "refused", before) | {"reason": outcome.model_dump(mode="json")}, outcome
    row = _row(offering, "changed" if before else "new", before)
    return row | {"revision": outcome.revision}, None


def _is_unchanged(offering: Offering, before: OfferingSummary | None) -> bool:
    return before is not None and before.state == "published" and before.offering == offering


def _row(offering: Offering, state: str, before: OfferingSummary | None) -> dict[str, Any]:
    return {
        "offering": offering.offering_id,
        "state": state,
        "revision": before.revision if before else None,
    }


def _show_applied(session: Session, rows: list[dict[str, Any]]) -> None:
    session.show(Listing(_APPLIED, [_told(row) for row in rows], rows))


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"state": say(*_STATES[row["state"]])}


async def _rehearse(session: Session, offerings: Sequence[Offering]) -> int:
    current = await _reachable(session)
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


async def _reachable(session: Session) -> dict[str, OfferingSummary] | None:
    try:
        async with session.market() as market:
            return await _current(market)
    except (Stop, Unanswered) as error:
        reason = error.sentence if isinstance(error, Stop) else str(error)
        tell(
            f"Nur die Datei ist geprüft, nicht mit dem Markt verglichen: {reason}",
            f"Only the file is checked, not compared with the market: {reason}",
        )
        return None


def _difference(before: OfferingSummary, after: Offering) -> str:
    old, new = (as_yaml(document_of(each)).splitlines(keepends=True) for each in (before.offering, after))
    names = say(f"Revision {before.revision}", f"revision {before.revision}"), say("Datei", "file")
    return "".join(difflib.unified_diff(old, new, *names, n=2))


def document_of(offering: Offering) -> dict[str, Any]:
    """An offering in the form that `offer apply` reads."""
    document: dict[str, Any] = offering.model_dump(mode="json", exclude_none=True)
    return document


async def show_all(session: Session, category: str | None) -> None:
    """List the catalogue."""
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
        summaries = [each async for each in _of_category(market, category)]
    rows = [
        {
            "offering": each.offering.offering_id,
            "title": each.offering.title,
            "category": each.offering.category,
            "plans": ", ".join(plan.plan_id for plan in each.offering.plans),
            "state": say(*_STATES[each.state]),
            "revision": each.revision,
        }
        for each in summaries
    ]
    listing = Listing(_LISTED, rows, [each.model_dump(mode="json") for each in summaries])
    if not session.empty(listing, "Der Katalog ist leer.", "The catalogue is empty."):
        session.show(listing)
        hint("allmende booking request ANGEBOT PLAN bucht", "allmende booking request OFFERING PLAN books")
    else:
        hint("allmende offer apply -f DATEI veröffentlicht", "allmende offer apply -f FILE publishes")


def _of_category(market: Market, category: str | None) -> AsyncIterator[OfferingSummary]:
    return market.offerings(typing.cast("Category | None", category))


async def show(session: Session, offering_id: str) -> None:
    """Show one offering in the form that `offer apply` reads; a table would not hold it."""
    async with session.market() as market:
        found = (await _current(market)).get(offering_id)
    if found is None:
        reason = rejected("unknown_offering", offering=offering_id).as_rejection("catalog.offering.show")
        raise Stop(say(reason.message_de, reason.message_en), NOT_FOUND)
    form = Format.YAML if session.form in {Format.TABLE, Format.CSV} else session.form
    Session(form=form).show(Listing((), (), document_of(found.offering)))
