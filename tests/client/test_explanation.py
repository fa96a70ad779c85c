"""The story of a line in sentences."""

import pytest
from support import bodies, examples

from allmende.client.explanation import Language, sentences
from allmende.schemas.settlements import LineStory, TaxTreatment


def a_story(**changes: object) -> LineStory:
    found = examples.query_reply("billing.line.explain")
    assert isinstance(found, LineStory)
    line = changes.pop("line", {})
    assert isinstance(line, dict)
    return found.model_copy(update={"line": found.line.model_copy(update=line), **changes})


def told(story: LineStory, language: Language = "de", records: int = 30) -> dict[str, str]:
    return dict(sentences(story, records, language))


def test_a_charge_is_told_from_its_price_to_its_records() -> None:
    assert told(a_story()) == {
        "Wer": "weser-it berechnet alster-it 72,00 € netto für »Laufzeit« (Entgelt), "
        "01.04.2026 bis 30.04.2026.",
        "Menge": "5.760 h.",
        "Rechnung": "5.760 h zu 1,25 € je 100 h = 72,00 €.",
        "Preis": "Es gilt Fassung 1 des Tarifs, seit 01.01.2026; Bestandteil runtime (Laufzeit).",
        "Buchung": "weser-it/virtual-machine, Plan standard, ab 01.04.2026, Auftrag 2026/0417; bestätigt am "
        f"12.03.2026 ({examples.BOOKING_ID}).",
        "Umsatzsteuer": "Nicht steuerbar, § 27 Abs. 22 UStG mit § 2 Abs. 3 UStG a. F. (§ 27 Abs. 22 UStG); "
        "entschieden am 01.12.2016 von Kämmerei (Regel oeffentliche-gewalt).",
        "Buchungsstelle": "11.1.02 / 5431000 / IT-Betrieb.",
        "Verbrauch": "Gezählte Meldungen: 30 (vm-0815/2026-04-01 …).",
        "Berichtigungen": "2026-03 Zeile 9 über 12,00 € (Entgelt).",
        "Beleg": "Steht auf weser-it/R/2026/000017.",
        "Widerspruch": "0196b001-7e1b-7c55-9d1e-3f5a6b7c8d01, erhoben.",
    }


def test_the_same_in_english() -> None:
    found = told(a_story(), "en")
    assert found["Who"] == (
        "weser-it charges alster-it €72.00 net for “Laufzeit” (charge), 2026-04-01 to 2026-04-30."
    )
    assert found["Calculation"] == "5,760 h at €1.25 per 100 h = €72.00."
    assert len(found) == len(told(a_story()))


@pytest.mark.parametrize("language", ["de", "en"])
def test_what_it_does_not_have_is_not_told(language: Language) -> None:
    bare = a_story(
        priced_by=None,
        booking=None,
        treatment=None,
        related=(),
        records=(),
        invoice_number=None,
        objection_id=None,
        objection_until=None,
        line={"quantity": None, "budget_item": None, "records": 0},
    )
    found = told(bare, language, 0)
    assert len(found) == 5
    assert all(text.endswith(".") for text in found.values())


def test_how_to_object_and_until_when() -> None:
    story = a_story(objection_id=None, objection_state=None)
    command = 'allmende settlement dispute 2026-04 2 --reason "..." --person NAME.'
    assert told(story)["Widerspruch"] == f"bis 03.06.2026: {command}"
    assert told(story, "en")["Objection"] == f"until 2026-06-03: {command}"


def test_a_levy_a_credit_and_a_pool() -> None:
    assert told(a_story(line={"kind": "levy"}))["Wer"].startswith("weser-it legt auf alster-it 72,00 € um")
    credit = a_story(line={"cause": "credit", "amount_cents": -240})
    assert told(credit)["Wer"].startswith(
        "weser-it schreibt alster-it 2,40 € gut für »Laufzeit« (Gutschrift)"
    )
    pool = a_story(line={"pool_id": "datensicherung-2026", "party": "Hamburg"})
    assert told(pool)["Kostentopf"].startswith("datensicherung-2026; alster-it steht für Hamburg.")


def test_the_standard_rate_names_its_provision() -> None:
    rule = bodies.STANDARD
    named = rule.model_dump(include=set(TaxTreatment.model_fields))
    treatment = TaxTreatment(rule=rule.id, **named)
    assert told(a_story(treatment=treatment))["Umsatzsteuer"].startswith("19 % nach § 12 Abs. 1 UStG")
