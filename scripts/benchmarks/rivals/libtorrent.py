"""libtorrent: hashing, checking, one to one, one to many, idle. Its settings are in the program."""

import contextlib
import json
import os
import time
from pathlib import Path

from benchmarks.footprint import Account, transfer_figures
from benchmarks.needs import libtorrent_python
from benchmarks.places import ON_LOOPBACK, Ends, Place, free_port
from benchmarks.programs import Program
from benchmarks.rounds import Figures
from benchmarks.samples import check_same, remove, size_of, sync_seconds

NEEDS = ("libtorrent",)
_PROGRAM = Path(__file__).with_name("libtorrent_program.py")


class Libtorrent:
    """Shares one source, again and again; `folder` is for what it makes meanwhile."""

    def __init__(
        self, source: Path, folder: Path, ends: Ends = ON_LOOPBACK, *, encrypted: bool = False
    ) -> None:
        self._source = source
        self._folder = folder
        self._ends = ends
        self._options = ["--rc4"] if encrypted else []
        self._torrent = folder / "source.torrent"

    def hash(self) -> float:
        """Seconds to make the torrent; libtorrent does that with one hashing thread."""
        with self._start("hash", self._source) as hashing:
            return _seconds(hashing)

    def check(self) -> float:
        """Seconds to check the source against the torrent, with two hashing threads."""
        self._hash_once()
        with self._start("check", self._source.parent) as checking:
            return _seconds(checking)

    def transfer(self, _: int = 0) -> Figures:
        """One to one, from adding the torrent until all is hashed and written."""
        self._hash_once()
        target = self._folder / "taken"
        port = free_port(self._ends.sender)
        with self._seed(port) as seed:
            sender = Account(seed.process.pid)
            peer = f"{self._ends.sender.address}:{port}"
            with self._take(target, self._ends.taker, [peer]) as take:
                seconds = _seconds(take)
                sender.note()
                take.account.note()
        figures = transfer_figures(self._size, seconds, sender, take.account)
        if self._source.is_file():
            copy = target / self._source.name
            figures["durable_seconds"] = seconds + sync_seconds(copy)
        return self._finish(target, figures)

    def fan_out(self, takers: int) -> Figures:
        """To several at once, who know each other, until all have it."""
        self._hash_once()
        places = [Place(f"127.0.0.{3 + number}") for number in range(takers)]
        everyone = [self._ends.sender, *places]
        peers = [f"{place.address}:{free_port(place)}" for place in everyone]
        targets = [self._folder / f"taken-{number}" for number in range(takers)]
        with contextlib.ExitStack() as stack:
            seed = stack.enter_context(self._seed(int(peers[0].rpartition(":")[2])))
            began = time.perf_counter()
            running = [
                stack.enter_context(self._take(target, place, peers, listen))
                for target, place, listen in zip(targets, places, peers[1:], strict=True)
            ]
            for each in running:
                _seconds(each)
            seconds = time.perf_counter() - began
            copies = _sent(seed) / self._size
        figures = {"seconds": seconds, "copies_sent_by_source": copies}
        for target in targets:
            self._finish(target, figures)
        return figures

    @property
    def _size(self) -> int:
        return size_of(self._source)

    def _hash_once(self) -> None:
        if not self._torrent.exists():
            self.hash()

    def _seed(self, port: int) -> Program:
        place = self._ends.sender
        listen = ["--listen", f"{place.address}:{port}"]
        seed = self._start("seed", self._source.parent, *listen, place=place)
        try:
            _seconds(seed)
        except BaseException:
            seed.stop()
            raise
        return seed

    def _take(self, target: Path, place: Place, peers: list[str], listen: str = "") -> Program:
        remove(target)
        where = listen or f"{place.address}:{free_port(place)}"
        known = [word for peer in peers if peer != where for word in ("--peer", peer)]
        return self._start("take", target, "--listen", where, *known, place=place)

    def _start(self, role: str, where: Path, *options: str, place: Place | None = None) -> Program:
        command = _command(role, self._torrent, where, *options, *self._options)
        return Program(command, self._folder, place)

    def _finish(self, target: Path, figures: Figures) -> Figures:
        check_same(self._source, target / self._source.name)
        remove(target)
        return figures


def idle_with(number: int, folder: Path) -> Program:
    """A libtorrent that serves `number` files of 64 KiB, and is ready."""
    served, torrents = folder / "served", folder / "torrents"
    served.mkdir(parents=True)
    torrents.mkdir()
    for each in range(number):
        (served / f"{each:06}").write_bytes(os.urandom(1 << 16))
    with Program(_command("hash-each", torrents, served), folder) as hashing:
        _seconds(hashing)
    running = Program(_command("idle", torrents, served), folder)
    try:
        _seconds(running)
    except BaseException:
        running.stop()
        raise
    return running


def _command(*words: str | Path) -> list[str | Path]:
    # Isolated (-I), or this very module would be what it imports as libtorrent.
    return [libtorrent_python() or "python3", "-I", _PROGRAM, *words]


def _seconds(program: Program) -> float:
    return float(json.loads(program.read_line())["seconds"])


def _sent(program: Program) -> int:
    assert program.process.stdin is not None
    program.process.stdin.write(b"sent\n")
    program.process.stdin.flush()
    return int(json.loads(program.read_line())["sent"])
