"""Noticing that an event is missing, from the sequence its producer gave it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Gap:
    """Events of one producer instance for one audience that did not arrive.

    Attributes:
        first: the first missing number; `last` the last.
    """

    producer: str
    audience: str
    first: int
    last: int


class Sequences:
    """The last number seen of every producer instance and audience.

    An instance that is met for the first time may have started long ago, so its first number is taken as it
    is. Numbers seen before (redeliveries) say nothing.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}

    def see(self, producer: str, audience: str, number: int) -> Gap | None:
        """Take note of a number; tell what is missing before it."""
        last = self._last.get((producer, audience))
        if last is not None and number <= last:
            return None
        self._last[producer, audience] = number
        if last is None or number == last + 1:
            return None
        return Gap(producer, audience, last + 1, number - 1)
