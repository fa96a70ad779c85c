"""Billing, wired."""

from pathlib import Path

from allmende.servicekit.service import Service

from .documents.making import Making
from .handlers import BillingHandler
from .queries import answers

service = Service(
    name="billing",
    facts=("brokerage.>",),
    migrations=Path(__file__).parent / "migrations",
    handler=lambda settings: BillingHandler(settings.register, settings.park_seconds),
    answers=lambda settings: answers(settings.register),
    background=lambda settings, engine, clock: Making(engine, settings.register, clock).run(),
)
