"""Twofold as it is measured: a sender with one entry, and takers that are new each time."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.footprint import Account, transfer_figures
from benchmarks.places import Ends, Place, inside
from benchmarks.rounds import Figures
from benchmarks.samples import check_same, remove, size_of
from processes import Answer
from swarm import READY_SECONDS, Peer, Swarm

SECONDS = 900.0
SENDER = "sender"


@dataclass
class PlacedSwarm(Swarm):
    """A swarm of two places: the tracker and the sender in one, the takers in the other."""

    ends: Ends = field(kw_only=True)
    through: tuple[str, ...] = ()
    """A program, with its arguments, that becomes each peer's daemon."""

    def start_tracker(self) -> None:
        """Start the tracker where the sender is."""
        with inside(self.ends.sender):
            super().start_tracker()

    def tracker_cli(self, *arguments: str) -> Answer:
        """One `twofold-tracker` command, there too."""
        with inside(self.ends.sender):
            return super().tracker_cli(*arguments)

    def cli(self, peer: Peer, *arguments: str, text: str = "", seconds: float = SECONDS) -> Answer:
        """One `twofold` command where the peer is."""
        with inside(self._place(peer)):
            return super().cli(peer, *arguments, text=text, seconds=seconds)

    def start(self, peer: Peer, *, connected: bool = True) -> None:
        """Start a peer's daemon, listening at its place's address."""
        place = self._place(peer)
        options = ("--data", str(peer.data), "--listen", f"{place.address}:0", "--web", "off")
        with inside(place):
            run = ("peer", "run", *options, "--json")
            peer.daemon = self._run(peer.name, *run, through=self.through)
        if connected:
            self.ok(peer, "status", "--wait", str(READY_SECONDS))

    def _place(self, peer: Peer) -> Place:
        return self.ends.sender if peer.name == SENDER else self.ends.taker


@contextlib.contextmanager
def placed_swarm(root: Path, ends: Ends, *through: str) -> Iterator[Swarm]:
    """A swarm of two places, whose daemons are run `through` a program."""
    listen = f"{ends.sender.address}:0"
    with PlacedSwarm(root, ends=ends, through=through, _listen=listen) as swarm:
        yield swarm


class Sharing:
    """One source that a sender of a swarm shares, and that new takers get."""

    def __init__(self, swarm: Swarm, source: Path) -> None:
        self.swarm = swarm
        self.sender = swarm.add_peer(SENDER, capacity="0")
        self.entry: str = swarm.ok(self.sender, "add", str(source), seconds=SECONDS)["id"]
        self._source = source
        self._size = size_of(source)
        self._takers = 0

    def new_taker(self) -> Peer:
        """A machine that has nothing yet."""
        self._takers += 1
        return self.swarm.add_peer(f"taker{self._takers}", capacity="0")

    def transfer(self, target: Path) -> Figures:
        """One to one, from `get` to a verified, durable copy, as the daemon reports it."""
        taker = self.new_taker()
        sender, receiver = account_of(self.sender), account_of(taker)
        entry = ("get", self.entry, "-o", str(target))
        got = self.swarm.ok(taker, *entry, seconds=SECONDS)
        sender.note()
        receiver.note()
        self.finish(taker, target)
        figures = transfer_figures(self._size, got["seconds"], sender, receiver)
        # What it calls done is durable.
        return figures | {"durable_seconds": got["seconds"]}

    def finish(self, taker: Peer, target: Path) -> None:
        """Check what a taker got, and take both away."""
        self.swarm.stop(taker)
        check_same(self._source, target)
        remove(target)


def account_of(peer: Peer) -> Account:
    """What a peer's daemon uses from now on."""
    return Account(daemon_pid(peer))


def daemon_pid(peer: Peer) -> int:
    """The id of a daemon that runs."""
    if peer.daemon is None:
        raise SystemExit(f"{peer.name} does not run")
    return peer.daemon.process.pid
