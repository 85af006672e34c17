"""How often something may be tried in a minute: by one address, and by all. Pure."""

import ipaddress
from collections import deque


class Attempts:
    """Counts attempts of the last minute; those of this machine are not held back by others'."""

    def __init__(self, each: int = 10, together: int = 60, seconds: float = 60.0) -> None:
        self._each = each
        self._together = together
        self._seconds = seconds
        self._made: deque[tuple[float, str]] = deque()

    def take(self, remote: str, now: float) -> bool:
        """Whether this address may try once more; counts it if so."""
        while self._made and self._made[0][0] <= now - self._seconds:
            self._made.popleft()
        source, here = _source(remote)
        own = sum(1 for _, other in self._made if other == source)
        others = 0 if here else len(self._made) - own
        if own >= self._each or own + others >= self._together:
            return False
        self._made.append((now, source))
        return True


def _source(remote: str) -> tuple[str, bool]:
    """Whom an address stands for, and whether that is this machine. IPv6: the whole /64."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote, False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return "loopback", True
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False)), False
    return str(address), False
