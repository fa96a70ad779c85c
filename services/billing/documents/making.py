"""Makes files in processes of their own while the service goes on; a crash leaves them to the next one."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.schemas.register import MemberRegister
from allmende.servicekit.clock import Clock

from . import store
from .rendering import Job, Outcome, render

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
REST_SECONDS = 30.0
WORKERS_MAX = 8
_ROUND = 512
_INVOICES_AT_ONCE, _STATEMENTS_AT_ONCE = 64, 4
_LOCK = text("select pg_try_advisory_lock(724586)")
_register: MemberRegister


class Making:
    """Makes what is pending, as long as it runs.

    Attributes:
        workers: how many processes at most; they end when nothing is left to be made.
    """

    def __init__(
        self, engine: AsyncEngine, register: MemberRegister, clock: Clock, *, workers: int | None = None
    ) -> None:
        self._engine = engine
        self._register = register
        self._clock = clock
        self.workers = min(workers or os.cpu_count() or 1, WORKERS_MAX)
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Look for files to be made again and again, until it is cancelled."""
        while True:
            try:
                await self.make()
            except (OSError, DBAPIError, TimeoutError) as error:
                log.warning("files cannot be made now: %s", error)
            except BrokenProcessPool as error:
                log.warning("a process that makes files was ended, perhaps for want of memory: %s", error)
                await asyncio.sleep(REST_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def make(self) -> int:
        """Make all that is pending, unless another process is at it. Returns how many files it was."""
        count = 0
        async with self._engine.connect() as connection:
            found = await store.pending(connection, _ROUND, self._failed)
            await connection.rollback()
            if not found or not (await connection.execute(_LOCK)).scalar_one():
                return 0
            await connection.commit()
            try:
                with self._processes() as pool:
                    while found:
                        count += await self._round(pool, found)
                        found = await store.pending(connection, _ROUND, self._failed)
                        await connection.rollback()
            finally:
                # The lock belongs to the connection: it ends with it, whatever happened.
                await connection.invalidate()
        return count

    @contextlib.contextmanager
    def _processes(self) -> Iterator[ProcessPoolExecutor]:
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=begin,
            initargs=(self._register.model_dump_json(),),
        )
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def _round(self, pool: ProcessPoolExecutor, found: Sequence[tuple[str, str]]) -> int:
        """Make some files: a piece for each process, and one that waits."""
        gate = asyncio.Semaphore(self.workers + 1)

        async def piece(ids: Sequence[str]) -> int:
            async with gate:
                return await self._piece(pool, ids)

        counts = await asyncio.gather(*(piece(ids) for ids in _pieces(found)))
        return sum(counts)

    async def _piece(self, pool: ProcessPoolExecutor, ids: Sequence[str]) -> int:
        async with self._engine.connect() as connection:
            jobs = await store.jobs(connection, ids)
        outcomes = await asyncio.get_running_loop().run_in_executor(pool, work, jobs)
        for each in outcomes:
            if each.failure is not None:
                log.error(
                    "the file %s failed and stays pending until a restart: %s", each.document_id, each.failure
                )
                self._failed.add(each.document_id)
        async with self._engine.begin() as tx:
            return await store.save(tx, [each for each in outcomes if each.failure is None], self._clock())


def _pieces(found: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    """Part files into what one process takes at once: invoices are many and small, letters long."""
    for is_invoice, most in ((True, _INVOICES_AT_ONCE), (False, _STATEMENTS_AT_ONCE)):
        ids = [document_id for document_id, kind in found if (kind == "xrechnung") is is_invoice]
        yield from (ids[start : start + most] for start in range(0, len(ids), most))


# -- in the other process -----------------------------------------------------------------------------


def begin(register: str) -> None:
    """Get ready, behind everybody who answers messages; end when the service does."""
    global _register  # noqa: PLW0603 - the process has one, for as long as it lives
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells everybody; the service decides
    with contextlib.suppress(OSError):  # a hardened unit may not even step back
        os.nice(5)
    _register = MemberRegister.model_validate_json(register)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def work(jobs: Sequence[Job]) -> list[Outcome]:
    """Make files; one that fails leaves the others alone."""
    return [_one(job) for job in jobs]


def _one(job: Job) -> Outcome:
    try:
        return render(job, _register)
    except Exception as error:  # noqa: BLE001 - a bug that one document brings out must not keep all others from being made
        return Outcome(job.document_id, failure=f"{type(error).__name__}: {error}"[:500])
