"""A seeded event loop: chance decides who goes on, and time passes when nobody can.

Callbacks of one process keep their order, as asyncio promises; between processes every order is possible.
A process that dies stops at the await where it stands: none of its code runs any more, no `finally` either.
"""

import asyncio
import collections
import contextvars
import dataclasses
import heapq
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(eq=False)
class Process:
    """Whoever runs by itself: a service process or a member's program.

    Attributes:
        mortality: the chance to die at each step.
        on_death: is told when it has died.
    """

    name: str
    mortality: float = 0.0
    on_death: Callable[[], None] = lambda: None
    is_alive: bool = True
    _tasks: list["asyncio.Task[Any]"] = dataclasses.field(default_factory=list)

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run something as a part of this process, and with it everything that it starts."""
        context = contextvars.copy_context()
        context.run(_CURRENT.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def die(self) -> None:
        """Stop here and now."""
        if self.is_alive:
            self.is_alive = False
            self.on_death()


_CURRENT: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


WORLD = contextvars.Context()
"""Where things happen that belong to no process: messages on their way, servers, time limits."""


class Standstill(AssertionError):  # noqa: N818 - it is a state
    """Nobody has anything to do, and nothing will happen any more."""


class SeededLoop(asyncio.BaseEventLoop):
    """Runs one callback at a time.

    Attributes:
        steps: how many callbacks have run.
    """

    _ready: collections.deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self._turns: dict[Process | None, collections.deque[asyncio.Handle]] = {}
        self._corpses: list[asyncio.Task[Any]] = []
        self.steps = 0
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any
    ) -> "asyncio.Task[T]":
        task = asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        process = _CURRENT.get() if context is None else context.get(_CURRENT)
        if process is not None and process.mortality:
            process._tasks.append(task)
        return task

    def _run_once(self) -> None:
        """Run one callback; asyncio calls this again and again."""
        self._sort_in()
        while not self._turns and not self._stopping:
            self._let_time_pass()
            self._sort_in()
        if self._turns:
            self._step()

    def _sort_in(self) -> None:
        while self._ready:
            handle = self._ready.popleft()
            process = handle._context.get(_CURRENT)  # type: ignore[attr-defined]
            if not handle.cancelled() and (process is None or process.is_alive):
                self._turns.setdefault(process, collections.deque()).append(handle)

    def _let_time_pass(self) -> None:
        if not self._scheduled:
            raise Standstill("everybody waits for somebody")
        timer = heapq.heappop(self._scheduled)
        timer._scheduled = False  # type: ignore[attr-defined]
        if not timer.cancelled():
            self._now = max(self._now, timer.when())
            self._ready.append(timer)

    def _step(self) -> None:
        process = list(self._turns)[int(self._chance.random() * len(self._turns))]
        queue = self._turns[process]
        handle = queue.popleft()
        if not queue:
            del self._turns[process]
        if handle.cancelled():
            return
        if process is not None and process.mortality and self._chance.random() < process.mortality:
            process.die()
        if process is not None and not process.is_alive:
            self._turns.pop(process, None)
            # Whoever lets go of them now would have their `finally` run at a moment nobody can repeat.
            self._corpses += process._tasks
            return
        self.steps += 1
        handle._run()

    def bury(self) -> None:
        """Close what dead processes left and what still runs, when nothing can be harmed by it any more."""
        self.set_exception_handler(lambda *_: None)
        for task in {**dict.fromkeys(self._corpses), **dict.fromkeys(asyncio.all_tasks(self))}:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                if (coroutine := task.get_coro()) is not None:
                    coroutine.close()
        self._corpses.clear()

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""


def run(work: Coroutine[Any, Any, T], chance: random.Random) -> T:
    """Run something in a loop of its own."""
    loop = SeededLoop(chance)
    try:
        return loop.run_until_complete(work)
    finally:
        loop.bury()
        loop.close()
