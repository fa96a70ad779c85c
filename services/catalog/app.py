"""The catalogue, wired."""

from pathlib import Path

from allmende.servicekit.service import Service

from .handlers import CatalogHandler
from .queries import ANSWERS

service = Service(
    name="catalog",
    facts=(),
    migrations=Path(__file__).parent / "migrations",
    handler=lambda settings: CatalogHandler(settings.register),
    answers=lambda _: ANSWERS,
)
