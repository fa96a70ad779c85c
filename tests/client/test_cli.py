import csv
import datetime as dt
import io
import json
import os
import subprocess
import sys
import typing
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from support import examples

from allmende.client import cli, market
from allmende.client.commands import doctor, installed
from allmende.client.commands.doctor import Probe
from allmende.client.market import Received, Unanswered
from allmende.schemas.billing import SettlementClosed, Statement, UsageRecord, UsageRecorded
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.catalog import Category, Offering, OfferingPublished, OfferingSummary
from allmende.schemas.contract import Contract
from allmende.schemas.envelope import Event
from allmende.schemas.rejections import Rejection, rejected

EXAMPLE = Path(__file__).parents[2] / "docs/examples/offering.yaml"
NAMES = ("id", "booking_id", "meter", "quantity", "start", "end")


def refused(code: str, **parameters: object) -> Rejection:
    return rejected(code, **parameters).as_rejection("x")


class FakeMarket:
    """Answers at once, with what a test put in."""

    member = "weser-it"

    def __init__(self) -> None:
        self.unreachable: Unanswered | None = None
        self.listed: list[OfferingSummary] = []
        self.outcome: Contract | Exception | None = None
        self.batches: list[tuple[str, list[UsageRecord]]] = []
        self.sent: list[Any] = []
        self.heard: list[Received] = []
        self.connected_as: dict[str, Any] = {}

    def connect(self, url: str, **options: Any) -> Self:
        self.connected_as = {"url": url, **options}
        return self

    async def __aenter__(self) -> Self:
        if self.unreachable is not None:
            raise self.unreachable
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def offerings(self, category: Category | None = None) -> AsyncIterator[OfferingSummary]:
        for each in self.listed:
            if category in {None, each.offering.category}:
                yield each

    async def publish(self, offering: Offering) -> Contract:
        self.sent.append(offering)
        now = examples.NOW
        published = OfferingPublished(
            offering=offering, provider=offering.provider, revision=4, published_at=now
        )
        return self._answer(published)

    async def book(self, *given: Any, **named: Any) -> Contract:
        self.sent.append((given, named))
        return self._answer(examples.booking())

    async def bookings(self) -> AsyncIterator[BookingConfirmed]:
        yield examples.booking()

    async def report_usage(self, records: Sequence[UsageRecord], *, id: str) -> Contract:  # noqa: A002
        self.batches.append((id, list(records)))
        return self._answer(UsageRecorded(accepted=len(records), repeated=0, parked=0, refused=()))

    async def settlements(self) -> tuple[SettlementClosed, ...]:
        return (examples.settlement(),)

    async def statement(self, period: str, member: str | None = None) -> Contract:
        self.sent.append((period, member))
        lines = (examples.charge_line(),)
        return self._answer(Statement(statement=examples.statement(), lines=lines, next_after=None))

    async def ask(self, name: str, question: Contract, reply: type[Contract]) -> Contract:
        return self._answer(examples.query_reply(name))

    async def events(self, **_: Any) -> AsyncIterator[Received]:
        for each in self.heard:
            yield each

    def _answer(self, usual: Contract) -> Contract:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome or usual


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / ".allmende/keys"
    keys.mkdir(parents=True)
    for member in ("weser-it", "alster-it"):
        (keys / f"{member}.nk").write_text("SU" + "A" * 56 + "\n")
        (keys / f"{member}.nk").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    for name in ("ALLMENDE_URL", "ALLMENDE_KEY", "ALLMENDE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALLMENDE_MEMBER", "weser-it")
    monkeypatch.setenv("ALLMENDE_LANGUAGE", "de")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeMarket:
    found = FakeMarket()
    monkeypatch.setattr(market.Market, "connect", found.connect)
    return found


Ended = tuple[int, str, str]
Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Ended:
        code = cli.run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def listed(
    offering: Offering, state: typing.Literal["published", "retired"] = "published"
) -> OfferingSummary:
    return OfferingSummary(offering=offering, state=state, revision=3)


