"""Commands that other parts of a distribution bring by the entry point group `allmende.commands`.

The help lists them without loading them; a command is loaded when it is called.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from .language import both, localise, say
from .stop import Stop

GROUP = "allmende.commands"

KNOWN: Mapping[str, tuple[str, str]] = {
    "up": (both("Den ganzen Markt auf diesem Rechner starten", "Start the whole market here"), "embedded"),
    "serve": (both("Einen Dienst des Marktes betreiben", "Run one of the market's services"), "services"),
    "db": (both("Datenbanken der Dienste einrichten", "Set up the services' databases"), "services"),
    "hub": (both("Nachrichtenserver einrichten", "Set up the message server"), "services"),
    "demo": (both("Ein Beispiel vorführen: buchen bis abrechnen", "Play an example market"), "embedded"),
    "demonstration": (both("Das Beispiel in einzelnen Schritten", "The example step by step"), "embedded"),
}
"""What the commands of this distribution do, and the extra that brings what they need."""


class Later(TyperCommand):
    """Stands in the help for a command that is loaded when it is called."""

    def __init__(self, entry: EntryPoint) -> None:
        sentence, self._extra = KNOWN.get(entry.name, (entry.value.split(":")[0], ""))
        super().__init__(entry.name, help=sentence, add_help_option=False)
        self._entry = entry

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Load the command and let it go on from here."""
        return self._load().make_context(info_name, args, parent=parent, **extra)

    def _load(self) -> Any:
        try:
            found = self._entry.load()
        except ImportError as error:
            raise self._missing(error) from None
        except AttributeError as error:
            raise Stop(
                say(
                    f"Der Befehl {self.name} ist beschädigt: {error}.",
                    f"The command {self.name} is damaged: {error}.",
                )
            ) from None
        return localise(get_command(found if isinstance(found, typer.Typer) else _app_of(found)))

    def _missing(self, error: ImportError) -> Stop:
        extra = self._extra or ",".join(self._entry.extras)
        if not extra or (error.name or "").startswith("allmende"):
            return Stop(
                say(
                    f"Der Befehl {self.name} lässt sich nicht laden: {error}.",
                    f"The command {self.name} cannot be loaded: {error}.",
                )
            )
        return Stop(
            say(
                f"Der Befehl {self.name} braucht {error.name}: pip install 'allmende[{extra}]'",
                f"The command {self.name} needs {error.name}: pip install 'allmende[{extra}]'",
            )
        )


def _app_of(function: Any) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(function)
    return app


def add_installed(root: Any) -> None:
    """Add every installed command to the root; what the root has stays its own."""
    for entry in entry_points(group=GROUP):
        if entry.name not in root.commands:
            root.add_command(Later(entry), entry.name)
