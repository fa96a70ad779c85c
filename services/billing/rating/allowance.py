"""Allowances that several quantities use up together: who gets which part of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.tariff import Included
from allmende.tariffs.quantity import before_allowance
from allmende.tariffs.rounding import share_out
from allmende.tariffs.wording import EXACT

from .metering import Rated, Reading

_FINEST = 10**9
"""Allowances are shared in billionths of a unit, the finest quantity there is."""


def with_allowances(readings: Sequence[Reading]) -> list[Reading]:
    """Share every allowance that is used up together, in proportion to what each would be charged for.

    Bookings share what has the same offering, component and span; with `consumer`, of the same consumer only.
    A booking has its own allowance once in a span, however many pieces, dimensions or terms part the span.
    """
    pools: dict[tuple[str, ...], list[int]] = {}
    for number, each in enumerate(readings):
        if each.metered.included is not None:
            of = each.rated.offering_id, each.metered.component.id, each.charged_for.split(" ", 1)[0]
            pools.setdefault((*of, *_sharers(each.metered.included, each.rated)), []).append(number)
    shared = list(readings)
    for numbers in pools.values():
        sharing = [readings[number] for number in numbers]
        if len(numbers) == 1 and not sharing[0].metered.is_shared:
            continue
        # The names decide who gets the last billionth, so they follow from what is read alone.
        names = [
            f"{each.rated.booking_id} {each.rated.terms.number:019d} {each.charged_for}" for each in sharing
        ]
        used = {
            name: Fraction(before_allowance(each.metered.component.quantity, each.measured.quantity))
            for name, each in zip(names, sharing, strict=True)
        }
        pool = _pool(sharing)
        parts = used if sum(used.values()) <= pool else _proportional(pool, used)
        for number, name, each in zip(numbers, names, sharing, strict=True):
            included = Decimal(int(parts[name] * _FINEST)).scaleb(-9, EXACT)
            measured = dataclasses.replace(each.measured, included=included)
            shared[number] = dataclasses.replace(each, measured=measured)
    return shared


def _sharers(included: Included, rated: Rated) -> tuple[str, str]:
    match included.shared_by:
        case "booking":
            return "booking", rated.booking_id
        case "consumer":
            return "consumer", rated.consumer
        case "offering":
            return "offering", ""


def _pool(sharing: Sequence[Reading]) -> Fraction:
    """How much a pool holds: once, or so much for each of what the bookings that share it ordered.

    Of several versions and terms the newest hold.
    """
    newest = sorted(sharing, key=lambda each: (each.rated.terms.number, each.rated.terms.tariff.version))
    included = max(newest, key=lambda each: each.rated.terms.tariff.version).metered.included
    if included is None:
        return Fraction(0)
    if included.for_each is None:
        return Fraction(included.quantity)
    ordered = {each.rated.booking_id: each.rated.terms.quantities for each in newest}
    whole = sum((Fraction(each.get(included.for_each, Decimal(0))) for each in ordered.values()), Fraction(0))
    return Fraction(included.quantity) * whole


def _proportional(pool: Fraction, used: Mapping[str, Fraction]) -> dict[str, Fraction]:
    parts = share_out(int(pool * _FINEST), used)
    return {name: Fraction(part, _FINEST) for name, part in parts.items()}
