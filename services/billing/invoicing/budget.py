"""Where payers book what they owe (Buchungsstelle), and what exceeds what they planned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from allmende.schemas.billing import ChargeLine
from allmende.schemas.bodies import BudgetItem
from allmende.schemas.contract import unchecked
from allmende.schemas.register import MemberRegister


def booked(lines: Sequence[ChargeLine], register: MemberRegister) -> list[ChargeLine]:
    """Name the budget item of each line: the first of its payer that fits, or none.

    What takes a line back or credits it keeps the item that it brings along, where that line was booked.
    """
    items = _Items(register)
    found = []
    for line in lines:
        item = items.of(line)
        label = item[0] if item is not None else None
        keeps = line.cause in {"reversal", "credit"} and line.budget_item is not None
        if line.budget_item != label and not keeps:
            line = unchecked(ChargeLine, {**line.__dict__, "budget_item": label})  # noqa: PLW2901
        found.append(line)
    return found


def overruns(
    lines: Sequence[ChargeLine], spent: Mapping[tuple[str, str], int], register: MemberRegister
) -> list[tuple[int, int, int]]:
    """Find the lines by which budget items exceed their limits, all of them once a limit is passed.

    Limits are compared with net amounts, since VAT is reckoned on invoices and not on lines.

    Args:
        lines: in the order in which they count.
        spent: net cents of the budget year before them, by member and label.
        register: the bodies with their budget items.

    Returns:
        For each such line its place, the limit, and what the item comes to with it, in cents. What is
        credited afterwards lowers the sum again.
    """
    items = _Items(register)
    totals: defaultdict[tuple[str, str], int] = defaultdict(int, spent)
    found = []
    for place, line in enumerate(lines):
        item = items.of(line)
        if item is None:
            continue
        label, limit = item
        totals[line.payer, label] += line.amount_cents
        total = totals[line.payer, label]
        if limit is not None and line.amount_cents > 0 and total > limit:
            found.append((place, limit, total))
    return found


class _Items:
    """Finds labels and limits of budget items; lines that no item can tell apart are looked at once."""

    def __init__(self, register: MemberRegister) -> None:
        self._items = {m.id: m.body.budget_items for m in register.members if m.body is not None}
        self._known: dict[tuple[str | None, ...], tuple[str, int | None] | None] = {}

    def of(self, line: ChargeLine) -> tuple[str, int | None] | None:
        like = (line.payer, line.payee, line.kind, line.offering_id)
        if like not in self._known:
            item = next((item for item in self._items.get(line.payer, ()) if _fits(item, line)), None)
            self._known[like] = (item.label, item.limit_cents) if item is not None else None
        return self._known[like]


def _fits(item: BudgetItem, line: ChargeLine) -> bool:
    return (
        (not item.kinds or line.kind in item.kinds)
        and (not item.offerings or line.offering_id in item.offerings)
        and (not item.providers or line.payee in item.providers)
    )
