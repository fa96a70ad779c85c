"""Clauses that cannot work are refused, with the line and the reason, in German and in English."""

import pytest

from allmende.schemas.documents import Mistakes
from allmende.tariffs.clauses.files import read_clauses, read_keys

GOOD = """\
clause_id: netz
title: Netz
source: {title: Satzung}
versions:
  - version: 1
    valid_from: 2025-01-01
    valid_to: 2025-12-31
    inputs:
      cost: {kind: money}
    keys:
      heads: {equal: true}
    steps:
      - {id: part, share: {amount: cost, by: heads, among: {parties: [A, B]}}}
  - version: 2
    valid_from: 2026-01-01
    inputs:
      cost: {kind: money}
      people: {kind: number, each: true, unit: Einwohner}
      form: {kind: text, each: true, one_of: [Amt, Betrieb], default: Amt}
      asked_on: {kind: date}
    keys:
      by_people: {measured: people}
      fixed: {values: {A: 60, B: 40}}
      mixed: {composite: [{percent: 70, key: by_people}, {percent: 30, key: fixed}]}
    requires:
      - {when: [{value: parties, at_least: 2}], reason: Zu wenige}
    steps:
      - id: overhead
        calculate: {add: [cost], percent: 8, at_least: 10.00 EUR}
      - id: whole
        calculate: {add: [cost, overhead]}
      - id: part
        share:
          amount: whole
          parts:
            - {percent: 25, to: Bund}
            - {percent: 75, by: mixed, among: {without: [Bund]}}
      - id: line
        price:
          of: people
          unit: Einwohner
          price: {kind: tiered, mode: graduated, tiers: [{up_to: 100, amount: 2.00}, {up_to: 200, amount: 1}]}
      - id: kept
        keep: {of: line, when: [{value: form, equals: Betrieb}, {value: line, above: 500.00 EUR}]}
      - id: due
        date: {of: asked_on, days: 30}
      - id: rates
        instalments: {amount: whole, due: [01-15, 07-15]}
    charges:
      - {step: part, title: Anteil}
      - {step: kept, title: Leistung, kind: charge}
    exact_cost: whole
"""


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read_clauses(text, "netz.yaml")
    assert all(each.german and each.english for each in caught.value.mistakes)
    return [each.text("netz.yaml") for each in caught.value.mistakes]


def test_the_clause_itself_is_fine() -> None:
    [clause] = read_clauses(GOOD, "netz.yaml")
    assert [version.version for version in clause.versions] == [1, 2]


