import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.examples import offering

from allmende.client.offering_file import read_offerings
from allmende.schemas.documents import CHARACTERS_MAX, Mistakes
from allmende.tariffs.order_form import refuse_details, refuse_schema

EXAMPLE = Path(__file__).parents[2] / "docs/examples/offering.yaml"

GOOD = """\
offering_id: weser-it/vm
title: Virtuelle Maschine
category: compute
plans:
  - plan_id: standard
    title: Standard
    order:
      - {id: vcpu, title: Kerne, unit: vCPU, minimum: 1, maximum: 64}
    capacity: {vcpu: 2048}
    tariffs:
      - version: 1
        valid_from: 2026-01-01
        components:
          - id: setup
            title: Einrichtung
            billing: one_time
            measure: vcpu
            unit: vCPU
            price: {kind: per_unit, amount: 25.10, per: 1}
"""


def mistakes_of(text: str, file: str = "angebot.yaml") -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read_offerings(text, file)
    return [mistake.text(file) for mistake in caught.value.mistakes]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def as_json(**more: Any) -> str:
    return json.dumps(offering().model_dump(mode="json", exclude_none=True) | more)


def test_a_good_file() -> None:
    [found] = read_offerings(GOOD, "angebot.yaml")
    price = found.plans[0].tariffs[0].components[0].price
    assert price is not None
    assert price.kind == "per_unit"
    assert str(price.amount) == "25.10"
    assert found.plans[0].tariffs[0].valid_from.isoformat() == "2026-01-01"


def test_the_example_of_the_documentation() -> None:
    [found] = read_offerings(EXAMPLE.read_text(encoding="utf-8"), "offering.yaml")
    assert found.category == "hosting"
    matrix = found.plans[0].tariffs[0].components[3].price_by_class
    assert {name: price.kind for name, price in (matrix or {}).items()} == {
        "A": "free",
        "B": "per_unit",
        "C": "not_offered",
    }


def test_json_with_tabs_escapes_and_indentation() -> None:
    text = as_json(title="Grüße \U0001f600")
    assert "\\ud83d" in text
    [found] = read_offerings(json.dumps(json.loads(text), indent="\t"), "angebot.json")
    assert found.title == "Grüße \U0001f600"
    assert found.plans == offering().plans


def test_what_is_written_as_yaml_is_read_back() -> None:
    document = offering().model_dump(mode="json", exclude_none=True)
    assert read_offerings(yaml.safe_dump(document, allow_unicode=True), "x") == [offering()]


@pytest.mark.parametrize(
    "text",
    [
        GOOD + "---\n" + changed("/vm", "/vm2"),
        "\n".join("- " + "\n  ".join(t.splitlines()) for t in (GOOD, changed("/vm", "/vm2"))),
        f"[{as_json(offering_id='weser-it/vm')}, {as_json(offering_id='weser-it/vm2')}]",
        "\ufeff---\n" + GOOD + "---\n---\n" + changed("/vm", "/vm2") + "...\n",
    ],
)
def test_several_offerings(text: str) -> None:
    assert [each.offering_id for each in read_offerings(text, "x")] == ["weser-it/vm", "weser-it/vm2"]


@pytest.mark.parametrize("number", ["0.83", "0.1", "0.000000001", "100000000000000.123456789", "1.10", "7"])
def test_numbers_keep_their_text(number: str) -> None:
    [found] = read_offerings(changed("25.10", number), "x")
    assert (
        found.model_dump(mode="json")["plans"][0]["tariffs"][0]["components"][0]["price"]["amount"] == number
    )


@pytest.mark.parametrize("word", ["yes", "no", "on", "2026", "12:30:00", "1.50", "2026-01-01", "0x1F"])
def test_words_that_yaml_would_turn_into_something_else_stay_words(word: str) -> None:
    [found] = read_offerings(changed("title: Virtuelle Maschine", f"title: {word}"), "x")
    assert found.title == word


