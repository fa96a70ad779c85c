"""Checks a cost clause before it is used: every name is known, and every kind fits."""

import dataclasses
from collections.abc import Iterator

from allmende.schemas.clause import (
    Between,
    Calculate,
    Clause,
    ClauseVersion,
    Condition,
    DateStep,
    Decide,
    Group,
    Input,
    Instalments,
    Keep,
    Key,
    Kind,
    PriceStep,
    Share,
    Step,
    Test,
)
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Derived, Included, PercentOf, prices_of

from .steps import kind_of
from .values import DATE, MONEY, NUMBER, Unit, read

Path = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Flaw:
    """Something in a clause that cannot work.

    Attributes:
        path: where it stands in the document.
    """

    path: Path
    german: str
    english: str


@dataclasses.dataclass(frozen=True)
class _Known:
    """What is known of a value before it is worked out."""

    kind: Kind
    each: bool


_BUILT_IN = {
    "parties": _Known("number", each=False),
    "first_day": _Known("date", each=False),
    "last_day": _Known("date", each=False),
}
_ORDERED: frozenset[Kind] = frozenset({"money", "number", "date"})


def find_flaws(clause: Clause) -> list[Flaw]:
    """Check all versions of a clause."""
    return [
        flaw
        for number, version in enumerate(clause.versions)
        for flaw in _Check(version, ("versions", number)).flaws()
    ]


