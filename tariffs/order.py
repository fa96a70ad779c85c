"""What may be booked: the order form and its technical limits, checked before anything is priced."""

from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.catalog import Plan
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected


def refuse_order(plan: Plan, quantities: Mapping[str, Decimal]) -> Rejected | None:
    """Refuse quantities that the form does not have, or that lie outside its limits.

    A quantity that is left out counts as zero.
    """
    fields = {field.id: field for field in plan.order}
    for name in quantities:
        if name not in fields:
            return rejected("unknown_quantity", f"quantities.{name}", quantity=name)
    for field in plan.order:
        value = quantities.get(field.id, Decimal(0))
        place = f"quantities.{field.id}"
        if value < field.minimum:
            return rejected(
                "below_minimum", place, quantity=field.id, value=plain(value), limit=plain(field.minimum)
            )
        if field.maximum is not None and value > field.maximum:
            return rejected(
                "above_maximum", place, quantity=field.id, value=plain(value), limit=plain(field.maximum)
            )
    return None
