"""By what a share is measured: published keys with their versions, percentages, measures, mixtures."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.clause import Key
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import AllocationKey

from .conditions import Values, operand
from .values import Unit


@dataclasses.dataclass(frozen=True)
class Weights:
    """What everybody's share is measured by.

    Attributes:
        by_party: not negative.
        title_de: the key, its version, key date and source, in German; `title_en` in English.
    """

    by_party: Mapping[str, Fraction]
    title_de: str
    title_en: str

    @property
    def whole(self) -> Fraction:
        """The sum of all weights."""
        return sum(self.by_party.values(), Fraction(0))


@dataclasses.dataclass(frozen=True)
class NotYet:
    """There is no version of a key for the day yet: what is shared by it is held."""

    key_id: str
    day: dt.date


@dataclasses.dataclass(frozen=True)
class Book:
    """The keys a clause may use, and who stands behind the names in them.

    Attributes:
        named: the keys of the clause.
        published: versions of published keys that are known.
        holder_of: of parties that share the value of another name in a published key, such as the Land in
            which they have their seat; several parties behind one name share its value equally.
        day: the first day of what is shared.
        parties: who takes part, where that is told.
    """

    named: Mapping[str, Key]
    published: Sequence[AllocationKey]
    holder_of: Mapping[str, str]
    day: dt.date
    parties: Sequence[str] | None = None

    def version_of(self, key: Key) -> AllocationKey | NotYet:
        """Find the version of a published key that counts."""
        key_id = str(key.published)
        day = _years_before(self.day, key.lag_years)
        found = [each for each in self.published if each.key_id == key_id]
        if key.version is not None:
            found = [each for each in found if each.version == key.version]
        else:
            found = [each for each in found if each.effective_from <= day]
        newest = max(found, key=lambda each: (each.effective_from, each.version), default=None)
        return newest if newest is not None else NotYet(key_id, day)


def weigh(  # noqa: PLR0913 - all that a key may refer to
    name: str, book: Book, values: Values, currency: Unit, among: Sequence[str] | None, parties: Sequence[str]
) -> Weights | NotYet | Rejected:
    """Find the weights of a key.

    Args:
        name: of a key of the clause.
        book: all keys.
        values: what a measured key is read from.
        currency: of the clause.
        among: those who share; None for everybody whom the key names.
        parties: all who take part, for keys that name nobody.
    """
    key = book.named[name]
    if key.published is not None:
        version = book.version_of(key)
        return version if isinstance(version, NotYet) else _published(version, book, among)
    if key.composite is not None:
        return _composite(key, book, values, currency, among, parties)
    if key.equal:
        return Weights(
            dict.fromkeys(parties if among is None else among, Fraction(1)),
            "zu gleichen Teilen",
            "in equal parts",
        )
    if key.values is not None:
        weights = {party: Fraction(percent) for party, percent in key.values.items()}
        title = (f"Schlüssel {name} in Prozent", f"key {name} in percent")
    else:
        measured = operand(str(key.measured), values, currency)
        weights = {party: measured.number(party) for party in measured.parts}
        title = (f"nach {key.measured}", f"by {key.measured}")
    if (negative := next((party for party, weight in weights.items() if weight < 0), None)) is not None:
        return rejected("negative_weight", key=name, member=negative)
    return _restricted(name, weights, among, *title)


def _restricted(
    name: str, weights: Mapping[str, Fraction], among: Sequence[str] | None, german: str, english: str
) -> Weights | Rejected:
    if among is None:
        return Weights(weights, german, english)
    if (without := next((party for party in among if party not in weights), None)) is not None:
        return rejected("member_without_share", key=name, member=without, holder="-")
    return Weights({party: weights[party] for party in among}, german, english)


def _published(key: AllocationKey, book: Book, among: Sequence[str] | None) -> Weights | Rejected:
    german = (
        f"{key.title} Version {key.version} (Stichtag {key.key_date:%d.%m.%Y}, veröffentlicht "
        f"{key.published_on:%d.%m.%Y}, gültig ab {key.effective_from:%d.%m.%Y}, {key.source})"
    )
    english = (
        f"{key.title} version {key.version} (key date {key.key_date}, published {key.published_on}, "
        f"in effect from {key.effective_from}, {key.source})"
    )
    behind: dict[str, list[str]] = {}
    for party in among if among is not None else book.parties or book.holder_of:
        holder = party if party in key.values else book.holder_of.get(party, party)
        if holder in key.values:
            behind.setdefault(holder, []).append(party)
        elif among is not None:
            return rejected("member_without_share", key=key.key_id, member=party, holder=holder)
    if not behind and among is None:
        behind = {holder: [holder] for holder in key.values}
    missing = sorted(set(key.values) - set(behind))
    if missing and among is None and key.spread_over == "all":
        return rejected("key_holder_missing", key=key.key_id, holder=missing[0])
    weights = {
        party: Fraction(key.values[holder]) / len(together)
        for holder, together in behind.items()
        for party in together
    }
    return Weights(weights, german, english)


def _composite(  # noqa: PLR0913 - see weigh
    key: Key, book: Book, values: Values, currency: Unit, among: Sequence[str] | None, parties: Sequence[str]
) -> Weights | NotYet | Rejected:
    mixed: dict[str, Fraction] = {}
    german, english = [], []
    for part in key.composite or ():
        found = weigh(part.key, book, values, currency, among, parties)
        if not isinstance(found, Weights):
            return found
        if not found.whole:
            return rejected("nobody_to_share", amount=f"{plain(part.percent)} %")
        for party, weight in found.by_party.items():
            mixed[party] = mixed.get(party, Fraction(0)) + Fraction(part.percent) * weight / found.whole
        german.append(f"{_percent(part.percent).replace('.', ',')} % {found.title_de}")
        english.append(f"{_percent(part.percent)}% {found.title_en}")
    return Weights(mixed, " + ".join(german), " + ".join(english))


def _percent(percent: Decimal) -> str:
    text = plain(percent)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _years_before(day: dt.date, years: int) -> dt.date:
    if (day.month, day.day) == (2, 29):
        day = day.replace(day=28)
    return day.replace(year=day.year - years)


def prorated(
    weights: Weights,
    span: tuple[dt.date, dt.date],
    taking_part: Mapping[str, tuple[dt.date | None, dt.date | None]],
    by: str,
) -> Weights:
    """Let weights count for the time in which their party takes part.

    Args:
        weights: for the whole span.
        span: its first and last day.
        taking_part: the first and last day of those who do not take part all the time.
        by: `day`, or `month`: begun calendar months.
    """
    whole = _length(*span, by)
    shortened = {}
    for party, weight in weights.by_party.items():
        since, until = taking_part.get(party, (None, None))
        first, last = max(span[0], since or span[0]), min(span[1], until or span[1])
        shortened[party] = weight * max(_length(first, last, by), 0) / whole
    german = {"day": "nach Tagen der Teilnahme", "month": "nach angefangenen Monaten der Teilnahme"}[by]
    english = {"day": "by days of participation", "month": "by begun months of participation"}[by]
    return Weights(shortened, f"{weights.title_de}, {german}", f"{weights.title_en}, {english}")


def _length(first: dt.date, last: dt.date, by: str) -> int:
    if last < first:
        return 0
    if by == "day":
        return (last - first).days + 1
    return (last.year - first.year) * 12 + last.month - first.month + 1
