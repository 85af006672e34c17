"""What transactions change of what searches keep in memory (`shelf`): noted as it is written.

Notes are with the connection until its transaction is on disk; one that fails leaves none.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

MOST = 20_000
"""More than so many entries and manifests are not told apart: everything is read again."""
_KEY = "touched"


@dataclass
class Touched:
    """Entries by number, manifests of which somebody holds more or less, and whole machines."""

    entries: set[int] = field(default_factory=set)
    manifests: set[bytes] = field(default_factory=set)
    peers: set[bytes] = field(default_factory=set)
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.entries or self.manifests or self.peers or self.everything)

    def add(self, other: "Touched") -> None:
        """Note all that the other does."""
        self.everything |= other.everything
        self.entries |= other.entries
        self.manifests |= other.manifests
        self.peers |= other.peers
        if self.everything or len(self.entries) + len(self.manifests) > MOST:
            self.entries, self.manifests, self.peers = set(), set(), set()
            self.everything = True


class Notes:
    """What transactions that are on disk have touched, until somebody takes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._touched = Touched(everything=True)
        self._since: float | None = None
        self.listeners: list[Callable[[Touched], None]] = []
        """Told at once of each transaction, in the thread that wrote."""

    def add(self, touched: Touched) -> None:
        """One more transaction is on disk."""
        with self._lock:
            self._touched.add(touched)
            if touched and self._since is None:
                self._since = time.monotonic()
        if touched:
            for listener in self.listeners:
                listener(touched)

    def take(self, connection: Connection) -> Touched:
        """All since this was last asked; everything at first. `connection` has read nothing yet."""
        return self._take()

    def quiet(self) -> bool:
        """Whether nothing waits to be taken, as far as can be told without asking the database."""
        return not self._touched

    def heard(self, newest: int, since: float) -> None:
        """This was the newest note of all trackers at that time; who is alone need not know."""

    def age(self) -> float:
        """For how many seconds the oldest of it waits; 0 for none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _put_back(self, touched: Touched) -> None:
        with self._lock:
            self._touched.add(touched)
            if touched and self._since is None:
                self._since = time.monotonic()

    def _take(self) -> Touched:
        with self._lock:
            taken, self._touched = self._touched, Touched()
            self._since = None
        return taken


def note_entries(connection: Connection, numbers: Iterable[int]) -> None:
    """What is kept of these entries for searches changes."""
    _notes(connection).add(Touched(entries=set(numbers)))


def note_manifests(connection: Connection, manifests: Iterable[bytes]) -> None:
    """Who holds these changes."""
    _notes(connection).add(Touched(manifests=set(manifests)))


def note_peer(connection: Connection, peer: bytes) -> None:
    """Much or all of what this machine holds changes."""
    _notes(connection).add(Touched(peers={peer}))


def take_notes(connection: Connection) -> Touched:
    """What the transaction of this connection has touched so far; then it has none."""
    taken: Touched = connection.info.pop(_KEY, None) or Touched()
    return taken


def _notes(connection: Connection) -> Touched:
    notes: Touched = connection.info.setdefault(_KEY, Touched())
    return notes
