"""Where this machine can be reached: what its listeners and interfaces say, Linux only."""

import fcntl
import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_address

from protocol.address import Address

_SIOCGIFADDR = 0x8915
_BRIDGES = ("lo", "docker", "br-", "veth", "virbr")
"""Loopback, and bridges whose addresses are the same on many machines and reach none of them."""


def reachable(bound: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Addresses to hand out for sockets bound so; "all addresses" becomes those there are."""
    found: list[str] = []
    for host, port in bound:
        if not ip_address(host.partition("%")[0]).is_unspecified:
            hosts = [host]
        else:
            hosts = [*interface_addresses(), "127.0.0.1"]
        found += [str(Address(host=each, port=port)) for each in hosts]
    return tuple(dict.fromkeys(found))


def interface_addresses() -> list[str]:
    """The IPv4 addresses of this machine, without loopback, the one toward the world first."""
    names = [name for _, name in socket.if_nameindex() if not name.startswith(_BRIDGES)]
    found = [address for name in names if (address := _address_of(name))]
    toward = _toward_world()
    if toward:
        found = [toward, *(address for address in found if address != toward)]
    return [address for address in found if not ip_address(address).is_loopback]


def _address_of(interface: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _toward_world() -> str | None:
    """Which address a packet to a far network would leave from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        host: str = probe.getsockname()[0]
        return host
