"""Usage records per second: waiting reports until taken in, answered and acknowledged, each record once.

The reports are in the streams before billing starts, sent by connections of this process. The limit is
PostgreSQL's own idempotent insert into the same table, from columns that are texts already: nothing is read,
checked or answered.

Run alone as `python -m bench.usage`; `ALLMENDE_BENCH_USAGE` says how many records.
"""

import asyncio
import dataclasses
import datetime as dt
import hashlib
import os
import random
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import asyncpg
import nats
import uvloop
from nats.aio.client import Client

from allmende.schemas.billing import ReportUsage, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.envelope import seal
from allmende.schemas.tariff import Component, PerUnit, Tariff
from allmende.servicekit import database
from allmende.servicekit.settings import read_secret
from allmende.servicekit.testing import Sandbox
from allmende.services.billing import store
from bench import commands, throughput
from bench.market import Servers, names, servers, settle
from bench.processes import Cost, cost, memory_mib, serving, trace_receiver

RECORDS = int(os.environ.get("ALLMENDE_BENCH_USAGE", "200000"))
ROUNDS = int(os.environ.get("ALLMENDE_BENCH_ROUNDS", "3"))
BOOKINGS = 10_000
PROVIDERS = 16
BATCH = 1_000
_START = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
_TYPE = "allmende.billing.usage.report.v1"
_LOOK_SECONDS = 0.02
_STALLED_SECONDS = 60.0

_LIMIT = """
    insert into usage_record (source, record_id, booking_id, meter, quantity, started_at, ended_at, period,
                              dimensions, corrects, waits_for, state, parked_until, received_at)
    select $1, id, booking_id::uuid, meter, quantity::numeric, started_at::timestamptz, ended_at::timestamptz,
           period, null, null, null, 'recorded', null, $2
    from unnest(string_to_array($3, E'\\x1f'), string_to_array($4, E'\\x1f'), string_to_array($5, E'\\x1f'),
                string_to_array($6, E'\\x1f'), string_to_array($7, E'\\x1f'), string_to_array($8, E'\\x1f'),
                string_to_array($9, E'\\x1f'))
         u (id, booking_id, meter, quantity, started_at, ended_at, period)
    on conflict do nothing
"""


@dataclasses.dataclass(frozen=True)
class Reached:
    """What one run reached."""

    records: int
    seconds: float
    spent: Cost
    memory_mib: tuple[float, float]

    @property
    def per_second(self) -> float:
        """Records per second."""
        return self.records / self.seconds


async def measure(found: Servers, traces: str) -> None:
    """Print both in turn, so that a passing disturbance meets them alike."""
    async with (
        found.market(PROVIDERS, "usage") as market,
        throughput.provisioner_of(market) as provisioner,
        market.admin("billing") as admin,
    ):
        bookings = await _book(market)
        ratios = []
        print(
            f"{RECORDS:,} usage records of {BOOKINGS:,} bookings, {BATCH:,} a report, waiting in the stream"
        )
        for number in range(1, ROUNDS + 1):
            load = {member: _reports(own, number) for member, own in bookings.items()}
            limit = await postgres_limit(admin, [some for each in load.values() for some in each])
            run = await recorded(market, provisioner, load, traces)
            stored = await admin.fetchval("select count(*) from usage_record where state = 'recorded'")
            if stored != 2 * number * sum(BATCH * len(each) for each in load.values()):
                raise RuntimeError(f"{stored:,} records are stored")
            ratios.append(run.per_second / limit)
            print(_line(run.per_second, limit, ratios[-1]))
            spent, most = run.spent.each(run.records), run.memory_mib[1]
            print(f"       processor time per record: {spent}; memory at most {most:.0f} MiB", flush=True)
        print(f"usage: median ratio {statistics.median(ratios):.2f}\n", flush=True)


def _line(records: float, limit: float, ratio: float) -> str:
    return (
        f"usage: {records:,.0f} records/s through NATS; "
        f"PostgreSQL's own insert {limit:,.0f}/s; ratio {ratio:.2f}"
    )


