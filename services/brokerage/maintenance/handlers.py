"""Maintenance notices: commands of providers and the clock in, facts to all who booked out."""

import datetime as dt
import typing
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import AnnounceMaintenance, MaintenanceNotice, UpdateMaintenance
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from ..capacity import store as capacity_store
from . import notice as notice_rules
from . import store

COMMANDS = (AnnounceMaintenance, UpdateMaintenance)


async def take(tx: AsyncConnection, commands: Sequence[Incoming], now: dt.datetime) -> list[Outgoing]:
    """Decide announcements and updates in the order in which they came."""
    named = {id_ for command in commands for id_ in getattr(command.data, "offering_ids", ())}
    known = await capacity_store.load_offerings(tx, named) if named else {}
    notices = await store.load_notices(
        tx,
        [command.data.notice_id for command in commands if isinstance(command.data, UpdateMaintenance)],
    )
    facts: list[Outgoing] = []
    for command in commands:
        notice: MaintenanceNotice | Rejected
        if isinstance(command.data, AnnounceMaintenance):
            missing = [id_ for id_ in command.data.offering_ids if id_ not in known]
            notice = (
                rejected("unknown_offering", "offering_ids", offering=missing[0])
                if missing
                else notice_rules.announce(command.data, command.id, command.sender, now)
            )
        else:
            asked = typing.cast("UpdateMaintenance", command.data)
            notice = notice_rules.update(notices.get(asked.notice_id), asked, command.sender, now)
        if isinstance(notice, Rejected):
            facts.append(refuse(command, notice))
        else:
            before = notices.get(notice.notice_id)
            never_told = before is not None and before.state == "draft" and notice.state == "cancelled"
            notices[notice.notice_id] = notice
            facts += await _note(tx, [notice], command, quietly=never_told)
    return facts


async def _note(
    tx: AsyncConnection,
    notices: Sequence[MaintenanceNotice],
    cause: Incoming | None = None,
    *,
    quietly: bool = False,
) -> list[Outgoing]:
    """Keep notices and tell them to the provider and, unless they are drafts, to all who booked."""
    await store.save_notices(tx, notices, [notice_rules.due(notice) for notice in notices])
    facts = []
    for notice in notices:
        hidden = quietly or notice.state == "draft"
        circle = () if hidden else await store.consumers_of(tx, notice.offering_ids)
        parties: dict[Audience, str | tuple[str, ...]] = {
            Audience.PROVIDER: notice.provider,
            Audience.CIRCLE: circle,
        }
        facts.append(Outgoing(notice, cause=cause, subject=notice.notice_id, parties=parties))
    return facts


async def fall_due(tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
    """Begin and complete what is due."""
    due = await store.notices_due(tx, now)
    moved = [went for notice in due.values() if (went := notice_rules.fall_due(notice, now)) is not None]
    return await _note(tx, moved)
