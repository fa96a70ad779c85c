"""The play against a hub in memory."""

import io
import itertools
from collections import defaultdict
from pathlib import Path

import pytest
from support.demonstration import expected

from allmende.demo import connections, play
from allmende.demo.register import prepare
from allmende.demo.script import script

from .fake_market import FakeMarket, Hub


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    FakeMarket.hub = Hub(prepare(tmp_path))
    monkeypatch.setattr(connections, "Market", FakeMarket)
    return tmp_path


async def _play(home: Path, language: str = "de") -> tuple[int, str]:
    out = io.StringIO()
    return await play.play("nats://nowhere", home, out, language), out.getvalue()


def _agrees_with_the_independent_computation() -> None:
    wanted, closed = expected(), FakeMarket.hub.closing.settlement
    assert {position.party: position.net_cents for position in closed.positions} == wanted["positions"]
    assert {position.party: position.payable_cents for position in closed.positions} == wanted["payable"]
    assert closed.lines == wanted["lines"]
    assert closed.usage_records == wanted["usage_records"]
    assert closed.charges_cents == wanted["charges_cents"]
    assert closed.levies_cents == wanted["levies_cents"]
    found: defaultdict[str, int] = defaultdict(int)
    for line in FakeMarket.hub.closing.lines:
        if line.kind == "charge":
            found[f"{line.payer} -> {line.payee}"] += line.amount_cents
    assert found == wanted["pairs"]
    shares = {line.payer: line.amount_cents for line in FakeMarket.hub.closing.lines if line.kind == "levy"}
    assert shares == wanted["levy_shares"]
    charges = [line for line in FakeMarket.hub.closing.lines if line.kind == "charge"]
    assert sorted((line.payer, line.payee, line.amount_cents, line.records) for line in charges) == sorted(
        (payer, payee, cents, records) for payer, payee, _, cents, records in wanted["charge_lines"]
    )


async def test_the_play_agrees_with_the_independent_computation(home: Path) -> None:
    code, text = await _play(home)
    assert code == 0, text
    _agrees_with_the_independent_computation()


async def test_a_second_play_changes_nothing_and_shows_the_same(home: Path) -> None:
    _, first = await _play(home)
    decided = FakeMarket.hub.decided
    code, again = await _play(home)
    assert (code, again) == (0, first)
    assert FakeMarket.hub.decided == decided


@pytest.mark.parametrize("commands", [0, 5, 20, 60, 100, *range(153, 162)])
async def test_an_interrupted_play_is_completed_with_the_same_figures(home: Path, commands: int) -> None:
    FakeMarket.hub.dies_after = commands
    code, text = await _play(home)
    assert code == 1
    assert text.startswith("DEMONSTRATION: ")
    FakeMarket.hub.dies_after = None
    assert (await _play(home))[0] == 0
    _agrees_with_the_independent_computation()


async def test_the_output_shows_everything_and_says_what_it_is(home: Path) -> None:
    _, text = await _play(home)
    assert "Summe der Nettopositionen: 0,00 €" in text.splitlines()
    headings = [
        above
        for above, line in itertools.pairwise(text.splitlines())
        if line and (set(line) == {"-"} or set(line) == {"="})
    ]
    assert len(headings) == 12
    assert all(heading.startswith("DEMONSTRATION · ") for heading in headings)
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    assert "\ue000" not in text
    assert not any(line.strip().startswith("€") for line in text.splitlines())
    for party in expected()["positions"]:
        assert party in text
    assert "Höchstmenge 6" in text.replace("\n", " ")
    assert "33 Datensätze" in text


async def test_the_output_speaks_english(home: Path) -> None:
    _, text = await _play(home, "en")
    assert "Sum of the net positions: €0.00" in text.splitlines()
    assert "Nettoposition" not in text


async def test_the_report_alone_plays_nothing(home: Path) -> None:
    out = io.StringIO()
    assert await play.report("nats://nowhere", home, out) == 1
    assert FakeMarket.hub.decided == 0
    assert "2005-11" in out.getvalue()


async def test_the_report_shows_the_statement_asked_for(home: Path) -> None:
    await _play(home)
    out = io.StringIO()
    assert await play.report("nats://nowhere", home, out, member="lrz") == 0
    assert "für Leibniz-Rechenzentrum" in out.getvalue()
    assert await play.report("nats://nowhere", home, out, member="nobody") == 1


async def test_three_bookings_are_refused_for_three_reasons(home: Path) -> None:
    await _play(home)
    reasons = [FakeMarket.hub.outcomes[order.consumer, order.id][1].code for order in script().refused]
    assert reasons == ["above_maximum", "not_offered_to_class", "below_minimum"]


async def test_without_keys_it_says_so(tmp_path: Path) -> None:
    code, text = await _play(tmp_path)
    assert code == 1
    assert text.startswith("DEMONSTRATION: ")
    assert "prepare" in text
