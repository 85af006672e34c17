"""Which address of this machine others in its network reach."""

import ipaddress
from collections.abc import Iterable

import ifaddr


def lan_address() -> str | None:
    """An IPv4 address of a private network, or another of ours; None without any network."""
    return best_address(
        str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4
    )


def best_address(addresses: Iterable[str]) -> str | None:
    """A private one before a public one; loopback and link-local ones are of no use."""
    known = [ipaddress.IPv4Address(address) for address in addresses]
    useful = [ip for ip in known if not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)]
    useful.sort(key=lambda ip: (not ip.is_private, ip.packed))
    return str(useful[0]) if useful else None
