"""Making the files of an issued month in processes of their own, kind by kind, as the service does."""

import asyncio
import dataclasses
import datetime as dt
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.schemas.register import MemberRegister
from allmende.services.billing.documents import making, store
from allmende.services.billing.documents.rendering import Job, Outcome

WORKERS = 2
MEMORY_MIB_MAX = 500
_FILES_MAX = 10_000
_INVOICES_AT_ONCE, _LETTERS_AT_ONCE = 64, 4


@dataclasses.dataclass(frozen=True)
class Made:
    """What one kind of files came to.

    Attributes:
        seconds: by the clock, from reading to keeping, the start of the processes included.
        processor: seconds of processor time of the processes that render, without their start.
        peaks: resident megabytes at most, of each process.
    """

    kind: str
    files: int
    megabytes: float
    seconds: float
    processor: float
    peaks: tuple[int, ...]

    @property
    def line(self) -> str:
        """As it is printed."""
        peaks = ", ".join(str(peak) for peak in self.peaks)
        verdict = "within" if max(self.peaks) <= MEMORY_MIB_MAX else "ABOVE"
        return (
            f"{self.files:,} files, {self.megabytes:.1f} MB; processor {self.processor:.1f} s; "
            f"peaks {peaks} MiB, {verdict} {MEMORY_MIB_MAX}"
        )


async def make(engine: AsyncEngine, register: MemberRegister) -> list[Made]:
    """Make everything that is queued: first all invoices, then all letters."""
    async with engine.connect() as connection:
        found = await store.pending(connection, _FILES_MAX, ())
    invoices = [id_ for id_, kind in found if kind == "xrechnung"]
    letters = [id_ for id_, kind in found if kind != "xrechnung"]
    return [
        await _made(engine, register, "XRechnung", _pieces(invoices, _INVOICES_AT_ONCE)),
        await _made(engine, register, "statements, PDF", _pieces(letters, _LETTERS_AT_ONCE)),
    ]


def _pieces(ids: Sequence[str], at_once: int) -> list[Sequence[str]]:
    return [ids[start : start + at_once] for start in range(0, len(ids), at_once)]


async def _made(
    engine: AsyncEngine, register: MemberRegister, kind: str, pieces: Sequence[Sequence[str]]
) -> Made:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(WORKERS + 1)
    peaks: dict[int, int] = {}
    sizes, processor = [0], 0.0

    async def piece(pool: ProcessPoolExecutor, ids: Sequence[str]) -> None:
        nonlocal processor
        async with gate:
            async with engine.connect() as connection:
                jobs = await store.jobs(connection, ids)
            process, peak, spent, outcomes = await loop.run_in_executor(pool, _work, jobs)
            async with engine.begin() as tx:
                await store.save(tx, outcomes, dt.datetime.now(dt.UTC))
        peaks[process] = max(peak, peaks.get(process, 0))
        processor += spent
        sizes.extend(len(each.content or b"") for each in outcomes)

    started = time.perf_counter()
    with ProcessPoolExecutor(
        WORKERS,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=making.begin,
        initargs=(register.model_dump_json(),),
    ) as pool:
        await asyncio.gather(*(piece(pool, ids) for ids in pieces))
    seconds = time.perf_counter() - started
    return Made(kind, len(sizes) - 1, sum(sizes) / 1e6, seconds, processor, tuple(sorted(peaks.values())))


def _work(jobs: Sequence[Job]) -> tuple[int, int, float, list[Outcome]]:
    """Make files in another process; tells its id, its peak memory in MiB, its seconds and the files."""
    started = time.process_time()
    outcomes = making.work(jobs)
    for each in outcomes:
        if each.content is None:
            raise AssertionError(f"a file could not be made: {each.failure or each.reasons}")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    return os.getpid(), peak, time.process_time() - started, outcomes
