"""The life of a booking on the whole market: every word is said twice, time passes when the test says so."""

import base64
import datetime as dt
from decimal import Decimal
from pathlib import Path

from support.booking_life import (
    COURSE_STARTS,
    HOSTING,
    TODAY,
    MovableClock,
    Stutterer,
    heard_by,
    members,
    places_of,
    publish,
    reaches,
    story_of,
)
from support.broker import eventually
from support.fixtures import NewMarket
from support.issuing import issue

from allmende.client.sealing import Sealed, new_key_pair
from allmende.schemas.brokerage import (
    AccessShared,
    BookingAcknowledged,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    BreachRecorded,
    MaintenanceNotice,
    MessageWritten,
)
from allmende.schemas.rejections import Rejection
from allmende.servicekit.testing import Sandbox, Someone

SECRET = "Kennwort-4711-das-nur-die-Stadt-lesen-darf"  # noqa: S105 - what must not be found
LABEL = "Verwaltungszugang"


async def test_a_municipality_moves_into_the_data_centre(sandbox: NewMarket, tmp_path: Path) -> None:
    clock, keys = MovableClock(), new_key_pair()
    stadt = Someone("stadt", sealing_key=keys.public)
    market = await sandbox(stadt, "kreis", "landes-rz", clock=clock)
    await market.start()
    async with members(market, "stadt", "kreis", "landes-rz", "office") as (stadt_, kreis, rz, office):
        await publish(rz)
        booking_id = await agree_on_it(clock, stadt_, rz, tmp_path)
        await set_it_up(clock, stadt_, rz, booking_id)
        await hand_access_over(market, stadt_, rz, booking_id, keys.private)
        await change_it(clock, stadt_, rz, booking_id)
        await tell_of_maintenance(clock, stadt_, kreis, rz)
        await own_up_to_a_breach(market, clock, stadt_, rz, office, booking_id)
        await end_it(clock, stadt_, rz, booking_id)

        story = await story_of(office, booking_id)
        assert [each.number for each in story.changes] == list(range(1, len(story.changes) + 1))
        assert [each.written_by for each in story.messages] == ["provider", "consumer"]
        assert isinstance(await kreis.booking(booking_id), Rejection)


async def agree_on_it(clock: MovableClock, stadt: Stutterer, rz: Stutterer, folder: Path) -> str:
    """Both sides approve; before the provider does, it asks, and is answered with a document."""
    asked = await stadt.book(
        HOSTING,
        "procedures",
        {"cores": 4},
        start=TODAY,
        details={"town": "Musterstadt"},
        reference="Umzug",
        own_approval_hours=24,
    )
    assert isinstance(asked, BookingAcknowledged)
    assert (asked.state, asked.waits_for) == ("pending_consumer", "consumer")
    assert [each.booking_id async for each in stadt.bookings(waiting_for_me=True)] == [asked.booking_id]

    approved = await stadt.approve(asked.booking_id)
    assert isinstance(approved, BookingChanged)
    assert (approved.state, approved.until) == ("pending_provider", clock.now + dt.timedelta(hours=72))
    assert [each.booking_id async for each in rz.bookings(waiting_for_me=True)] == [asked.booking_id]

    clock.sleep(hours=70)
    question = await rz.write(asked.booking_id, "Welche Netze sollen erreichbar sein?")
    assert isinstance(question, MessageWritten)
    assert question.until == clock.now + dt.timedelta(hours=2)  # whoever must act cannot prolong its time
    clock.sleep(hours=1)
    (folder / "Netze.csv").write_bytes(b"Netz;Zweck\n10.1.0.0/16;Rathaus\n")
    reply = await stadt.write(asked.booking_id, "Siehe Anlage.", document=folder / "Netze.csv")
    assert isinstance(reply, MessageWritten)
    assert reply.until == clock.now + dt.timedelta(hours=72)  # the answer gives it the whole time again
    clock.sleep(hours=70)
    document = (await story_of(rz, asked.booking_id)).messages[-1].document
    assert document is not None
    assert (document.name, document.media_type) == ("Netze.csv", "text/csv")
    assert base64.b64decode(document.content) == b"Netz;Zweck\n10.1.0.0/16;Rathaus\n"

    booked = await rz.approve(asked.booking_id)
    assert isinstance(booked, BookingConfirmed)
    assert (booked.state, booked.instance, booked.details) == (
        "in_progress",
        "creating",
        {"town": "Musterstadt"},
    )
    return asked.booking_id


async def set_it_up(clock: MovableClock, stadt: Stutterer, rz: Stutterer, booking_id: str) -> None:
    """Each milestone renews the time limit."""
    for milestone in ("prepared", "in_progress", "moved"):
        clock.sleep(days=9)
        moved = await rz.report_progress(booking_id, "milestone", milestone=milestone)
        assert isinstance(moved, BookingChanged)
        assert moved.until == clock.now + dt.timedelta(hours=240)
    refused = await stadt.report_progress(booking_id, "active")
    assert isinstance(refused, Rejection)
    assert refused.code == "not_now"
    up = await rz.report_progress(booking_id, "active")
    assert isinstance(up, BookingChanged)
    assert (up.state, up.instance, up.waits_for) == ("completed", "active", None)
    changes = (await story_of(stadt, booking_id)).changes
    assert [each.milestone for each in changes if each.milestone] == ["prepared", "in_progress", "moved"]


