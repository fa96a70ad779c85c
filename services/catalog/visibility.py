"""Who sees an offering, and who hears what changes about it."""

import dataclasses
from collections.abc import Mapping

from allmende.schemas.catalog import Offering
from allmende.schemas.conditions import Circle
from allmende.schemas.register import MemberRegister

Marks = tuple[str, ...]
"""What membership in a circle is told by: `member:desy`, `class:weser:B`."""


def marks_of(member: str, classes: Mapping[str, str]) -> Marks:
    """The marks that a member with its classes bears."""
    return (f"member:{member}", *(f"class:{scheme}:{name}" for scheme, name in sorted(classes.items())))


def marks_for(circle: Circle | None) -> Marks | None:
    """The marks of which one is enough to belong to a circle; None is everybody."""
    if circle is None:
        return None
    members = (f"member:{member}" for member in circle.members)
    classes = (f"class:{scheme}:{name}" for scheme, names in circle.classes.items() for name in names)
    return tuple(sorted({*members, *classes}))


def seen_by(offering: Offering) -> Marks | None:
    """The marks of which one lets a member see an offering. Its provider always does."""
    circle = marks_for(offering.visible_to)
    return None if circle is None else tuple(sorted({*circle, f"member:{offering.provider}"}))


def admits(marks: Marks | None, borne: Marks) -> bool:
    """Tell whether whoever bears these marks bears one that is asked for."""
    return marks is None or not set(marks).isdisjoint(borne)


def audience_of(offering: Offering, register: MemberRegister) -> Marks | None:
    """The ids of those who hear of an offering, the office among them; None is everybody."""
    marks = seen_by(offering)
    if marks is None:
        return None
    return tuple(sorted({*_admitted(marks, register), register.office.id}))


@dataclasses.dataclass(frozen=True)
class Lost:
    """Who does not see an offering any more since a revision narrowed its circle.

    Attributes:
        members: their ids.
        before: the marks by which they saw it.
    """

    members: tuple[str, ...]
    before: Marks | None


def lost(before: Offering | None, after: Offering, register: MemberRegister) -> Lost | None:
    """Find those who lose sight of an offering by a revision."""
    if before is None or after.visible_to is None or before.visible_to == after.visible_to:
        return None
    marks = seen_by(before)
    still = set(audience_of(after, register) or ())
    saw = _admitted(marks, register)
    # Kept even where nobody loses sight today: whoever joins later reads the changes by its marks.
    return Lost(tuple(sorted(saw - still)), marks)


def _admitted(marks: Marks | None, register: MemberRegister) -> set[str]:
    return {each.id for each in register.members if admits(marks, marks_of(each.id, each.classes))}
