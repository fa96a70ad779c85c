"""What a command waits for that has overtaken it."""

import dataclasses

from allmende.schemas.rejections import Rejected, rejected


@dataclasses.dataclass(frozen=True)
class Unknown:
    """What is named is not known yet: the message may have overtaken it."""

    awaited: str


def refusal_of(awaited: str) -> Rejected:
    """Why a command is refused whose offering or booking has not become known in time."""
    if "/" in awaited:
        return rejected("unknown_offering", "offering_id", offering=awaited)
    return rejected("unknown_booking", "booking_id", booking=awaited)
