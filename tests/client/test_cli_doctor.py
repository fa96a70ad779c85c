import datetime as dt
import json
from pathlib import Path

import pytest
from support.fake_market import FakeMarket, Run

from allmende.client.commands import doctor
from allmende.client.commands.doctor import Probe
from allmende.client.market import Unanswered


def found_by(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    async def probed(*_: str) -> Probe:
        return probe

    monkeypatch.setattr(doctor, "probe", probed)


@pytest.mark.parametrize(
    ("probe", "code", "words"),
    [
        (Probe("own", skew=dt.timedelta(seconds=0.1)), 0, ["geht 0,1 s vor", "Dienst billing      ok"]),
        (Probe("own"), 0, ["der Server nennt keine"]),
        (Probe("own", skew=dt.timedelta(seconds=-90)), 1, ["geht 90,0 s nach", "NTP"]),
        (Probe("foreign"), 1, ["gehört nicht zu weser-it", "--member oder --key"]),
        (Probe("denied"), 1, ["nicht angenommen", "Geschäftsstelle"]),
        (Probe("unreachable", "no route"), 6, ["no route", "allmende up"]),
    ],
)
def test_the_doctor(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch, probe: Probe, code: int, words: list[str]
) -> None:
    found_by(monkeypatch, probe)
    ended, out, _ = run("doctor")
    assert ended == code
    assert all(word in out for word in words), out


def test_the_doctor_finds_a_silent_service(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_by(monkeypatch, Probe("own"))
    fake.outcome = Unanswered("no responders")
    code, out, _ = run("doctor", "-o", "json")
    assert code == 6
    states = {each["check"]: each["state"] for each in json.loads(out)}
    assert states["Dienst catalog"] == states["Dienst brokerage"] == states["Dienst billing"] == "missing"


def test_the_doctor_starts_with_the_key(run: Run) -> None:
    Path(".allmende/keys/weser-it.nk").chmod(0o644)
    code, out, _ = run("doctor", "--url", "nats://127.0.0.1:9")
    assert code == 6
    assert "chmod 600 .allmende/keys/weser-it.nk" in out
    assert "Der Schlüssel fehlt" in run("doctor", "--member", "leine-it")[1]
