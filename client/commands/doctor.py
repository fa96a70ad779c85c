"""Checking the way to the market step by step, and saying what to do about what is missing."""

import asyncio
import dataclasses
import datetime as dt
import importlib.metadata
import json
import stat
from pathlib import Path
from typing import Any

import nats
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError

from allmende.client.market import Market, Unanswered
from allmende.client.output import Column, Listing
from allmende.schemas import registry, subjects
from allmende.schemas.billing import ListSettlements, Settlements
from allmende.schemas.brokerage import Bookings, ListBookings
from allmende.schemas.catalog import ListOfferings, Offerings
from allmende.schemas.contract import Contract

from .language import hint, say
from .session import Session, address_of
from .stop import FAILURE, UNREACHABLE, Stop

_PATIENCE_SECONDS = 5.0
_SKEW_SECONDS_MAX = 2.0
_QUESTIONS: tuple[tuple[str, Contract, type[Contract]], ...] = (
    ("catalog.offering.list", ListOfferings(limit=1), Offerings),
    ("brokerage.booking.list", ListBookings(limit=1), Bookings),
    ("billing.settlement.list", ListSettlements(limit=1), Settlements),
)
_COLUMNS = (
    Column("check", "Prüfung", "Check"),
    Column("state", "Stand", "State"),
    Column("detail", "Befund", "Finding"),
    Column("remedy", "Was zu tun ist", "What to do"),
)


