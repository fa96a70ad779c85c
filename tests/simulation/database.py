"""A database in memory with what the services rely on in PostgreSQL, and no more.

Transactions see what is committed and what they wrote themselves (READ COMMITTED), lock rows for themselves
or shared, wait for each other, are told of a circle, and vanish whole when their process dies.
"""

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from sqlalchemy.exc import IntegrityError, OperationalError

from .clockwork import Process
from .fate import Fate

TRAVEL_SECONDS = 0.01
"""How long a statement takes at most, most of the time: long enough for transactions to meet."""

Key = tuple[Any, ...]
Row = Mapping[str, Any]
Place = tuple[str, Key]
"""A row: its table and its key."""
Mode = Literal["share", "update"]


class Refusal(Exception):  # noqa: N818 - what a driver raises, with its code
    """What PostgreSQL says, as its driver hands it on."""

    def __init__(self, sqlstate: str, what: str) -> None:
        super().__init__(what)
        self.sqlstate = sqlstate


def connection_lost() -> OperationalError:
    return OperationalError("", None, Refusal("08006", "the connection was lost"))


def deadlock() -> OperationalError:
    return OperationalError("", None, Refusal("40P01", "deadlock detected"))


def violated(constraint: str, sqlstate: str = "23505") -> IntegrityError:
    return IntegrityError("", None, Refusal(sqlstate, f"violates {constraint}"))


@dataclasses.dataclass
class _Lock:
    holders: dict["Transaction", Mode] = dataclasses.field(default_factory=dict)
    waiting: list["asyncio.Future[None]"] = dataclasses.field(default_factory=list)

    def blockers(self, tx: "Transaction", mode: Mode) -> list["Transaction"]:
        return [other for other, held in self.holders.items() if other is not tx and "update" in {mode, held}]


class Database:
    """The tables and who holds which rows.

    Attributes:
        without: guards that are taken away: names of statements that lock no more, and of constraints.
        on_commit: is shown each transaction when it is committed, with its rows as they were before.
    """

    def __init__(self, fate: Fate, without: Collection[str] = ()) -> None:
        self.fate = fate
        self.without = frozenset(without)
        self.tables: dict[str, dict[Key, Row]] = collections.defaultdict(dict)
        self.numbers: dict[str, int] = collections.Counter()
        self.on_commit: Callable[[Transaction, Mapping[Place, Row | None]], None] = lambda *_: None
        self.commits = 0
        self.deadlocks = 0
        self.is_up = True
        self._open: dict[Transaction, None] = {}
        self._locks: dict[Place, _Lock] = collections.defaultdict(_Lock)
        self._waits: dict[Transaction, list[Transaction]] = {}

    def engine(self, process: Process) -> "Engine":
        """Open what a process reaches the database by."""
        return Engine(self, process)

    def fail(self) -> None:
        """Break all connections and take no new ones."""
        self.is_up = False
        for tx in list(self._open):
            tx.end()

    def recover(self) -> None:
        """Take connections again, with all that was committed."""
        self.is_up = True

    def hang_up(self, process: Process) -> None:
        """Notice, a while later, that a process is dead."""
        for tx in list(self._open):
            if tx.process is process:
                asyncio.get_running_loop().call_later(self.fate.delay(0.5), tx.end)

    def number(self, name: str) -> int:
        """The next number of a sequence; what is rolled back leaves a gap."""
        self.numbers[name] += 1
        return self.numbers[name]

    # -- locks ----------------------------------------------------------------------------------

    async def lock(self, tx: "Transaction", place: Place, mode: Mode) -> None:
        """Lock a row, waiting for whoever holds it."""
        while blockers := self._locks[place].blockers(tx, mode):
            self._waits[tx] = blockers
            if self._is_circle(tx):
                self.deadlocks += 1
                raise deadlock()
            turn = asyncio.get_running_loop().create_future()
            self._locks[place].waiting.append(turn)
            await turn
            self._waits.pop(tx, None)
            tx.check()
        self._hold(tx, mode, place)

    def try_lock(self, tx: "Transaction", place: Place) -> bool:
        """Lock a row unless another has it."""
        if self._locks[place].blockers(tx, "update"):
            return False
        self._hold(tx, "update", place)
        return True

    def _hold(self, tx: "Transaction", mode: Mode, place: Place) -> None:
        tx.held[place] = None
        holders = self._locks[place].holders
        if holders.get(tx) != "update":
            holders[tx] = mode

    def _is_circle(self, tx: "Transaction") -> bool:
        reached: set[Transaction] = set()
        ahead = list(self._waits[tx])
        while ahead:
            other = ahead.pop()
            if other is tx:
                return True
            if other not in reached:
                reached.add(other)
                ahead += self._waits.get(other, [])
        return False

    # -- the ends of a transaction --------------------------------------------------------------

    def begin(self, tx: "Transaction") -> None:
        self._open[tx] = None

    def apply(self, tx: "Transaction") -> None:
        before = {place: self.tables[place[0]].get(place[1]) for place in tx.written}
        for (table, key), row in tx.written.items():
            if row is None:
                self.tables[table].pop(key, None)
            else:
                self.tables[table][key] = row
        self.commits += 1
        self.on_commit(tx, before)

    def release(self, tx: "Transaction") -> None:
        self._open.pop(tx, None)
        self._waits.pop(tx, None)
        for place in tx.held:
            lock = self._locks[place]
            lock.holders.pop(tx, None)
            for turn in lock.waiting:
                if not turn.done():
                    turn.set_result(None)
            lock.waiting.clear()
            if not lock.holders:
                del self._locks[place]
        tx.held.clear()