MUTATIONS = [
    # keys
    ("by: mixed", "by: nobody", 37, "Es gibt keinen Schlüssel nobody"),
    ("key: fixed", "key: gone", 24, "Es gibt keinen Schlüssel gone"),
    ("key: fixed", "key: mixed", 24, "Der Schlüssel mixed enthält sich selbst"),
    ("{A: 60, B: 40}", "{A: 60, B: 39.9}", 23, "Die Prozentsätze ergeben 99.9 statt 100"),
    ("{A: 60, B: 40}", "{A: 160, B: -60}", 23, "Der Wert muss größer als 0 sein"),
    ("percent: 30, key", "percent: 30.1, key", 24, "Die Prozentsätze ergeben 100.1 statt 100"),
    ("{measured: people}", "{measured: cost}", 22, "cost hat keinen Wert je Beteiligtem"),
    ("{measured: people}", "{measured: people, equal: true}", 22, "genau eines von published, values"),
    ("{measured: people}", "{measured: people, lag_years: 1}", 22, "version und lag_years gehören"),
    ("{percent: 75, by", "{percent: 74.9, by", 34, "Die Prozentsätze ergeben 99.9 statt 100"),
    # versions
    ("valid_from: 2026-01-01", "valid_from: 2025-12-31", 15, "Die Fassung 1 muss enden, bevor"),
    ("    valid_to: 2025-12-31\n", "", 14, "Die Fassung 1 muss enden, bevor"),
    ("valid_to: 2025-12-31", "valid_to: 2024-12-31", 5, "Die Fassung 1 endet vor ihrem Beginn"),
    ("version: 2", "version: 1", 14, "Die Fassungen müssen aufsteigen"),
    ("valid_from: 2026-01-01", "valid_from: 2026-02-30", 15, "Den Tag gibt es nicht"),
    # units and kinds
    ("add: [cost, overhead]", "add: [cost, people]", 31, "Geld und Zahlen lassen sich nicht zusammenzählen"),
    ("add: [cost, overhead]", "multiply: [cost, overhead]", 31, "Geld mal Geld gibt es nicht"),
    ("at_least: 10.00 EUR", "at_least: 10.00 USD", 29, "Die Währung der Klausel ist EUR"),
    ("at_least: 10.00 EUR", "at_least: 10", 29, "10 ist number, nötig ist money"),
    ("amount: whole\n", "amount: people\n", 34, "people ist number, nötig ist money"),
    ("of: people", "of: cost", 40, "cost ist money, nötig ist number"),
    ("above: 500.00 EUR", "above: 500", 44, "500 ist number, nötig ist money"),
    ("form, equals: Betrieb", "form, above: 5", 44, "form ist text und hat keine Ordnung"),
    ("of: asked_on", "of: cost", 46, "cost ist money, nötig ist date"),
    ("unit: Einwohner}", "unit: 'Einwohner!'}", 18, "Eine Einheit hat bis zu 32 Buchstaben"),
    ("kind: money}\n      people", "kind: geld}\n      people", 17, "Erlaubt ist nur 'money', 'number'"),
    ("kind: date}", "kind: date, at_least: 5}", 20, "Grenzen haben nur Geld und Zahlen"),
    ("equals: Betrieb}", "equals: Betrieb, above: 5}", 44, "form ist auf genau eine Art zu vergleichen"),
    ("due: [01-15", "due: [15.01.", 48, "Hier steht ein Tag des Jahres als MM-TT"),
    ("unit: Einwohner\n", "unit: Einwohner\n          quantity: {take: max}\n", 42, "Ein Zähler wird in"),
    (
        "days: 30}",
        "days: 30}\n      - {id: n, between: {since: asked_on, until: people}}",
        47,
        "nötig ist date",
    ),
    ("default: Amt", "default: Haus", 19, "kennt den Wert Haus nicht"),
    ("{kind: date}", "{kind: date, default: morgen}", 20, "erwartet wird 2026-03-31"),
    ("kind: money}\n      people", "kind: money, default: viel}\n      people", 17, "12.50 EUR"),
    ("kind: money}\n      people", "kind: money, default: 5.00 USD}\n      people", 17, "12.50 EUR"),
    # tiers
    ("up_to: 100,", "up_to: -100,", 42, "Der Wert muss größer als 0 sein"),
    ("amount: 2.00}", "amount: -2.00}", 42, "Der Wert muss mindestens 0 sein"),
    ("up_to: 200", "up_to: 100", 42, "Die Enden der Stufen müssen steigen"),
    ("{up_to: 100, ", "{", 42, "Nur die letzte Stufe darf ohne Ende sein"),
    ("mode: graduated, ", "", 42, "Das Pflichtfeld fehlt"),
    # names
    ("add: [cost, overhead]", "add: [costs, overhead]", 31, "costs ist keine Angabe und kein früherer"),
    ("add: [cost, overhead]", "add: [cost, kept]", 31, "kept ist keine Angabe und kein früherer"),
    ("add: [cost, overhead]", "add: [cost, cost.A]", 31, "cost hat keine einzelnen Beteiligten"),
    ("- id: whole", "- id: cost", 30, "Die Fassung 2 vergibt den Namen cost doppelt"),
    ("- id: due", "- id: parties", 45, "parties ist kein Name"),
    ("- id: due", "- id: Fällig", 45, "Erlaubt sind bis zu 48 Kleinbuchstaben"),
    ("{step: kept, title", "{step: cept, title", 51, "cept ist keine Angabe und kein früherer"),
    ("exact_cost: whole", "exact_cost: hole", 52, "hole ist keine Angabe und kein früherer"),
    # shape
    (
        "date: {of: asked_on, days: 30}",
        "date: {of: asked_on}\n        keep: {of: cost}",
        45,
        "tut genau eines",
    ),
    ("      - id: due\n        date: {of: asked_on, days: 30}\n", "      - id: due\n", 45, "tut genau eines"),
    ("exact_cost: whole", "exakt_cost: whole", 52, "Das Feld ist nicht bekannt"),
    ("percent: 8,", "prozent: 8,", 29, "Das Feld ist nicht bekannt"),
    ("percent: 8,", "percent: 8 %,", 29, "Hier muss eine Dezimalzahl"),
    ("days: 30", "days: dreißig", 46, "Hier muss eine ganze Zahl stehen"),
    ("add: [cost], percent", "percent", 29, "calculate braucht etwas zum Zusammenzählen"),
    (
        "{percent: 25, to: Bund}",
        "{percent: 25, to: Bund, by: fixed}",
        36,
        "Ein Teil geht an einen Beteiligten",
    ),
    ("{percent: 25, to: Bund}", "{percent: 25}", 36, "Ein Teil geht an einen Beteiligten"),
    ("{percent: 25, to: Bund}", "{percent: 25, rest: true, to: Bund}", 36, "Ein Teil ist genau eines von"),
    ("{value: parties, at_least: 2}", "{value: form, equals: Amt}", 26, "hier gilt die Bedingung für alle"),
    ("{step: part, title: Anteil}", "{step: whole, title: Anteil}", 50, "payer nennt, wer ihn trägt"),
    ("title: Anteil}", "title: Anteil, depends_on: [line]}", 50, "line wird nicht berechnet"),
    ("kind: charge", "kind: gift", 51, "Erlaubt ist nur 'charge', 'levy'"),
    ("title: Netz", "title: Netz\ntitle: Netz", 3, "Das Feld steht doppelt"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), MUTATIONS, ids=lambda value: str(value)[:40])
def test_a_mutated_clause_is_refused(old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    found = mistakes_of(GOOD.replace(old, new, 1))
    assert any(each.startswith(f"netz.yaml:{line}:") and said in each for each in found), found


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("by: mixed", "by: nobody").replace("cost, overhead", "cost, people")
    assert len(mistakes_of(text)) == 2


KEY = """\
key_id: koenigsteiner
version: 2030
title: Königsteiner Schlüssel 2030
holders: land
unit: percent
spread_over: all
key_date: 2028-12-31
published_on: 2030-01-01
effective_from: 2030-01-01
source: Bundesanzeiger
values:
  Bremen: 40
  Hamburg: 60
"""


def test_a_key_that_does_not_sum_to_100_is_refused_not_normalised() -> None:
    [key] = read_keys(KEY, "key.yaml")
    assert key.version == 2030
    with pytest.raises(Mistakes) as caught:
        read_keys(KEY.replace("60", "59.9"), "key.yaml")
    [mistake] = caught.value.mistakes
    assert (
        mistake.text("key.yaml") == "key.yaml:1:1: Der Schlüssel koenigsteiner ergibt 99.9 Prozent statt 100"
    )