def write_offering(**changes: Any) -> str:
    document = examples.offering().model_dump(mode="json", exclude_none=True) | changes
    Path("angebot.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return "angebot.yaml"


def write_usage(count: int, **changes: str) -> str:
    rows = [examples.usage_record().model_dump(mode="json") | {"id": f"r{n}"} | changes for n in range(count)]
    with Path("verbrauch.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, NAMES, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return "verbrauch.csv"


# -- help and languages ---------------------------------------------------------------------------


def test_help_loads_nothing_heavy_and_lists_what_is_installed(tmp_path: Path) -> None:
    info = tmp_path / "more-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[allmende.commands]\nup = nowhere.at_all:up\nextra = x.y:z\n")
    heavy = "pydantic,rich,nats,yaml,sqlalchemy,asyncio,allmende.servicekit,allmende.schemas,allmende.client.market"
    program = (
        "import sys; from allmende.client.cli import run; code = run(['--help']);"
        f"print(code, [name for name in '{heavy}'.split(',') if name in sys.modules])"
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
    for word in ("doctor", "offer", "booking", "usage", "settlement", "event", "up", "extra"):
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
        ["booking", "request"],
        ["booking", "list"],
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


# -- commands of other parts ----------------------------------------------------------------------


def entry_of(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    entry = installed.EntryPoint(name, value, installed.GROUP)
    monkeypatch.setattr(installed, "entry_points", lambda group: [entry] if group == installed.GROUP else [])


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_function_becomes_a_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(
        tmp_path,
        monkeypatch,
        "brought_function",
        "def greet(name: str = 'x') -> None:\n    print('hallo', name)\n",
    )
    entry_of(monkeypatch, "greet", "brought_function:greet")
    assert run("greet", "--name", "du") == (0, "hallo du\n", "")
    assert "Aufruf: allmende greet" in run("greet", "--help")[1]


def test_a_typer_app_becomes_a_group_and_its_faults_are_sentences(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
import typer

app = typer.Typer()

class Fault(Exception):
    sentence = "Die Platte ist voll"
    exit_code = 6

@app.command()
def upgrade() -> None:
    raise Fault

@app.command()
def other() -> None:
    raise typer.Exit(4)
"""
    module(tmp_path, monkeypatch, "brought_app", text)
    entry_of(monkeypatch, "db", "brought_app:app")
    assert run("db", "upgrade") == (6, "", "Die Platte ist voll\n")
    assert run("db", "other")[0] == 4


def test_a_missing_extra_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, monkeypatch, "brought_half", "import not_installed_anywhere\n")
    entry_of(monkeypatch, "up", "brought_half:up")
    code, out, err = run("up", "--help")
    assert (code, out) == (1, "")
    assert err == "Der Befehl up braucht not_installed_anywhere: pip install 'allmende[embedded]'\n"


def test_what_is_damaged_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_of(monkeypatch, "up", "allmende.nowhere:up")
    assert run("up") == (1, "", "Der Befehl up lässt sich nicht laden: No module named 'allmende.nowhere'.\n")


def test_nobody_replaces_a_command_of_the_member(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_of(monkeypatch, "offer", "nowhere:offer")
    assert run("offer", "--help")[0] == 0


# -- connection -----------------------------------------------------------------------------------


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
            "Das Mitglied fehlt: --member NAME angeben (oder ALLMENDE_MEMBER). "
            "Schlüssel liegen hier für: alster-it, weser-it.",
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


# -- offerings ------------------------------------------------------------------------------------


def test_the_example_is_checked_without_a_market(run: Run, fake: FakeMarket) -> None:
    fake.unreachable = Unanswered("nobody")
    code, out, err = run("offer", "apply", "-f", str(EXAMPLE), "--dry-run")
    assert code == 0
    assert "weser-it/webhosting   geprüft" in out
    assert "nicht mit dem Markt verglichen" in err


def test_a_dry_run_shows_the_difference_and_sends_nothing(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "apply", "--dry-run", "-f", write_offering(title="Neuer Name"))
    assert (code, fake.sent) == (0, [])
    assert "geändert" in out
    assert "\n-title: Virtuelle Maschine\n+title: Neuer Name\n" in out
    code, out, _ = run("offer", "apply", "--dry-run", "-f", "angebot.yaml", "-o", "json")
    assert "+title: Neuer Name" in json.loads(out)[0]["difference"]


def test_applying_again_changes_nothing(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "apply", "-f", write_offering())
    assert (code, fake.sent) == (0, [])
    assert "unverändert   3" in out


def test_a_retired_offering_is_published_anew(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering(), "retired")]
    assert run("offer", "apply", "-f", write_offering())[0] == 0
    assert fake.sent == [examples.offering()]


@pytest.mark.parametrize(
    ("rejection", "code"),
    [
        (refused("not_your_offering", offering="x", member="y"), 4),
        (refused("tariff_version_changed", version=1, plan="x"), 5),
        (refused("offering_retired", offering="x"), 1),
        (refused("unavailable"), 6),
    ],
)
def test_a_refused_offering(run: Run, fake: FakeMarket, rejection: Rejection, code: int) -> None:
    fake.outcome = rejection
    found, out, err = run("offer", "apply", "-f", write_offering())
    assert found == code
    assert "abgelehnt" in out
    assert err == f"{rejection.message_de}\n"


def test_a_foreign_offering_is_told_by_the_dry_run(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("offer", "apply", "--dry-run", "-f", write_offering(), "--member", "alster-it")
    assert code == 4
    assert "gehört nicht zum Mitglied alster-it" in err


def test_all_mistakes_of_a_file_are_told(run: Run) -> None:
    code, out, err = run("offer", "apply", "-f", write_offering(category="x", title=" y"))
    assert (code, out) == (1, "")
    assert [line.split(": ")[0:2] for line in err.splitlines()] == [
        ["angebot.yaml:1:11", "category"],
        ["angebot.yaml:41:8", "title"],
    ]


def test_offerings_come_from_stdin(run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EXAMPLE.read_bytes())))
    code, out, _ = run("offer", "apply", "-f", "-", "-o", "csv")
    assert code == 0
    assert out == "\ufeffoffering;state;revision\r\nweser-it/webhosting;new;4\r\n".replace("new", "neu")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("nix.yaml", "nix.yaml ist nicht zu lesen: die Datei gibt es nicht."),
        (".", ". ist nicht zu lesen: das ist ein Ordner."),
        ("latin.yaml", "latin.yaml:2: Die Datei ist nicht in UTF-8 geschrieben."),
        ("huge.yaml", "huge.yaml: Die Datei hat mehr als"),
    ],
)
def test_a_file_that_cannot_be_read(run: Run, file: str, sentence: str) -> None:
    Path("latin.yaml").write_bytes("a: 1\nb: ü".encode("latin-1"))
    Path("huge.yaml").write_bytes(b"#" * 9_000_000)
    code, _, err = run("offer", "apply", "-f", file)
    assert code == 1
    assert err.startswith(sentence)


def test_the_catalogue(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, err = run("offer", "list")
    assert code == 0
    assert "weser-it/virtual-machine   Virtuelle Maschine   compute   standard   veröffentlicht   3" in out
    assert "allmende booking request" in err
    assert json.loads(run("offer", "list", "-o", "json")[1])[0]["revision"] == 3
    assert json.loads(run("offer", "list", "-o", "json", "--category", "hosting")[1]) == []


def test_an_offering_is_shown_as_it_is_applied(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "show", examples.OFFERING_ID)
    assert code == 0
    Path("shown.yaml").write_text(out, encoding="utf-8")
    assert "unverändert" in run("offer", "apply", "-f", "shown.yaml")[1]
    assert run("offer", "show", "weser-it/nix")[0] == 3


def test_the_categories_of_the_help_are_those_of_the_contract(run: Run) -> None:
    assert "|".join(typing.get_args(Category)) in run("offer", "list", "--help")[1]


# -- bookings -------------------------------------------------------------------------------------

BOOKING = ("booking", "request", "weser-it/virtual-machine", "standard", "--start", "2026-04-01")


def test_a_booking(run: Run, fake: FakeMarket) -> None:
    given = ("--quantity", "vcpu=8", "--quantity", "ram=32.5", "--end", "2027-03-31", "--reference", "A 1")
    code, out, _ = run(*BOOKING, *given, "--id", examples.BOOKING_ID)
    assert code == 0
    assert examples.BOOKING_ID in out
    assert "01.04.2026" in out
    [(_, named)] = fake.sent
    assert named == {
        "start": dt.date(2026, 4, 1),
        "end": dt.date(2027, 3, 31),
        "reference": "A 1",
        "id": examples.BOOKING_ID,
    }


@pytest.mark.parametrize(
    ("rejection", "code"),
    [
        (refused("unknown_offering", offering="x"), 3),
        (refused("no_capacity", quantity="vcpu", value=8, free=1), 1),
        (refused("id_conflict", id="x"), 5),
    ],
)
def test_a_refused_booking(run: Run, fake: FakeMarket, rejection: Rejection, code: int) -> None:
    fake.outcome = rejection
    assert run(*BOOKING) == (code, "", f"{rejection.message_de}\n")
    assert run(*BOOKING, "--language", "en") == (code, "", f"{rejection.message_en}\n")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--quantity", "vcpu", "NAME=WERT"),
        ("--quantity", "vcpu=acht", "quantities.vcpu: Hier muss eine Dezimalzahl"),
        ("--start", "1.4.2026", "start: Hier muss ein Datum"),
        ("--start", "2026-02-30", "start: Den Tag gibt es nicht"),
        ("--end", "2026-03-31", "Die Buchung endet vor ihrem Beginn"),
        ("--id", "1", "eine UUID"),
    ],
)
def test_a_booking_that_cannot_be_meant(
    run: Run, fake: FakeMarket, option: str, value: str, sentence: str
) -> None:
    code, _, err = run(*BOOKING, option, value)
    assert (code, fake.sent) == (2, [])
    assert sentence in err


def test_a_booking_without_an_answer_can_be_repeated(run: Run, fake: FakeMarket) -> None:
    fake.outcome = Unanswered("no outcome")
    code, _, err = run(*BOOKING)
    [(_, named)] = fake.sent
    assert code == 6
    assert f"--id {named['id']} bucht nicht doppelt" in err


def test_the_bookings(run: Run, fake: FakeMarket) -> None:
    code, out, _ = run("booking", "list")
    assert code == 0
    assert "vcpu=8, ram=32.5" in out


# -- usage ----------------------------------------------------------------------------------------


def test_usage_goes_in_batches_with_ids_that_come_from_the_records(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("usage", "submit", "-f", write_usage(2_500))
    assert (code, out) == (0, "")
    assert "2500 angenommen" in err
    assert [len(records) for _, records in fake.batches] == [1000, 1000, 500]
    first, fake.batches = fake.batches, []
    run("usage", "submit", "-f", "verbrauch.csv")
    assert fake.batches == first
    fake.batches = []
    run("usage", "submit", "-f", write_usage(2_500, quantity="1"))
    assert not {id_ for id_, _ in fake.batches} & {id_ for id_, _ in first}
    fake.batches = []
    run("usage", "submit", "--again", "-f", write_usage(2_500))
    assert not {id_ for id_, _ in fake.batches} & {id_ for id_, _ in first}


def test_a_batch_fits_into_a_message(run: Run, fake: FakeMarket) -> None:
    rows = [
        examples.usage_record().model_dump(mode="json") | {"id": f"{n}" + "💶" * 110} for n in range(1000)
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    Path("v.jsonl").write_text(text)
    assert run("usage", "submit", "-f", "v.jsonl")[0] == 0
    assert len(fake.batches) == 2
    for _, records in fake.batches:
        assert sum(len(each.model_dump_json().encode()) + 1 for each in records) < 512 * 1024 - 8_192


def test_refused_usage_is_told_line_by_line(run: Run, fake: FakeMarket) -> None:
    german, english = rejected("unknown_meter", meter="x").sentences
    refusal = {"id": "r1", "code": "unknown_meter", "message_de": german, "message_en": english}
    fake.outcome = UsageRecorded.model_validate_json(
        json.dumps({"accepted": 1, "repeated": 0, "parked": 0, "refused": [refusal]})
    )
    file = write_usage(2)
    with Path(file).open("a") as more:
        more.write("r9;x\n")
    code, out, err = run("usage", "submit", "-f", file)
    assert code == 1
    assert "3       r1          unknown_meter   Der Tarif der Buchung kennt den Zähler x nicht." in out
    assert "4                   unreadable" in out
    assert "1 angenommen" in err
    assert "2 abgelehnt" in err
    report = json.loads(run("usage", "submit", "-f", file, "-o", "json", "--language", "en")[1])
    assert report["accepted"] == 1
    assert [each["line"] for each in report["refused"]] == [4, 3]


def test_a_batch_refused_as_a_whole(run: Run, fake: FakeMarket) -> None:
    fake.outcome = refused("not_a_member")
    code, _, err = run("usage", "submit", "-f", write_usage(3))
    assert code == 4
    assert err.startswith("Zeile 2 bis 4: Sie sind kein Mitglied")


def test_usage_without_an_answer_says_how_to_go_on(run: Run, fake: FakeMarket) -> None:
    fake.outcome = Unanswered("no outcome")
    code, _, err = run("usage", "submit", "-f", write_usage(3))
    assert code == 6
    assert "Gemeldet ist bis Zeile 0; derselbe Befehl meldet den Rest und nichts doppelt" in err


def test_a_missing_usage_file(run: Run) -> None:
    code, _, err = run("usage", "submit", "-f", "nix.csv")
    assert (code, err) == (1, "nix.csv ist nicht zu lesen: die Datei gibt es nicht.\n")


# -- settlements and events -----------------------------------------------------------------------


def test_the_settlements_show_ones_own_position(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("settlement", "list")
    assert code == 0
    assert "2026-04       272,00 €   12.000,00 €    601,17 €       272,00 €   -329,17 €" in out
    assert "allmende settlement show 2026-04" in err
    assert json.loads(run("settlement", "list", "-o", "json")[1])[0]["charges_cents"] == 27_200
    assert "2026-04;272,00;12000,00;601,17;272,00;-329,17" in run("settlement", "list", "-o", "csv")[1]


def test_a_statement(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("settlement", "show", "2026-04", "--of", "alster-it")
    assert (code, fake.sent) == (0, [("2026-04", "alster-it")])
    assert "5.760 h zu 1,25 € je 100 h = 72,00 €" in out
    assert "Abrechnung 2026-04/002 für alster-it: -1.932,91 € zu zahlen an nordverbund" in err


@pytest.mark.parametrize(
    ("rejection", "code"),
    [(refused("no_statement", member="x", period="2026-04"), 3), (refused("not_yours", member="x"), 4)],
)
def test_a_statement_one_does_not_get(run: Run, fake: FakeMarket, rejection: Rejection, code: int) -> None:
    fake.outcome = rejection
    assert run("settlement", "show", "2026-04") == (code, "", f"{rejection.message_de}\n")


def received(name: str) -> Received:
    sealed = examples.sealed(name)
    return Received(
        name, Event[Any].model_validate_json(sealed).model_copy(update={"data": examples.payload(name)})
    )


def test_events_in_every_form(run: Run, fake: FakeMarket) -> None:
    fake.heard = [received("catalog.offering.published"), received("brokerage.booking.rejected")]
    code, out, _ = run("event", "tail", "--once")
    assert code == 0
    assert out.splitlines()[0].split()[2:] == ["catalog.offering.published", examples.BOOKING_ID]
    assert out.splitlines()[1].endswith("vcpu: 64 angefragt, 12 frei.")
    lines = run("event", "tail", "--once", "-o", "json")[1].splitlines()
    assert [json.loads(line)["id"] for line in lines] == [examples.EVENT_ID] * 2
    assert len(list(yaml.safe_load_all(run("event", "tail", "--once", "-o", "yaml")[1]))) == 2
    assert run("event", "tail", "--once", "-o", "csv")[1].startswith("\ufefftime;name;subject;message\r\n")


# -- doctor ---------------------------------------------------------------------------------------


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


# -- endings --------------------------------------------------------------------------------------


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
