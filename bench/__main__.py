"""`make bench`: first the limits of this machine, then what the market reaches, then the ratios."""

import asyncio
import json
import os
import statistics
import sys

import uvloop

from allmende.servicekit.testing import Sandbox
from bench import throughput
from bench.market import MEMBERS, OFFERINGS, scratch_market

ROUNDS = int(os.environ.get("ALLMENDE_BENCH_ROUNDS", "3"))
BOOKINGS = int(os.environ.get("ALLMENDE_BENCH_BOOKINGS", "16000"))
RATES = (100, 500, 1000)
SECONDS = float(os.environ.get("ALLMENDE_BENCH_SECONDS", "5"))


async def main() -> None:
    """Measure in turn, several rounds, so that a passing disturbance meets all lines alike."""
    print(f"{len(MEMBERS)} members, {OFFERINGS:,} offerings, {BOOKINGS:,} bookings a round, {ROUNDS} rounds")
    print("sync_interval: always, fsync on, synchronous_commit on\n")
    async with scratch_market() as market:
        provisioner = await throughput.connect_provisioner(market)
        postgres, stream, bookings = [], [], []
        for round_ in range(ROUNDS):
            postgres.append(await throughput.postgres_limit(market, BOOKINGS, seed=100 + round_))
            stream.append(await throughput.stream_limit(provisioner, 8_000))
            bookings.append(await throughput.bookings(market, provisioner, BOOKINGS, seed=200 + round_))
            print(
                f"round {round_ + 1}: PostgreSQL {postgres[-1]:,.0f}/s, one stream {stream[-1]:,.0f}/s, "
                f"bookings {bookings[-1]:,.0f}/s"
            )
        await provisioner.close()
        print(f"\nlimit: PostgreSQL batch transactions without NATS: {throughput.spread(postgres)}")
        print(f"limit: acknowledged publishes on one stream:       {throughput.spread(stream)}")
        print(f"bookings end to end (two to three events each):    {throughput.spread(bookings)}")
        reached = statistics.median(bookings)
        print(f"ratio to PostgreSQL batch: {reached / statistics.median(postgres):.2f}")
        print(f"ratio to acknowledged publishes: {reached / statistics.median(stream):.2f}\n")
        await latencies(market)


async def latencies(market: Sandbox) -> None:
    """Print p50 and p99 from command to outcome event at fixed rates."""
    await market.start("brokerage")
    print("from command to outcome event, milliseconds")
    print("  rate/s    p50     p99   answered")
    for rate in RATES:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.latency",
            market.url,
            str(market.home.path / "keys"),
            str(rate),
            str(SECONDS),
            *MEMBERS,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        found = json.loads(output)
        print(f"{rate:8} {found['p50']:6.1f}  {found['p99']:6.1f}   {found['answered']} of {found['sent']}")
    await market.stop("brokerage")


if __name__ == "__main__":
    uvloop.run(main())