def _reports(bookings: Sequence[str], number: int) -> list[list[UsageRecord]]:
    """A provider's reports, each of a quarter of an hour after another."""
    generator = random.Random(number)  # noqa: S311 - load, not a secret
    return [
        [
            UsageRecord(
                id=f"{booking_id[-12:]}/{number}/{report:05d}/{place:04d}",
                booking_id=booking_id,
                meter="vcpu_hours",
                quantity=Decimal(generator.randrange(1, 100_000)).scaleb(-2),
                start=(start := _START + dt.timedelta(minutes=15 * (report % 2_800))),
                end=start + dt.timedelta(minutes=15),
            )
            for place, booking_id in enumerate(generator.choices(bookings, k=BATCH))
        ]
        for report in range(RECORDS // BATCH // PROVIDERS)
    ]


async def postgres_limit(connection: asyncpg.Connection, load: Sequence[Sequence[UsageRecord]]) -> float:
    """PostgreSQL's own insert of the same records for another provider, each thousand committed."""
    columns = [_columns(some) for some in load]
    await connection.execute("checkpoint")
    statement = await connection.prepare(_LIMIT)
    started = time.perf_counter()
    for some in columns:
        await statement.fetch("limit", dt.datetime.now(dt.UTC), *some)
    return len(load) * BATCH / (time.perf_counter() - started)


def _columns(records: Sequence[UsageRecord]) -> list[str]:
    rows = [
        (r.id, r.booking_id, r.meter, str(r.quantity), r.start.isoformat(), r.end.isoformat(), "2026-04")
        for r in records
    ]
    return ["\x1f".join(column) for column in zip(*rows, strict=True)]


async def recorded(
    market: Sandbox, provisioner: Client, load: Mapping[str, Sequence[Sequence[UsageRecord]]], traces: str
) -> Reached:
    """Let a billing that just started take waiting reports in.

    The clock starts when the first batch is done, since starting the process is not what is measured, and
    stops when no report waits or is unacknowledged.
    """
    await asyncio.gather(*(_send(market, member, reports) for member, reports in load.items()))
    before = await throughput.waiting(provisioner, "billing")
    async with serving(market, "billing", traces) as pid:
        while (left := await throughput.waiting(provisioner, "billing")) >= before:
            await asyncio.sleep(_LOOK_SECONDS)
        started, spent, decided = time.perf_counter(), cost(market, pid), left
        while left := await throughput.waiting(provisioner, "billing"):
            if time.perf_counter() - started > _STALLED_SECONDS:
                raise TimeoutError(f"{left} reports are still open")
            await asyncio.sleep(_LOOK_SECONDS)
        elapsed = time.perf_counter() - started
        return Reached(decided * BATCH, elapsed, cost(market, pid).since(spent), memory_mib(pid))


async def _send(market: Sandbox, member: str, reports: Sequence[Sequence[UsageRecord]]) -> None:
    connection = await nats.connect(market.url, nkeys_seed_str=read_secret(market.key_file(member)))
    messages = []
    for records in reports:
        id_, data = str(uuid.uuid4()), ReportUsage(records=tuple(records)).model_dump_json().encode()
        body = seal(
            id=id_, source=f"/members/{member}", type=_TYPE, time=dt.datetime.now(dt.UTC), data_json=data
        )
        digest = hashlib.sha256(data).hexdigest()[:32]
        messages.append((id_, body, {"Nats-Msg-Id": f"{_TYPE}:{id_}:{digest}"}))
    await commands.publish(connection, "usage.report", messages, window=4)
    await connection.close()


async def _book(market: Sandbox) -> dict[str, list[str]]:
    """Keep bookings of every provider, as the brokerage would have told them. Gives their ids."""
    component = Component(
        id="vcpu",
        title="vCPU-Stunden",
        billing="usage",
        measure="vcpu_hours",
        unit="h",
        price=PerUnit(amount=Decimal("0.021")),
    )
    tariff = Tariff(version=1, valid_from=dt.date(2020, 1, 1), components=(component,))
    told = [
        BookingConfirmed(
            booking_id=str(uuid.uuid4()),
            offering_id=f"{provider}/vm",
            offering_revision=1,
            plan_id="standard",
            provider=provider,
            consumer="office",
            quantities={},
            start=_START.date(),
            tariff=tariff,
            confirmed_at=_START,
        )
        for provider in names(PROVIDERS)
        for _ in range(BOOKINGS // PROVIDERS)
    ]
    engine = database.engine(market.databases["billing"])
    async with engine.begin() as tx:
        await store.save_bookings(tx, told)
    await engine.dispose()
    async with market.admin("billing") as admin:
        await settle(admin)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in told:
        found[each.provider].append(each.booking_id)
    return found


async def main() -> None:
    """Measure usage alone."""
    async with servers(offerings=0) as found, trace_receiver() as traces:
        await measure(found, traces)


if __name__ == "__main__":
    uvloop.run(main())