def test_aliases_may_save_typing() -> None:
    text = changed("price: {", "price: &p {") + (
        "          - {id: b, title: B, billing: usage, measure: m, unit: h, price: *p}\n"
    )
    [found] = read_offerings(text, "x")
    assert found.plans[0].tariffs[0].components[0].price == found.plans[0].tariffs[0].components[1].price


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (changed("25.10", "1e3"), "19:45: plans[0].tariffs[0].components[0].price.amount: "),
        (changed("25.10", "-1"), "19:45: plans[0].tariffs[0].components[0].price.amount: "),
        (changed("25.10", "'25,10'"), "19:45: plans[0].tariffs[0].components[0].price.amount: "),
        (changed("25.10", ".inf"), "19:45: plans[0].tariffs[0].components[0].price.amount: "),
        (changed("25.10", "1_000"), "19:45: plans[0].tariffs[0].components[0].price.amount: "),
        (changed("25.10", "~"), "19:45: plans[0].tariffs[0].components[0].price.amount: "),
        (changed("per: 1", "per: 0"), "19:57: plans[0].tariffs[0].components[0].price.per: "),
        (changed("kind: per_unit, ", ""), "19:20: plans[0].tariffs[0].components[0].price: "),
        (changed("per_unit", "quota"), "19:20: plans[0].tariffs[0].components[0].price: "),
        (changed("price: {kind", "prize: {kind"), "19:20: plans[0].tariffs[0].components[0].prize: "),
        (changed("2026-01-01", "2026-02-30"), "12:21: plans[0].tariffs[0].valid_from: "),
        (changed("2026-01-01", "01.01.2026"), "12:21: plans[0].tariffs[0].valid_from: "),
        (changed("2026-01-01", "1026-01-01"), "12:21: plans[0].tariffs[0].valid_from: "),
        (changed("version: 1", "version: '1'"), "11:18: plans[0].tariffs[0].version: "),
        (changed("version: 1", "version: 1.0"), "11:18: plans[0].tariffs[0].version: "),
        (changed("version: 1", "version: 0"), "11:18: plans[0].tariffs[0].version: "),
        (changed("category: compute", "category: cloud"), "3:11: category: "),
        (changed("category: compute\n", ""), "1:1: category: "),
        (changed("category: compute", "category: compute\ntitle: X"), "4:1: title: "),
        (changed("weser-it/vm", "Weser IT"), "1:14: offering_id: "),
        (changed("unit: vCPU, ", "unit: Stück!, "), "8:40: plans[0].order[0].unit: "),
        (changed("minimum: 1, maximum: 64", "minimum: 2, maximum: 1"), "8:9: plans[0].order[0]: "),
        (changed("{vcpu: 2048}", "{ram: 2048}"), "5:5: plans[0]: "),
        (changed("{vcpu: 2048}", "{vCPU: 2048}"), "9:22: plans[0].capacity.vCPU: "),
        (changed("measure: vcpu", "measure: ram"), "5:5: plans[0]: "),
        (changed("title: Virtuelle Maschine", 'title: "a\\u200Bb"'), "2:8: title: "),
        (changed("title: Virtuelle Maschine", "title: ' x'"), "2:8: title: "),
        (changed("title: Virtuelle Maschine", "title: [a]"), "2:8: title: "),
        (changed("title: Virtuelle Maschine", "title: !!python/name:os.system x"), "2:8: title: "),
        (changed("title: Virtuelle Maschine", "? [a]\n: b"), "2:3: Ein Feldname"),
        (changed("title: Virtuelle Maschine", "title: a: b"), "2:9: Das ist kein gültiges YAML"),
        (changed("title: Virtuelle Maschine", "title: *none"), "2:8: Das ist kein gültiges YAML"),
        (changed("title: Virtuelle Maschine", "\ttitle: x"), "2:1: Das ist kein gültiges YAML"),
        (changed("title: Virtuelle Maschine", "title: \x07"), "2: Das Zeichen U+0007"),
        (GOOD + "---\n" + GOOD, "21:14: offering_id: Das Angebot steht doppelt"),
        ("- " + GOOD.replace("\n", "\n  ").replace("compute", "cloud"), "3:13: [0].category: "),
        ("hallo", "1:1: "),
        ("- hallo", "1:3: [0]: "),
        ('{"title": 1, "title": 2}', "1:14: title: Das Feld steht doppelt"),
        ("", "Die Datei enthält kein Angebot"),
        ("[]", "Die Datei enthält kein Angebot"),
        ("x" * (CHARACTERS_MAX + 1), "Die Datei hat mehr als 2.000.000 Zeichen"),
    ],
)
def test_a_mistake_names_its_line_column_and_field(text: str, place: str) -> None:
    said = mistakes_of(text)
    assert any(line.removeprefix("angebot.yaml:").strip().startswith(place) for line in said), said


def test_all_mistakes_of_a_file_at_once_in_plain_german_and_english() -> None:
    text = changed("compute", "cloud").replace("2026-01-01", "x").replace("25.10", "x")
    text += "---\n" + changed("/vm", "/vm2").replace("title: Standard", "titel: Standard")
    with pytest.raises(Mistakes) as caught:
        read_offerings(text, "a.yaml")
    assert [(m.line, m.path) for m in caught.value.mistakes] == [
        (3, "category"),
        (12, "plans[0].tariffs[0].valid_from"),
        (19, "plans[0].tariffs[0].components[0].price.amount"),
        (25, "plans[0].title"),
        (26, "plans[0].titel"),
    ]
    assert all(m.german != m.english for m in caught.value.mistakes)
    said = "Erlaubt ist nur 'compute', 'hosting', 'storage', 'network', 'security', 'groupware', "
    assert said in mistakes_of(text)[0]
    assert str(caught.value).splitlines()[0].startswith("a.yaml:3:11: category: Only 'compute'")


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "vervielfachen" in mistakes_of("\n".join(lines))[0]


def test_an_alias_to_itself_is_refused() -> None:
    assert mistakes_of(changed("title: Virtuelle Maschine", "title: &a [*a]"))


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_before_it_hurts(bracket: str) -> None:
    assert "geschachtelt" in mistakes_of(bracket * 100_000)[0]


def test_an_order_form_is_a_json_schema_and_nothing_else_is() -> None:
    form = """
    order_form:
      type: object
      properties:
        zweck: {type: string, maxLength: 200, enum: [ja, no, "1", 1.5, -3, true, null]}
      additionalProperties: false
    waiting_list: no
"""
    text = changed(
        "    title: Standard", f"    title: Standard{form.rstrip().replace('waiting_list: no', '')}"
    )
    [found] = read_offerings(text, "a.yaml")
    form_read = found.plans[0].order_form
    assert form_read == {
        "type": "object",
        "properties": {
            "zweck": {
                "type": "string",
                "maxLength": 200,
                "enum": ["ja", "no", "1", 1.5, -3, True, None],
            }
        },
        "additionalProperties": False,
    }
    assert (
        "true oder false"
        in mistakes_of(changed("title: Standard", "title: Standard\n    closed_to_new: no"))[0]
    )


def test_the_order_form_of_the_documentation_can_be_published() -> None:
    [found] = read_offerings(EXAMPLE.read_text(encoding="utf-8"), "offering.yaml")
    [plan] = found.plans
    assert refuse_schema(plan) is None
    assert refuse_details(plan, {"domain": "stadt.example", "php": True}) is None
    assert refuse_details(plan, {}) is not None
