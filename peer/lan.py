"""Finding the members on the same network, and which links run over it. Needs no tracker.

What is heard proves nothing: an address found here is tried first, and whoever answers there must
still be that very member.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

import structlog
import trio

from peer.multicast import MOST_ADDRESSES, Announcement, Heard, Multicast
from protocol.address import Address
from protocol.ids import PeerId
from protocol.lan_tag import SALT_LENGTH, lan_tag, tagged_peer

log = structlog.get_logger()

LOOK_EVERY = 15.0
TRY_AGAIN_EVERY = 60.0
CLOSE_TIMEOUT = 3.0
MOST_HEARD = 256
"""Announcements remembered; a stranger's count too."""

_Addresses = tuple[Address, ...]


class _Heard(NamedTuple):
    """An announcement, and the member whose it is; None for a stranger's."""

    said: Announcement
    peer: PeerId | None


class LanDiscovery:
    """Announces this peer and hears the others, on every network the machine is on."""

    def __init__(
        self,
        me: PeerId,
        psk: bytes,
        members: Callable[[], Iterable[PeerId]],
        make_multicast: Callable[[Announcement, Heard], Multicast] = Multicast,
    ) -> None:
        self._me = me
        self._psk = psk
        self._members = members
        self._make_multicast = make_multicast
        self._heard: dict[str, _Heard] = {}
        self._found: dict[PeerId, _Addresses] = {}
        self._own: tuple[str, ...] = ()
        self._wanted = True
        self._switched = trio.Event()
        self._said_why_not = False
        self.on_found: Callable[[PeerId, _Addresses], None] = lambda *_: None
        """Called whenever the addresses found for a peer are others; () when it is gone."""

    def addresses(self, peer: PeerId) -> _Addresses:
        """Where a peer is on this network; nothing when it is not."""
        return self._found.get(peer, ())

    def is_near(self, peer: PeerId, ip: str | None) -> bool:
        """Whether this peer's own announcement named the address its link comes from."""
        return any(address.host == ip for address in self.addresses(peer))

    def switch(self, *, on: bool) -> None:
        """Whether to announce and listen at all."""
        self._wanted = on
        self._switched.set()

    def recognise(self) -> None:
        """Look again at all that was heard, because the members are others."""
        self._heard = {name: self._judged(heard.said) for name, heard in self._heard.items()}
        self._tell()

    async def run(self, bound: Iterable[str], port: int) -> None:
        """Discover for ever. `bound` are the addresses of the listening sockets."""
        hosts = tuple(bound)
        while True:
            self._switched = trio.Event()
            ips = lan_ips(hosts) if self._wanted else ()
            if not ips:
                await self._wait_switched(LOOK_EVERY)
                continue
            try:
                await self._serve(ips, hosts, port)
            except OSError as error:
                report = log.debug if self._said_why_not else log.warning
                report("no LAN discovery here", reason=str(error))
                self._said_why_not = True
                await self._wait_switched(TRY_AGAIN_EVERY)

    async def _serve(self, ips: tuple[str, ...], hosts: tuple[str, ...], port: int) -> None:
        """Announce and listen for as long as the machine has just these addresses."""
        self._own = ips
        salt = os.urandom(SALT_LENGTH)
        unsigned = Announcement(salt=salt, tag=b"", port=port, ips=ips)
        tag = lan_tag(self._psk, salt, self._me, port, unsigned.packed_ips)
        ours = Announcement(salt=salt, tag=tag, port=port, ips=ips)
        send, receive = trio.open_memory_channel[tuple[str, Announcement | None]](MOST_HEARD)
        multicast = self._make_multicast(
            ours, partial(_pass_on, trio.lowlevel.current_trio_token(), send)
        )
        try:
            await trio.to_thread.run_sync(multicast.open)
            log.info("LAN discovery", addresses=ips)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, receive)
                while self._wanted and lan_ips(hosts) == ips:
                    await self._wait_switched(LOOK_EVERY)
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
                await trio.to_thread.run_sync(multicast.close, abandon_on_cancel=True)
            self._heard.clear()
            self._tell()

    async def _hear(
        self, receive: "trio.MemoryReceiveChannel[tuple[str, Announcement | None]]"
    ) -> None:
        async for name, said in receive:
            self._heard.pop(name, None)
            if said is not None:
                self._keep(name, self._judged(said))
            self._tell()

    def _keep(self, name: str, heard: "_Heard") -> None:
        """Remember what was heard. When there is too much of it, members go before strangers."""
        if len(self._heard) >= MOST_HEARD:
            strangers = (known for known, each in self._heard.items() if each.peer is None)
            stranger = next(strangers, None)
            if heard.peer is None or stranger is None:
                return
            del self._heard[stranger]
        self._heard[name] = heard

    def _judged(self, said: Announcement) -> "_Heard":
        members = (peer for peer in self._members() if peer != self._me)
        peer = tagged_peer(members, self._psk, said.salt, said.tag, said.port, said.packed_ips)
        return _Heard(said, peer)

    def _tell(self) -> None:
        """Work out where everybody is, and tell what has changed."""
        found: dict[PeerId, dict[Address, None]] = {}
        for heard in reversed(self._heard.values()):
            if heard.peer is not None:
                usable = (ip for ip in heard.said.ips if ip not in self._own)
                addresses = (Address(host=ip, port=heard.said.port) for ip in usable)
                found.setdefault(heard.peer, {}).update(dict.fromkeys(addresses))
        before = self._found
        self._found = {peer: tuple(each)[:MOST_ADDRESSES] for peer, each in found.items()}
        for peer in before.keys() | self._found.keys():
            if self.addresses(peer) != before.get(peer, ()):
                self.on_found(peer, self.addresses(peer))

    async def _wait_switched(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._switched.wait()


def _pass_on(
    token: trio.lowlevel.TrioToken,
    send: "trio.MemorySendChannel[tuple[str, Announcement | None]]",
    name: str,
    said: Announcement | None,
) -> None:
    """From zeroconf's thread to ours. What comes too fast is lost, and heard when said again."""

    def put() -> None:
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            send.send_nowait((name, said))

    with suppress(trio.RunFinishedError):
        token.run_sync_soon(put)


def lan_ips(bound: Iterable[str]) -> tuple[str, ...]:
    """Addresses of this machine under which its network can reach sockets bound to these.

    None where the system does not tell.
    """
    hosts = [host for host in map(ip_address, bound) if not host.is_loopback]
    if not hosts:
        return ()
    import ifaddr  # only for those who discover

    try:
        adapters = list(ifaddr.get_adapters())
    except OSError as error:
        log.debug("this machine's addresses are not known", reason=str(error))
        return ()
    own = [
        ip_address(each.ip if isinstance(each.ip, str) else each.ip[0])
        for adapter in adapters
        for each in adapter.ips
    ]
    usable = [ip for ip in own if not (ip.is_loopback or ip.is_link_local)]
    found: dict[str, None] = {}
    for host in hosts:
        for ip in usable:
            if ip == host or (host.is_unspecified and ip.version == host.version):
                found[str(ip)] = None
    return tuple(sorted(found))[:MOST_ADDRESSES]


def remote_ip(stream: object) -> str | None:
    """The address at the other end of a link; None when that is no socket, or closed."""
    if not isinstance(stream, trio.SocketStream):
        return None
    try:
        ip = ip_address(str(stream.socket.getpeername()[0]).partition("%")[0])
    except (OSError, ValueError):
        return None
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip)
