"""What is wrong in a file somebody wrote, in one plain sentence in German and in English."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import ValidationError

from . import clause, identifiers, tariff


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One thing to correct.

    Attributes:
        line: counted from 1; 0 when the mistake has no line.
        column: counted from 1; 0 when it has none.
        path: the field, such as `plans[0].tariffs[0].valid_from`, or an empty string.
    """

    line: int
    column: int
    path: str
    german: str
    english: str

    def text(self, file: str, language: Literal["de", "en"] = "de") -> str:
        """Write `file:line:column: path: sentence`, leaving out what is not known."""
        place = ":".join([file, *(str(number) for number in (self.line, self.column) if number)])
        sentence = self.english if language == "en" else self.german
        return ": ".join(part for part in (place, self.path, sentence) if part)


def path_of(parts: Sequence[str | int]) -> str:
    """Write a field's place: `plans[0].price_by_class.A`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def errors_of(error: ValidationError) -> list[Any]:
    """The single errors, each with `type`, `loc`, `msg` and `ctx`.

    A list that is too short only because its entries are wrong is not told beside them.
    """
    found = error.errors(include_url=False, include_input=False)
    places = [each["loc"] for each in found]
    return [each for each in found if each["type"] != "too_short" or not _has_below(each["loc"], places)]


def _has_below(place: tuple[str | int, ...], places: Sequence[tuple[str | int, ...]]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def sentences(error: Any) -> tuple[str, str]:
    """Tell one error of a contract in German and English."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return _of_a_rule(str(error["msg"]).removeprefix("Value error, "))
    if kind == "string_pattern_mismatch":
        return _of_a_spelling(context["pattern"])
    if kind == "too_short" and context.get("field_type") == "Value":  # a text, measured after its reading
        kind = "string_too_short"
    if kind in _BY_TYPE:
        german, english = _BY_TYPE[kind]
        return german.format_map(context).replace("' or '", "' oder '"), english.format_map(context)
    return str(error["msg"]), str(error["msg"])


def _of_a_rule(message: str) -> tuple[str, str]:
    for pattern, german in _RULES:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return german.format(*found.groups()), message
    return message, message


def _of_a_spelling(pattern: str) -> tuple[str, str]:
    general = (
        f"Die Schreibweise ist nicht erlaubt; sie muss {pattern} entsprechen",
        f"The spelling is not allowed; it must match {pattern}",
    )
    return _SPELLINGS.get(pattern, general)


def _pattern(name: Any) -> str:
    pattern: str = get_args(name)[1].pattern
    return pattern


_SPELLINGS = {
    _pattern(identifiers.Uuid): (
        "Hier muss eine UUID in Kleinbuchstaben stehen, wie 0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8d9e",
        "This must be a UUID in lower case, such as 0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8d9e",
    ),
    _pattern(identifiers.Slug): (
        "Erlaubt sind bis zu 48 Kleinbuchstaben a-z, Ziffern, - und _, wie site_days",
        "Allowed are up to 48 small letters a-z, digits, - and _, such as site_days",
    ),
    _pattern(identifiers.OfferingId): (
        "Hier muss MITGLIED/NAME in Kleinbuchstaben stehen, wie weser-it/webhosting",
        "This must be MEMBER/NAME in small letters, such as weser-it/webhosting",
    ),
    _pattern(identifiers.ClassName): (
        "Eine Nutzerklasse hat bis zu 32 Buchstaben A-Z, a-z, Ziffern, - und _",
        "A consumer class has up to 32 letters A-Z, a-z, digits, - and _",
    ),
    _pattern(tariff.Unit): (
        "Eine Einheit hat bis zu 32 Buchstaben A-Z, a-z, Ziffern, µ, %, /, Punkte, - und Leerzeichen",
        "A unit has up to 32 letters A-Z, a-z, digits, µ, %, /, full stops, - and spaces",
    ),
}

