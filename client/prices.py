"""What a tariff's component costs, in one line of German or English."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from allmende.schemas.money import plain
from allmende.schemas.tariff import (
    AmountRule,
    Component,
    Derived,
    Free,
    NotOffered,
    PercentOf,
    PerUnit,
    Price,
    PriceCell,
    QuantityRule,
    Rounding,
    Tier,
    Tiered,
)

from .output import Language

_CHARGED: Mapping[str, tuple[str, str]] = {
    "one_time": ("einmalig", "once"),
    "on_plan_change": ("beim Wechsel in diesen Plan", "on a change to this plan"),
    "month": ("je Monat", "per month"),
    "quarter": ("je Quartal", "per quarter"),
    "year": ("je Jahr", "per year"),
    "total": ("einmal für die ganze Buchung", "once for the whole booking"),
    "usage": ("nach Verbrauch", "by usage"),
}
_PRORATED: Mapping[str, tuple[str, str]] = {
    "none": ("", ""),
    "day": (", nach Tagen", ", by days"),
    "month": (", nach begonnenen Monaten", ", by begun months"),
}
_ROUNDED: Mapping[str, tuple[str, str]] = {
    "up": ("aufgerundet auf", "rounded up to"),
    "down": ("abgerundet auf", "rounded down to"),
    "nearest": ("gerundet auf", "rounded to"),
    "half_even": ("zur geraden Ziffer gerundet auf", "rounded half to even to"),
}
_SHARED: Mapping[str, tuple[str, str]] = {
    "booking": ("", ""),
    "consumer": (" für alle Buchungen eines Kunden", " for all bookings of a consumer"),
    "offering": (" für alle zusammen", " for everybody together"),
}


def charged(component: Component, language: Language) -> str:
    """Say when a component is charged."""
    by_usage = component.billing == "usage"
    when = _say(_CHARGED["usage" if by_usage else component.period or component.billing], language)
    if by_usage and component.period in {"quarter", "year"}:
        when = f"{when} {_say(_CHARGED[component.period], language)}"
    return when + _say(_PRORATED[component.proration], language)


def price(component: Component, currency: str, language: Language) -> str:
    """Say what a component costs."""
    words = _Words(component.unit, currency, language)
    rules = [*words.quantity(component.quantity), *words.amount(component.amount)]
    return "; ".join([*words.prices(component), *rules])


def _say(told: tuple[str, str], language: Language) -> str:
    return told[0] if language == "de" else told[1]


class _Words:
    """The words for the prices of one component."""

    def __init__(self, unit: str, currency: str, language: Language) -> None:
        self._unit, self._currency, self._language = unit, currency, language

    def prices(self, component: Component) -> Iterator[str]:
        if component.price is not None:
            yield self.one(component.price)
        for classes, told in self._classes(component.price_by_class or {}).items():
            yield f"{self._say('Klasse', 'class')} {', '.join(told)}: {classes}"
        for cell in component.prices or ():
            yield f"{self._when(cell)}{self.one(cell.price)}"

    def one(self, price: Price) -> str:
        match price:
            case PerUnit():
                return self._each(price.amount, price.per)
            case Free():
                return self._say(f"ohne Entgelt ({price.reason})", f"free of charge ({price.reason})")
            case NotOffered():
                return self._say(f"nicht angeboten ({price.reason})", f"not offered ({price.reason})")
            case Tiered():
                return self._tiers(price)
            case PercentOf():
                percent, of = self._number(price.percent), ", ".join(price.of)
                base = f", {self._rounding(price.round_base)}" if price.round_base else ""
                return self._say(f"{percent} % von {of}{base}", f"{percent} % of {of}{base}")
            case Derived():
                plus = f" + {self._money(price.plus)}" if price.plus else ""
                source = f"{price.offering_id} {price.plan_id}/{price.component}"
                factor = f" × {self._number(price.factor)}" if price.factor != 1 else ""
                return self._say(f"wie {source}", f"as {source}") + factor + plus

    def quantity(self, rule: QuantityRule | None) -> Iterator[str]:
        if rule is None:
            return
        if rule.round is not None:
            each = self._say("jeder Datensatz", "each record") if rule.round.each == "record" else ""
            yield f"{each or self._say('Menge', 'quantity')} {self._rounding(rule.round)} {self._unit}"
        if rule.at_least is not None:
            least = f"{self._number(rule.at_least)} {self._unit}"
            lifted = rule.below == "lift"
            yield (
                self._say(f"mindestens {least}", f"at least {least}")
                if lifted
                else self._say(f"nicht unter {least}", f"not below {least}")
            )
        if rule.included is not None:
            included = rule.included
            each = self._say(f" je {included.for_each}", f" for each {included.for_each}")
            free = f"{self._number(included.quantity)} {self._unit}{each if included.for_each else ''}"
            yield self._say(f"{free} frei", f"{free} included") + _say(
                _SHARED[included.shared_by], self._language
            )

    def amount(self, rule: AmountRule | None) -> Iterator[str]:
        if rule is None:
            return
        if rule.index is not None:
            base = f"{rule.index.title} ({self._number(rule.index.base)})"
            yield self._say(f"folgt {base}", f"follows {base}")
        for limit, german, english in (
            (rule.only_above, "erst über", "only above"),
            (rule.at_least, "mindestens", "at least"),
            (rule.at_most, "höchstens", "at most"),
        ):
            if limit is not None:
                yield f"{self._say(german, english)} {self._money(limit)}"
        if rule.round is not None:
            yield f"{self._say('Betrag', 'amount')} {self._rounding(rule.round)}"

    def _classes(self, matrix: Mapping[str, Price]) -> dict[str, list[str]]:
        """The classes of each price; those that are alike are told together."""
        found: dict[str, list[str]] = {}
        for name, cell in matrix.items():
            found.setdefault(self.one(cell), []).append(name)
        return found

    def _when(self, cell: PriceCell) -> str:
        conditions = [
            f"{name} {wanted if isinstance(wanted, str) else '/'.join(wanted)}"
            for name, wanted in cell.when.items()
        ]
        if cell.valid_from is not None:
            conditions.append(self._say(f"ab {cell.valid_from:%d.%m.%Y}", f"from {cell.valid_from}"))
        if cell.valid_to is not None:
            conditions.append(self._say(f"bis {cell.valid_to:%d.%m.%Y}", f"until {cell.valid_to}"))
        return f"{', '.join(conditions) or self._say('sonst', 'otherwise')}: "

    def _tiers(self, price: Tiered) -> str:
        graduated = price.mode == "graduated"
        lead = self._say("gestaffelt", "by tiers") if graduated else self._say("nach Menge", "by volume")
        told = ", ".join(f"{self._range(tier)} {self._tier(tier)}" for tier in price.tiers)
        end = self._say(", mehr nicht", ", no more") if price.tiers[-1].up_to is not None else ""
        return f"{lead}: {told}{end}"

    def _range(self, tier: Tier) -> str:
        if tier.up_to is None:
            return self._say("darüber", "above")
        end = self._number(tier.up_to)
        return self._say(f"bis {end}", f"up to {end}")

    def _tier(self, tier: Tier) -> str:
        flat = self._money(tier.flat) + self._say(" pauschal", " flat") if tier.flat else ""
        if tier.flat and not tier.amount:
            return flat
        return self._each(tier.amount, tier.per) + (f" + {flat}" if flat else "")

    def _each(self, amount: Decimal, per: Decimal) -> str:
        units = self._unit if per == 1 else f"{self._number(per)} {self._unit}"
        return f"{self._money(amount)} {self._say('je', 'per')} {units}"

    def _rounding(self, rounding: Rounding) -> str:
        return f"{_say(_ROUNDED[rounding.mode], self._language)} {self._number(rounding.to)}"

    def _money(self, amount: Decimal) -> str:
        text, symbol = self._number(amount), "€" if self._currency == "EUR" else self._currency
        if self._language == "de":
            return f"{text} {symbol}"
        return f"{symbol}{text}" if symbol == "€" else f"{symbol} {text}"

    def _number(self, number: Decimal) -> str:
        text = plain(number)
        return text.replace(".", ",") if self._language == "de" else text

    def _say(self, german: str, english: str) -> str:
        return german if self._language == "de" else english
