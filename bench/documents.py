"""Making the files of a month: an XRechnung of every pair, a statement of every member in two languages.

Run as `python -m bench.documents`; `ALLMENDE_BENCH_LINES` says how many lines the month has.
"""

import dataclasses
import datetime as dt
import itertools
import multiprocessing
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from pathlib import Path

from allmende.schemas.billing import ChargeLine, LineTax, StatementIssued, StatementItem
from allmende.schemas.bodies import Address, Body, Contact, TaxRule, TaxStatus
from allmende.schemas.invoices import Invoice
from allmende.schemas.permissions import Role
from allmende.schemas.register import FOUNDING, MemberRegister, RegisteredMember
from allmende.services.billing.documents import making
from allmende.services.billing.documents.rendering import Job
from allmende.services.billing.invoicing.invoice import invoices_of, numbered
from bench.market import names

LINES = int(os.environ.get("ALLMENDE_BENCH_LINES", "20000"))
WORKERS = 2
MEMBERS = names(40)
_HOUSE = "office"
_RUN = str(uuid.UUID(int=1))
_PERIOD = "2026-04"
_ISSUED_AT = dt.datetime(2026, 5, 5, 8, tzinfo=dt.UTC)
_RULE = TaxRule(
    id="hoheitlich",
    valid_from=dt.date(2005, 1, 1),
    category="O",
    code="VATEX-EU-O",
    reason_de="Nicht steuerbar, § 2 Abs. 3 UStG a. F.",
    reason_en="Not subject to VAT",
    basis="§ 27 Abs. 22 UStG",
    decided_on=dt.date(2016, 12, 1),
    decided_by="Kämmerei",
)


@dataclasses.dataclass(frozen=True)
class Made:
    """What a stage came to.

    Attributes:
        seconds: by the clock, the start of the processes included.
        processor: seconds of processor time of all processes, without their start.
        peaks: resident megabytes at most, of each process.
    """

    name: str
    files: int
    megabytes: float
    seconds: float
    processor: float
    peaks: tuple[int, ...]


def run() -> list[Made]:
    """Make all files of a month on two cores, once each kind."""
    register = _register()
    lines = list(_lines())
    invoices = numbered(invoices_of(_RUN, _PERIOD, lines, register, FOUNDING, _ISSUED_AT.date()), {})
    letters = list(_statements(lines, invoices))
    return [
        _measured("XRechnung", [_invoice_job(each) for each in invoices], 64, register),
        _measured("statement, PDF", letters, 4, register),
    ]


def table(found: Sequence[Made]) -> str:
    """The figures as they are printed."""
    heads = (
        f"{'files':>7} {'MB':>7} {'seconds':>8} {'processor':>10} {'files/s':>8}  peak memory of each process"
    )
    rows = [
        f"{made.name:<16} {made.files:>7} {made.megabytes:>7.1f} {made.seconds:>8.1f} {made.processor:>10.1f}"
        f" {made.files / made.seconds:>8.1f}  {', '.join(f'{peak} MiB' for peak in made.peaks)}"
        for made in found
    ]
    return "\n".join([f"{'':<16} {heads}", *rows])


def _measured(name: str, jobs: Sequence[Job], at_once: int, register: MemberRegister) -> Made:
    pieces = [list(piece) for piece in _pieces(jobs, at_once)]
    spawn = multiprocessing.get_context("spawn")
    started = time.perf_counter()
    with ProcessPoolExecutor(
        WORKERS, mp_context=spawn, initializer=making.begin, initargs=(register.model_dump_json(),)
    ) as pool:
        found = list(pool.map(_work, pieces))
    seconds = time.perf_counter() - started
    peaks: dict[int, int] = {}
    for process, peak, _, _ in found:
        peaks[process] = max(peak, peaks.get(process, 0))
    size = sum(sum(sizes) for _, _, _, sizes in found)
    processor = sum(spent for _, _, spent, _ in found)
    return Made(name, len(jobs), size / 1e6, seconds, processor, tuple(sorted(peaks.values())))


def _pieces(jobs: Sequence[Job], at_once: int) -> Iterator[Sequence[Job]]:
    yield from (jobs[start : start + at_once] for start in range(0, len(jobs), at_once))


def _work(jobs: Sequence[Job]) -> tuple[int, int, float, list[int]]:
    """Make files in another process; tells its id, its peak memory in MiB, its seconds and their sizes."""
    started = time.process_time()
    outcomes = making.work(jobs)
    assert all(each.content for each in outcomes), outcomes[0]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    return os.getpid(), peak, time.process_time() - started, [len(each.content or b"") for each in outcomes]


