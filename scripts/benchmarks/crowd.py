"""A tracker with thousands of members connected to it: made, watched, and ended.

The members are written into its database at once, with one roster: how thousands join is not what
is measured here. They are in two processes (`benchmarks.many_members`).
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from benchmarks.footprint import Account
from benchmarks.many_members import Keys
from benchmarks.programs import Program
from swarm import Swarm

from protocol.identity import encode_identity, generate_identity
from protocol.roster import Member, sign_membership
from tracker import tables
from tracker.data_dir import DataDir
from tracker.database import open_database
from tracker.swarm import make_roster

PROCESSES = 2
SECONDS = 900.0
_LOOK_EVERY = 0.25


@dataclass(frozen=True)
class Standing:
    """How many members are taken in, when the last was, and why connections were lost."""

    members: int
    last: float
    lost: dict[str, int]


class Crowd:
    """The members, and the tracker's account."""

    def __init__(self, programs: list[Program], tracker: int, size: int) -> None:
        self._programs = programs
        self._tracker = tracker
        self.size = size

    def account(self) -> Account:
        """What the tracker uses from now on."""
        return Account(self._tracker)

    def ask(self, word: str = "look") -> Standing:
        """Have all processes do something."""
        found = []
        for program in self._programs:
            assert program.process.stdin is not None
            program.process.stdin.write(f"{word}\n".encode())
            program.process.stdin.flush()
        for program in self._programs:
            found.append(json.loads(program.read_line(SECONDS)))
        lost: dict[str, int] = {}
        for each in found:
            for why, number in each["lost"].items():
                lost[why] = lost.get(why, 0) + number
        last = max(each["last"] for each in found)
        return Standing(sum(each["in"] for each in found), last, lost)

    def await_all(self, seconds: float = SECONDS) -> Standing:
        """Until every member is taken in."""
        deadline = time.monotonic() + seconds
        while (standing := self.ask()).members < self.size:
            if time.monotonic() > deadline:
                raise SystemExit(f"after {seconds:.0f} s: {standing}")
            time.sleep(_LOOK_EVERY)
        return standing


@contextlib.contextmanager
def crowd(folder: Path, size: int) -> Iterator[tuple[Swarm, Crowd]]:
    """A tracker, and so many members that are all taken in."""
    with Swarm(folder) as swarm, contextlib.ExitStack() as stack:
        assert swarm.tracker is not None
        swarm.tracker.stop()
        keys = folder / "members.keys"
        keys.write_bytes(_make_members(swarm.tracker_data, size))
        swarm.start_tracker()
        share, programs = -(-size // PROCESSES), []
        for first in range(0, size, share):
            numbers = (str(swarm.tracker_port), str(first), str(min(share, size - first)))
            command = [sys.executable, "-m", "benchmarks.many_members", str(keys), *numbers]
            programs.append(stack.enter_context(Program(command, folder / f"members-{first}")))
        there = Crowd(programs, swarm.tracker.process.pid, size)
        there.await_all()
        yield swarm, there


def _make_members(data: Path, size: int) -> bytes:
    directory = DataDir(data)
    keys = directory.load_swarm_keys()
    rows, members = [], []
    for number in range(size):
        identity = generate_identity()
        name = f"member{number:05}"
        member = Member(
            peer=identity.peer, static=identity.static_key, name=name, joined=number + 1
        )
        signed = sign_membership(keys.signing, member)
        members.append((encode_identity(identity), signed.body, signed.signature))
        rows.append(
            {
                "peer": member.peer,
                "static": member.static,
                "name": name,
                "zone": "",
                "capacity": 0,
                "joined": member.joined,
                "state": "active",
                "admin": False,
                "addresses": "",
                "stored": 0,
                "seen": 0,
            }
        )
    database = open_database(directory.place())
    try:
        database.write_now(lambda c: c.execute(tables.members.insert(), rows))
        database.write_now(lambda c: make_roster(c, keys.signing))
    finally:
        database.close()
    return msgspec.msgpack.encode(Keys(psk=keys.psk, members=members))
