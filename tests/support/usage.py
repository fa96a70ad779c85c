"""Short ways to what rates the usage of a booking."""

from collections.abc import Iterable

from allmende.schemas.brokerage import BookingAmended, BookingConfirmed
from allmende.services.billing.booking import Booking
from allmende.services.billing.rating.metering import Rated, meters_of


def rated(confirmed: BookingConfirmed, amendments: Iterable[BookingAmended] = ()) -> list[Rated]:
    """The terms of a booking by number, as a closing reads them from the database."""
    found = Booking(confirmed, tuple(amendments))
    return [
        Rated(
            confirmed.booking_id,
            confirmed.provider,
            confirmed.consumer,
            confirmed.offering_id,
            terms,
            meters_of(terms.tariff),
        )
        for terms in found.history
    ]
