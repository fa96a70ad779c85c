"""NATS and PostgreSQL as child processes: nothing to install and nothing to configure."""

from abc import ABC, abstractmethod
from typing import Self

from allmende.servicekit.supervisor import Child, Spawned, end_and_wait, run_until_ready


class EmbeddedServer(ABC):
    """A server program that a supervisor keeps alive, or that a `with` statement runs (for tests)."""

    _spawned: Spawned | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Makes everything ready for the first start; harmless when repeated.

        Raises:
            Fault: Something is missing or in the way.
        """

    @abstractmethod
    def child(self) -> Child:
        """What a supervisor starts; call `prepare` first."""

    @property
    def pid(self) -> int | None:
        """The process id of the server that this object runs by itself; None when it runs none."""
        return None if self._spawned is None else self._spawned.pid

    def start(self) -> None:
        """Prepares and starts the server and blocks until it serves; nobody restarts it.

        Raises:
            Fault: It cannot be prepared, dies, or does not become ready in time.
        """
        self.prepare()
        self._spawned = run_until_ready(self.child())

    def stop(self) -> None:
        """Ends the server and blocks until it has gone."""
        if self._spawned is not None:
            end_and_wait(self._spawned)
            self._spawned = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
