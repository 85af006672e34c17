"""Finding members on the same network: what is heard, whom it means, what follows from it."""

import threading
from collections.abc import Callable

import pytest
import structlog
import trio
import trio.lowlevel
from peer_net import Clock, PeerNet, until

import peer.lan
from peer.lan import LOOK_EVERY, MOST_HEARD, TRY_AGAIN_EVERY, LanDiscovery, lan_ips, remote_ip
from peer.multicast import Announcement, Heard
from protocol.address import Address
from protocol.ids import PeerId
from protocol.lan_tag import lan_tag
from protocol.messages.limiting import ChangeLimits, NewRate

PSK = bytes(range(32))
A, B, C = (PeerId(bytes([n]) * 32) for n in range(3))


class Network:
    """One network: everything announced on it, and everybody who listens."""

    def __init__(self) -> None:
        self.open: list[FakeMulticast] = []
        self.opened = 0
        self.broken = False

    def join(self, ours: Announcement, heard: Heard) -> "FakeMulticast":
        return FakeMulticast(self, ours, heard)


class FakeMulticast:
    """Stands in for `Multicast`: everybody hears everybody, themselves too."""

    def __init__(self, network: Network, ours: Announcement, heard: Heard) -> None:
        self.network, self.ours, self.heard = network, ours, heard
        self.name = ours.salt.hex()

    def open(self) -> None:
        assert threading.current_thread() is not threading.main_thread()
        if self.network.broken:
            raise PermissionError(1, "Operation not permitted")
        self.network.opened += 1
        self.network.open.append(self)
        for other in self.network.open:
            other.heard(self.name, self.ours)
            self.heard(other.name, other.ours)

    def close(self) -> None:
        if self in self.network.open:
            self.network.open.remove(self)
            for other in self.network.open:
                other.heard(self.name, None)


class Machine:
    """A LanDiscovery on a network, and what it told. Its only address is `ip`."""

    def __init__(
        self, network: Network, me: PeerId, ips: dict[str, list[str]], ip: str, psk: bytes = PSK
    ) -> None:
        self.me, self.ip, self.ips = me, ip, ips
        self.members: tuple[PeerId, ...] = (A, B, C)
        self.lan = LanDiscovery(me, psk, lambda: self.members, network.join)  # type: ignore[arg-type]
        self.told: list[tuple[PeerId, tuple[Address, ...]]] = []
        self.lan.on_found = lambda peer, addresses: self.told.append((peer, addresses))
        self.scope = trio.CancelScope()

    @property
    def address(self) -> Address:
        return Address(host=self.ip, port=4110)

    async def run(self) -> None:
        self.ips[str(self.me)] = [self.ip]
        with self.scope:
            await self.lan.run((str(self.me),), 4110)