_SPELLINGS |= {
    _pattern(clause.Operand): (
        (
            "Hier steht der Name einer Angabe oder eines Schritts, name.Beteiligter, eine Zahl, ein Tag "
            "oder Geld wie 650.00 EUR"
        ),
        "This is the name of an input or step, name.party, a number, a day, or money such as 650.00 EUR",
    ),
    _pattern(clause.DayOfYear): (
        "Hier steht ein Tag des Jahres als MM-TT, wie 07-15",
        "This is a day of the year as MM-DD, such as 07-15",
    ),
}

_BY_TYPE = {
    "missing": ("Das Pflichtfeld fehlt", "The required field is missing"),
    "extra_forbidden": ("Das Feld ist nicht bekannt", "The field is not known"),
    "string_type": ("Hier muss Text stehen", "This must be text"),
    "string_too_short": ("Der Text ist leer", "The text is empty"),
    "string_too_long": (
        "Der Text hat mehr als {max_length} Zeichen",
        "The text has more than {max_length} characters",
    ),
    "int_type": ("Hier muss eine ganze Zahl stehen", "This must be a whole number"),
    "bool_type": ("Hier muss true oder false stehen", "This must be true or false"),
    "literal_error": ("Erlaubt ist nur {expected}", "Only {expected} is allowed"),
    "model_type": ("Hier müssen Felder mit Werten stehen", "This must be fields with values"),
    "dict_type": ("Hier müssen Namen mit Werten stehen", "This must be names with values"),
    "tuple_type": ("Hier muss eine Liste stehen", "This must be a list"),
    "date_type": ("Hier muss ein Datum wie 2026-03-31 stehen", "This must be a date such as 2026-03-31"),
    "datetime_type": (
        "Hier muss ein Zeitpunkt wie 2026-03-31T10:00:00Z stehen",
        "This must be a moment such as 2026-03-31T10:00:00Z",
    ),
    "too_short": (
        "Mindestens {min_length} Einträge sind nötig",
        "At least {min_length} entries are needed",
    ),
    "too_long": ("Höchstens {max_length} Einträge sind erlaubt", "At most {max_length} entries are allowed"),
    "greater_than": ("Der Wert muss größer als {gt} sein", "The value must be greater than {gt}"),
    "greater_than_equal": ("Der Wert muss mindestens {ge} sein", "The value must be at least {ge}"),
    "less_than_equal": ("Der Wert darf höchstens {le} sein", "The value must be at most {le}"),
    "union_tag_not_found": (
        "Der Preis braucht das Feld kind: per_unit, tiered, percent, derived, free oder not_offered",
        "The price needs the field kind: per_unit, tiered, percent, derived, free or not_offered",
    ),
    "union_tag_invalid": (
        "kind ist {tag}; erlaubt ist {expected_tags}",
        "kind is {tag}; allowed is {expected_tags}",
    ),
}

