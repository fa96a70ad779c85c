"""What all parts of `Market` stand on: a command with its outcome, a question with its answer."""

import abc
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from nats.aio.client import Client

from allmende.schemas.contract import Contract
from allmende.schemas.rejections import Rejection

from .persons import Signer, new_id

M = TypeVar("M", bound=Contract)
Amount = Decimal | int | str


class Unanswered(Exception):  # noqa: N818 - said to people
    """The market did not answer in time. A command may be repeated with the same id."""


class Room(abc.ABC):
    """A part of `Market` with the methods for one subject.

    Every command waits for its outcome, is repeated with the same id until it comes, and gives a `Rejection`
    where the market refuses. `id` is a UUID by which a repetition after a restart is recognised. What needs a
    person's word is signed by `by`, or else by the person of the connection.
    """

    member: str
    signer: Signer | None = None

    @abc.abstractmethod
    async def command(self, data: Contract, *, id: str | None = None) -> Contract:  # noqa: A002 - CloudEvents calls it so
        """Send a command and wait for its outcome."""

    @abc.abstractmethod
    async def ask(self, name: str, request: Contract, reply: type[M]) -> M:
        """Ask a question that is not refused."""

    @property
    @abc.abstractmethod
    def _live(self) -> Client:
        """The open connection."""

    @abc.abstractmethod
    async def _ask(self, name: str, request: Contract) -> Any:
        """Ask a question. Returns the reply of the registry, or a `Rejection`."""

    async def _told(self, data: Contract, id_: str | None, *facts: type[M]) -> M | Rejection:
        """Send a command that is answered by one of these facts, or refused."""
        outcome = await self.command(data, id=id_)
        if isinstance(outcome, Rejection):
            return outcome
        if not isinstance(outcome, facts):
            raise TypeError(f"{type(data).__name__} was answered by {type(outcome).__name__}")
        return outcome

    async def _acted(
        self,
        kind: type[Contract],
        id_: str | None,
        by: Signer | None,
        given: Mapping[str, Any],
        fact: type[M],
    ) -> M | Rejection:
        """Send a command that a person signs; the signature is over its id too.

        Raises:
            ValueError: there is no such person.
        """
        signer = by or self.signer
        if signer is None:
            raise ValueError(f"{kind.__name__} needs a person: connect with person=, or give by=")
        command_id = id_ or new_id()
        data = kind.model_validate({**given, "claim": signer.draft()})
        return await self._told(signer.signed(self.member, command_id, data), command_id, fact)

    async def _shown(self, name: str, request: Contract, reply: type[M]) -> M | Rejection:
        """Ask a question that may be refused."""
        found = await self._ask(name, request)
        if not isinstance(found, (reply, Rejection)):
            raise TypeError(f"{name} was answered by {type(found).__name__}")
        return found


def exact(quantities: Mapping[str, Amount]) -> dict[str, Decimal]:
    """Take amounts as they are written; a float would not be."""
    return {name: Decimal(value) for name, value in quantities.items()}