async def hand_access_over(
    market: Sandbox, stadt: Stutterer, rz: Stutterer, booking_id: str, private_key: str
) -> None:
    """Only the consumer opens it; the market has it in clear text nowhere."""
    assert isinstance(await rz.share_access(booking_id, LABEL, SECRET), AccessShared)
    (shared,) = [each.data for each in await heard_by(stadt) if isinstance(each.data, AccessShared)]
    assert stadt.open_access(shared, private_key) == SECRET
    try:
        rz.open_access(shared, new_key_pair().private)
    except Sealed:
        pass
    else:
        raise AssertionError("another key opened it")

    refused = await stadt.share_access(booking_id, LABEL, SECRET)
    assert isinstance(refused, Rejection)
    assert refused.code == "provider_only"
    assert any(place.startswith("nats") for place in await places_of(market, LABEL)), "the search finds"
    assert await places_of(market, SECRET) == set()


async def change_it(clock: MovableClock, stadt: Stutterer, rz: Stutterer, booking_id: str) -> None:
    """The provider agrees to more cores and sets them up."""
    first_day = (clock.now + dt.timedelta(days=3)).date()
    asked = await stadt.amend(booking_id, first_day, quantities={"cores": 8})
    assert isinstance(asked, BookingChanged)
    assert (asked.trigger, asked.waits_for) == ("amend", "provider")
    assert isinstance(await rz.approve(booking_id), BookingChanged)
    clock.sleep(days=4)
    await reaches(stadt, booking_id, "completed", "updating")
    done = await rz.report_progress(booking_id, "active")
    assert isinstance(done, BookingAmended)
    assert done.quantities == {"cores": Decimal(8)}
    assert done.effective_on == clock.now.date()  # what is late is not paid before it is there


async def tell_of_maintenance(clock: MovableClock, stadt: Stutterer, kreis: Stutterer, rz: Stutterer) -> None:
    """Whoever booked hears of it, nobody else does; the clock begins and completes it."""
    starts_at = clock.now + dt.timedelta(days=1)
    notice = await rz.announce_maintenance(
        [HOSTING],
        "Neue Speicher",
        starts_at=starts_at,
        ends_at=starts_at + dt.timedelta(hours=4),
        impact="outage",
    )
    assert isinstance(notice, MaintenanceNotice)
    later = await rz.update_maintenance(notice.notice_id, ends_at=starts_at + dt.timedelta(hours=6))
    assert isinstance(later, MaintenanceNotice)
    assert await stadt.maintenance() == (later,)
    assert await kreis.maintenance() == ()
    for state, hours in (("in_progress", 25), ("completed", 6)):
        clock.sleep(hours=hours)

        async def is_there(wanted: str = state) -> bool:
            found = await stadt.maintenance(include_over=True)
            return [each.state for each in found] == [wanted]

        await eventually(is_there)
    told = [each.data.state for each in await heard_by(stadt) if isinstance(each.data, MaintenanceNotice)]
    assert told == ["scheduled", "scheduled", "in_progress", "completed"]
    assert not [each for each in await heard_by(kreis) if isinstance(each.data, MaintenanceNotice)]


async def own_up_to_a_breach(
    market: Sandbox, clock: MovableClock, stadt: Stutterer, rz: Stutterer, office: Stutterer, booking_id: str
) -> None:
    """The credit reaches billing and stands in the statement of its month."""
    last_day = (clock.now - dt.timedelta(days=1)).date()
    breach = await rz.report_breach(
        booking_id,
        "availability_percent",
        promised="99.5",
        measured="98.71",
        first_day=last_day.replace(day=1),
        last_day=last_day,
        credit_cents=3_600,
        reason="Ausfall der Speicher",
    )
    assert isinstance(breach, BreachRecorded)

    async def billing_knows() -> bool:
        rows = await market.rows("billing", "select breach_id::text, credit_cents from breach")
        return [tuple(row) for row in rows] == [(breach.breach_id, 3_600)]

    await eventually(billing_knows)
    month = last_day.strftime("%Y-%m")
    clock.now = dt.datetime(last_day.year, last_day.month + 1, 2, 9, 0, tzinfo=dt.UTC)
    await issue(market, office, month)
    statement = await stadt.statement(month)
    assert not isinstance(statement, Rejection)
    assert [line.amount_cents for line in statement.lines if line.cause == "credit"] == [-3_600]


