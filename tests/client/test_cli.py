import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from support.fake_market import FakeMarket, Run

from allmende.client import cli
from allmende.client.market import Unanswered

BOOKING = ("booking", "request", "weser-it/virtual-machine", "standard", "--start", "2026-04-01")


def test_help_loads_nothing_heavy_and_lists_what_is_installed(tmp_path: Path) -> None:
    info = tmp_path / "more-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[allmende.commands]\nup = nowhere.at_all:up\nextra = x.y:z\n")
    heavy = "pydantic rich nats yaml sqlalchemy asyncio allmende.servicekit allmende.schemas"
    program = (
        "import sys; from allmende.client.cli import run; code = run(['--help']);"
        f"print(code, [name for name in '{heavy}'.split() if name in sys.modules])"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"
    for word in ("doctor", "offer", "booking", "access", "usage", "settlement", "event", "up", "extra"):
        assert f"\n  {word} " in done.stdout
    assert "Den ganzen Markt auf diesem Rechner starten" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["doctor"],
        ["offer"],
        ["offer", "apply"],
        ["offer", "list"],
        ["offer", "show"],
        *(
            ["booking", name]
            for name in (
                *("request", "list", "show", "accept", "approve", "decline", "cancel", "concede", "report"),
                *("suspend", "resume", "amend", "terminate", "write"),
            )
        ),
        *(["access", name] for name in ("key", "share", "open")),
        *(["maintenance", name] for name in ("announce", "update", "list")),
        ["breach", "report"],
        ["usage", "submit"],
        ["settlement", "list"],
        ["settlement", "show"],
        ["event", "tail"],
    ],
)
def test_help_is_complete_in_both_languages(run: Run, arguments: list[str]) -> None:
    code, german, _ = run(*arguments, "--help")
    assert code == 0
    assert "Aufruf: allmende" in german
    assert "Diese Hilfe zeigen." in german
    assert not {"Usage:", "Options:", "[required]", "default:", "env var:"} & set(german.split())
    code, english, _ = run(*arguments, "-h", "--language", "en")
    assert code == 0
    assert "Usage: allmende" in english
    assert english.isascii()
    assert "\x1f" not in german + english


@pytest.mark.parametrize(
    "arguments", [["--language", "en", "offer", "list"], ["offer", "list", "--language=en"]]
)
def test_the_language_may_stand_anywhere(run: Run, fake: FakeMarket, arguments: list[str]) -> None:
    assert run(*arguments)[2].startswith("The catalogue is empty.")


def test_an_unknown_language_is_wrong_usage(run: Run) -> None:
    assert run("--language", "fr") == (2, "", "--language ist de oder en.\n")


@pytest.mark.parametrize(
    ("arguments", "german", "english"),
    [
        (["nix"], "Den Befehl »nix« gibt es nicht.", "No such command 'nix'."),
        (["offer"], "Es fehlt ein Befehl.", "Missing command."),
        (["offer", "list", "--nix"], "Die Option --nix gibt es nicht.", "No such option: --nix"),
        (["offer", "apply"], "Es fehlt die Angabe '--file' / '-f'.", "Missing option"),
        (["offer", "list", "x"], "Zu viele Angaben: x", "Got unexpected extra argument"),
        (["offer", "list", "-o", "xml"], "'--output' / '-o': »xml« ist nicht erlaubt", "Invalid value"),
        (["settlement", "show", "2026-13"], "»2026-13« ist kein Monat", "'2026-13' is not a month"),
        (["offer", "list", "--category", "x"], "»x« ist keine Art", "'x' is not a category"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], german: str, english: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert german in err
    assert english in run(*arguments, "--language", "en")[2]


def test_the_key_of_the_market_at_hand_is_used(run: Run, fake: FakeMarket) -> None:
    assert run("offer", "list")[0] == 0
    assert fake.connected_as["member"] == "weser-it"
    assert fake.connected_as["url"] == "nats://127.0.0.1:4222"
    assert fake.connected_as["seed"] == "SU" + "A" * 56


def test_options_come_before_the_environment(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALLMENDE_URL", "nats://elsewhere:1")
    monkeypatch.setenv("ALLMENDE_HOME", str(tmp_path / "other"))
    (tmp_path / "k.nk").write_text("SU" + "B" * 56)
    options = ("--url", "hub:4333", "--member", "alster-it", "--key", "k.nk")
    assert run("offer", "list", *options)[0] == 0
    assert fake.connected_as["url"] == "nats://hub:4333"
    assert fake.connected_as["member"] == "alster-it"
    assert fake.connected_as["seed"] == "SU" + "B" * 56


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["--member", ""],
            2,
            "(oder ALLMENDE_MEMBER). Schlüssel liegen hier für: alster-it, weser-it.",
        ),
        (["--member", "leine-it"], 2, ".allmende/keys/leine-it.nk gibt es nicht"),
        (["--member", "../x"], 2, "»../x« ist kein Name eines Mitglieds."),
        (["--key", "nix.nk"], 1, "nix.nk ist nicht zu lesen: die Datei gibt es nicht."),
        (["--key", "."], 1, "ist nicht zu lesen: das ist ein Ordner."),
        (["--key", "text.nk"], 1, "text.nk enthält keinen geheimen NATS-Schlüssel"),
        (["--url", "http://x"], 2, "»http://x« ist keine Adresse"),
        (["--url", "nats://x:99999"], 2, "ist keine Adresse"),
    ],
)
def test_what_cannot_connect_says_why(run: Run, arguments: list[str], code: int, sentence: str) -> None:
    Path("text.nk").write_bytes(b"\xff\x00 geheim")
    found, out, err = run("offer", "list", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err


def test_an_unreachable_market_is_6(run: Run, fake: FakeMarket) -> None:
    fake.unreachable = Unanswered("nats://127.0.0.1:4222: no servers")
    code, out, err = run("booking", "list")
    assert (code, out) == (6, "")
    assert "Der Markt antwortet nicht (nats://127.0.0.1:4222: no servers): allmende doctor" in err


def test_a_refused_key_is_4(run: Run, fake: FakeMarket) -> None:
    fake.unreachable = Unanswered("nats: Authorization Violation")
    assert run("booking", "list")[0] == 4


def test_nothing_listens_there(run: Run) -> None:
    assert run("offer", "list", "--url", "nats://127.0.0.1:9")[0] == 6


def test_ctrl_c_ends_without_a_traceback(run: Run, fake: FakeMarket) -> None:
    fake.outcome = None
    fake.unreachable = typing.cast("Unanswered", KeyboardInterrupt())
    assert run("booking", "list") == (130, "", "")


def test_a_bug_keeps_its_traceback(fake: FakeMarket) -> None:
    fake.outcome = ZeroDivisionError("x")
    with pytest.raises(ZeroDivisionError):
        cli.run([*BOOKING])


def test_a_reader_that_went_away_causes_no_traceback() -> None:
    program = "import sys; from allmende.client.cli import main; sys.argv = ['allmende', '--help']; main()"
    reading, writing = os.pipe()
    os.close(reading)
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
