"""German first, English on request: messages, help, and what the command line complains about."""

import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .stop import USAGE, Stop, exit_code_of

if TYPE_CHECKING:
    from allmende.schemas.rejections import Rejection

VARIABLE = "ALLMENDE_LANGUAGE"
_BETWEEN = "\x1f"


def language() -> Literal["de", "en"]:
    """The reader's language."""
    return "en" if os.environ.get(VARIABLE, "").lower().startswith("en") else "de"


def choose(arguments: Sequence[str]) -> list[str]:
    """Take `--language` out of a command line, wherever it stands; what it says holds from now on."""
    rest: list[str] = []
    given = iter(arguments)
    for argument in given:
        name, equals, value = argument.partition("=")
        if name != "--language":
            rest.append(argument)
            continue
        wanted = value if equals else next(given, "")
        if wanted not in {"de", "en"}:
            raise Stop(say("--language ist de oder en.", "--language is de or en."), USAGE)
        os.environ[VARIABLE] = wanted
    return rest


def say(german: str, english: str) -> str:
    """Choose a sentence by the reader's language."""
    return english if language() == "en" else german


def both(german: str, english: str) -> str:
    """Keep a help text in both languages until `localise` chooses."""
    return german + _BETWEEN + english


def tell(german: str, english: str) -> None:
    """Write a message to stderr, where it never mixes with data."""
    print(say(german, english), file=sys.stderr)  # noqa: T201 - what a command line does


def hint(german: str, english: str) -> None:
    """Name the next step."""
    tell(f"-> {german}", f"-> {english}")


def reason_of(error: OSError) -> str:
    """What the operating system says, for the commonest reasons in German too."""
    english = error.strerror or type(error).__name__
    return say(_REASONS.get(error.errno or 0, english), english)


_REASONS = {
    errno.ENOENT: "die Datei gibt es nicht",
    errno.EACCES: "der Zugriff ist nicht erlaubt",
    errno.EISDIR: "das ist ein Ordner",
    errno.ENOTDIR: "ein Teil des Pfads ist kein Ordner",
    errno.ENOSPC: "der Datenträger ist voll",
}


def refusal(rejection: "Rejection") -> Stop:
    """End with the market's own words."""
    return Stop(say(rejection.message_de, rejection.message_en), exit_code_of(rejection))


def localise(command: Any) -> Any:
    """Give a command and all below it help in the reader's language, without colours or frames."""
    for part in _parts(command):
        part.rich_markup_mode = None
        for texts in (part, *part.params):
            for name in ("help", "short_help", "epilog"):
                if isinstance(text := getattr(texts, name, None), str):
                    setattr(texts, name, _half(text))
        part.get_help = functools.partial(_help, part.get_help)
    return command


def _parts(command: Any) -> Iterator[Any]:
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _parts(below)


def _half(text: str) -> str:
    german, _, english = text.partition(_BETWEEN)
    return say(german, english or german)


def _help(original: Callable[[Any], str], context: Any) -> str:
    text = original(context)
    if language() == "de":
        for pattern, german in _HEADINGS:
            text = re.sub(pattern, german, text, flags=re.MULTILINE)
    return text


_HEADINGS = (
    (r"^Usage: ", "Aufruf: "),
    (r"^Options:$", "Optionen:"),
    (r"^Arguments:$", "Argumente:"),
    (r"^Commands:$", "Befehle:"),
    (r"\[OPTIONS\]", "[OPTIONEN]"),
    (r"COMMAND \[ARGS\]\.\.\.", "BEFEHL [ARGUMENTE]..."),
    (r"\benv\s+var:", "Umgebung:"),
    (r"\bdefault:", "Vorgabe:"),
    (r"\brequired\]", "nötig]"),
    (r"Show\s+this\s+message\s+and\s+exit\.", "Diese Hilfe zeigen."),
    (
        r"Install\s+completion\s+for\s+the\s+current\s+shell\.",
        "Vervollständigung für diese Shell einrichten.",
    ),
    (
        r"Show\s+completion\s+for\s+the\s+current\s+shell,\s+to\s+copy\s+it\s+or\s+customize\s+the\s+installation\.",
        "Vervollständigung für diese Shell ausgeben.",
    ),
)


def complaint(message: str) -> str:
    """Put what the parser complains about into the reader's language, as far as it is known."""
    if language() == "de":
        for pattern, german in _COMPLAINTS:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                return german.format(*(group or "" for group in found.groups())).strip()
    return message


_COMPLAINTS = (
    (r"No such command '(.+?)'\.? Did you mean (.+)\?", "Den Befehl »{0}« gibt es nicht. Gemeint: {1}?"),
    (r"No such command '(.+?)'\.", "Den Befehl »{0}« gibt es nicht."),
    (
        r"No such option: (\S+)(?: Did you mean (.+)\?)?(?: \(Possible options: (.+)\))?",
        "Die Option {0} gibt es nicht. {1}{2}",
    ),
    (r"Missing command\.", "Es fehlt ein Befehl."),
    (r"Missing (?:option|argument) (.+?)\.(?: .*)?", "Es fehlt die Angabe {0}."),
    (r"Option '(.+)' requires (?:an argument|\d+ arguments)\.", "Die Option {0} braucht einen Wert."),
    (r"Option '(.+)' does not take a value\.", "Die Option {0} nimmt keinen Wert."),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", "Zu viele Angaben: {0}"),
    (
        r"Invalid value for (.+?): (?:Value error, )?'(.*)' is not one of (.+?)\.?",
        "{0}: »{1}« ist nicht erlaubt, nur {2}.",
    ),
    (r"Invalid value for (.+?): (.*)", "{0}: {1}"),
)
