"""Where payers book what they owe (Buchungsstelle), and what exceeds what they planned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from allmende.schemas.billing import ChargeLine
from allmende.schemas.bodies import BudgetItem
from allmende.schemas.register import MemberRegister


def booked(lines: Sequence[ChargeLine], register: MemberRegister) -> list[ChargeLine]:
    """Name the budget item of each line: the first of its payer that fits, or none."""
    items = _items(register)
    found = []
    for line in lines:
        item = _item(items, line)
        label = item.label if item is not None else None
        found.append(line if line.budget_item == label else line.model_copy(update={"budget_item": label}))
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
    items = _items(register)
    totals: defaultdict[tuple[str, str], int] = defaultdict(int, spent)
    found = []
    for place, line in enumerate(lines):
        item = _item(items, line)
        if item is None:
            continue
        totals[line.payer, item.label] += line.amount_cents
        total = totals[line.payer, item.label]
        if item.limit_cents is not None and line.amount_cents > 0 and total > item.limit_cents:
            found.append((place, item.limit_cents, total))
    return found


def _items(register: MemberRegister) -> Mapping[str, tuple[BudgetItem, ...]]:
    return {member.id: member.body.budget_items for member in register.members if member.body is not None}


def _item(items: Mapping[str, tuple[BudgetItem, ...]], line: ChargeLine) -> BudgetItem | None:
    return next((item for item in items.get(line.payer, ()) if _fits(item, line)), None)


def _fits(item: BudgetItem, line: ChargeLine) -> bool:
    return (
        (not item.kinds or line.kind in item.kinds)
        and (not item.offerings or line.offering_id in item.offerings)
        and (not item.providers or line.payee in item.providers)
    )
