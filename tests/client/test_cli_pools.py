"""Cost pools and keys on the command line, with a market that answers at once."""

import json
from pathlib import Path

import pytest
from support import examples
from support.fake_market import FakeMarket, Run, refused
from support.pool_examples import POOL

from allmende.schemas.pools import (
    ListCosts,
    ListKeys,
    PoolShown,
    PublishKey,
    ReportCost,
    SettlePool,
    ShowPool,
)

COST = """\
- {pool_id: datensicherung-2026, cost_id: er-1, input: betrieb, amount_cents: 125000, day: 2026-03-31,
   evidence: ER 1}
- {pool_id: datensicherung-2026, cost_id: er-2, input: betrieb, amount_cents: -500, day: 2026-04-01,
   evidence: ER 2}
"""
SETTLE = """\
pool_id: datensicherung-2026
period: 2026-04
inputs: {personen: 12, anteil: "0.5", genehmigt: true, nutzung: {Bremen: 3, Hamburg: 4}}
carry_forward: {what: surplus, up_to_cents: 1000, into: datensicherung-2027}
"""


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def example(name: str) -> str:
    return examples.payload(name).model_dump_json(exclude_none=True)


@pytest.mark.parametrize(
    ("command", "message", "outcome", "german", "english"),
    [
        ("open", "billing.pool.open", "billing.pool.opened", "ist eröffnet", "is open"),
        ("change", "billing.pool.change", "billing.pool.changed", "Änderung 1", "Change 1"),
        (
            "advance",
            "billing.pool.advance",
            "billing.pool.advanced",
            "Abschlag über 12.500,00",
            "Advance of €12,500",
        ),
        ("settle", "billing.pool.settle", "billing.pool.settled", "Kostendeckung", "Exact cost"),
    ],
)
def test_what_a_file_says_is_sent(
    run: Run, fake: FakeMarket, command: str, message: str, outcome: str, german: str, english: str
) -> None:
    file = written("pool.json", example(message))
    for language, said in (("de", german), ("en", english)):
        fake.outcome = examples.payload(outcome)
        code, _, err = run("pool", command, "-f", file, "--language", language)
        assert (code, said in err) == (0, True)
        assert fake.commands[-1][1] == examples.payload(message)
    fake.outcome = refused("unknown_cost_pool", pool=POOL)
    assert run("pool", command, "-f", file)[0] == 3


def test_inputs_are_read_as_what_they_are(run: Run, fake: FakeMarket) -> None:
    fake.outcome = examples.payload("billing.pool.settled")
    assert run("pool", "settle", "-f", written("settle.yaml", SETTLE))[0] == 0
    sent = fake.commands[-1][1]
    assert isinstance(sent, SettlePool)
    assert sent.inputs == {
        "personen": 12,
        "anteil": "0.5",
        "genehmigt": True,
        "nutzung": {"Bremen": 3, "Hamburg": 4},
    }


def test_costs_are_reported_in_their_order(run: Run, fake: FakeMarket) -> None:
    fake.outcome = examples.payload("billing.cost.recorded")
    code, _, err = run("pool", "cost", "-f", written("costs.yaml", COST))
    assert code == 0
    assert "er-1: 1.250,00 €, Nr. 1" in err
    sent = [data for _, data in fake.commands if isinstance(data, ReportCost)]
    assert [each.cost_id for each in sent] == ["er-1", "er-2"]
    fake.outcome = refused("cost_conflict", cost="er-1")
    code, _, err = run("pool", "cost", "-f", "costs.yaml")
    assert (code, "Abgelehnt: er-1" in err) == (5, True)


def test_a_mistake_names_its_line(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("pool", "cost", "-f", written("costs.yaml", COST.replace("-500", "viel")))
    assert (code, err.startswith("costs.yaml:3:")) == (2, True)
    code, _, err = run("pool", "settle", "-f", written("two.yaml", SETTLE + "---\n" + SETTLE))
    assert (code, "mehr als ein Dokument" in err) == (2, True)
    assert fake.commands == []


def test_keys_are_published_and_listed(run: Run, fake: FakeMarket) -> None:
    published = examples.payload("billing.key.published")
    fake.outcome = published
    key = examples.allocation_key()
    code, out, _ = run("key", "publish", "-f", written("key.json", key.model_dump_json()))
    assert (code, "31.12.2022" in out) == (0, True)
    assert fake.commands[-1][1] == PublishKey(key=key)
    fake.outcome = refused("key_version_taken", key="k", version=1)
    assert run("key", "publish", "-f", "key.json")[0] == 5
    fake.answers = [examples.query_reply("billing.key.list")]
    code, out, _ = run("key", "list", "--key-id", "inhabitants-north", "-o", "json")
    assert json.loads(out)[0]["key"]["version"] == 1
    assert fake.asked[-1] == ListKeys(key_id="inhabitants-north")


def test_a_pool_is_shown_with_its_proof(run: Run, fake: FakeMarket) -> None:
    shown = examples.query_reply("billing.pool.show")
    assert isinstance(shown, PoolShown)
    fake.answers = [shown]
    code, out, err = run("pool", "show", POOL)
    assert (code, "Hamburg" in out, "Kostendeckung auf den Cent" in err) == (0, True, True)
    assert fake.asked[-1] == ShowPool(pool_id=POOL)
    fake.answers = [shown.model_copy(update={"settled": None})]
    _, out, err = run("pool", "show", POOL, "--language", "en")
    assert ("917,848" in out or "917848" in out, "€3,321.52" in err) == (True, True)
    fake.answers = [refused("unknown_cost_pool", pool=POOL)]
    assert run("pool", "show", POOL)[0] == 3


def test_pools_and_costs_are_listed(run: Run, fake: FakeMarket) -> None:
    fake.answers = [examples.query_reply("billing.pool.list")]
    code, out, _ = run("pool", "list")
    assert (code, "12.500,00" in out) == (0, True)
    fake.answers = [examples.query_reply("billing.cost.list")]
    code, out, _ = run("pool", "costs", POOL)
    assert (code, "ER-2026-0815" in out) == (0, True)
    assert fake.asked[-1] == ListCosts(pool_id=POOL)