class Engine:
    """A process's way to the database; offers what `AsyncEngine` offers to the loop."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process

    def begin(self) -> "Transaction":
        """Begin a transaction: `async with engine.begin() as tx`."""
        return Transaction(self._database, self._process)


class Transaction:
    """One transaction; offers what `AsyncConnection` offers to services.

    Attributes:
        written: the rows as it leaves them; None where it removes one.
        held: the rows it has locked.
    """

    def __init__(self, database: Database, process: Process) -> None:
        self.database = database
        self.process = process
        self.written: dict[Place, Row | None] = {}
        self.held: dict[Place, None] = {}
        self.began_at = 0.0
        self._is_open = False

    async def __aenter__(self) -> Self:
        await self._travel()
        if not self.database.is_up:
            raise connection_lost()
        self._is_open = True
        self.began_at = asyncio.get_running_loop().time()
        self.database.begin(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self._commit()
        else:
            self.end()

    async def _commit(self) -> None:
        await self._travel()
        self.check()
        if self.database.fate.happens(self.database.fate.rates.lost_commit):
            self.end()
            raise connection_lost()
        self.database.apply(self)
        self.end()
        await self._travel()
        if self.database.fate.happens(self.database.fate.rates.lost_commit):
            raise connection_lost()  # it is committed, and who asked for it will never know

    def end(self) -> None:
        """Forget what was not committed, and let others go on."""
        self._is_open = False
        self.database.release(self)

    def check(self) -> None:
        """Notice that the connection is gone."""
        if not self._is_open:
            raise connection_lost()

    async def execute(self, statement: Any, values: Mapping[str, Any] | None = None) -> "Result":
        """Do what a statement says."""
        # Statements know databases; a database only needs to know them when it is used.
        from .statements import MEANINGS

        await self._travel()
        self.check()
        return Result(await MEANINGS[statement.text](self, **(values or {})))

    async def _travel(self) -> None:
        await asyncio.sleep(self.database.fate.delay(TRAVEL_SECONDS))

    # -- what statements are made of ------------------------------------------------------------

    def rows(self, table: str) -> Iterator[tuple[Key, Row]]:
        """What it sees of a table."""
        for key, row in list(self.database.tables[table].items()):
            if (table, key) not in self.written:
                yield key, row
        for (name, key), own in list(self.written.items()):
            if name == table and own is not None:
                yield key, own

    def get(self, table: str, *key: Any) -> Row | None:
        """What it sees of one row."""
        place = (table, key)
        return self.written[place] if place in self.written else self.database.tables[table].get(key)

    def put(self, table: str, key: Key, row: Row | None) -> None:
        """Write a row that is locked, or remove it."""
        self.written[table, key] = row

    async def lock(self, table: str, key: Key, mode: Mode = "update") -> None:
        """Lock a row, or the place where it will be."""
        await self.database.lock(self, (table, key), mode)

    async def insert(self, table: str, key: Key, row: Row) -> bool:
        """Add a row; False when there is one. Waits for another that is about to add the same."""
        await self.lock(table, key)
        if self.get(table, *key) is not None:
            return False
        self.put(table, key, row)
        return True

    async def locked(
        self, table: str, keys: Collection[Key], condition: Callable[[Row], bool], mode: Mode = "update"
    ) -> list[tuple[Key, Row]]:
        """Lock rows one after the other; those that changed meanwhile are looked at again."""
        found = []
        for key in keys:
            await self.lock(table, key, mode)
            row = self.get(table, *key)
            if row is not None and condition(row):
                found.append((key, row))
        return found


class Result:
    """Rows, as much of SQLAlchemy's as is used."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def scalar(self) -> Any:
        """The only value."""
        return self._rows[0][0]