async def end_it(clock: MovableClock, stadt: Stutterer, rz: Stutterer, booking_id: str) -> None:
    """Notice, the last day, taking down."""
    early = await stadt.terminate(booking_id, on=(clock.now + dt.timedelta(days=1)).date())
    assert isinstance(early, Rejection)
    assert early.code == "notice_too_short"
    noticed = await stadt.terminate(booking_id, reason="Das Verfahren wird abgelöst")
    assert isinstance(noticed, BookingChanged)
    assert noticed.end is not None
    assert (noticed.end + dt.timedelta(days=1)).day == 1
    clock.now = dt.datetime.combine(noticed.end + dt.timedelta(days=1), dt.time(12), dt.UTC)
    ending = await reaches(rz, booking_id, "completed", "terminating")
    assert ending.booking.waits_for == "provider"
    over = await rz.report_progress(booking_id, "dismantled")
    assert isinstance(over, BookingChanged)
    assert (over.state, over.instance) == ("completed", "terminated")


async def test_the_line_is_served_in_order_and_an_offer_expires(sandbox: NewMarket) -> None:
    clock = MovableClock()
    market = await sandbox("stadt", "kreis", "uni", "landes-rz", clock=clock)
    await market.start()
    async with members(market, "stadt", "kreis", "uni", "landes-rz") as (stadt, kreis, uni, rz):
        await publish(rz)
        until = TODAY + dt.timedelta(days=60)
        first = await stadt.book(HOSTING, "shared", {"cores": 4}, start=TODAY)
        assert isinstance(first, BookingConfirmed)
        full = await kreis.book(HOSTING, "shared", {"cores": 3}, start=TODAY)
        assert isinstance(full, Rejection)
        assert full.code == "no_capacity"
        waiting = [
            await each.book(HOSTING, "shared", {"cores": cores}, start=TODAY, wait_until=until)
            for each, cores in ((kreis, 3), (uni, 2))
        ]
        ids = [each.booking_id for each in waiting if isinstance(each, BookingAcknowledged)]
        assert [each.place for each in waiting if isinstance(each, BookingAcknowledged)] == [1, 2]

        assert isinstance(await stadt.terminate(first.booking_id), BookingChanged)
        clock.sleep(days=1)
        offered = await reaches(kreis, ids[0], "offered")
        assert offered.booking.waits_for == "consumer"
        assert (await story_of(uni, ids[1])).booking.place == 1  # what is left is too little for it

        clock.sleep(hours=25)
        lapsed = await reaches(kreis, ids[0], "cancelled")
        assert [f"{each.trigger} by {each.by}" for each in lapsed.changes] == [
            "offer by clock",
            "lapse by clock",
        ]
        await reaches(uni, ids[1], "offered")
        taken = await uni.accept(ids[1])
        assert isinstance(taken, BookingConfirmed)
        assert (taken.state, taken.instance) == ("completed", "active")


async def test_a_slot_an_interest_and_what_silence_leads_to(sandbox: NewMarket) -> None:
    clock = MovableClock()
    market = await sandbox("stadt", "kreis", "landes-rz", clock=clock)
    await market.start()
    async with members(market, "stadt", "kreis", "landes-rz") as (stadt, kreis, rz):
        await publish(rz)
        day = COURSE_STARTS.date()
        slot = await stadt.book(HOSTING, "course", {"cores": 1}, start=day, pool="march")
        assert isinstance(slot, BookingConfirmed)
        assert (slot.state, slot.end) == ("acknowledged", day)
        late = await kreis.book(HOSTING, "course", {"cores": 1}, start=day, pool="march")
        assert isinstance(late, Rejection)
        assert late.code == "no_capacity"

        interest = await stadt.book(HOSTING, "shared", {"cores": 2}, start=TODAY, binding=False)
        assert isinstance(interest, BookingAcknowledged)
        assert interest.state == "interested"
        assert isinstance(await stadt.accept(interest.booking_id), BookingConfirmed)

        details = {"town": "Musterstadt"}
        unanswered = await stadt.book(HOSTING, "procedures", {"cores": 1}, start=TODAY, details=details)
        not_released = await stadt.book(
            HOSTING, "procedures", {"cores": 1}, start=TODAY, details=details, own_approval_hours=24
        )
        assert isinstance(unanswered, BookingAcknowledged)
        assert isinstance(not_released, BookingAcknowledged)
        never_built = await kreis.book(HOSTING, "procedures", {"cores": 1}, start=TODAY, details=details)
        assert isinstance(never_built, BookingAcknowledged)
        assert isinstance(await rz.approve(never_built.booking_id), BookingConfirmed)

        clock.sleep(hours=25)
        await reaches(stadt, not_released.booking_id, "cancelled")
        clock.sleep(hours=48)
        await reaches(stadt, unanswered.booking_id, "rejected")
        clock.sleep(hours=240)
        await reaches(kreis, never_built.booking_id, "failed", "erred")

        clock.now = COURSE_STARTS + dt.timedelta(hours=1)
        await reaches(stadt, slot.booking_id, "completed", "active")
        clock.sleep(days=1)
        await reaches(stadt, slot.booking_id, "completed", "terminated")
