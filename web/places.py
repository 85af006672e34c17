"""How many connections there may be: in all, and of one address. Pure."""

import ipaddress
from collections import Counter


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
        if not is_loopback(remote) and self._taken[remote] >= self._each:
            return False
        self._taken[remote] += 1
        return True

    def leave(self, remote: str) -> None:
        """Give one back."""
        self._taken[remote] -= 1
        if self._taken[remote] <= 0:
            del self._taken[remote]


def is_loopback(remote: str) -> bool:
    """Whether an address is this machine's own loopback."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
