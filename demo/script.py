"""Everything the members say in the demonstration, in its order. Made from the data alone."""

import dataclasses
import functools
from collections.abc import Mapping

from allmende.schemas.catalog import Offering
from allmende.schemas.tariff import AllocationKey

from .assumptions import Assumptions, assumptions
from .levy import koenigsteiner
from .offerings import offerings
from .orders import Order, command_id, compute_orders, refused_orders, service_orders
from .trace import Divided, divide, read_trace
from .usage import Report, reports


@dataclasses.dataclass(frozen=True)
class Script:
    """What is said.

    Attributes:
        services: bookings of hosting, groupware and directory.
        computing: bookings of computing.
        refused: bookings the market is to refuse.
        reports: usage in the order of the days.
    """

    table: Assumptions
    divided: Divided
    offerings: tuple[Offering, ...]
    services: tuple[Order, ...]
    computing: tuple[Order, ...]
    refused: tuple[Order, ...]
    reports: tuple[Report, ...]
    key: AllocationKey

    @property
    def period(self) -> str:
        """The month that is closed."""
        return self.table.period

    @property
    def office(self) -> str:
        """The clearing house."""
        return self.table.office.id

    @property
    def names(self) -> Mapping[str, str]:
        """Every party's name by its id."""
        return {body.id: body.name for body in self.table.bodies} | {self.office: self.table.office.name}

    @property
    def levy_id(self) -> str:
        """The id of the levy's command."""
        return command_id("levy", self.period)

    @property
    def closing_id(self) -> str:
        """The command that drafts the run."""
        return command_id("close", self.period)


@functools.cache
def script() -> Script:
    """Write the script from the data that comes with the demonstration."""
    table = assumptions()
    divided = divide(read_trace(), table)
    compute = compute_orders(table, divided.market)
    return Script(
        table=table,
        divided=divided,
        offerings=offerings(table),
        services=service_orders(table),
        computing=compute.all(),
        refused=refused_orders(table),
        reports=reports(table, divided, compute),
        key=koenigsteiner(table.levy),
    )