# What the contracts say in English, so that German readers get it in German.
_RULES = (
    (
        r"must be a decimal number written as text.*",
        "Hier muss eine Dezimalzahl wie 12.50 stehen, mit Punkt, höchstens 15 Stellen davor und 9 dahinter",
    ),
    (
        r"is no (IBAN|Leitweg-ID): its check digits do not fit",
        "Das ist keine {0}: Die Prüfziffern stimmen nicht",
    ),
    (r"must be a date such as (\S+)", "Hier muss ein Datum wie {0} stehen"),
    (r"must be a moment with its offset.*", "Hier muss ein Zeitpunkt wie 2026-03-31T10:00:00Z stehen"),
    (r"day is out of range for month|month must be .*|day .* must be in range.*", "Den Tag gibt es nicht"),
    (r"lies outside (\S+) to (\S+)(?: in UTC)?", "Der Tag liegt nicht zwischen {0} und {1}"),
    (r"holds the hidden or control character (\S+)", "Der Text enthält das unsichtbare Zeichen {0}"),
    (r"begins or ends with white space", "Am Anfang oder Ende steht Leerraum"),
    (r"has more than (\d+) characters in its composed form", "Der Text hat mehr als {0} Zeichen"),
    (r"piles up more than (\d+) combining characters", "Mehr als {0} Zeichen stehen übereinander"),
    (r"plan (\S+) names an order quantity twice", "Der Plan {0} nennt ein Bestellfeld doppelt"),
    (
        r"plan (\S+) has capacity for (\S+), which it does not order",
        "Der Plan {0} begrenzt {1}, ein Bestellfeld, das er nicht hat",
    ),
    (
        r"plan (\S+): tariff versions must rise, each once",
        "Plan {0}: die Tarifversionen müssen aufsteigen, jede einmal",
    ),
    (
        r"plan (\S+): tariff version (\d+) must end before version (\d+) begins on (\S+)",
        "Plan {0}: die Tarifversion {1} muss enden, bevor die Version {2} am {3} beginnt",
    ),
    (
        r"plan (\S+): component (\S+) charges (\S+), which the order form does not ask for",
        "Plan {0}: der Bestandteil {1} berechnet {2}, wonach das Bestellformular nicht fragt",
    ),
    (r"offering (\S+) names a plan twice", "Das Angebot {0} nennt einen Plan doppelt"),
    (
        r"give one of price, price_by_class and prices",
        "genau eines von price, price_by_class und prices angeben",
    ),
    (r"tariff version (\d+) ends before it begins", "Die Tarifversion {0} endet vor ihrem Beginn"),
    (
        r"tariff version (\d+) names a component twice",
        "Die Tarifversion {0} nennt einen Bestandteil doppelt",
    ),
    (
        r"tariff version (\d+) has prices by class but names no class_scheme",
        "Die Tarifversion {0} hat Preise je Klasse, nennt aber kein class_scheme",
    ),
    (
        r"component (\S+): (\S+) needs no measure",
        "Bestandteil {0}: {1} hat kein measure",
    ),
    (r"component (\S+): (\S+) needs a measure", "Bestandteil {0}: {1} braucht ein measure"),
    (r"component (\S+): (\S+) needs no period", "Bestandteil {0}: {1} hat keine period"),
    (r"component (\S+): (\S+) needs a period", "Bestandteil {0}: {1} braucht eine period"),
    (
        r"component (\S+): usage is charged by month, quarter or year",
        "Bestandteil {0}: Verbrauch wird nach Monat, Quartal oder Jahr berechnet",
    ),
    (
        r"component (\S+): only usage is read from a meter",
        "Bestandteil {0}: nur Verbrauch wird von einem Zähler gelesen",
    ),
    (
        r"component (\S+): only fixed and limit by period are prorated",
        "Bestandteil {0}: nur fixed und limit mit einem Zeitraum werden anteilig berechnet",
    ),
    (
        r"component (\S+) is a percentage of (\S+), which does not stand before it",
        "Bestandteil {0} ist ein Anteil von {1}, das nicht davor steht",
    ),
    (
        r"component (\S+) is a percentage of (\S+), which falls due at another time",
        "Bestandteil {0} ist ein Anteil von {1}, das zu anderer Zeit fällig wird",
    ),
    (r"only the last tier may have no end", "Nur die letzte Stufe darf ohne Ende sein"),
    (r"the ends of the tiers must rise", "Die Enden der Stufen müssen steigen"),
    (r"give window and window_take together", "window und window_take gehören zusammen"),
    (
        r"percentile is given with take: percentile, and only then",
        "percentile steht bei take: percentile, und nur dort",
    ),
    (
        r"what a counter rose by is summed up: take must be sum",
        "Was ein Zählerstand steigt, wird addiert: take muss sum sein",
    ),
    (r"the points of an index must rise by day", "Die Punkte eines Index müssen nach Tagen steigen"),
    (r"order quantity (\S+): maximum is below minimum", "Bestellfeld {0}: maximum liegt unter minimum"),
    (r"plan (\S+): give either capacity or pools", "Plan {0}: entweder capacity oder pools angeben"),
    (r"plan (\S+) names a pool twice", "Der Plan {0} nennt einen Bereich doppelt"),
    (
        r"plan (\S+): order_form is larger than (\d+) bytes",
        "Plan {0}: order_form hat mehr als {1} Bytes",
    ),
    (r"plan (\S+): order_form must not use (\S+)", "Plan {0}: order_form darf {1} nicht verwenden"),
    (
        r"pool (\S+): a slot has starts_at and ends_at",
        "Bereich {0}: ein Termin hat starts_at und ends_at",
    ),
    (r"pool (\S+) ends before it starts", "Der Termin {0} endet vor seinem Beginn"),
    (r"support closes before it opens", "Die Servicezeit endet vor ihrem Beginn"),
    (
        r"names nobody; leave it out where everybody is meant",
        "Hier ist niemand genannt; weglassen, wenn alle gemeint sind",
    ),
    (r"the booking ends before it starts", "Die Buchung endet vor ihrem Beginn"),
    (r"the record ends before it starts", "Der Datensatz endet vor seinem Beginn"),
    (r"a record cannot correct itself", "Ein Datensatz kann nicht sich selbst ersetzen"),
    (
        r"give 1 to (\S+) records and cancellations together",
        "zusammen 1 bis {0} Datensätze und Rücknahmen angeben",
    ),
    (r"the maintenance ends before it starts", "Die Wartung endet vor ihrem Beginn"),
    (r"the breach ends before it starts", "Der Zeitraum endet vor seinem Beginn"),
    (r"the details are larger than (\d+) bytes", "Die Angaben haben mehr als {0} Bytes"),
    (r"nothing is to be changed", "Es soll sich nichts ändern"),
    # Cost clauses and keys.
    (r"key (\S+) sums to (\S+) percent, not to 100", "Der Schlüssel {0} ergibt {1} Prozent statt 100"),
    (
        r"the percentages of the (?:key|composite key|parts) sum to (\S+), not to 100",
        "Die Prozentsätze ergeben {0} statt 100",
    ),
    (r"the parts sum to (\S+) percent, more than 100", "Die Teile ergeben {0} Prozent, mehr als 100"),
    (
        r"compare (.+) in exactly one way: (.+)",
        "{0} ist auf genau eine Art zu vergleichen: {1}",
    ),
    (
        r"give one of published, values, measured, equal and composite",
        "genau eines von published, values, measured, equal und composite angeben",
    ),
    (
        r"version and lag_years belong to a published key",
        "version und lag_years gehören zu einem veröffentlichten Schlüssel (published)",
    ),
    (
        r"calculate needs something to add or to multiply",
        "calculate braucht etwas zum Zusammenzählen (add) oder Malnehmen (multiply)",
    ),
    (r"a part is one of amount, percent and rest", "Ein Teil ist genau eines von amount, percent und rest"),
    (
        r"a part goes to a party, or is shared by a key",
        "Ein Teil geht an einen Beteiligten (to) oder wird nach einem Schlüssel verteilt (by)",
    ),
    (r"among belongs to a key", "among gehört zu einem Schlüssel (by)"),
    (
        r"share by one key, or in parts",
        "Verteilt wird nach einem Schlüssel (by) oder in Teilen (parts), genau eines davon",
    ),
    (r"only one part can be the rest", "Nur ein Teil kann der Rest sein"),
    (r"step (\S+) does exactly one of: (.+)", "Der Schritt {0} tut genau eines von: {1}"),
    (r"version (\d+) ends before it begins", "Die Fassung {0} endet vor ihrem Beginn"),
    (r"version (\d+) gives the name (\S+) twice", "Die Fassung {0} vergibt den Namen {1} doppelt"),
    (r"versions must rise, each once", "Die Fassungen müssen aufsteigen, jede einmal"),
    (
        r"version (\d+) must end before version (\d+) begins on (\S+)",
        "Die Fassung {0} muss enden, bevor die Fassung {1} am {2} beginnt",
    ),
    (
        r"a case has exactly one of expect, refused and held",
        "Ein Fall hat genau eines von expect, refused und held",
    ),
    (
        r"milestone names a milestone, the other steps none",
        "milestone nennt einen Meilenstein, die anderen Schritte keinen",
    ),
    (
        r"partial says what was delivered, the other steps do not",
        "partial sagt, was geliefert ist, die anderen Schritte nicht",
    ),
)
