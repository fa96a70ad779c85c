"""What must hold: at every commit, and when everything has come to rest."""

import collections
import dataclasses
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from allmende.client.sequences import Sequences
from allmende.schemas import registry, subjects
from allmende.schemas.brokerage import RequestBooking
from allmende.services.brokerage import lifecycle

from .database import Database, Place, Row, Transaction
from .jetstream import Server
from .members import Catalogue, Sent

Event = dict[str, Any]
_COMPANIONS = {"allmende.brokerage.booking.confirmed.v1", "allmende.brokerage.booking.amended.v1"}
"""What is told together with a change."""


@dataclasses.dataclass(frozen=True, order=True)
class Broken:
    """A promise that was not kept."""

    promise: str
    how: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.how}"


class Promises:
    """Collects what is broken."""

    def __init__(self, database: Database, server: Server) -> None:
        self.broken: list[Broken] = []
        self._in_line: dict[str, int] = {}
        self._database = database
        self._server = server
        database.on_commit = self.at_commit

    def breaks(self, promise: str, how: str) -> None:
        """Take note of a broken promise."""
        self.broken.append(Broken(promise, how))

    # -- at every commit ------------------------------------------------------------------------

    def at_commit(self, tx: Transaction, before: Mapping[Place, Row | None]) -> None:
        """R3, and nobody is overtaken in line."""
        tables = {table for table, _ in tx.written}
        if tables & {"booking", "capacity"}:
            self._capacity_adds_up()
        for (table, key), row in tx.written.items():
            if table == "booking" and row is not None and row["reserved"] is not None:
                was = before[table, key]
                if was is None or was["reserved"] is None:
                    self._nobody_is_overtaken(key[0], row)
        for (table, key), row in tx.written.items():
            if table == "booking" and row is not None:
                self._note_place(key[0], row)

    def _note_place(self, id_: str, row: Row) -> None:
        if row["state"] == "held":
            self._in_line.setdefault(id_, self._database.commits)
        else:
            self._in_line.pop(id_, None)

    def _capacity_adds_up(self) -> None:
        held: dict[tuple[str, str], Decimal] = collections.defaultdict(Decimal)
        for row in self._database.tables["booking"].values():
            for name, amount in (row["reserved"] or {}).items():
                held[row["offering_id"], name] += amount
        for key, row in self._database.tables["capacity"].items():
            booked, total = row["booked"], row["total"]
            if booked != held[key[0], "/".join(key[1:])] or not 0 <= booked <= total:
                self.breaks(
                    "R3", f"{key}: {booked} of {total} is booked, {held[key[0], '/'.join(key[1:])]} held"
                )

    def _nobody_is_overtaken(self, id_: str, row: Row) -> None:
        """Whoever is given capacity was in line before all that still wait for the same, or nobody waits."""
        line = ("offering_id", "plan_id", "pool_id")
        joined = self._in_line.get(id_, self._database.commits)
        for other, since in self._in_line.items():
            each = self._database.tables["booking"][(other,)]
            waits = each["state"] == "held" and all(each[name] == row[name] for name in line)
            if waits and since < joined and self._can_ever_be_served(each):
                self.breaks("line", f"{id_} overtakes {other}")

    def _can_ever_be_served(self, row: Row) -> bool:
        place = row["offering_id"], row["plan_id"], row["pool_id"]
        for name, amount in json.loads(row["terms"])["quantities"].items():
            limit = self._database.tables["capacity"].get((*place, name))
            if limit is not None and Decimal(amount) > limit["total"]:
                return False
        return True

    # -- at the end -----------------------------------------------------------------------------

    def at_the_end(self, sent: Iterable[Sent], catalogue: Catalogue) -> None:
        """Everything else, when nothing moves any more."""
        facts = [row for _, row in sorted(self._database.tables["fact"].items())]
        events = [(each.subject, json.loads(each.body)) for each in self._server.events]
        self._every_command_has_one_outcome(sent, facts, events)
        self._bookings_are_confirmed_once(facts)
        self._nothing_is_left(catalogue)
        self._replay("the facts", [(row["type"], json.loads(row["data"])) for row in facts])
        for side in ("consumer", "provider"):
            self._replay(f"what the {side} heard", _heard_by(side, events))
        self._no_gap()
        self._nothing_waits()

    def _every_command_has_one_outcome(
        self, sent: Iterable[Sent], facts: list[Row], events: list[tuple[str, Event]]
    ) -> None:
        decided = collections.defaultdict(list)
        for row in facts:
            decided[row["causation_id"], row["caused_by"]].append((row["type"], row["data"]))
        told = collections.defaultdict(list)
        for subject, event in events:
            audience = subjects.audience_of(subject)
            told[event.get("causationid"), audience].append((event["type"], event["data"]))
        for command in sent:
            what = f"{registry.message_of(command.data).name} {command.id} of {command.sender}"
            outcomes = decided[command.id, command.sender]
            alone = isinstance(command.data, RequestBooking)
            final = [type_ for type_, _ in outcomes if alone or type_ not in _COMPANIONS]
            if len(final) != 1:
                self.breaks("R1", f"{what} has {len(final)} outcomes: {final}")
                continue
            heard = told[command.id, command.sender]
            known = [(type_, json.loads(data)) for type_, data in outcomes]
            if missing := [type_ for type_, data in known if (type_, data) not in heard]:
                self.breaks("R1", f"{what} was never told {missing}")
            if any(each not in known for each in heard):
                self.breaks("R1", f"{what} was told something else at a repetition")

    def _bookings_are_confirmed_once(self, facts: list[Row]) -> None:
        confirmed = collections.Counter(
            row["subject"] for row in facts if row["type"] == "allmende.brokerage.booking.confirmed.v1"
        )
        for id_, count in confirmed.items():
            if count > 1:
                self.breaks("R2", f"{id_} is confirmed {count} times")
        heard = {
            json.loads(each.body)["data"]["booking_id"]
            for each in self._server.facts
            if each.subject == "fact.brokerage.booking.confirmed"
        }
        if missing := set(confirmed) - heard:
            self.breaks("R2", f"services never heard that {sorted(missing)} are confirmed")

    def _nothing_is_left(self, catalogue: Catalogue) -> None:
        for table in ("outbox", "parked"):
            if rows := self._database.tables[table]:
                self.breaks("R7", f"{len(rows)} rows are left in {table}")
        if dead := self._server.streams[subjects.DEAD_LETTER_STREAM].messages:
            self.breaks("R7", f"{len(dead)} dead letters, the first: {dead[0].body[:200]!r}")
        for id_, (revision, state) in catalogue.told.items():
            offering = self._database.tables["offering"].get((id_,), {"revision": 0})
            availability = self._database.tables["availability"].get((id_,), {"state": "unknown"})
            if (offering["revision"], availability["state"]) != (revision, state):
                self.breaks("R7", f"{id_} is known as {offering['revision']}, {availability['state']}")

    def _replay(self, source: str, told: Iterable[tuple[str, Event]]) -> None:
        """R8: what was told leads to what the tables say."""
        replayed: dict[str, dict[str, Any]] = {}
        for type_, data in told:
            name = type_.split(".")[3]
            if name in {"acknowledged", "confirmed", "amended"}:
                booking = replayed.setdefault(data["booking_id"], {"number": 0})
                booking |= {key: data[key] for key in ("plan_id", "quantities")}
                if name != "amended":
                    booking |= {"state": data["state"], "instance": data.get("instance")}
            elif name == "changed":
                booking = replayed.setdefault(data["booking_id"], {"number": 0})
                if data["number"] != booking["number"] + 1:
                    self.breaks("R8", f"{source}: change {data['number']} after {booking['number']}")
                booking |= {key: data[key] for key in ("number", "state", "instance")}
        if replayed != (stored := self._stored()):
            different = [id_ for id_ in {**stored, **replayed} if stored.get(id_) != replayed.get(id_)]
            first = different[0]
            how = f"{first} is {stored.get(first)}, replayed {replayed.get(first)}"
            self.breaks("R8", f"{source}: {len(different)} bookings differ: {how}")

    def _stored(self) -> dict[str, dict[str, Any]]:
        found = {}
        for key, row in self._database.tables["booking"].items():
            terms = json.loads(row["terms"])
            found[key[0]] = {
                "number": row["changes"],
                "plan_id": terms["plan_id"],
                "quantities": terms["quantities"],
                "state": row["state"],
                "instance": row["instance"],
            }
        return found

    def _no_gap(self) -> None:
        """R10: whoever counts as the members' client does misses nothing."""
        sequences = Sequences()
        for message in [*self._server.events, *self._server.facts]:
            event = json.loads(message.body)
            if "sequence" not in event:
                continue  # the catalogue's
            audience = subjects.audience_of(message.subject)
            # A reader that was there from the beginning knows that nothing came before the first.
            sequences.see(event["producerinstance"], audience, 0)
            if gap := sequences.see(event["producerinstance"], audience, int(event["sequence"])):
                self.breaks("R10", f"{gap}")

    def _nothing_waits(self) -> None:
        for key, row in self._database.tables["booking"].items():
            phase = row["state"], row["instance"]
            if phase not in lifecycle.FINAL and (row["waits_for"] or phase[1] not in {"active", "suspended"}):
                self.breaks("waiting", f"{key[0]} stays {lifecycle.name_of(phase)} for ever")


def _heard_by(side: str, events: Iterable[tuple[str, Event]]) -> list[tuple[str, Event]]:
    """Each event once, ordered as its booking went: two processes may tell two changes in any order."""
    own = {
        event["id"]: (event["type"], event["data"])
        for subject, event in events
        if subjects.audience_of(subject) == event["data"].get(side)
    }
    unrepeated = {json.dumps(each, sort_keys=True): each for each in own.values()}
    return sorted(
        unrepeated.values(), key=lambda each: (each[1].get("booking_id", ""), each[1].get("number", 0))
    )