class _Check:
    def __init__(self, version: ClauseVersion, path: Path) -> None:
        self._version = version
        self._path = path
        self._known = dict(_BUILT_IN)
        self._found: list[Flaw] = []

    def flaws(self) -> list[Flaw]:
        """Go through the version in the order in which it is run."""
        version = self._version
        for name, asked in version.inputs.items():
            self._input(name, asked)
        for name in version.keys:
            self._name((*self._path, "keys", name), name)
        for number, step in enumerate(version.steps):
            path = (*self._path, "steps", number)
            self._name((*path, "id"), step.id)
            self._condition(path, step, single=True)
            self._known[step.id] = self._step(step, path)
        for name, key in version.keys.items():
            self._key((*self._path, "keys", name), key, (name,))
        for number, requirement in enumerate(version.requires):
            self._condition((*self._path, "requires", number), requirement, single=True)
        self._charges()
        if version.exact_cost is not None:
            self._operand((*self._path, "exact_cost"), version.exact_cost, "money")
        return self._found

    # -- names and operands -----------------------------------------------------------------------

    def _say(self, path: Path, german: str, english: str) -> None:
        self._found.append(Flaw(path, german, english))

    def _name(self, path: Path, name: str) -> None:
        if name in _BUILT_IN or NUMBER.fullmatch(name) or DATE.fullmatch(name):
            self._say(
                path,
                f"{name} ist kein Name: So heißt schon etwas anderes",
                f"{name} is no name: it means something else",
            )

    def _input(self, name: str, asked: Input) -> None:
        path = (*self._path, "inputs", name)
        self._name(path, name)
        if asked.kind not in {"money", "number"} and (
            asked.at_least is not None or asked.at_most is not None
        ):
            self._say(path, "Grenzen haben nur Geld und Zahlen", "only money and numbers have limits")
        if asked.at_least is not None and asked.at_most is not None and asked.at_least > asked.at_most:
            self._say(path, "at_least liegt über at_most", "at_least is above at_most")
        if asked.one_of is not None and asked.kind != "text":
            self._say(path, "one_of gehört zu Texten", "one_of belongs to texts")
        currency = Unit(self._version.currency, self._version.decimals)
        alone = {name: asked.model_copy(update={"each": False})}
        if asked.default is not None and isinstance(refusal := read({}, alone, currency), Rejected):
            self._say((*path, "default"), *refusal.sentences)
        self._known[name] = _Known(asked.kind, asked.each)

    def _operand(self, path: Path, text: str, *kinds: Kind) -> _Known | None:
        known = self._look(path, text)
        if known is not None and kinds and known.kind not in kinds:
            wanted = " / ".join(kinds)
            self._say(
                path,
                f"{text} ist {known.kind}, nötig ist {wanted}",
                f"{text} is {known.kind}, needed is {wanted}",
            )
        return known

    def _look(self, path: Path, text: str) -> _Known | None:
        if NUMBER.fullmatch(text):
            return _Known("number", each=False)
        if DATE.fullmatch(text):
            return _Known("date", each=False)
        if money := MONEY.fullmatch(text):
            if money[2] != self._version.currency:
                own = self._version.currency
                self._say(
                    path,
                    f"{text}: Die Währung der Klausel ist {own}",
                    f"{text}: the clause's currency is {own}",
                )
            return _Known("money", each=False)
        if text in self._known:
            return self._known[text]
        name, dot, _ = text.partition(".")
        known = self._known.get(name)
        if known is None or not dot:
            self._say(
                path,
                f"{text} ist keine Angabe und kein früherer Schritt",
                f"{text} is neither an input nor an earlier step",
            )
            return None
        if not known.each:
            self._say(
                path, f"{name} hat keine einzelnen Beteiligten", f"{name} has no parts of single parties"
            )
        return _Known(known.kind, each=False)

    # -- conditions -------------------------------------------------------------------------------

    def _condition(self, path: Path, condition: Condition, *, single: bool = False) -> None:
        for field, number, test in _places(condition):
            known = self._test((*path, field, *number), test)
            if single and known is not None and known.each:
                self._say(
                    (*path, field, *number),
                    f"{test.value} ist je Beteiligtem verschieden; hier gilt die Bedingung für alle",
                    f"{test.value} differs from party to party; here the condition is for all",
                )

    def _test(self, path: Path, test: Test) -> _Known | None:
        known = self._look((*path, "value"), test.value)
        if known is None:
            return None
        other = getattr(test, test.comparison)
        place = (*path, test.comparison)
        if test.comparison in {"equals", "one_of"}:
            if known.kind == "flag" and not (isinstance(other, bool) or other in {"true", "false"}):
                self._say(place, f"{test.value} ist true oder false", f"{test.value} is true or false")
            if known.kind in _ORDERED and isinstance(other, str):
                self._operand(place, other, known.kind)
        elif known.kind not in _ORDERED:
            self._say(
                place,
                f"{test.value} ist {known.kind} und hat keine Ordnung",
                f"{test.value} is {known.kind} and has no order",
            )
        else:
            self._operand(place, str(other), known.kind)
        return known

    def _group(self, path: Path, group: Group | None) -> None:
        if group is not None:
            self._condition(path, group)

    # -- steps ------------------------------------------------------------------------------------

    def _step(self, step: Step, path: Path) -> _Known:
        match step.work:
            case Calculate() as work:
                return self._calculate(work, (*path, "calculate"))
            case PriceStep() as work:
                return self._price(work, (*path, "price"))
            case Share() as work:
                return self._share(work, (*path, "share"))
            case Keep() as work:
                source = self._operand((*path, "keep", "of"), work.of, "money", "number")
                self._condition((*path, "keep"), work)
                tested = [known for test in work.tests if (known := self._known.get(test.value))]
                each = any(known.each for known in (*tested, *filter(None, (source,))))
                return _Known(source.kind if source else "money", each)
            case Decide() as work:
                for number, row in enumerate(work.rows):
                    self._condition((*path, "decide", "rows", number), row)
                asked = [self._known.get(test.value) for row in work.rows for test in row.tests]
                return _Known("text", any(known is not None and known.each for known in asked))
            case DateStep() as work:
                source = self._operand((*path, "date", "of"), work.of, "date")
                return _Known("date", source is not None and source.each)
            case Between() as work:
                ends = [
                    self._operand((*path, "between", field), getattr(work, field), "date")
                    for field in ("since", "until")
                ]
                return _Known("number", any(end is not None and end.each for end in ends))
            case Instalments() as work:
                self._operand((*path, "instalments", "amount"), work.amount, "money")
                return _Known("money", each=True)

    def _calculate(self, work: Calculate, path: Path) -> _Known:
        kinds: dict[str, Kind] = {}
        each = False
        for field in ("add", "subtract", "multiply", "divide"):
            for number, text in enumerate(getattr(work, field)):
                known = self._operand((*path, field, number), text, "money", "number")
                kinds[text] = known.kind if known is not None else "number"
                each = each or (known is not None and known.each)
        sums = [*work.add, *work.subtract]
        if len({kinds[text] for text in sums}) > 1:
            german = "Geld und Zahlen lassen sich nicht zusammenzählen: " + ", ".join(sums)
            self._say(path, german, "money and numbers cannot be added up: " + ", ".join(sums))
        money = sum(kinds[text] == "money" for text in work.multiply)
        money += any(kinds[text] == "money" for text in sums)
        money -= sum(kinds[text] == "money" for text in work.divide)
        if money not in {0, 1}:
            self._say(path, "Geld mal Geld gibt es nicht", "there is no money times money")
        kind = kind_of(work, kinds)
        for field in ("at_least", "at_most"):
            text = getattr(work, field)
            if text is not None:
                self._operand((*path, field), text, kind)
        self._group((*path, "only"), work.only)
        if (work.only is not None or work.total) and not each:
            self._say(
                path,
                "only und total brauchen Werte je Beteiligtem",
                "only and total need values for each party",
            )
        return _Known(kind, each and not work.total)

    def _price(self, work: PriceStep, path: Path) -> _Known:
        quantity = self._operand((*path, "of"), work.of, "number")
        texts = {name: known for name, known in self._known.items() if known.kind in {"text", "flag"}}
        for price in prices_of(work):
            if isinstance(price, PercentOf | Derived):
                german = f"Ein Preis der Art {price.kind} gehört in einen Tarif, nicht in eine Klausel"
                self._say(
                    path, german, f"a price of the kind {price.kind} belongs into a tariff, not into a clause"
                )
        rule = work.quantity
        if rule is not None and (rule.reading, rule.take, rule.window) != ("delta", "sum", None):
            german = "Ein Zähler wird in einem Tarif gelesen; in einer Klausel rechnet ein Schritt vorher"
            english = "a meter is read in a tariff; in a clause, an earlier step reckons the quantity"
            self._say((*path, "quantity"), german, english)
        if rule is not None and rule.included is not None:
            self._included((*path, "quantity", "included"), rule.included)
        if work.price_by_class is not None and "class" not in texts:
            self._say(path, "price_by_class braucht die Angabe class", "price_by_class needs an input class")
        for number, cell in enumerate(work.prices or ()):
            for name in cell.when:
                if name not in texts:
                    place = (*path, "prices", number, "when", name)
                    self._say(place, f"{name} ist keine Angabe", f"{name} is not an input")
        each = quantity is not None and quantity.each
        return _Known(
            "money", each or any(known.each for known in texts.values() if quantity and quantity.each)
        )

    def _included(self, path: Path, included: Included) -> None:
        if included.for_each is not None:
            self._operand((*path, "for_each"), included.for_each, "number")
        if included.shared_by != "booking":
            german = "Ein gemeinsamer Vorrat gehört in einen Tarif; in einer Klausel wird er verteilt (share)"
            english = "a shared allowance belongs into a tariff; in a clause it is shared by a step"
            self._say((*path, "shared_by"), german, english)

    def _share(self, work: Share, path: Path) -> _Known:
        self._operand((*path, "amount"), work.amount, "money")
        targets: list[tuple[Path, str | None, Group | None]] = [(path, work.by, work.among)]
        targets += [
            ((*path, "parts", number), part.by, part.among) for number, part in enumerate(work.parts or ())
        ]
        for place, by, among in targets:
            if by is not None and by not in self._version.keys:
                self._say((*place, "by"), f"Es gibt keinen Schlüssel {by}", f"there is no key {by}")
            self._group((*place, "among"), among)
        for number, part in enumerate(work.parts or ()):
            if part.amount is not None:
                self._operand((*path, "parts", number, "amount"), part.amount, "money")
        for field in ("caps", "floors"):
            text = getattr(work, field)
            if text is not None:
                self._operand((*path, field), text, "money")
                if work.parts is not None:
                    self._say(
                        (*path, field),
                        f"{field} gehört zu einem einzigen Schlüssel",
                        f"{field} belongs to a single key",
                    )
        return _Known("money", each=True)

    # -- keys and charges -------------------------------------------------------------------------

    def _key(self, path: Path, key: Key, seen: tuple[str, ...]) -> None:
        if key.measured is not None:
            known = self._operand((*path, "measured"), key.measured, "money", "number")
            if known is not None and not known.each:
                self._say(
                    (*path, "measured"),
                    f"{key.measured} hat keinen Wert je Beteiligtem",
                    f"{key.measured} has no value for each party",
                )
        for number, part in enumerate(key.composite or ()):
            place = (*path, "composite", number, "key")
            if part.key not in self._version.keys:
                self._say(place, f"Es gibt keinen Schlüssel {part.key}", f"there is no key {part.key}")
            elif part.key in seen:
                self._say(
                    place, f"Der Schlüssel {part.key} enthält sich selbst", f"the key {part.key} holds itself"
                )
            else:
                self._key((*self._path, "keys", part.key), self._version.keys[part.key], (*seen, part.key))

    def _charges(self) -> None:
        charges = self._version.charges
        names = {charge.step for charge in charges}
        for number, charge in enumerate(charges):
            path = (*self._path, "charges", number)
            known = self._operand((*path, "step"), charge.step, "money")
            if known is not None and not known.each and charge.payer == "each":
                german = f"{charge.step} ist ein einziger Betrag: payer nennt, wer ihn trägt"
                self._say(path, german, f"{charge.step} is a single amount: payer says who bears it")
            for other in charge.depends_on:
                if other not in names:
                    self._say(
                        (*path, "depends_on"), f"{other} wird nicht berechnet", f"{other} is not charged"
                    )


def _places(condition: Condition) -> Iterator[tuple[str, tuple[int, ...], Test]]:
    for number, test in enumerate(condition.when or ()):
        yield "when", (number,), test
    for outer, tests in enumerate(condition.when_any or ()):
        for inner, test in enumerate(tests):
            yield "when_any", (outer, inner), test
