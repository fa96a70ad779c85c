"""Where a command connects, as whom, and how it writes its data."""

import dataclasses
import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NoReturn, ParamSpec
from urllib.parse import urlsplit

import typer

from allmende.client.output import Format, Listing, write

from .files import read_seed
from .language import both, language, say, tell
from .stop import DENIED, UNREACHABLE, USAGE, Stop, exit_code_of

if TYPE_CHECKING:
    from allmende.client.market import Market, Signer, Unanswered

P = ParamSpec("P")
Work = Coroutine[Any, Any, int | None]

DEFAULT_URL = "nats://127.0.0.1:4222"
_MEMBER = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="ALLMENDE_URL",
        show_envvar=True,
        metavar="URL",
        help=both("Adresse des Nachrichtenservers", "Address of the message server"),
    ),
]
Member = Annotated[
    str,
    typer.Option(
        "--member",
        envvar="ALLMENDE_MEMBER",
        show_envvar=True,
        metavar="NAME",
        help=both("Als dieses Mitglied handeln", "Act as this member"),
    ),
]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="ALLMENDE_KEY",
        show_envvar=True,
        metavar="FILE",
        help=both(
            "Datei mit dem geheimen Schlüssel; sonst .allmende/keys/NAME.nk",
            "File of the secret key; else .allmende/keys/NAME.nk",
        ),
    ),
]
Acting = Annotated[
    str,
    typer.Option(
        "--person",
        envvar="ALLMENDE_PERSON",
        show_envvar=True,
        metavar="NAME",
        help=both("Als diese Person des Mitglieds zeichnen", "Sign as this person of the member"),
    ),
]
ActingKey = Annotated[
    str,
    typer.Option(
        "--person-key",
        envvar="ALLMENDE_PERSON_KEY",
        show_envvar=True,
        metavar="FILE",
        help=both(
            "Datei mit dem geheimen Schlüssel der Person; sonst .allmende/keys/MITGLIED/PERSON.nk",
            "File of the person's secret key; else .allmende/keys/MEMBER/PERSON.nk",
        ),
    ),
]
Output = Annotated[
    Format, typer.Option("--output", "-o", help=both("Form der Ausgabe", "Form of the output"))
]


@dataclasses.dataclass(frozen=True)
class Session:
    """What every command gets from its connection options; empty texts are not given.

    Attributes:
        signs: whether the command needs a person's word.
    """

    url: str = DEFAULT_URL
    member: str = ""
    key: str = ""
    form: Format = Format.TABLE
    person: str = ""
    person_key: str = ""
    signs: bool = False

    @property
    def home(self) -> Path:
        """Where a market keeps its register and keys unless a command says otherwise."""
        return Path(os.environ.get("ALLMENDE_HOME") or ".allmende")

    @property
    def key_folder(self) -> Path:
        """Where keys lie unless a command says otherwise."""
        return self.home / "keys"

    def known_member(self) -> str:
        """The member to act as.

        Raises:
            Stop: it is not named, or this is no name.
        """
        if not self.member:
            raise Stop(_no_member(self.key_folder), USAGE)
        if not _MEMBER.fullmatch(self.member):
            raise Stop(
                say(
                    f"»{self.member}« ist kein Name eines Mitglieds.",
                    f"{self.member!r} is not the name of a member.",
                ),
                USAGE,
            )
        return self.member

    def key_file(self) -> Path:
        """Where the member's key lies.

        Raises:
            Stop: the member is not named, or there is no key.
        """
        member = self.known_member()
        path = Path(self.key) if self.key else self.key_folder / f"{member}.nk"
        if not self.key and not path.exists():
            raise Stop(
                say(
                    f"Der Schlüssel fehlt: --key DATEI angeben (oder ALLMENDE_KEY); {path} gibt es nicht.",
                    f"The key is missing: give --key FILE (or ALLMENDE_KEY); there is no {path}.",
                ),
                USAGE,
            )
        return path

    def credentials(self) -> tuple[str, str]:
        """The member and the private half of its key.

        Raises:
            Stop: one of them is missing or no key.
        """
        return self.member, read_seed(self.key_file())

    def market(self) -> "Market":
        """Prepare the connection.

        Raises:
            Stop: the address, the member or the key cannot be right.
        """
        from allmende.client.market import Market  # noqa: PLC0415 - the help does without

        member, seed = self.credentials()
        signer = self.signer() if self.signs else None
        return Market.connect(
            address_of(self.url), member=member, seed=seed, person=signer, name="allmende-cli"
        )

    def signer(self) -> "Signer":
        """The person who signs, with the private half of its key.

        Raises:
            Stop: the person is not named, or there is no such key.
        """
        from allmende.client.market import Signer  # noqa: PLC0415 - the help does without

        folder = self.key_folder / self.known_member()
        if not self.person:
            raise Stop(_no_person(folder), USAGE)
        path = Path(self.person_key) if self.person_key else folder / f"{self.person}.nk"
        if not self.person_key and not path.exists():
            raise Stop(
                say(
                    f"Der Schlüssel der Person fehlt: --person-key DATEI angeben; {path} gibt es nicht.",
                    f"The person's key is missing: give --person-key FILE; there is no {path}.",
                ),
                USAGE,
            )
        return Signer(self.person, read_seed(path))

    def show(self, listing: Listing) -> None:
        """Write data to stdout."""
        write(listing, self.form, sys.stdout, language())

    def empty(self, listing: Listing, german: str, english: str) -> bool:
        """Tell people that there is nothing to show; programs get their empty list."""
        if not listing.rows and self.form is Format.TABLE:
            tell(german, english)
            return True
        return False


