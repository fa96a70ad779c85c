"""The steps of a cost clause: each works out one value from those before it and tells how."""

import calendar
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.clause import (
    Between,
    Calculate,
    DateStep,
    Decide,
    Instalments,
    Keep,
    Kind,
    PriceStep,
    Share,
)
from allmende.schemas.rejections import Rejected, rejected

from .conditions import Values, holds, is_each, members_of, operand
from .pricing import price_quantity
from .rounding import to_multiple
from .scene import Done, Scene, Sentence, sentence
from .sharing import allot
from .values import ONE, Scalar, Unit, Value, each_of, labels, number_text, single


def amount_of(text: str, values: Values, unit: Unit) -> Fraction:
    """The sum of all parts of an operand."""
    return operand(text, values, unit).total


def nothing(scene: Scene) -> Done:
    """What a step comes to whose condition does not hold."""
    work = scene.step.work
    reason = ("entfällt: Die Bedingung ist nicht erfüllt", "does not apply: its condition does not hold")
    if isinstance(work, Decide | DateStep):
        empty = each_of("text" if isinstance(work, Decide) else "date", {})
    elif isinstance(work, Share | Instalments):
        empty = each_of("money", {})
    elif isinstance(work, Calculate):
        several = any(scene.find(text).each for text in _operands(work)) and not work.total
        kind = kind_of(work, {text: scene.find(text).kind for text in _operands(work)})
        empty = each_of(kind, {}) if several else single(kind, Fraction(0))
    elif isinstance(work, Between):
        several = scene.find(work.since).each or scene.find(work.until).each
        empty = each_of("number", {}) if several else single("number", Fraction(0))
    else:
        source = scene.find(work.of)
        kind = "money" if isinstance(work, PriceStep) else source.kind
        empty = each_of(kind, {}) if source.each else single(kind, Fraction(0))
    return Done(empty, (sentence(scene, ONE, *reason),))


# -- calculate --------------------------------------------------------------------------------------


def _operands(work: Calculate) -> tuple[str, ...]:
    return (*work.add, *work.subtract, *work.multiply, *work.divide)


def kind_of(work: Calculate, kinds: Mapping[str, Kind]) -> Kind:
    """Tell the kind of a result from the kinds of its operands: money times a number is money."""
    if work.total == "count":
        return "number"
    base = next((kinds[text] for text in (*work.add, *work.subtract)), "number")
    dimension = (base == "money") + sum(kinds[text] == "money" for text in work.multiply)
    dimension -= sum(kinds[text] == "money" for text in work.divide)
    return "money" if dimension == 1 else "number"


def calculate(work: Calculate, scene: Scene) -> Done | Rejected:
    """Reckon for every party, or once."""
    found = {text: scene.find(text) for text in _operands(work)}
    kind = kind_of(work, {text: value.kind for text, value in found.items()})
    parties = labels(found.values())
    if parties != [ONE]:
        parties = members_of(work.only, parties, scene.values, scene.unit)
    exact = {}
    for party in parties:
        result = _reckon(work, found, party)
        if result is None:
            return rejected("division_by_zero", scene.step.id, step=scene.step.id)
        if _is_endless(result):
            return rejected("number_too_long", scene.step.id, step=scene.step.id)
        exact[party] = result
    bounds = {text: scene.find(text) for text in (work.at_least, work.at_most) if text is not None}
    if work.total:
        exact = {ONE: _AGGREGATE[work.total](list(exact.values()))}
    parts = {
        party: _finish(work, _clamped(work, each, bounds, party), kind, scene)
        for party, each in exact.items()
    }
    several = list(parts) != [ONE]
    value = each_of(kind, parts) if several or (not parts) else single(kind, parts[ONE])
    story = tuple(_told_sum(work, found, party, part, kind, scene) for party, part in parts.items())
    return Done(value, story)


_BITS_MAX = 512
"""Some 150 digits, far more than any cost has: steps that multiply each other's results grow for ever."""


def _is_endless(number: Fraction) -> bool:
    return max(number.numerator.bit_length(), number.denominator.bit_length()) > _BITS_MAX


_AGGREGATE: Mapping[bool | str, Callable[[Sequence[Fraction]], Fraction]] = {
    True: lambda parts: sum(parts, Fraction(0)),
    "max": lambda parts: max(parts, default=Fraction(0)),
    "min": lambda parts: min(parts, default=Fraction(0)),
    "mean": lambda parts: sum(parts, Fraction(0)) / max(len(parts), 1),
    "count": lambda parts: Fraction(len(parts)),
}
_AGGREGATED: Mapping[bool | str, tuple[str, str]] = {
    True: ("Summe über alle von", "sum over all of"),
    "max": ("größter Wert von", "largest value of"),
    "min": ("kleinster Wert von", "smallest value of"),
    "mean": ("Mittelwert von", "mean of"),
    "count": ("Anzahl der Werte von", "number of values of"),
}


