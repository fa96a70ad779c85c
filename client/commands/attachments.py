"""Attaching files to offerings and fetching them on the command line."""

from pathlib import Path

from allmende.client.market import Market
from allmende.client.offerings import Unattachable
from allmende.client.output import Column, Kind, Listing
from allmende.schemas.attachments import AttachmentSummary
from allmende.schemas.catalog import OfferingShown
from allmende.schemas.rejections import Rejection, rejected

from .language import hint, reason_of, refusal, say, tell
from .session import Session
from .stop import USAGE, Stop

_LISTED = (
    Column("name", "Name", "Name"),
    Column("media_type", "Art", "Type"),
    Column("size_bytes", "Bytes", "Bytes", Kind.NUMBER),
    Column("sha256", "Prüfsumme", "Digest"),
)


async def attach(session: Session, offering: str, file: str) -> None:
    """Attach a file."""
    async with session.market() as market:
        try:
            outcome = await market.attach(offering, file)
        except Unattachable as error:
            raise Stop(say(error.german, error.english)) from None
        except OSError as error:
            reason = reason_of(error)
            raise Stop(
                say(f"{file} ist nicht zu lesen: {reason}.", f"{file} cannot be read: {reason}.")
            ) from None
    if isinstance(outcome, Rejection):
        raise refusal(outcome)
    tell(f"{outcome.attachment.name} ist angehängt.", f"{outcome.attachment.name} is attached.")
    hint(
        f"allmende offer attachment {offering} zeigt alle", f"allmende offer attachment {offering} shows all"
    )


async def handle(session: Session, offering: str, name: str, *, to: str | None, remove: bool) -> None:
    """Show an offering's attachments, fetch or remove one."""
    async with session.market() as market:
        found = await _attachments(market, offering)
        if not name:
            rows = [each.model_dump(mode="json") for each in found]
            listing = Listing(_LISTED, rows, rows)
            if not session.empty(
                listing, "Das Angebot hat keine Anhänge.", "The offering has no attachments."
            ):
                session.show(listing)
            return
        one = _one(found, offering, name)
        await (_remove(market, offering, one) if remove else _fetch(market, offering, one, to))


async def _attachments(market: Market, offering: str) -> tuple[AttachmentSummary, ...]:
    found = await market.offering(offering)
    if isinstance(found, Rejection) and found.code == "unknown_offering":
        draft = await market.offering(offering, draft=True)
        found = draft if isinstance(draft, OfferingShown) else found
    if isinstance(found, Rejection):
        raise refusal(found)
    return found.attachments


def _one(found: tuple[AttachmentSummary, ...], offering: str, name: str) -> AttachmentSummary:
    fitting = [each for each in found if each.name == name or each.sha256.startswith(name)]
    if not fitting:
        reason = rejected("unknown_attachment", offering=offering, sha256=name)
        raise refusal(reason.as_rejection("catalog.attachment.read"))
    if len(fitting) > 1:
        digests = ", ".join(each.sha256[:12] for each in fitting)
        raise Stop(
            say(
                f"Mehrere Anhänge heißen {name}; die Prüfsumme angeben: {digests}.",
                f"Several attachments are called {name}; give the digest: {digests}.",
            ),
            USAGE,
        )
    return fitting[0]


async def _fetch(market: Market, offering: str, one: AttachmentSummary, to: str | None) -> None:
    content = await market.attachment(offering, one.sha256)
    if isinstance(content, Rejection):
        raise refusal(content)
    # A name given by another member decides no folder.
    file = Path(to) if to else Path(Path(one.name.replace("\\", "/")).name)
    if to is None and (file.exists() or not file.name):
        raise Stop(
            say(f"{file} gibt es schon; --to DATEI angeben.", f"{file} exists; give --to FILE."), USAGE
        )
    try:
        file.write_bytes(content)
    except OSError as error:
        reason = reason_of(error)
        raise Stop(
            say(f"{file} ist nicht zu schreiben: {reason}.", f"{file} cannot be written: {reason}.")
        ) from None
    tell(f"{file}: {len(content)} Bytes.", f"{file}: {len(content)} bytes.")


async def _remove(market: Market, offering: str, one: AttachmentSummary) -> None:
    outcome = await market.detach(offering, one.sha256)
    if isinstance(outcome, Rejection):
        raise refusal(outcome)
    tell(f"{one.name} ist entfernt.", f"{one.name} is removed.")
