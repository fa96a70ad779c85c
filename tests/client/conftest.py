"""A command line at home: two keys, a fake market."""

from pathlib import Path

import pytest
from support import bodies
from support.fake_market import Ended, FakeMarket, Run

from allmende.client import cli, market


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / ".allmende/keys"
    keys.mkdir(parents=True)
    for member in ("weser-it", "alster-it"):
        (keys / f"{member}.nk").write_text("SU" + "A" * 56 + "\n")
        (keys / f"{member}.nk").chmod(0o600)
        (keys / member).mkdir()
        for person in ("anna", "bela"):
            (keys / member / f"{person}.nk").write_text(bodies.seed(member, person) + "\n")
    monkeypatch.chdir(tmp_path)
    for name in ("ALLMENDE_URL", "ALLMENDE_KEY", "ALLMENDE_HOME", "ALLMENDE_PERSON", "ALLMENDE_PERSON_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALLMENDE_MEMBER", "weser-it")
    monkeypatch.setenv("ALLMENDE_LANGUAGE", "de")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeMarket:
    found = FakeMarket()
    monkeypatch.setattr(market.Market, "connect", found.connect)
    return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Ended:
        code = cli.run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run
