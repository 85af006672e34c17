"""Real peers' parts give a real tracker what it lacks; in one process, over streams in memory."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from clocks import autojump_clock as autojump_clock
from sqlalchemy import func, select
from tracker_support import NOW, Swarm, entry_of, manifest_of, running, signed, tombstone_of

from peer.data_dir import DataDir, JoinedSwarm
from peer.parts import Parts
from peer.reactions import Reactions
from protocol.drivers.on_trio import TrioChannel
from protocol.entry import Entry
from protocol.hello import Credentials
from protocol.identity import Identity
from protocol.messages.rebuilding import MOST_OFFERED
from protocol.roster import Member, Roster, encode_signed, sign_membership, sign_roster
from tracker import in_bulk, tables

ENTRIES = MOST_OFFERED + 200
DELETED = 40


class Net:
    """Members by name, of a tracker that may be lost and begun anew."""

    def __init__(self, folder: Path, club: Swarm) -> None:
        self.folder, self.club = folder, club
        self.members: list[Member] = []
        self.cut_after: dict[str, int] = {}
        self.channels: list[TrioChannel] = []

    def join(self, name: str) -> Identity:
        directory = DataDir(self.folder / name)
        directory.create()
        identity = directory.load_identity()
        member = Member(
            peer=identity.peer, static=identity.static_key, name=name, joined=NOW, capacity=0
        )
        self.members.append(member)
        directory.save_joined(
            JoinedSwarm(
                swarm=self.club.keys.public,
                psk=self.club.keys.psk,
                tracker=self.club.identity.static_key,
                tracker_addresses=("tracker.test:4100",),
                membership=sign_membership(self.club.keys.signing, member),
                capacity=0,
            )
        )
        return identity

    def roster(self, number: int) -> bytes:
        roster = Roster(
            swarm=self.club.keys.public,
            number=number,
            name="club",
            trackers=("tracker.test:4100",),
            members=tuple(self.members),
        )
        return encode_signed(sign_roster(self.club.keys.signing, roster))

    async def open_channel(self, _host: str, _port: int, credentials: Credentials) -> TrioChannel:
        channel = TrioChannel(self.club.stranger(), credentials, initiator=True)
        await channel.handshake()
        self.channels.append(channel)
        return channel

    @contextmanager
    def member(self, name: str, nursery: trio.Nursery) -> Iterator[Parts]:
        parts = Parts(self.folder / name)
        Reactions(parts)
        parts.load()
        parts.addresses = (f"{name}.test:1",)
        parts.links.start(nursery)
        try:
            yield parts
        finally:
            parts.close()
            os.close(parts.lock)

    def counts(self) -> tuple[int, int]:
        """How many entries are listed, and how many deleted."""
        found = self.club.database.read_now(
            lambda c: c.execute(
                select(
                    func.count().filter(tables.entries.c.shown),
                    func.count().filter(tables.entries.c.deleted),
                )
            ).one()
        )
        return found[0], found[1]


async def know(parts: Parts, entries: list[Entry], author: Identity, *, hold: bool) -> None:
    """Rows as sharing, searching and deleting leave them."""
    await parts.catalogue.learn_listed([signed(entry, author) for entry in entries[DELETED:]])
    for entry in entries[:DELETED]:
        # Each known as deleted only, as by who came later.
        await parts.catalogue.learn(signed(tombstone_of(entry), author))
    if hold:
        for seed in range(ENTRIES):
            await parts.contents.expect(manifest_of(1, seed))


async def until(condition: object, seconds: float = 300.0) -> None:
    assert callable(condition)
    with trio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - anything may make it so
            await trio.sleep(0.1)
    assert condition()


@pytest.mark.trio
async def test_members_give_an_empty_tracker_all_they_know(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    put = in_bulk.put_records

    def counting(connection, giver, checked):  # type: ignore[no-untyped-def]
        given.append(len(checked))
        return put(connection, giver, checked)

    monkeypatch.setattr(in_bulk, "put_records", counting)
    async with trio.open_nursery() as nursery:
        with running(tmp_path, nursery) as club:
            club.database.write_now(lambda c: c.execute(tables.swarm.update().values(rebuilt=NOW)))
            net = Net(tmp_path, club)
            monkeypatch.setattr("peer.tracker_link.open_channel", net.open_channel)
            author, _ = net.join("one"), net.join("two")
            entries = [
                entry_of(manifest_of(1, seed), author, salt=os.urandom(16), name=f"{seed}")
                for seed in range(ENTRIES)
            ]
            encoded = net.roster(9)
            with net.member("one", nursery) as one, net.member("two", nursery) as two:
                for parts in (one, two):
                    await parts.rosters.offer(encoded)
                await know(one, entries, author, hold=False)
                await know(two, entries, author, hold=True)
                for parts in (one, two):
                    nursery.start_soon(parts.tracker.run)
                    nursery.start_soon(parts.rebuilding.run)
                await until(lambda: net.counts() == (ENTRIES - DELETED, DELETED))
                await until(lambda: one.rebuilding.epoch and two.rebuilding.epoch)
                # Each once, but for deletions that their signer alone gave at first.
                assert ENTRIES <= sum(given) <= ENTRIES + DELETED
                assert one.rebuilding.epoch == two.rebuilding.epoch
                assert {m.name for m in club.tracker.roster.roster.peers()} == {"one", "two"}
                # At the next connect nothing is given.
                before, channels = len(given), len(net.channels)
                for channel in list(net.channels):
                    await trio.aclose_forcefully(channel.stream)
                await until(lambda: len(net.channels) >= channels + 2)
                await until(lambda: one.tracker.connected and two.tracker.connected)
                await trio.sleep(30)
                assert len(given) == before
                nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_a_lost_connection_cut_short_goes_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trio.open_nursery() as nursery:
        with running(tmp_path, nursery) as club:
            net = Net(tmp_path, club)
            monkeypatch.setattr("peer.tracker_link.open_channel", net.open_channel)
            author = net.join("one")
            entries = [
                entry_of(manifest_of(1, seed), author, salt=os.urandom(16), name=f"{seed}")
                for seed in range(300)
            ]
            cuts = random.Random(3)
            put = in_bulk.put_manifests

            def cutting(connection, manifests):  # type: ignore[no-untyped-def]
                put(connection, manifests)
                if len(net.channels) < 4 and cuts.random() < 0.7:
                    trio.from_thread.run(trio.aclose_forcefully, net.channels[-1].stream)

            monkeypatch.setattr(in_bulk, "put_manifests", cutting)
            with net.member("one", nursery) as one:
                await one.rosters.offer(net.roster(9))
                await one.catalogue.learn_listed([signed(entry, author) for entry in entries])
                for seed in range(300):
                    await one.contents.expect(manifest_of(1, seed))
                nursery.start_soon(one.tracker.run)
                nursery.start_soon(one.rebuilding.run)
                await until(lambda: bool(one.rebuilding.epoch))
                assert net.counts() == (300, 0)
                nursery.cancel_scope.cancel()
