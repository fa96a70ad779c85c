"""Maintenance notices: whose they are, how they go on, what the clock does."""

import datetime as dt
from typing import Any

import pytest
from support.builders import NOW, uid

from allmende.schemas.brokerage import AnnounceMaintenance, MaintenanceNotice, UpdateMaintenance
from allmende.schemas.rejections import Rejected
from allmende.services.brokerage.maintenance import notice as rules

HOUR = dt.timedelta(hours=1)


def announced(**changes: Any) -> MaintenanceNotice:
    given: dict[str, Any] = {"offering_ids": ("lrz/vm", "lrz/disk", "lrz/vm"), "title": "Firmware"}
    given |= {"impact": "outage", "starts_at": NOW + HOUR, "ends_at": NOW + 3 * HOUR}
    found = rules.announce(AnnounceMaintenance(**given | changes), uid(1), "lrz", NOW)
    assert isinstance(found, MaintenanceNotice)
    return found


def updated(notice: MaintenanceNotice | None, provider: str = "lrz", **asked: Any) -> str | MaintenanceNotice:
    found = rules.update(notice, UpdateMaintenance(notice_id=uid(1), **asked), provider, NOW)
    return found.code if isinstance(found, Rejected) else found


def test_a_notice_is_about_ones_own_offerings_each_once() -> None:
    assert announced().offering_ids == ("lrz/disk", "lrz/vm")
    foreign = AnnounceMaintenance(
        offering_ids=("lrz/vm", "kit/vm"), title="x", impact="none", starts_at=NOW, ends_at=NOW + HOUR
    )
    refused = rules.announce(foreign, uid(1), "lrz", NOW)
    assert isinstance(refused, Rejected)
    assert refused.code == "not_your_offering"


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("draft", "scheduled", True),
        ("draft", "in_progress", False),
        ("scheduled", "in_progress", True),
        ("scheduled", "scheduled", True),
        ("scheduled", "cancelled", True),
        ("in_progress", "completed", True),
        ("in_progress", "cancelled", False),
        ("in_progress", "scheduled", False),
    ],
)
def test_a_notice_goes_on_but_never_back(before: str, after: str, allowed: bool) -> None:
    notice = announced().model_copy(update={"state": before})
    found = updated(notice, state=after)
    assert found == "notice_state" if not allowed else isinstance(found, MaintenanceNotice)


def test_what_is_over_stays_as_it_was() -> None:
    for state in ("completed", "cancelled"):
        assert updated(announced().model_copy(update={"state": state}), text="neu") == "notice_over"


def test_another_provider_learns_nothing_of_a_notice() -> None:
    assert updated(announced(), provider="kit", text="neu") == "unknown_notice"
    assert updated(None, text="neu") == "unknown_notice"


def test_times_can_be_moved_but_stay_in_order() -> None:
    moved = updated(announced(), starts_at=NOW + 2 * HOUR, text="später")
    assert isinstance(moved, MaintenanceNotice)
    assert (moved.starts_at, moved.text, moved.number) == (NOW + 2 * HOUR, "später", 2)
    assert updated(announced(), ends_at=NOW + HOUR) == "ends_before_start"


def test_the_clock_begins_and_completes_what_is_scheduled() -> None:
    notice = announced()
    assert rules.fall_due(notice, NOW) is None
    begun = rules.fall_due(notice, NOW + HOUR)
    assert begun is not None
    assert begun.state == "in_progress"
    assert rules.fall_due(begun, NOW + 2 * HOUR) is None
    done = rules.fall_due(begun, NOW + 3 * HOUR)
    assert done is not None
    assert done.state == "completed"
    assert rules.fall_due(done, NOW + 99 * HOUR) is None
    assert rules.due(announced(as_draft=True)) is None
