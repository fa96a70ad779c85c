"""Prices that follow an index."""

import datetime as dt
from fractions import Fraction

from allmende.schemas.tariff import Indexation

from .wording import Told, both

_UNCHANGED = Fraction(1)


def factor_on(index: Indexation, day: dt.date) -> tuple[Fraction, Told]:
    """Find what unit prices are multiplied by on a day, exactly, and say why."""
    point = next((point for point in reversed(index.points) if point.valid_from <= day), None)
    if point is None:
        return _UNCHANGED, ("", "")
    change = Fraction(point.value) / Fraction(index.base) - 1
    (value_de, value_en), (base_de, base_en) = both(point.value), both(index.base)
    german, english = f"{index.title} {value_de}/{base_de}", f"{index.title} {value_en}/{base_en}"
    german += f" seit {point.valid_from:%d.%m.%Y}"
    english += f" since {point.valid_from}"
    if abs(change) * 100 < Fraction(index.from_change_percent):
        least_de, least_en = both(index.from_change_percent)
        return _UNCHANGED, (
            f" ({german}: Änderung unter {least_de} %, der Preis bleibt)",
            f" ({english}: changed by less than {least_en} %, the price stays)",
        )
    share = Fraction(index.share_percent) / 100
    if share != 1:
        share_de, share_en = both(index.share_percent)
        german, english = f"{german}, zu {share_de} %", f"{english}, for {share_en} %"
    return 1 + share * change, (f" × {german}", f" × {english}")
