"""Sending one command from the command line: reading what was given, waiting, saying what went wrong."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from pydantic import ValidationError

from allmende.client.market import Market, Unanswered
from allmende.client.persons import new_id
from allmende.schemas.contract import Contract
from allmende.schemas.mistakes import errors_of, path_of, sentences
from allmende.schemas.rejections import Rejection

from .language import refusal, say
from .session import Session
from .stop import UNREACHABLE, USAGE, Stop

C = TypeVar("C", bound=Contract)


def command_of(kind: type[C], given: Mapping[str, object]) -> C:
    """Make a command from what was typed; what was left out takes the contract's own value.

    Raises:
        Stop: it cannot be meant so.
    """
    typed = {name: value for name, value in given.items() if value is not None}
    try:
        return kind.model_validate_json(json.dumps(typed))
    except ValidationError as error:
        lines = [
            ": ".join(part for part in (path_of(each["loc"]), say(*sentences(each))) if part)
            for each in errors_of(error)
        ]
        raise Stop("\n".join(lines), USAGE) from None


def id_of(given: str | None) -> str:
    """Take the command's id, or make one.

    Raises:
        Stop: it is no UUID.
    """
    if given is None:
        return new_id()
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given):
        raise Stop(
            say(
                f"--id {given}: eine UUID in Kleinbuchstaben angeben.",
                f"--id {given}: give a UUID in lower case.",
            ),
            USAGE,
        )
    return given


async def send(session: Session, command: Contract, given_id: str | None) -> Contract:
    """Send a command and wait for the fact that answers it.

    Raises:
        Stop: the market refuses it, or does not answer.
    """
    return await told(session, lambda market, id_: market.command(command, id=id_), given_id)


async def told(
    session: Session, work: Callable[[Market, str], Awaitable[C | Rejection]], given_id: str | None
) -> C:
    """Do with the market what sends one command under an id, and give the fact that answers it.

    Raises:
        Stop: the market refuses it, or does not answer.
    """
    command_id = id_of(given_id)
    async with session.market() as market:
        try:
            outcome = await work(market, command_id)
        except Unanswered as error:
            raise unanswered(error, command_id) from None
    if isinstance(outcome, Rejection):
        raise refusal(outcome)
    return outcome


def unanswered(error: Unanswered, command_id: str) -> Stop:
    """Say how to repeat a command whose outcome is not known."""
    return Stop(
        say(
            f"Der Markt antwortet nicht ({error}). "
            f"Derselbe Befehl mit --id {command_id} wirkt nicht doppelt.",
            f"The market does not answer ({error}). "
            f"The same command with --id {command_id} takes effect only once.",
        ),
        UNREACHABLE,
    )


def named(option: str, texts: Iterable[str] | None) -> dict[str, str] | None:
    """Read NAME=VALUE, each name once; None where nothing was given.

    Raises:
        Stop: one of them reads otherwise.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise Stop(
                say(
                    f"{option} {text}: je Feld einmal NAME=WERT angeben, etwa vcpu=8.",
                    f"{option} {text}: give NAME=VALUE once for each field, such as vcpu=8.",
                ),
                USAGE,
            )
        found[name] = value
    return found or None


def cents_of(option: str, euro: str | None) -> int | None:
    """Read an amount in euro such as `1500` or `1500,50`.

    Raises:
        Stop: it reads otherwise.
    """
    if euro is None:
        return None
    if not re.fullmatch(r"\d{1,9}([.,]\d{1,2})?", euro, re.ASCII):
        raise Stop(
            say(
                f"{option} {euro}: einen Betrag in Euro wie 1500 oder 1500,50 angeben.",
                f"{option} {euro}: give an amount in euro such as 1500 or 1500.50.",
            ),
            USAGE,
        )
    return int(Decimal(euro.replace(",", ".")).scaleb(2))