@pytest.fixture
def ips(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of each machine: here all are in one process."""
    own: dict[str, list[str]] = {}
    monkeypatch.setattr(peer.lan, "lan_ips", lambda hosts: tuple(own[hosts[0]]))
    return own


Ips = dict[str, list[str]]


@pytest.mark.trio
async def test_members_find_and_lose_one_another(ips: Ips, nursery: trio.Nursery) -> None:
    network = Network()
    one, two = Machine(network, A, ips, "192.168.1.1"), Machine(network, B, ips, "192.168.1.2")
    nursery.start_soon(one.run)
    nursery.start_soon(two.run)
    await soon(lambda: bool(one.told and two.told))
    assert one.told == [(B, (two.address,))]
    assert two.told == [(A, (one.address,))]
    assert one.lan.addresses(B) == (two.address,)
    assert one.lan.addresses(A) == one.lan.addresses(C) == ()
    assert one.lan.is_near(B, "192.168.1.2")
    assert not one.lan.is_near(B, "192.168.1.1")
    assert not one.lan.is_near(B, None)
    assert not one.lan.is_near(C, "192.168.1.2")
    two.scope.cancel()
    await soon(lambda: len(one.told) == 2)
    assert one.told[1] == (B, ())
    assert not one.lan.is_near(B, "192.168.1.2")
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_strangers_are_nobody(ips: Ips, nursery: trio.Nursery) -> None:
    network = Network()
    one = Machine(network, A, ips, "192.168.1.1")
    stranger = Machine(network, B, ips, "192.168.1.2", psk=bytes(32))
    nursery.start_soon(one.run)
    nursery.start_soon(stranger.run)
    await soon(lambda: len(network.open) == 2)
    salt = b"s" * 16
    tag = lan_tag(PSK, salt, B, 4110, (bytes([192, 168, 1, 2]),))
    (heard,) = (each.heard for each in network.open if each.ours.ips == (one.ip,))
    for ip, port in (("192.168.1.3", 4110), ("192.168.1.2", 4111)):
        heard("forged", Announcement(salt=salt, tag=tag, port=port, ips=(ip,)))
    for number in range(MOST_HEARD * 3):
        fresh = number.to_bytes(16)
        heard(fresh.hex(), Announcement(salt=fresh, tag=fresh, port=1, ips=("10.0.0.1",)))
        await trio.lowlevel.checkpoint()
    assert one.told == stranger.told == []
    await soon(lambda: len(one.lan._heard) == MOST_HEARD)
    late = Machine(network, C, ips, "192.168.1.4")
    nursery.start_soon(late.run)
    await soon(lambda: bool(one.told))
    assert one.told == [(C, (late.address,))]
    assert len(one.lan._heard) == MOST_HEARD
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_who_becomes_a_member_is_recognised_and_who_is_revoked_no_more(
    ips: Ips, nursery: trio.Nursery
) -> None:
    network = Network()
    one, two = Machine(network, A, ips, "192.168.1.1"), Machine(network, B, ips, "192.168.1.2")
    one.members = (A,)
    nursery.start_soon(one.run)
    nursery.start_soon(two.run)
    await soon(lambda: bool(two.told))
    assert one.told == []
    one.members = (A, B)
    one.lan.recognise()
    assert one.told == [(B, (two.address,))]
    one.members = (A, C)
    one.lan.recognise()
    assert one.told[1:] == [(B, ())]
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_own_addresses_are_nobody_elses(ips: Ips, nursery: trio.Nursery) -> None:
    """Every machine with the same virtual network has the same address on it."""
    network = Network()
    one, two = Machine(network, A, ips, "172.17.0.1"), Machine(network, B, ips, "172.17.0.1")
    nursery.start_soon(one.run)
    nursery.start_soon(two.run)
    await soon(lambda: len(network.open) == 2)
    await trio.sleep(0.05)
    assert one.told == two.told == []
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_another_network_is_announced_anew(
    autojump_clock: Clock, ips: Ips, nursery: trio.Nursery
) -> None:
    network = Network()
    one, two = Machine(network, A, ips, "192.168.1.1"), Machine(network, B, ips, "192.168.1.2")
    nursery.start_soon(one.run)
    nursery.start_soon(two.run)
    await until(lambda: bool(one.told))
    before = network.open[-1].ours
    ips[str(B)] = []
    await trio.sleep(2 * LOOK_EVERY)
    assert one.lan.addresses(B) == ()
    assert len(network.open) == 1
    two.ip = "10.0.0.2"
    ips[str(B)] = ["10.0.0.2"]
    await trio.sleep(2 * LOOK_EVERY)
    assert one.lan.addresses(B) == (two.address,)
    now = network.open[-1].ours
    assert now.salt != before.salt
    assert now.tag != before.tag
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_it_can_be_switched_off_and_on(
    autojump_clock: Clock, ips: Ips, nursery: trio.Nursery
) -> None:
    network = Network()
    one = Machine(network, A, ips, "192.168.1.1")
    one.lan.switch(on=False)
    nursery.start_soon(one.run)
    await trio.sleep(100)
    assert network.opened == 0
    one.lan.switch(on=True)
    await until(lambda: len(network.open) == 1)
    one.lan.switch(on=False)
    await until(lambda: network.open == [])
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_system_without_multicast_is_told_of_once(
    autojump_clock: Clock, ips: Ips, nursery: trio.Nursery
) -> None:
    network = Network()
    network.broken = True
    one = Machine(network, A, ips, "192.168.1.1")
    with structlog.testing.capture_logs() as logs:
        nursery.start_soon(one.run)
        await trio.sleep(5 * TRY_AGAIN_EVERY)
    assert [each["log_level"] for each in logs].count("warning") == 1
    assert [each["log_level"] for each in logs].count("debug") >= 3
    network.broken = False
    await until(lambda: len(network.open) == 1)
    nursery.cancel_scope.cancel()


# --- what follows -----------------------------------------------------------------------------


@pytest.mark.trio
async def test_what_is_found_is_dialled_first_and_exempt(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two")
    address = Address(host="two", port=1)
    known = one.parts.address_book.candidates(two.me)
    near = Address(host="192.168.1.2", port=4110)
    tried: list[PeerId] = []
    monkeypatch.setattr(one.parts.replication, "try_again", tried.append)
    one.parts.lan.on_found(two.me, (near, address))
    assert tried == [two.me]
    assert one.parts.address_book.candidates(two.me) == (near, address)
    assert known == (address,)
    one.parts.lan.on_found(two.me, ())
    assert one.parts.address_book.candidates(two.me) == known
    await one.parts.limits.change(_up_limit())
    assert one.parts.pacing.limited(two.me, "up")
    monkeypatch.setattr("peer.reactions.remote_ip", lambda stream: "192.168.1.2")
    one.parts.lan._found[two.me] = (near,)
    link = await one.link_to(two)
    await until(lambda: one.parts.limits.near == {two.me})
    assert not one.parts.pacing.limited(two.me, "up")
    link.cut("test")
    await link.ended.wait()
    await until(lambda: one.parts.limits.near == frozenset())
    assert one.parts.pacing.limited(two.me, "up")


@pytest.mark.trio
async def test_a_link_by_another_way_is_not_exempt(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two")
    monkeypatch.setattr("peer.reactions.remote_ip", lambda stream: "203.0.113.9")
    await one.link_to(two)
    one.parts.lan._found[two.me] = (Address(host="192.168.1.2", port=4110),)
    one.parts.lan.on_found(two.me, one.parts.lan.addresses(two.me))
    assert one.parts.limits.near == frozenset()


def _up_limit() -> ChangeLimits:
    return ChangeLimits(call=1, up=NewRate(rate=1_000_000))


# --- the system -------------------------------------------------------------------------------


def test_nothing_is_announced_on_loopback() -> None:
    assert lan_ips(["127.0.0.1"]) == lan_ips(["::1"]) == ()
    for ip in lan_ips(["0.0.0.0", "::"]):
        assert not ip.startswith(("127.", "fe80:", "169.254."))
        assert ip != "::1"
        assert lan_ips([ip]) == (ip,)


@pytest.mark.trio
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_address_at_the_other_end(host: str) -> None:
    listeners = await trio.open_tcp_listeners(0, host=host)
    port = listeners[0].socket.getsockname()[1]
    stream = await trio.open_tcp_stream(host, port)
    assert remote_ip(stream) == host
    await stream.aclose()
    assert remote_ip(stream) is None
    one, _ = trio.testing.memory_stream_pair()
    assert remote_ip(one) is None
    for listener in listeners:
        await listener.aclose()


@pytest.mark.trio
async def test_an_address_mapped_into_ipv6_is_the_same_address() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    sock = trio.socket.socket(trio.socket.AF_INET6)
    await sock.connect(("::ffff:127.0.0.1", port))
    assert remote_ip(trio.SocketStream(sock)) == "127.0.0.1"
    sock.close()
    await listener.aclose()


async def soon(condition: Callable[[], bool]) -> None:
    """Wait for other threads, on the clock they have."""
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - anything may make it so
            await trio.sleep(0.01)
