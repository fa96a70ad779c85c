"""The brokerage's messages and queries."""

from .. import brokerage
from .kinds import REFUSED, TO_SENDER, Audience, MessageType, QueryType

MESSAGES: tuple[MessageType, ...] = (
    MessageType(
        "brokerage.booking.request",
        brokerage.RequestBooking,
        "Book a plan of an offering.",
        outcomes=(
            "brokerage.booking.confirmed",
            "brokerage.booking.acknowledged",
            "brokerage.booking.rejected",
        ),
    ),
    MessageType(
        "brokerage.booking.accept",
        brokerage.AcceptBooking,
        "Take up an offer of the waiting list, or make an interest binding.",
        outcomes=("brokerage.booking.confirmed", "brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.approve",
        brokerage.ApproveBooking,
        "Approve a booking or a change of one.",
        outcomes=(
            "brokerage.booking.confirmed",
            "brokerage.booking.amended",
            "brokerage.booking.changed",
            "brokerage.booking.rejected",
        ),
    ),
    MessageType(
        "brokerage.booking.decline",
        brokerage.DeclineBooking,
        "Decline a booking, a change of one or its cancellation.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.cancel",
        brokerage.CancelBooking,
        "Withdraw from a booking before its service is up.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.concede",
        brokerage.ConcedeCancellation,
        "Agree to a cancellation.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.report",
        brokerage.ReportProgress,
        "Report what was set up, changed or taken down.",
        outcomes=("brokerage.booking.amended", "brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.suspend",
        brokerage.SuspendBooking,
        "Interrupt a service.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.resume",
        brokerage.ResumeBooking,
        "Go on after an interruption.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.amend",
        brokerage.AmendBooking,
        "Change quantities or plan from a day on.",
        outcomes=("brokerage.booking.amended", "brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.terminate",
        brokerage.TerminateBooking,
        "Give notice.",
        outcomes=("brokerage.booking.changed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.write",
        brokerage.WriteMessage,
        "Write to the other side about a booking.",
        outcomes=("brokerage.booking.written", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.access.share",
        brokerage.ShareAccess,
        "Hand over sealed access data.",
        outcomes=("brokerage.access.shared", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.maintenance.announce",
        brokerage.AnnounceMaintenance,
        "Announce maintenance to everybody who has a booking.",
        outcomes=("brokerage.maintenance.told", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.maintenance.update",
        brokerage.UpdateMaintenance,
        "Change a maintenance notice or move it on.",
        outcomes=("brokerage.maintenance.told", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.breach.report",
        brokerage.ReportBreach,
        "Own up to a missed service level.",
        outcomes=("brokerage.breach.recorded", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.confirmed",
        brokerage.BookingConfirmed,
        "A booking holds, with the terms frozen into it.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.acknowledged",
        brokerage.BookingAcknowledged,
        "A request is taken in and waits.",
        audiences=(
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.changed",
        brokerage.BookingChanged,
        "A booking moved on.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.amended",
        brokerage.BookingAmended,
        "New terms hold for a booking from a day on.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.written",
        brokerage.MessageWritten,
        "The other side wrote about a booking.",
        audiences=(
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.access.shared",
        brokerage.AccessShared,
        "Sealed access data for the consumer.",
        audiences=(
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.maintenance.told",
        brokerage.MaintenanceNotice,
        "Maintenance is announced, changed, begun or over.",
        audiences=(
            Audience.PROVIDER,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "brokerage.breach.recorded",
        brokerage.BreachRecorded,
        "A missed service level and its credit.",
        audiences=(
            Audience.SERVICES,
            Audience.CONSUMER,
            Audience.PROVIDER,
        ),
    ),
    MessageType(
        "brokerage.booking.rejected", REFUSED, "A command about a booking was refused.", audiences=TO_SENDER
    ),
)

QUERIES: tuple[QueryType, ...] = (
    QueryType("brokerage.booking.list", brokerage.ListBookings, brokerage.Bookings, "List one's bookings."),
    QueryType(
        "brokerage.booking.show",
        brokerage.ShowBooking,
        brokerage.BookingStory,
        "Show a booking with its story.",
    ),
    QueryType(
        "brokerage.maintenance.list",
        brokerage.ListMaintenance,
        brokerage.Maintenance,
        "List maintenance of what one books or provides.",
    ),
)
