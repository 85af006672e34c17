"""How many connections there may be: in all, and of one address. Pure."""

import ipaddress
from collections import Counter

LOOPBACK = "loopback"


class Places:
    """Counts those taken. Addresses of this machine are held to `together` alone."""

    def __init__(self, together: int, each: int) -> None:
        self._together = together
        self._each = each
        self._taken: Counter[str] = Counter()

    def take(self, remote: str) -> bool:
        """Whether there was one for this address, which then has it."""
        if self._taken.total() >= self._together:
            return False
        source = source_of(remote)
        if source != LOOPBACK and self._taken[source] >= self._each:
            return False
        self._taken[source] += 1
        return True

    def leave(self, remote: str) -> None:
        """Give one back."""
        source = source_of(remote)
        self._taken[source] -= 1
        if self._taken[source] <= 0:
            del self._taken[source]


def source_of(remote: str) -> str:
    """Whom an address stands for: IPv6 the whole /64, LOOPBACK this machine."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return LOOPBACK
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def is_loopback(remote: str) -> bool:
    """Whether an address is this machine's own loopback."""
    return source_of(remote) == LOOPBACK