def _reckon(work: Calculate, found: Mapping[str, Value], party: str) -> Fraction | None:
    """Sums of several parties are taken part by part; a total adds them up afterwards."""
    base = Fraction(0) if work.add or work.subtract else Fraction(1)
    for text in work.add:
        base += found[text].number(party)
    for text in work.subtract:
        base -= found[text].number(party)
    for text in work.multiply:
        base *= found[text].number(party)
    for text in work.divide:
        divisor = found[text].number(party)
        if not divisor:
            return None
        base /= divisor
    return base if work.percent is None else base * Fraction(work.percent) / 100


def _clamped(work: Calculate, result: Fraction, bounds: Mapping[str, Value], party: str) -> Fraction:
    if work.at_least is not None:
        result = max(result, bounds[work.at_least].number(party))
    if work.at_most is not None:
        result = min(result, bounds[work.at_most].number(party))
    return result


def _finish(work: Calculate, result: Fraction, kind: Kind, scene: Scene) -> Fraction:
    if work.round == "exact":
        return result
    if work.round is not None:
        step = scene.unit.smallest(work.round.to) if kind == "money" else Fraction(work.round.to)
        return to_multiple(result, step, work.round.mode)
    return to_multiple(result, Fraction(1), "nearest") if kind == "money" else result


def _told_sum(  # noqa: PLR0913 - what the sentence tells
    work: Calculate, found: Mapping[str, Value], party: str, result: Fraction, kind: Kind, scene: Scene
) -> Sentence:
    def tell(language: str) -> str:
        def parts(texts: Sequence[str]) -> list[str]:
            return [scene.say(_shown(found[text], party), found[text].kind, language) for text in texts]

        sums = " + ".join(parts(work.add)) + "".join(f" − {part}" for part in parts(work.subtract))
        several = len(work.add) + len(work.subtract) > 1
        factors = [f"({sums})" if several and (work.multiply or work.divide or work.percent) else sums]
        factors = [*filter(None, factors), *parts(work.multiply)]
        text = " × ".join(factors) + "".join(f" ÷ {part}" for part in parts(work.divide))
        if work.percent is not None:
            percent = number_text(Fraction(work.percent), language)
            text = f"{percent} % von {text}" if language == "de" else f"{percent}% of {text}"
        if work.total:
            german, english = _AGGREGATED[work.total]
            text = f"{german if language == 'de' else english} {text}"
        return f"{text} = {scene.say(result, kind, language)}"

    return sentence(scene, party, tell("de"), tell("en"))


def _shown(value: Value, party: str) -> Fraction:
    return value.total if party == ONE and value.each else value.number(party)


# -- price ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Unpriced:
    """No price is known, so that nothing can be charged yet."""

    german: str
    english: str


def price(work: PriceStep, scene: Scene) -> Done | Unpriced | Rejected:
    """Price a quantity by the rules of a tariff."""
    numbers = {name: value for name, value in scene.values.items() if value.kind == "number"}
    texts = {name: value for name, value in scene.values.items() if value.kind in {"text", "flag"}}
    quantity = scene.find(work.of)
    parties = labels([quantity, *(value for value in texts.values() if quantity.each)])
    parts: dict[str, Scalar] = {}
    story = []
    for party in parties:
        attributes = {
            name: _attribute(part) for name, value in texts.items() if (part := value.of(party)) is not None
        }
        priced = price_quantity(
            work,
            quantity.number(party),
            attributes,
            scene.span[0],
            currency=scene.unit.code,
            decimals=scene.unit.decimals,
            order_quantities={
                name: Decimal(part.numerator) / Decimal(part.denominator)
                for name, value in numbers.items()
                if (part := value.number(party)) is not None
            },
        )
        if isinstance(priced, Rejected):
            place = f"{scene.step.id}.{party}" if party else scene.step.id
            if priced.code == "no_price":
                german, english = priced.sentences
                return Unpriced(f"{place}: {german}", f"{place}: {english}")
            return dataclasses.replace(priced, field=place)
        parts[party] = Fraction(priced.amount)
        story.append(sentence(scene, party, priced.trace_de, priced.trace_en))
    value = each_of("money", parts) if parties != [ONE] else single("money", parts[ONE])
    return Done(value, tuple(story))


def _attribute(part: Scalar) -> str:
    if isinstance(part, bool):
        return "true" if part else "false"
    return str(part)


# -- keep, decide, dates, instalments ---------------------------------------------------------------


def keep(work: Keep, scene: Scene) -> Done:
    """Keep what fulfils a condition, all or nothing."""
    source = scene.find(work.of)
    several = source.each or is_each(work, scene.values, scene.unit)
    tested = [scene.find(test.value) for test in work.tests]
    parties = labels([source, *tested]) if not source.each else sorted(source.parts)
    parts: dict[str, Scalar] = {}
    story = []
    for party in parties:
        stays = holds(work, scene.values, scene.unit, party)
        parts[party] = source.number(party) if stays else Fraction(0)
        german, english = (
            scene.say(source.number(party), source.kind, language) for language in ("de", "en")
        )
        german += (
            " bleibt: die Bedingung ist erfüllt" if stays else " entfällt: die Bedingung ist nicht erfüllt"
        )
        english += " stays: the condition holds" if stays else " is dropped: the condition does not hold"
        story.append(sentence(scene, party, german, english))
    return Done(each_of(source.kind, parts) if several else single(source.kind, parts[ONE]), tuple(story))


