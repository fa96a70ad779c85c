"""The catalogue's messages and queries."""

from .. import attachments, catalog
from .kinds import REFUSED, TO_SENDER, Audience, MessageType, QueryType

MESSAGES: tuple[MessageType, ...] = (
    MessageType(
        "catalog.offering.draft",
        catalog.DraftOffering,
        "Keep a draft that nobody else sees.",
        outcomes=("catalog.offering.drafted", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.discard",
        catalog.DiscardDraft,
        "Throw a draft away.",
        outcomes=("catalog.offering.discarded", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.publish",
        catalog.PublishOffering,
        "Publish an offering or its next revision.",
        outcomes=("catalog.offering.published", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.pause",
        catalog.PauseOffering,
        "Close an offering for new bookings for a while.",
        outcomes=("catalog.offering.paused", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.resume",
        catalog.ResumeOffering,
        "Open a paused offering again.",
        outcomes=("catalog.offering.resumed", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.retire",
        catalog.RetireOffering,
        "Close an offering for new bookings for good.",
        outcomes=("catalog.offering.retired", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.attachment.store",
        attachments.StoreAttachment,
        "Send one part of an attachment.",
        outcomes=(
            "catalog.attachment.received",
            "catalog.attachment.stored",
            "catalog.attachment.rejected",
        ),
    ),
    MessageType(
        "catalog.attachment.remove",
        attachments.RemoveAttachment,
        "Take an attachment away.",
        outcomes=("catalog.attachment.removed", "catalog.attachment.rejected"),
    ),
    MessageType(
        "catalog.offering.drafted",
        catalog.OfferingDrafted,
        "A draft is kept.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType(
        "catalog.offering.discarded",
        catalog.DraftDiscarded,
        "A draft is thrown away.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType(
        "catalog.offering.published",
        catalog.OfferingPublished,
        "An offering's revision holds from now on.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.paused",
        catalog.OfferingPaused,
        "An offering takes no new bookings for a while.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.resumed",
        catalog.OfferingResumed,
        "An offering takes new bookings again.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.retired",
        catalog.OfferingRetired,
        "An offering is closed for new bookings.",
        audiences=(
            Audience.SERVICES,
            Audience.CIRCLE,
        ),
    ),
    MessageType(
        "catalog.offering.hidden",
        catalog.OfferingHidden,
        "An offering is no longer visible to the receiver.",
        audiences=(Audience.CIRCLE,),
    ),
    MessageType(
        "catalog.offering.rejected",
        REFUSED,
        "A command about an offering was refused.",
        audiences=TO_SENDER,
    ),
    MessageType(
        "catalog.attachment.received",
        attachments.AttachmentReceived,
        "A part of an attachment is kept.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType(
        "catalog.attachment.stored",
        attachments.AttachmentStored,
        "An attachment is complete.",
        audiences=(Audience.CIRCLE,),
    ),
    MessageType(
        "catalog.attachment.removed",
        attachments.AttachmentRemoved,
        "An attachment is no longer there.",
        audiences=(Audience.CIRCLE,),
    ),
    MessageType(
        "catalog.attachment.rejected",
        REFUSED,
        "A command about an attachment was refused.",
        audiences=TO_SENDER,
    ),
)

QUERIES: tuple[QueryType, ...] = (
    QueryType("catalog.offering.list", catalog.ListOfferings, catalog.Offerings, "List offerings."),
    QueryType("catalog.offering.show", catalog.ShowOffering, catalog.OfferingShown, "Show one offering."),
    QueryType(
        "catalog.offering.history",
        catalog.ShowHistory,
        catalog.History,
        "List the revisions of an offering.",
    ),
    QueryType(
        "catalog.offering.compare",
        catalog.CompareRevisions,
        catalog.Comparison,
        "Tell what two revisions of an offering differ in.",
    ),
    QueryType("catalog.offering.search", catalog.SearchOfferings, catalog.Found, "Search offerings."),
    QueryType(
        "catalog.offering.estimate",
        catalog.EstimateCosts,
        catalog.Estimate,
        "Estimate what a booking would cost.",
    ),
    QueryType(
        "catalog.change.replay",
        catalog.ReplayChanges,
        catalog.Changes,
        "Tell changes of the catalogue again.",
    ),
    QueryType(
        "catalog.attachment.read",
        attachments.ReadAttachment,
        attachments.AttachmentPart,
        "Read one part of an attachment.",
    ),
)
