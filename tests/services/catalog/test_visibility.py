"""Who sees an offering, and who loses sight of it."""

import pytest
from support.builders import offering, register

from allmende.schemas.conditions import Circle
from allmende.servicekit.testing import Someone
from allmende.services.catalog.visibility import Lost, admits, audience_of, lost, marks_of, seen_by

REGISTER = register(
    "lrz",
    Someone("desy", classes={"lrz": "A", "kit": "B"}),
    Someone("kit", classes={"lrz": "B"}),
    "tub",
)


def circle(*members: str, **classes: tuple[str, ...]) -> Circle:
    return Circle(members=members, classes=classes)


@pytest.mark.parametrize(
    ("visible_to", "heard"),
    [
        (None, None),
        (circle("desy"), ("desy", "lrz", "office")),
        (circle("nobody-here"), ("lrz", "office")),
        (circle(lrz=("A", "B")), ("desy", "kit", "lrz", "office")),
        (circle("tub", lrz=("A",)), ("desy", "lrz", "office", "tub")),
        (circle(kit=("A",)), ("lrz", "office")),
    ],
)
def test_the_provider_and_the_office_always_hear(
    visible_to: Circle | None, heard: tuple[str, ...] | None
) -> None:
    assert audience_of(offering(visible_to=visible_to), REGISTER) == heard


@pytest.mark.parametrize(
    ("before", "after", "members"),
    [
        (None, circle("desy"), ("kit", "tub")),
        (circle("desy", "kit"), circle("kit", "tub"), ("desy",)),
        (circle("desy"), None, None),
        (circle("desy"), circle("desy"), None),
        (circle("desy"), circle("desy", "kit"), ()),
    ],
)
def test_those_who_lose_sight_are_found(
    before: Circle | None, after: Circle | None, members: tuple[str, ...] | None
) -> None:
    found = lost(offering(visible_to=before), offering(visible_to=after), REGISTER)
    if members is None:
        assert found is None
    else:
        assert found == Lost(members, seen_by(offering(visible_to=before)))


def test_nobody_loses_sight_of_what_was_never_shown() -> None:
    assert lost(None, offering(visible_to=circle("desy")), REGISTER) is None


def test_marks_admit_as_the_circle_of_the_contract_does() -> None:
    circles = (circle("desy"), circle(lrz=("A",)), circle("kit", kit=("B",)), circle(lrz=("C",)))
    for each in circles:
        for member in REGISTER.members:
            if member.id != "lrz":
                marks = seen_by(offering(visible_to=each))
                expected = each.admits(member.id, member.classes)
                assert admits(marks, marks_of(member.id, member.classes)) == expected