def decide(work: Decide, scene: Scene) -> Done:
    """Find the first row that fits."""
    tested = [scene.find(test.value) for row in work.rows for test in row.tests]
    parties = labels(tested)
    parts: dict[str, Scalar] = {}
    story = []
    for party in parties:
        row = next((row for row in work.rows if holds(row, scene.values, scene.unit, party)), work.otherwise)
        parts[party] = row.then
        text = f"{row.then} ({row.reason})" if row.reason else row.then
        story.append(sentence(scene, party, text, text))
    return Done(each_of("text", parts) if parties != [ONE] else single("text", parts[ONE]), tuple(story))


def date(work: DateStep, scene: Scene) -> Done:
    """Count a date from another."""
    source = scene.find(work.of)
    parts: dict[str, Scalar] = {
        party: _moved(day, work) for party, day in source.parts.items() if isinstance(day, dt.date)
    }
    story = tuple(
        sentence(scene, party, f"{day:%d.%m.%Y}", f"{day}")
        for party, day in parts.items()
        if isinstance(day, dt.date)
    )
    return Done(Value("date", parts, each=source.each), story)


def _moved(day: dt.date, work: DateStep) -> dt.date:
    day = _later(day, work.months + 12 * work.years) + dt.timedelta(days=work.days)
    for _ in range(work.working_days):
        day += dt.timedelta(days=1)
        while day.weekday() >= calendar.SATURDAY:
            day += dt.timedelta(days=1)
    if work.to is None:
        return day
    length = {"month": 1, "quarter": 3, "year": 12}[work.to.removeprefix("next_").removesuffix("_end")]
    months = day.year * 12 + (day.month - 1) // length * length + length
    following = dt.date(months // 12, months % 12 + 1, 1)
    return following if work.to.startswith("next_") else following - dt.timedelta(days=1)


def between(work: Between, scene: Scene) -> Done:
    """Count how long it is from one date to another."""
    since, until = scene.find(work.since), scene.find(work.until)
    parts: dict[str, Scalar] = {}
    story = []
    for party in labels((since, until)):
        first, last = since.of(party), until.of(party)
        if not isinstance(first, dt.date) or not isinstance(last, dt.date):
            continue
        end = last + dt.timedelta(days=1) if work.inclusive else last
        count = _length(first, end, work.count)
        parts[party] = Fraction(count)
        german, english = _COUNTED[work.count]
        story.append(
            sentence(
                scene,
                party,
                f"{first:%d.%m.%Y} bis {last:%d.%m.%Y}: {count} {german}",
                f"{first} to {last}: {count} {english}",
            )
        )
    return Done(Value("number", parts, each=since.each or until.each), tuple(story))


_COUNTED = {
    "days": ("Tage", "days"),
    "months": ("volle Monate", "full months"),
    "begun_months": ("angefangene Monate", "begun months"),
    "years": ("volle Jahre", "full years"),
    "begun_years": ("angefangene Jahre", "begun years"),
}


def _length(since: dt.date, until: dt.date, count: str) -> int:
    if until <= since:
        return 0
    if count == "days":
        return (until - since).days
    step = 12 if count.endswith("years") else 1
    months = (until.year - since.year) * 12 + until.month - since.month
    full = months // step - (_later(since, months // step * step) > until)
    broken = _later(since, full * step) < until
    return full + (broken if count.startswith("begun") else 0)


def _later(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or that month's last (§ 188 Abs. 3 BGB)."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def instalments(work: Instalments, scene: Scene) -> Done:
    """Part an amount equally over the days on which it falls due."""
    source = scene.find(work.amount)
    unit = int(scene.unit.smallest(work.round_to)) if work.round_to is not None else 1
    parts: dict[str, Scalar] = {}
    story = []
    for party in source.parts:
        amount = int(to_multiple(source.number(party), Fraction(1), "nearest"))
        shares = allot(amount, dict.fromkeys(work.due, Fraction(1)), unit=unit)
        if isinstance(shares, Rejected):  # never: there is a due day, and its weight is one
            raise TypeError(shares.code)
        for due, allotment in shares.items():
            name = f"{party} {due}" if party else due
            parts[name] = Fraction(allotment.amount)
            german, english = (scene.say(parts[name], "money", language) for language in ("de", "en"))
            day = f"{due[3:]}.{due[:2]}."
            story.append(sentence(scene, party, f"am {day} {german}", f"on {due} {english}"))
    return Done(each_of("money", parts), tuple(story))