def _no_member(folder: Path) -> str:
    known = ", ".join(sorted(path.stem for path in folder.glob("*.nk"))) if folder.is_dir() else ""
    german = f" Schlüssel liegen hier für: {known}." if known else ""
    english = f" Keys are here for: {known}." if known else ""
    return say(
        f"Das Mitglied fehlt: --member NAME angeben (oder ALLMENDE_MEMBER).{german}",
        f"The member is missing: give --member NAME (or ALLMENDE_MEMBER).{english}",
    )


def _no_person(folder: Path) -> str:
    known = ", ".join(sorted(path.stem for path in folder.glob("*.nk"))) if folder.is_dir() else ""
    german = f" Schlüssel liegen hier für: {known}." if known else ""
    english = f" Keys are here for: {known}." if known else ""
    return say(
        f"Hier zeichnet eine Person: --person NAME angeben (oder ALLMENDE_PERSON).{german}",
        f"A person signs this: give --person NAME (or ALLMENDE_PERSON).{english}",
    )


def address_of(url: str) -> str:
    """Check the hub's address.

    Raises:
        Stop: it is none.
    """
    full = url if "://" in url else f"nats://{url}"
    try:
        parts = urlsplit(full)
        right = parts.scheme in {"nats", "tls"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or any(character.isspace() for character in full):
        raise Stop(
            say(
                f"»{url}« ist keine Adresse wie {DEFAULT_URL}.",
                f"{url!r} is not an address such as {DEFAULT_URL}.",
            ),
            USAGE,
        )
    return full


def connected(command: Callable[Concatenate[Session, P], Work]) -> Callable[..., None]:
    """Give a command the connection options and run its work to the end.

    The command takes a `Session` first; its other parameters are its own.
    """

    def run(*, url: str, member: str, key: str, output: Format, **given: Any) -> None:
        _run(command, Session(url, member, key, output), given)

    return _typed(run, command, _CONNECTION)


def signing(command: Callable[Concatenate[Session, P], Work]) -> Callable[..., None]:
    """The same for a command that a person signs, who is named by further options."""

    def run(  # noqa: PLR0913 - one parameter for each option
        *, url: str, member: str, key: str, output: Format, person: str, person_key: str, **given: Any
    ) -> None:
        session = Session(url, member, key, output, person, person_key, signs=True)
        session.signer()
        _run(command, session, given)

    return _typed(run, command, _PERSON + _CONNECTION)


def _run(command: Callable[..., Work], session: Session, given: dict[str, Any]) -> NoReturn:
    raise typer.Exit(_finish(command(session, **given), session))


def _option(name: str, default: object, annotation: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_CONNECTION = (
    _option("output", Format.TABLE, Output),
    _option("url", DEFAULT_URL, Url),
    _option("member", "", Member),
    _option("key", "", Key),
)
_PERSON = (_option("person", "", Acting), _option("person_key", "", ActingKey))


def _typed(
    run: Callable[..., None], command: Callable[..., Work], options: tuple[inspect.Parameter, ...]
) -> Callable[..., None]:
    functools.update_wrapper(run, command)
    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *options]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _finish(work: Work, session: Session) -> int:
    import asyncio  # noqa: PLC0415 - the help does without

    from allmende.client.market import Refused, Unanswered  # noqa: PLC0415

    try:
        return asyncio.run(work) or 0
    except Refused as error:
        reason = error.rejection
        raise Stop(say(reason.message_de, reason.message_en), exit_code_of(reason)) from None
    except Unanswered as error:
        _unanswered(error, session)


def _unanswered(error: "Unanswered", session: Session) -> NoReturn:
    from nats.errors import AuthorizationError  # noqa: PLC0415 - the help does without

    if isinstance(error.__cause__, AuthorizationError) or "uthorization" in str(error):
        raise Stop(
            say(
                f"Der Server {session.url} nimmt den Schlüssel nicht an: allmende doctor sagt mehr.",
                f"The server {session.url} does not accept the key: allmende doctor tells more.",
            ),
            DENIED,
        ) from None
    raise Stop(
        say(
            f"Der Markt antwortet nicht ({error}): allmende doctor prüft die Verbindung.",
            f"The market does not answer ({error}): allmende doctor checks the connection.",
        ),
        UNREACHABLE,
    ) from None
