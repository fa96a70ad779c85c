"""What a quantity costs by the rules of a tariff: exactly, then rounded once, with the story of every step.

`quantity` reads the quantity, `terms` chooses the price, `price` reckons it, `amount` settles the line.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, Derived, Free, NotOffered, PercentOf, Pricing

from .amount import settler
from .indexation import factor_on
from .price import Formula, Setting, formula
from .quantity import Billable, Quantities, multiple, reader, rounding_of
from .rounding import commercially
from .terms import Attributes, changes_in, choice_of, names_in, price_of
from .wording import Money, Number, Told, both, money_in

Unpriced = Rejected
"""Why something has no price: no cell fits, not offered, beyond the last tier, below a minimum."""

_Key = tuple[int | str | None, ...]
_Chosen = Formula | Free | PercentOf | Rejected
_CHOICES_KEPT = 1000
_NOTHING: Mapping[str, Decimal] = {}
_NO_AMOUNTS: Mapping[str, int] = {}


class Priced(NamedTuple):
    """What a quantity costs.

    Attributes:
        quantity: what is priced, after rounding, minimum and allowance; of a percentage, the sum it is taken
            of, in the currency.
        amount: in the smallest unit of the currency, rounded once.
        numerator: of the exact amount in smallest units before amount rules, over `denominator`.
        trace_de: how it came about, in German; `trace_en` in English.
    """

    quantity: Number
    amount: int
    numerator: int
    denominator: int
    trace_de: str
    trace_en: str

    @property
    def exact(self) -> Fraction:
        """The amount in smallest units before it was rounded."""
        return Fraction(self.numerator, self.denominator)


class Share(NamedTuple):
    """The part of a period for which a flat price is charged, such as 15 of 31 days."""

    part: Fraction
    told_de: str
    told_en: str


def price_quantity(  # noqa: PLR0913 - what a price depends on
    pricing: Pricing,
    quantity: Number,
    attributes: Attributes,
    day: dt.date,
    *,
    currency: str = "EUR",
    decimals: int = 2,
    order_quantities: Quantities = _NOTHING,
    included: Decimal | None = None,
    amounts_of: Mapping[str, int] = _NO_AMOUNTS,
) -> Priced | Unpriced:
    """Price one quantity.

    Args:
        pricing: the rules.
        quantity: what was measured or ordered, already reduced to one quantity.
        attributes: what the cells of a table of prices ask for.
        day: of service.
        currency: in which the story tells amounts.
        decimals: of the currency; amounts come in its smallest unit.
        order_quantities: by which an allowance is multiplied.
        included: the part of a shared allowance, where it was decided for all who share it.
        amounts_of: what a percentage is taken of, by component, in smallest units.
    """
    pricer = Pricer(pricing, currency=currency, decimals=decimals)
    return pricer.price(
        quantity, attributes, day, order_quantities=order_quantities, included=included, amounts_of=amounts_of
    )


class Pricer:
    """Rules prepared once, so that very many quantities can be priced by them."""

    def __init__(
        self, pricing: Pricing, *, currency: str = "EUR", decimals: int = 2, label: Told = ("", "")
    ) -> None:
        """Prepare.

        Args:
            pricing: the rules.
            currency: of the prices.
            decimals: of the currency.
            label: names the document in every story, such as `, Tarif Version 1`.
        """
        self.pricing = pricing
        self.name = pricing.title if isinstance(pricing, Component) else pricing.unit
        self.names = names_in(pricing)
        self.money: Money = money_in(currency, decimals)
        self._currency, self._decimals = currency, decimals
        self._label_de, self._label_en = label
        self._settle = settler(pricing.amount, decimals, self.money) if pricing.amount is not None else None
        measure = pricing.measure if isinstance(pricing, Component) else None
        self._read = reader(pricing.quantity, pricing.unit, measure or self.name)
        self._changes = changes_in(pricing)
        self._chosen: dict[_Key, _Chosen] = {}

    def price(  # noqa: PLR0913 - what a price depends on
        self,
        quantity: Number,
        attributes: Attributes,
        day: dt.date,
        *,
        order_quantities: Quantities = _NOTHING,
        included: Decimal | None = None,
        amounts_of: Mapping[str, int] = _NO_AMOUNTS,
        share: Share | None = None,
    ) -> Priced | Unpriced:
        """Price one quantity, as `price_quantity` does; of a flat price, the share of a period."""
        key = (bisect_right(self._changes, day), *map(attributes.get, self.names))
        chosen = self._chosen.get(key) or self._choose(key, attributes, day)
        if isinstance(chosen, Rejected):
            return chosen
        if isinstance(chosen, PercentOf):
            return self._percentage(chosen, amounts_of, choice_of(self.pricing, attributes, day))
        billable = self._read(quantity, order_quantities, included)
        if isinstance(billable, Rejected):
            return billable
        if isinstance(chosen, Free):
            return self._free(chosen, billable, choice_of(self.pricing, attributes, day))
        exact = chosen(billable.quantity)
        if isinstance(exact, Rejected):
            return exact
        numerator, denominator, german, english = exact
        if share is not None:
            numerator, denominator = numerator * share.part.numerator, denominator * share.part.denominator
            german, english = f"{german}{share.told_de}", f"{english}{share.told_en}"
        return self._settled(
            billable.quantity,
            numerator,
            denominator,
            f"{billable.story_de}{german}",
            f"{billable.story_en}{english}",
        )

    def _settled(
        self, quantity: Number, numerator: int, denominator: int, german: str, english: str
    ) -> Priced:
        if self._settle is None:
            amount, after_de, after_en = commercially(numerator, denominator), "", ""
        else:
            amount, (after_de, after_en) = self._settle(Fraction(numerator, denominator))
        money_de, money_en = self.money(amount)
        return Priced(
            quantity,
            amount,
            numerator,
            denominator,
            f"{german}{self._label_de} = {money_de}{after_de}",
            f"{english}{self._label_en} = {money_en}{after_en}",
        )

    def _choose(self, key: _Key, attributes: Attributes, day: dt.date) -> _Chosen:
        if len(self._chosen) >= _CHOICES_KEPT:
            self._chosen.clear()
        self._chosen[key] = chosen = self._formula(attributes, day)
        return chosen

    def _formula(self, attributes: Attributes, day: dt.date) -> _Chosen:
        price = price_of(self.pricing, attributes, day)
        match price:
            case None:
                asked = ", ".join(f"{name} {attributes.get(name, '-')}" for name in self.names) or "-"
                return rejected("no_price", component=self.name, day=day, asked=asked)
            case NotOffered():
                return rejected("not_offered", component=self.name, reason=price.reason)
            case Derived():
                return rejected("price_not_resolved", component=self.name, offering=price.offering_id)
            case PercentOf() | Free():
                return price
        factor, told = Fraction(1), choice_of(self.pricing, attributes, day)
        rule = self.pricing.amount
        if rule is not None and rule.index is not None:
            factor, indexed = factor_on(rule.index, day)
            told = indexed[0] + told[0], indexed[1] + told[1]
        scale = 10**self._decimals
        return formula(price, Setting(self.name, self.pricing.unit, self._currency, scale, factor, told))

    def _free(self, price: Free, billable: Billable, told: Told) -> Priced:
        return Priced(
            billable.quantity,
            0,
            0,
            1,
            f"{billable.story_de}{told[0]}: ohne Entgelt, {price.reason}",
            f"{billable.story_en}{told[1]}: free of charge, {price.reason}",
        )

    def _percentage(self, price: PercentOf, amounts_of: Mapping[str, int], told: Told) -> Priced | Rejected:
        found = [each for each in price.of if each in amounts_of]
        if not found:
            return rejected("base_missing", component=self.name, base=", ".join(price.of))
        base = sum(amounts_of[each] for each in found)
        scale = 10**self._decimals
        (base_de, base_en), (percent_de, percent_en) = self.money(base), both(price.percent)
        names = ", ".join(found)
        german, english = f"{percent_de} % von {base_de} ({names})", f"{percent_en} % of {base_en} ({names})"
        whole = Decimal(base).scaleb(-self._decimals)
        if price.round_base is not None:
            whole = multiple(whole, price.round_base)
            how_de, how_en = rounding_of(price.round_base)
            whole_de, whole_en = both(whole)
            german, english = f"{german}, {how_de} = {whole_de}", f"{english}, {how_en} = {whole_en}"
        exact = Fraction(whole) * scale * Fraction(price.percent) / 100
        return self._settled(whole, exact.numerator, exact.denominator, german + told[0], english + told[1])
