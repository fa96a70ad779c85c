"""`make bench`: what the market reaches, each figure beside the limit of the same minute."""

import os
import statistics
from collections.abc import Sequence

import uvloop

from allmende.schemas import subjects
from allmende.servicekit.testing import Sandbox
from bench import catalogue, closing, growth, latency, settlement, throughput, usage
from bench.market import OFFERINGS, Servers, fill, names, servers, stored
from bench.processes import memory_mib, serving, trace_receiver
from bench.readers import reading

ROUNDS = int(os.environ.get("ALLMENDE_BENCH_ROUNDS", "3"))
BOOKINGS = int(os.environ.get("ALLMENDE_BENCH_BOOKINGS", "16000"))
SECONDS = float(os.environ.get("ALLMENDE_BENCH_SECONDS", "10"))
STORED_MOST = int(os.environ.get("ALLMENDE_BENCH_STORED", "1000000"))
MEMBERS = 16
CROWDS = (50, 200)
RATES = (100, 1_000, 3_000)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
_MANY = 100_000
"""Up to so many before the rounds, which add to them."""
GROWTH_BOOKINGS = 5_000
MEMORY_MIB_MAX = 150


async def main() -> None:
    """Measure in turn."""
    print(f"{MEMBERS} members, {OFFERINGS:,} offerings, {BOOKINGS:,} bookings a round")
    print("sync_interval: always, fsync and synchronous_commit on, 1 % of the requests traced\n")
    async with servers() as found, trace_receiver() as traces, found.market(MEMBERS) as market:
        sizes = [size for size in SIZES if size <= STORED_MOST]
        grown = await _growth(found, market, [size for size in sizes if size <= _MANY])
        table = {MEMBERS: await _rounds(market, traces)}
        await _with_readers(market, traces)
        await _latencies_and_memory(market, traces)
        for crowd in CROWDS:
            table[crowd] = await _crowd(found, crowd, traces)
        _print_table(table)
        await usage.measure(found, traces)
        async with found.market(len(closing.MEMBERS)) as closed:
            await closing.measure(closed)
        async with found.market(len(settlement.MEMBERS)) as settled:
            await settlement.measure(settled)
        await catalogue.measure(market)
        grown += await _growth(found, market, [size for size in sizes if size > _MANY])
        _print_growth(grown)


async def _rounds(market: Sandbox, traces: str) -> tuple[float, float]:
    """Print bookings and limit in turn, so that a passing disturbance meets both alike."""
    members = names(MEMBERS)
    reached, limits = [], []
    async with throughput.provisioner_of(market) as provisioner:
        for number in range(ROUNDS):
            limit = await throughput.postgres_limit(market, members, BOOKINGS)
            run = await throughput.bookings(market, provisioner, members, BOOKINGS, traces)
            limits.append(limit)
            reached.append(run)
            print(f"round {number + 1}: {_line(run.per_second, limit)}")
            print(f"         processor time per booking: {run.spent.each(run.bookings)}", flush=True)
    bookings = statistics.median(run.per_second for run in reached)
    limit = statistics.median(limits)
    ratio = statistics.median(run.per_second / limit for run, limit in zip(reached, limits, strict=True))
    print(f"median:  {_line(bookings, limit, ratio)}\n", flush=True)
    return bookings, ratio


def _line(bookings: float, limit: float, ratio: float | None = None) -> str:
    shown = bookings / limit if ratio is None else ratio
    return f"bookings: {bookings:,.0f}/s; PostgreSQL batch limit {limit:,.0f}/s; ratio {shown:.2f}"


async def _with_readers(market: Sandbox, traces: str) -> None:
    """Print the same while every member reads."""
    members = names(MEMBERS)
    async with throughput.provisioner_of(market) as provisioner:
        await provisioner.jetstream().purge_stream(subjects.EVENT_STREAM)
        # The consumer and the provider of each booking hear of it.
        async with reading(market, members, 2 * BOOKINGS) as read:
            run = await throughput.bookings(market, provisioner, members, BOOKINGS, traces)
            events = await read
    print(
        f"with every member reading: bookings: {run.per_second:,.0f}/s; events read {events:,.0f}/s\n",
        flush=True,
    )


async def _latencies_and_memory(market: Sandbox, traces: str) -> None:
    """Print p50 and p99 at fixed rates, and what the processes hold afterwards."""
    async with serving(market, "brokerage", traces) as pid:
        print("from command to outcome event, milliseconds")
        print("  rate/s    p50     p99   answered")
        for rate in RATES:
            took = await latency.at_rate(market, names(MEMBERS), rate, SECONDS)
            print(
                f"{rate:8} {took['p50']:6.1f}  {took['p99']:6.1f}   {took['answered']} of {took['sent']}",
                flush=True,
            )
        async with (
            serving(market, "billing", traces) as billing,
            serving(market, "catalog", traces) as catalog,
            throughput.provisioner_of(market) as provisioner,
        ):
            await throughput.taken_in(provisioner, "billing")
            print(f"\nresident memory after the load (limit {MEMORY_MIB_MAX} MiB)")
            for name, process in (("brokerage", pid), ("billing", billing), ("catalog", catalog)):
                now, most = memory_mib(process)
                verdict = "within" if most <= MEMORY_MIB_MAX else "ABOVE"
                print(f"  {name:10} {now:5.0f} MiB, at most {most:5.0f} MiB: {verdict} the limit", flush=True)
    print()


async def _crowd(found: Servers, members: int, traces: str) -> tuple[float, float]:
    """Measure one round with more members."""
    async with found.market(members) as market, throughput.provisioner_of(market) as provisioner:
        limit = await throughput.postgres_limit(market, names(members), BOOKINGS)
        run = await throughput.bookings(market, provisioner, names(members), BOOKINGS, traces)
        return run.per_second, run.per_second / limit


def _print_table(table: dict[int, tuple[float, float]]) -> None:
    print("members  bookings/s  ratio")
    for members, (bookings, ratio) in table.items():
        print(f"{members:7} {bookings:11,.0f}  {ratio:5.2f}")
    print(flush=True)


def _print_growth(grown: Sequence[tuple[int, float]]) -> None:
    print("bookings stored  µs per booking, without NATS")
    for bookings, each in grown:
        print(f"{bookings:15,} {each:15.0f}")


async def _growth(found: Servers, market: Sandbox, sizes: Sequence[int]) -> list[tuple[int, float]]:
    """Measure what a booking costs with so many stored."""
    grown = []
    for size in sizes:
        async with found.admin() as admin:
            if await stored(admin) == 0:
                await growth.decide(market, names(MEMBERS), SIZES[0])
            await fill(admin, size)
            before = await stored(admin)
        grown.append((before, await growth.microseconds_each(market, names(MEMBERS), GROWTH_BOOKINGS)))
    return grown


if __name__ == "__main__":
    uvloop.run(main())
