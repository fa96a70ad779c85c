"""Access data on the command line: a key for sealing, handing data over sealed, opening it."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from allmende.client.market import Unanswered
from allmende.client.output import Column, Kind, Listing
from allmende.client.sealing import KeyPair, Sealed, key_pair_of, new_key_pair, unseal
from allmende.schemas import registry
from allmende.schemas.brokerage import AccessShared
from allmende.schemas.contract import Unreadable, read
from allmende.schemas.rejections import Rejection

from .files import read_text, unreadable
from .language import hint, refusal, say, tell
from .sending import id_of, unanswered
from .session import Session
from .stop import USAGE, Stop

_NAME = "brokerage.access.shared"
_KEY = (Column("sealing_key", "Öffentlicher Schlüssel", "Public key"),)
_SHARED = (
    Column("booking", "Buchung", "Booking"),
    Column("label", "Bezeichnung", "Label"),
    Column("sealed_to", "Versiegelt für", "Sealed to"),
    Column("shared_at", "Übergeben", "Handed over", Kind.INSTANT),
)
_OPENED = (
    Column("booking", "Buchung", "Booking"),
    Column("label", "Bezeichnung", "Label"),
    Column("text", "Zugangsdaten", "Access data"),
)
_TEXT_BYTES_MAX = 16 * 1024
_EVENTS_BYTES_MAX = 64 * 1024 * 1024


def make_key(session: Session, file: str) -> None:
    """Make a key pair, once: the private half stays in a file, the public half is for the register."""
    path = _key_file(session, file)
    pair = new_key_pair()
    try:
        _keep(path, pair.private)
    except FileExistsError:
        pair = _read_pair(path)
        tell(f"{path} gibt es schon; der Schlüssel bleibt.", f"{path} is there already; the key stays.")
    except OSError as error:
        raise unreadable(str(path), error) from None
    else:
        tell(f"Der geheime Teil liegt in {path}.", f"The private half lies in {path}.")
    session.show(Listing(_KEY, [{"sealing_key": pair.public}], {"sealing_key": pair.public}))
    hint(
        "Die Geschäftsstelle trägt ihn als sealing_key in das Mitgliederverzeichnis ein",
        "the office enters it as sealing_key into the register of members",
    )


def _keep(path: Path, private: str) -> None:
    """Write a private key that nobody else can read, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{private}\n")


def _key_file(session: Session, given: str) -> Path:
    return Path(given) if given else session.key_folder / f"{session.known_member()}.sealing"


def _read_pair(path: Path) -> KeyPair:
    text = read_text(str(path), 1000)
    try:
        return key_pair_of(text)
    except Sealed:
        raise Stop(
            say(
                f"{path} enthält keinen geheimen Schlüssel zum Versiegeln.",
                f"{path} holds no private key for sealing.",
            )
        ) from None


async def share(session: Session, booking_id: str, label: str, file: str, given_id: str | None) -> None:
    """Seal a file's text to the consumer's key and hand it over."""
    text = read_text(file, _TEXT_BYTES_MAX).rstrip("\n")
    if not text:
        raise Stop(say(f"{file} ist leer.", f"{file} is empty."), USAGE)
    command_id = id_of(given_id)
    async with session.market() as market:
        try:
            shared = await market.share_access(booking_id, label, text, id=command_id)
        except Unanswered as error:
            raise unanswered(error, command_id) from None
    if isinstance(shared, Rejection):
        raise refusal(shared)
    row = {
        "booking": shared.booking_id,
        "label": shared.label,
        "sealed_to": shared.sealed_to,
        "shared_at": shared.shared_at,
    }
    session.show(Listing(_SHARED, [row], shared.model_dump(mode="json")))


def open_all(session: Session, file: str, key_file: str) -> None:
    """Open what was handed over, from events as `event tail -o json` writes them."""
    key = _read_pair(_key_file(session, key_file))
    name = "<stdin>" if file == "-" else file
    rows = [
        {"booking": each.booking_id, "label": each.label, "text": _opened(each, key, name)}
        for each in _shared_in(read_text(file, _EVENTS_BYTES_MAX), name)
    ]
    listing = Listing(_OPENED, rows, rows)
    if session.empty(
        listing, "Hier wurden keine Zugangsdaten übergeben.", "No access data was handed over here."
    ):
        hint(
            "allmende event tail --once -o json | allmende access open",
            "allmende event tail --once -o json | allmende access open",
        )
    else:
        session.show(listing)


def _shared_in(text: str, name: str) -> Iterator[AccessShared]:
    kind = registry.message(_NAME)
    for number, line in enumerate(text.splitlines(), start=1):
        with contextlib.suppress(ValueError, RecursionError):
            if json.loads(line).get("type") != kind.type:
                continue
        try:
            yield read(kind.envelope, line.encode(), tolerant=True).data
        except Unreadable:
            raise Stop(
                say(
                    f"{name}:{number}: kein Ereignis, wie event tail -o json es schreibt.",
                    f"{name}:{number}: no event as event tail -o json writes it.",
                )
            ) from None


def _opened(shared: AccessShared, key: KeyPair, name: str) -> str:
    try:
        return unseal(shared.sealed, key.private)
    except Sealed:
        raise Stop(
            say(
                f"{name}: »{shared.label}« ist für {shared.sealed_to} versiegelt, "
                f"nicht für diesen Schlüssel ({key.public}).",
                f"{name}: {shared.label!r} is sealed to {shared.sealed_to}, not to this key ({key.public}).",
            )
        ) from None
