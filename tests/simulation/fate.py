"""What befalls the market, by chance and yet always the same for one seed."""

import dataclasses
import random
import uuid


@dataclasses.dataclass(frozen=True)
class Rates:
    """How rough it is.

    Attributes:
        death: the chance of a brokerage process to die at each of its steps.
        lost_commit: the chance of a connection to break while a transaction commits, before or after.
        lost_confirmation: the chance of a confirmation of the stream to be lost on its way to a member.
        outage_seconds: how long an outage of a server lasts at most.
        between_outages_seconds: how long a server stands at most.
    """

    death: float = 0.005
    lost_commit: float = 0.01
    lost_confirmation: float = 0.1
    outage_seconds: float = 1.5
    between_outages_seconds: float = 8.0


ROUGH = Rates()


class Fate:
    """Every choice of one run."""

    def __init__(self, seed: int, rates: Rates = ROUGH) -> None:
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.rates = rates
        self.is_calm = False
        """Whether nothing fails any more, so that everything can come to its end."""

    def happens(self, rate: float) -> bool:
        """Tell whether a misfortune happens now."""
        return not self.is_calm and self.chance.random() < rate

    def delay(self, most: float = 0.01) -> float:
        """How long something takes: often no time at all, now and then very long."""
        draw = self.chance.random()
        if draw < 0.5:
            return 0.0
        return most * (40 * draw if draw > 0.98 and not self.is_calm else draw)

    def new_id(self) -> uuid.UUID:
        """What `uuid.uuid4` gives, by the seed."""
        return uuid.UUID(int=self.chance.getrandbits(128), version=4)
