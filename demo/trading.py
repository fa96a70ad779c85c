"""Sections of the output on offerings, bookings and usage."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from allmende.client import prices
from allmende.schemas.brokerage import BookingSummary
from allmende.schemas.money import plain
from allmende.schemas.tariff import Component

from .offerings import CORE_SECONDS
from .page import Column, Section
from .picture import Picture
from .voice import Voice


def offerings(picture: Picture, voice: Voice) -> Section:
    """Every offering with its dated prices."""
    rows = [
        (
            summary.offering.offering_id,
            component.title,
            _price(component, tariff.currency, voice),
            f"V{tariff.version}",
            voice.day(tariff.valid_from),
        )
        for summary in picture.offerings
        for plan in summary.offering.plans
        for tariff in plan.tariffs
        for component in tariff.components
    ]
    columns = (
        Column(voice.say("offering")),
        Column(voice.say("component"), wraps=True),
        Column(voice.say("price"), wraps=True),
        Column(voice.say("version")),
        Column(voice.say("valid_from")),
    )
    return Section(voice.say("offerings"), columns, tuple(rows), (voice.say("offerings_note"),))


def _price(component: Component, currency: str, voice: Voice) -> str:
    price = prices.price(component, currency, voice.language)
    return voice.say("once", price=price) if component.billing == "one_time" else price


def bookings(picture: Picture, voice: Voice) -> Section:
    """Every booking with the tariff version frozen into it."""

    def place(booking: BookingSummary) -> tuple[object, ...]:
        return (booking.provider, booking.consumer, booking.offering_id, booking.start, booking.booking_id)

    titles = _titles(picture)
    rows = [
        (
            booking.offering_id,
            booking.consumer,
            _ordered(titles, booking.reference, booking.quantities),
            voice.day(booking.start),
            f"V{booking.tariff.version}",
        )
        for booking in sorted(picture.bookings, key=place)
    ]
    columns = (
        Column(f"{voice.say('provider')}/{voice.say('offering')}"),
        Column(voice.say("consumer")),
        Column(voice.say("ordered"), wraps=True),
        Column(voice.say("start")),
        Column(voice.say("version")),
    )
    total = voice.say("bookings_total", count=len(rows))
    return Section(voice.say("bookings"), columns, tuple(rows), (total,))


def _titles(picture: Picture) -> Mapping[str, str]:
    """What the order forms call their quantities."""
    return {
        field.id: field.title
        for summary in picture.offerings
        for plan in summary.offering.plans
        for field in plan.order
    }


def _ordered(titles: Mapping[str, str], reference: str | None, quantities: Mapping[str, Decimal]) -> str:
    wanted = ", ".join(f"{titles.get(name, name)} {plain(value)}" for name, value in quantities.items())
    return ": ".join(part for part in (reference, wanted) if part)


def refusals(picture: Picture, voice: Voice) -> Section:
    """Every refused booking with the reason the market gave."""
    titles = _titles(picture)
    rows = [
        (
            order.offering_id,
            order.consumer,
            _ordered(titles, None, order.quantities),
            voice.choose(reason.message_de, reason.message_en),
        )
        for order, reason in picture.refusals
    ]
    columns = (
        Column(f"{voice.say('provider')}/{voice.say('offering')}"),
        Column(voice.say("consumer")),
        Column(voice.say("ordered"), wraps=True),
        Column(voice.say("reason"), wraps=True),
    )
    return Section(voice.say("refusals"), columns, tuple(rows))


def usage(picture: Picture, voice: Voice) -> Section:
    """The usage of every day, and what became of it."""
    rows = [
        (voice.day(day.day), voice.count(day.records), voice.hours(day.core_seconds)) for day in picture.days
    ]
    own = picture.said.divided.own
    below = (
        voice.say(
            "usage_total",
            records=voice.count(sum(day.records for day in picture.days)),
            hours=voice.hours(sum((day.core_seconds for day in picture.days), Decimal(0))),
        ),
        voice.say(
            "usage_billed",
            records=voice.count(sum(line.records for line in picture.lines)),
            hours=voice.hours(sum(_core_seconds(picture), Decimal(0))),
        ),
        voice.say(
            "own_use",
            records=voice.count(len(own)),
            hours=voice.hours(Decimal(sum(use.row.seconds for use in own))),
        ),
    )
    columns = (
        Column(voice.say("day")),
        Column(voice.say("records"), right=True),
        Column(voice.say("core_hours"), right=True),
    )
    return Section(voice.say("usage"), columns, tuple(rows), below)


def _core_seconds(picture: Picture) -> Iterator[Decimal]:
    """Every charged quantity of a component that is metered in core seconds, by the terms of its booking."""
    metered = {
        (booking.booking_id, component.id)
        for booking in picture.bookings
        for component in booking.tariff.components
        if component.measure == CORE_SECONDS
    }
    for line in picture.lines:
        if (line.booking_id, line.component) in metered and line.quantity is not None:
            yield line.quantity