@dataclasses.dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        ok: None when it cannot be told.
        exit_code: what a failed check makes of the whole.
    """

    name: str
    ok: bool | None
    detail: str = ""
    remedy: str = ""
    exit_code: int = FAILURE


@dataclasses.dataclass(frozen=True)
class Probe:
    """What the hub said when it was asked for the member's own event reader.

    Attributes:
        outcome: `unreachable`, `denied` (the key is not known), `foreign` (it is another member's), `own`.
        skew: by how much this machine's clock is ahead of the hub's, if the hub told its time.
    """

    outcome: str
    detail: str = ""
    skew: dt.timedelta | None = None


async def examine(session: Session) -> int:
    """Check everything, show it, and end with 0, 1 or 6."""
    checks = [_contracts(), *await _checks(session)]
    document = [
        {"check": each.name, "state": _WORDS[each.ok], "detail": each.detail, "remedy": each.remedy}
        for each in checks
    ]
    rows = [row | {"state": say(*_STATES[each.ok])} for row, each in zip(document, checks, strict=True)]
    session.show(Listing(_COLUMNS, rows, document))
    wrong = [each.exit_code for each in checks if each.ok is False]
    if not wrong:
        hint("allmende offer list zeigt den Katalog", "allmende offer list shows the catalogue")
    return max(wrong, default=0)


_STATES = {True: ("ok", "ok"), False: ("fehlt", "missing"), None: ("–", "–")}
_WORDS = {True: "ok", False: "missing", None: "unknown"}


async def _checks(session: Session) -> list[Check]:
    name = say("Schlüsseldatei", "Key file")
    try:
        member, seed = session.credentials()
        url = address_of(session.url)
    except Stop as stop:
        return [Check(name, ok=False, remedy=stop.sentence)]
    checks = [_key_file(name, session.key_file())]
    found = await probe(url, member, seed)
    checks += _connection(session, found)
    if found.outcome in {"foreign", "own"}:
        checks += await _services(session.market())
    return checks


def _contracts() -> Check:
    try:
        version = importlib.metadata.version("allmende")
    except importlib.metadata.PackageNotFoundError:
        version = say("nicht installiert, aus dem Quelltext", "not installed, from source")
    count = len(registry.MESSAGES)
    detail = say(f"{version}; {count} Nachrichten", f"{version}; {count} messages")
    return Check(say("Verträge", "Contracts"), ok=True, detail=detail)


def _key_file(name: str, path: Path) -> Check:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        remedy = f"chmod 600 {path}"
        return Check(
            name, ok=False, detail=say("auch für andere lesbar", "readable by others"), remedy=remedy
        )
    return Check(name, ok=True, detail=str(path))


def _connection(session: Session, found: Probe) -> list[Check]:
    hub = Check(say("Nachrichtenserver", "Message server"), ok=True, detail=session.url)
    key = Check(say("Schlüssel", "Key"), ok=True, detail=session.member)
    if found.outcome == "unreachable":
        remedy = say(
            "Adresse (--url), Netz und Firewall prüfen; hier starten: allmende up",
            "check the address (--url), network and firewall; start one here: allmende up",
        )
        detail = f"{session.url}: {found.detail}"
        return [dataclasses.replace(hub, ok=False, detail=detail, remedy=remedy, exit_code=UNREACHABLE)]
    if found.outcome == "denied":
        remedy = say(
            "Die Geschäftsstelle muss den öffentlichen Schlüssel ins Mitgliederregister eintragen",
            "The office must enter the public key in the register of members",
        )
        detail = say("nicht angenommen", "not accepted")
        return [hub, dataclasses.replace(key, ok=False, detail=detail, remedy=remedy)]
    if found.outcome == "foreign":
        remedy = say("--member oder --key berichtigen", "correct --member or --key")
        detail = say(f"gehört nicht zu {session.member}", f"does not belong to {session.member}")
        return [hub, dataclasses.replace(key, ok=False, detail=detail, remedy=remedy)]
    return [hub, key, _clock(found.skew)]


def _clock(skew: dt.timedelta | None) -> Check:
    name = say("Uhrzeit", "Clock")
    if skew is None:
        return Check(name, ok=None, detail=say("der Server nennt keine", "the server tells none"))
    seconds = skew.total_seconds()
    german, english = ("vor", "ahead") if seconds > 0 else ("nach", "behind")
    detail = say(f"geht {abs(seconds):.1f} s {german}".replace(".", ","), f"{abs(seconds):.1f} s {english}")
    if abs(seconds) <= _SKEW_SECONDS_MAX:
        return Check(name, ok=True, detail=detail)
    remedy = say("Zeitabgleich (NTP) einrichten", "set up time synchronisation (NTP)")
    return Check(name, ok=False, detail=detail, remedy=remedy)


async def _services(prepared: Market) -> list[Check]:
    try:
        async with prepared as market:
            return list(await asyncio.gather(*(_service(market, *each) for each in _QUESTIONS)))
    except Unanswered as error:
        return [Check(say("Dienste", "Services"), ok=False, detail=str(error), exit_code=UNREACHABLE)]


async def _service(market: Market, name: str, question: Contract, reply: type[Contract]) -> Check:
    service = name.split(".", 1)[0]
    label = say(f"Dienst {service}", f"Service {service}")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await market.ask(name, question, reply)
    except (Unanswered, TimeoutError) as error:
        detail = str(error) or say("keine Antwort", "no answer")
        remedy = say(
            "Die Betriebsleitung des Marktes fragen; im eigenen: allmende up",
            "Ask the market's operators; in one's own: allmende up",
        )
        return Check(label, ok=False, detail=detail, remedy=remedy, exit_code=UNREACHABLE)
    return Check(label, ok=True)


async def probe(url: str, member: str, seed: str) -> Probe:
    """Ask the hub for the reader of the member's events, which nobody else may see."""
    problems: list[Exception] = []

    async def note(error: Exception) -> None:
        problems.append(error)

    options: dict[str, Any] = {"connect_timeout": 3, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.2}
    try:
        connection = await nats.connect(
            url, nkeys_seed_str=seed, error_cb=note, name="allmende-doctor", **options
        )
    except (TimeoutError, OSError, NatsError, ValueError) as error:
        return _not_connected([*problems, error])
    reader = f"{subjects.EVENT_STREAM}.{subjects.event_durable(member)}"
    subject = f"{subjects.MEMBER_API_PREFIX}.CONSUMER.INFO.{reader}"
    asked = dt.datetime.now(dt.UTC)
    try:
        answer = await connection.request(subject, b"", timeout=_PATIENCE_SECONDS)
    except (TimeoutError, OSError, NatsError) as error:
        return Probe("foreign", str(error))
    finally:
        await connection.close()
    now = dt.datetime.now(dt.UTC)
    return Probe("own", skew=_skew(answer.data, asked + (now - asked) / 2))


def _not_connected(problems: list[Exception]) -> Probe:
    denied = any(isinstance(each, AuthorizationError) or "uthorization" in str(each) for each in problems)
    last = problems[0]
    return Probe("denied" if denied else "unreachable", str(last) or type(last).__name__)


def _skew(answer: bytes, now: dt.datetime) -> dt.timedelta | None:
    try:
        told = json.loads(answer).get("ts")
        return now - dt.datetime.fromisoformat(told) if told else None
    except (ValueError, AttributeError, TypeError):
        return None
