"""The brokerage, wired."""

from pathlib import Path

from allmende.servicekit.service import Service

from .handlers import BrokerageHandler
from .queries import answers_of

service = Service(
    name="brokerage",
    facts=("catalog.>",),
    migrations=Path(__file__).parent / "migrations",
    handler=lambda settings: BrokerageHandler(
        settings.register, settings.park_seconds, settings.backdate_days
    ),
    answers=lambda settings: answers_of(settings.register),
)
