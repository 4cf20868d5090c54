"""A queue that gives each client an equal share of the work.

Start-time fair queueing: of the clients that wait, the next is the one whose share
began first. A client with a thousand items takes turns with one that has one.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

KEPT_SHARES = 1024
"""Clients without items whose share is remembered, at most."""


class _Waiting(NamedTuple, Generic[Item]):
    item: Item
    work: float


class FairQueue(Generic[Item]):
    """Items of clients; not thread-safe, the caller locks.

    Attributes:
        work: of all items.
    """

    def __init__(self) -> None:
        self.work = 0.0
        self._count = 0
        self._items: dict[str, deque[_Waiting[Item]]] = {}
        self._work_of: dict[str, float] = {}
        self._turns: list[tuple[float, int, str]] = []
        self._ends: dict[str, float] = {}
        self._now = 0.0
        self._order = 0

    def __len__(self) -> int:
        return self._count

    @property
    def idle_clients(self) -> int:
        """Clients without items whose share is remembered."""
        return len(self._ends)

    def add(self, client: str, item: Item, *, work: float) -> None:
        """Append an item of a client."""
        held = self._items.get(client)
        if held is None:
            held = self._items[client] = deque()
            self._wait_from(max(self._now, self._ends.pop(client, 0.0)), client)
        held.append(_Waiting(item, work))
        self._work_of[client] = self._work_of.get(client, 0.0) + work
        self.work += work
        self._count += 1

    def take(self) -> tuple[str, Item] | None:
        """The next item, and whose it is; None if there is none."""
        if not self._turns:
            return None
        self._now, _, client = heappop(self._turns)
        held = self._items[client]
        item, work = held.popleft()
        self._left(client, work)
        end = self._now + work
        if held:
            self._wait_from(end, client)
        else:
            self._retire(client, end)
        return client, item

    def drop(self, is_dead: Callable[[Item], bool]) -> list[tuple[str, Item]]:
        """Remove the items for which `is_dead`; return them with their clients."""
        dropped = []
        for client, held in list(self._items.items()):
            dead = [one for one in held if is_dead(one.item)]
            if not dead:
                continue
            gone = {id(one.item) for one in dead}
            self._items[client] = deque(one for one in held if id(one.item) not in gone)
            for one in dead:
                self._left(client, one.work)
                dropped.append((client, one.item))
            if not self._items[client]:
                self._turns = [turn for turn in self._turns if turn[2] != client]
                self._turns.sort()
                self._retire(client, self._now)
        return dropped

    def work_before(self, client: str, *, work: float) -> float:
        """Work that is done before an item which a client would add now.

        Other clients have turns until that item's, with no more work than it waits for.
        """
        own = self._work_of.get(client, 0.0)
        if own == self.work:
            return own
        share = own + work
        return own + sum(
            min(of_other, share)
            for other, of_other in self._work_of.items()
            if other != client
        )

    def _left(self, client: str, work: float) -> None:
        self._count -= 1
        self._work_of[client] -= work
        self.work = self.work - work if self._count else 0.0

    def _wait_from(self, start: float, client: str) -> None:
        self._order += 1
        heappush(self._turns, (start, self._order, client))

    def _retire(self, client: str, end: float) -> None:
        """Remember until when a client without items has had its share."""
        del self._items[client], self._work_of[client]
        if not self._items:
            self._ends.clear()  # nobody waits: nobody has had more than others
            return
        self._ends[client] = end
        if len(self._ends) > KEPT_SHARES:
            latest = sorted(self._ends.items(), key=lambda one: one[1])
            self._ends = dict(latest[KEPT_SHARES // 2 :])
