"""A market that answers at once, for tests of the command line."""

import csv
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from nats.aio.client import Client
from support import examples

from allmende.client.bookings import BookingRoom
from allmende.client.correspondence import CorrespondenceRoom
from allmende.client.ledger import LedgerRoom
from allmende.client.market import Received, Unanswered
from allmende.client.offerings import media_type_of
from allmende.client.payments import PaymentRoom
from allmende.client.pools import PoolRoom
from allmende.client.reports import ReportRoom
from allmende.client.review import ReviewRoom
from allmende.client.room import M
from allmende.client.settlement import SettlementRoom
from allmende.client.usage import UsageRoom
from allmende.schemas import registry
from allmende.schemas.billing import (
    SettlementClosed,
    Statement,
    UsageCancellation,
    UsageRecord,
    UsageRecorded,
)
from allmende.schemas.catalog import (
    Category,
    History,
    Offering,
    OfferingDrafted,
    OfferingPublished,
    OfferingShown,
    OfferingSummary,
    State,
)
from allmende.schemas.contract import Contract
from allmende.schemas.rejections import Rejection, rejected

NAMES = ("id", "booking_id", "meter", "quantity", "start", "end")


def refused(code: str, **parameters: object) -> Rejection:
    return rejected(code, **parameters).as_rejection("x")


class FakeMarket(
    BookingRoom,
    CorrespondenceRoom,
    LedgerRoom,
    UsageRoom,
    PoolRoom,
    SettlementRoom,
    ReviewRoom,
    PaymentRoom,
    ReportRoom,
):
    """Answers at once, with what a test put in; what is sent about bookings is kept in `commands`."""

    def __init__(self) -> None:
        self.member = "weser-it"
        self.unreachable: Unanswered | None = None
        self.listed: list[OfferingSummary] = []
        self.outcome: Contract | Exception | None = None
        self.answers: list[Contract] = []
        self.batches: list[tuple[str, list[UsageRecord | UsageCancellation]]] = []
        self.reports_left = -1
        self.sent: list[Any] = []
        self.asked: list[Contract] = []
        self.commands: list[tuple[str | None, Contract]] = []
        self.looked: list[Any] = []
        self.heard: list[Received] = []
        self.connected_as: dict[str, Any] = {}

    def connect(self, url: str, **options: Any) -> Self:
        self.connected_as = {"url": url, **options}
        self.member = options["member"]
        self.signer = options.get("person")
        return self

    @property
    def _live(self) -> Client:
        raise AssertionError("a fake market has no connection")

    async def __aenter__(self) -> Self:
        if self.unreachable is not None:
            raise self.unreachable
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def offerings(
        self, category: Category | None = None, *, drafts: bool = False
    ) -> AsyncIterator[OfferingSummary]:
        for each in self.listed:
            if category in {None, each.offering.category} and drafts == (each.state == "draft"):
                yield each

    async def offering(
        self, offering_id: str, *, revision: int | None = None, draft: bool = False
    ) -> OfferingShown | Rejection:
        self.looked.append((offering_id, revision, draft))
        for each in self.listed:
            if each.offering.offering_id == offering_id and draft == (each.state == "draft"):
                return OfferingShown(
                    **dict(each),
                    newest=each.revision,
                    since=examples.NOW,
                    bookable=True,
                    attachments=(examples.attachment(),),
                )
        return refused("no_draft" if draft else "unknown_offering", offering=offering_id)

    async def publish(self, offering: Offering) -> Contract:
        self.sent.append(offering)
        now = examples.NOW
        published = OfferingPublished(
            offering=offering, provider=offering.provider, revision=4, position=9, published_at=now
        )
        return self._answer(published)

    async def command(self, data: Contract, *, id: str | None = None, **_: object) -> Contract:  # noqa: A002
        self.commands.append((id, data))
        return self._answer(examples.payload(registry.message_of(data).outcomes[0]))

    async def draft(self, offering: Offering) -> Contract:
        self.sent.append(offering)
        drafted = OfferingDrafted(
            offering=offering, provider=offering.provider, revision=4, drafted_at=examples.NOW
        )
        return self._answer(drafted)

    async def revisions(self, offering_id: str) -> Any:
        self.looked.append((offering_id,))
        reply = examples.query_reply("catalog.offering.history")
        assert isinstance(reply, History)
        return self.outcome or reply.revisions

    async def compare(self, *given: Any, **named: Any) -> Contract:
        self.looked.append((*given, named))
        return self._answer(examples.query_reply("catalog.offering.compare"))

    async def estimate(self, *given: Any, **named: Any) -> Contract:
        self.looked.append((given, named))
        return self._answer(examples.query_reply("catalog.offering.estimate"))

    async def attach(self, offering_id: str, file: str) -> Contract:
        media_type_of(Path(file))
        self.sent.append((offering_id, Path(file).read_bytes()))
        return self._answer(examples.payload("catalog.attachment.stored"))

    async def attachment(self, offering_id: str, sha256: str) -> bytes:
        self.looked.append((offering_id, sha256))
        return b"%PDF"

    async def detach(self, offering_id: str, sha256: str) -> Contract:
        self.sent.append((offering_id, sha256))
        return self._answer(examples.payload("catalog.attachment.removed"))

    async def report_usage(
        self,
        records: Sequence[UsageRecord],
        *,
        cancellations: Sequence[UsageCancellation] = (),
        id: str | None = None,  # noqa: A002
    ) -> Any:
        if self.reports_left == 0:
            raise Unanswered("no outcome")
        self.reports_left -= 1
        self.batches.append((id or "", [*records, *cancellations]))
        accepted = len(records) + len(cancellations)
        return self._answer(UsageRecorded(accepted=accepted, repeated=0, parked=0, refused=()))

    async def settlements(self) -> tuple[SettlementClosed, ...]:
        return (examples.settlement(),)

    async def statement(self, period: str, member: str | None = None) -> Any:
        self.sent.append((period, member))
        lines = (examples.charge_line(),)
        return self._answer(Statement(statement=examples.statement(), lines=lines, next_after=None))

    async def ask(self, name: str, request: Contract, reply: type[M]) -> M:
        answer = await self._ask(name, request)
        assert isinstance(answer, reply)
        return answer

    async def _ask(self, name: str, request: Contract) -> Contract:
        self.asked.append(request)
        if self.answers:
            return self.answers.pop(0)
        return self._answer(examples.query_reply(name))

    async def events(self, **_: Any) -> AsyncIterator[Received]:
        for each in self.heard:
            yield each

    def _answer(self, usual: Contract) -> Contract:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome or usual


Ended = tuple[int, str, str]
"""Exit code, stdout, stderr."""
Run = Callable[..., Ended]


def listed(offering: Offering, state: State = "published") -> OfferingSummary:
    return OfferingSummary(offering=offering, state=state, revision=3, position=9)


def write_offering(**changes: Any) -> str:
    document = examples.offering().model_dump(mode="json", exclude_none=True) | changes
    Path("angebot.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return "angebot.yaml"


def write_usage(count: int, **changes: str) -> str:
    rows = [examples.usage_record().model_dump(mode="json") | {"id": f"r{n}"} | changes for n in range(count)]
    with Path("verbrauch.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, NAMES, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return "verbrauch.csv"
