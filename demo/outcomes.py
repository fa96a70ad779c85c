"""What the market answers, held against what the script expects."""

from typing import Self, TypeVar

from allmende.schemas.billing import UsageRecorded
from allmende.schemas.brokerage import BookingAcknowledged, BookingConfirmed
from allmende.schemas.contract import Contract
from allmende.schemas.rejections import Rejection

from .connections import Markets
from .orders import Order
from .usage import Report

M = TypeVar("M", bound=Contract)


class Unexpected(Exception):  # noqa: N818 - said to people
    """The market decided otherwise than the script says.

    Attributes:
        sentences: why, in German and English.
    """

    def __init__(self, german: str, english: str) -> None:
        self.sentences = (german, english)
        super().__init__(english)

    @classmethod
    def refused(cls, reason: Rejection) -> Self:
        """A command that should have been accepted was refused."""
        return cls(f"{reason.command}: {reason.message_de}", f"{reason.command}: {reason.message_en}")


def agreed(outcome: M | Rejection) -> M:
    """Take an outcome that is no refusal.

    Raises:
        Unexpected: it is one.
    """
    if isinstance(outcome, Rejection):
        raise Unexpected.refused(outcome)
    return outcome


async def request(markets: Markets, order: Order) -> BookingConfirmed | BookingAcknowledged | Rejection:
    """Request a booking as its consumer. A repetition is answered as the first time."""
    return await markets[order.consumer].book(
        order.offering_id,
        order.plan_id,
        order.quantities,
        start=order.start,
        reference=order.reference,
        id=order.id,
    )


async def refusal_of(markets: Markets, order: Order) -> Rejection:
    """Request a booking that is to be refused.

    Raises:
        Unexpected: it was confirmed.
    """
    outcome = await request(markets, order)
    if isinstance(outcome, Rejection):
        return outcome
    raise Unexpected(
        f"{order.offering_id} wurde für {order.consumer} gebucht, statt abgelehnt zu werden",
        f"{order.offering_id} was booked for {order.consumer} instead of being refused",
    )


async def report_day(markets: Markets, report: Report) -> UsageRecorded:
    """Report a day's usage as its provider.

    A repetition with the same content is answered as the first time; other content would be refused.

    Raises:
        Unexpected: a record was refused.
    """
    recorded = agreed(await markets[report.provider].report_usage(report.records, id=report.id))
    for refused in recorded.refused:
        raise Unexpected(f"{refused.id}: {refused.message_de}", f"{refused.id}: {refused.message_en}")
    return recorded