def _lines() -> Iterator[ChargeLine]:
    """Lines, spread over all pairs."""
    pairs = list(itertools.permutations(MEMBERS, 2))
    for number in range(1, LINES + 1):
        payer, payee = pairs[number % len(pairs)]
        hours = Decimal(number % 700 + 1)
        yield ChargeLine(
            line=number,
            kind="charge",
            payer=payer,
            payee=payee,
            title=f"Rechenzeit der Klasse {number % 7}",
            offering_id=f"{payee}/compute-{number % 7}",
            quantity=hours,
            unit="h",
            service_from=dt.date(2026, 4, 1),
            service_to=dt.date(2026, 4, 30),
            amount_cents=int(hours) * 12,
            tax=LineTax(category="O", rate_percent=Decimal(0), rule=_RULE.id),
            budget_item="11.1.07 / 5431000 / 0815",
            trace_de=f"{hours} h × 0,12 € = {hours * 12} Cent, Tarif 3 vom 01.01.2026",
            trace_en=f"{hours} h × €0.12 = {hours * 12} cents, tariff 3 of 1 January 2026",
        )


def _invoice_job(invoice: Invoice) -> Job:
    return Job(invoice.head.invoice_id, "xrechnung", invoice.model_dump_json())


def _statements(lines: Sequence[ChargeLine], invoices: Sequence[Invoice]) -> Iterator[Job]:
    """A statement of every member beside an equal month before, in both languages."""
    dumped = {line.line: line.model_dump_json() for line in lines}
    for number, member in enumerate(MEMBERS, 1):
        owed = _items(each for each in invoices if each.head.recipient == member)
        owing = _items(each for each in invoices if each.head.issuer == member)
        payable, receivable = (sum(item.amount_cents for item in side.values()) for side in (owed, owing))
        statement = StatementIssued(
            statement_id=str(uuid.uuid5(uuid.UUID(_RUN), member)),
            settlement_id=_RUN,
            number=f"{_PERIOD}-{number:04d}",
            period=_PERIOD,
            member=member,
            payable=tuple(owed.values()),
            receivable=tuple(owing.values()),
            payable_cents=payable,
            receivable_cents=receivable,
            net_cents=receivable - payable,
            clearing_house=_HOUSE,
            issued_at=_ISSUED_AT,
        )
        theirs = tuple(dumped[line.line] for line in lines if member in {line.payer, line.payee})
        document = statement.model_dump_json()
        yield Job(statement.statement_id, "statement_de", document, theirs, "2026-03", theirs)
        yield Job(statement.statement_id, "statement_en", document, theirs, "2026-03", theirs)


def _items(invoices: Iterator[Invoice]) -> Mapping[str, StatementItem]:
    return {
        each.head.number: StatementItem(
            kind="charge",
            counterparty=each.head.recipient,
            number=each.head.number,
            amount_cents=each.head.net_cents,
            lines=each.head.lines,
            due_on=each.head.due_on,
        )
        for each in invoices
    }


def _register() -> MemberRegister:
    members = [
        RegisteredMember(
            id=name, name=name, key="U" + f"{number:02d}".translate(_LETTERS) * 27 + "A", body=_body(name)
        )
        for number, name in enumerate(MEMBERS)
    ]
    house = RegisteredMember(id=_HOUSE, name=_HOUSE, role=Role.OFFICE, key="U" + "7" * 55, body=_body(_HOUSE))
    return MemberRegister(name="Verbund", members=(house, *members))


_LETTERS = str.maketrans("0123456789", "ABCDEFGHIJ")


def _body(name: str) -> Body:
    return Body(
        name=f"Rechenzentrum {name}",
        legal_form="institution",
        address=Address(street="Musterweg", building_number="1", post_code="10115", city="Musterstadt"),
        registration_id="HRA 1001",
        electronic_address=f"rechnung@{name}.example",
        contact=Contact(name="Rechnungsstelle", phone="+49 30 123456", email=f"info@{name}.example"),
        leitweg_id="04011000-1234512345-06",
        iban="DE50100000000000000001",
        tax_status=(TaxStatus(valid_from=dt.date(2005, 1, 1)),),
        tax_rules=(_RULE,),
    )


if __name__ == "__main__":
    print(table(run()))
