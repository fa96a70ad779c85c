"""Maintenance notices: how they may go on, and what the clock does to them."""

import datetime as dt

from allmende.schemas.brokerage import (
    AnnounceMaintenance,
    MaintenanceNotice,
    MaintenanceState,
    UpdateMaintenance,
)
from allmende.schemas.rejections import Rejected, rejected

_WAYS: dict[MaintenanceState, tuple[MaintenanceState, ...]] = {
    "draft": ("scheduled", "cancelled"),
    "scheduled": ("in_progress", "completed", "cancelled"),
    "in_progress": ("completed",),
    "completed": (),
    "cancelled": (),
}


def announce(
    asked: AnnounceMaintenance, notice_id: str, provider: str, now: dt.datetime
) -> MaintenanceNotice | Rejected:
    """Write a notice about one's own offerings."""
    for offering_id in asked.offering_ids:
        if not offering_id.startswith(f"{provider}/"):
            return rejected("not_your_offering", "offering_ids", offering=offering_id, member=provider)
    return MaintenanceNotice(
        notice_id=notice_id,
        provider=provider,
        offering_ids=tuple(sorted(set(asked.offering_ids))),
        title=asked.title,
        text=asked.text,
        impact=asked.impact,
        state="draft" if asked.as_draft else "scheduled",
        starts_at=asked.starts_at,
        ends_at=asked.ends_at,
        number=1,
        told_at=now,
    )


def update(
    notice: MaintenanceNotice | None, asked: UpdateMaintenance, provider: str, now: dt.datetime
) -> MaintenanceNotice | Rejected:
    """Change a notice or move it on. Repeating the state it is in changes only the rest."""
    if notice is None or notice.provider != provider:
        return rejected("unknown_notice", "notice_id", notice=asked.notice_id)
    if not _WAYS[notice.state]:
        return rejected("notice_over", "notice_id", notice=asked.notice_id)
    if asked.state is not None and asked.state not in (notice.state, *_WAYS[notice.state]):
        return rejected(
            "notice_state", "state", notice=asked.notice_id, before=notice.state, after=asked.state
        )
    given = asked.model_dump(exclude={"notice_id"}, exclude_none=True)
    changed = notice.model_copy(update={**given, "number": notice.number + 1, "told_at": now})
    if changed.ends_at <= changed.starts_at:
        return rejected("ends_before_start", "ends_at", start=changed.starts_at, end=changed.ends_at)
    return changed


def due(notice: MaintenanceNotice) -> dt.datetime | None:
    """The moment at which the clock moves a notice on."""
    return {"scheduled": notice.starts_at, "in_progress": notice.ends_at}.get(notice.state)


def fall_due(notice: MaintenanceNotice, now: dt.datetime) -> MaintenanceNotice | None:
    """Begin or complete by the clock."""
    moment = due(notice)
    if moment is None or moment > now:
        return None
    state = "in_progress" if notice.state == "scheduled" else "completed"
    return notice.model_copy(update={"state": state, "number": notice.number + 1, "told_at": now})
