"""How often an address may be dialled, whatever is told of it. Pure: takes `now` in seconds.

Where a member's key was proven, somebody of the swarm was. Anywhere else a stranger may be, whom a
liar wants dialled by all members: tried a few times, then ever less often, and of one host or
network, and in all, only so many in a time.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

FREE_TRIES = 4
FIRST_WAIT, LONGEST_WAIT = 15.0, 600.0
"""Seconds before an address that was tried in vain is tried again: doubled each time."""
HOPE_WAIT = 60.0
"""The most of these when the member is said to have come back."""
PROVEN_TRIES = 8
PROVEN_FIRST, PROVEN_LONGEST = 1.0, 30.0
HOST_BURST, HOST_EVERY = 16, 60.0
"""Dials in vain of one host, or one IPv6 /64, on all its ports; and seconds until one more."""
ALL_BURST, ALL_EVERY = 256, 1.0
_FORGOTTEN_AFTER = 3600.0
_MOST = 10_000
_LOOPBACK = frozenset({"localhost", "loopback"})


@dataclass(slots=True)
class _Tried:
    times: int = 0
    last: float = 0.0
    hope: bool = False


@dataclass(slots=True)
class _Spent:
    """Of an allowance that fills again: how much, as of when."""

    count: float = 0.0
    at: float = 0.0

    def left(self, burst: int, every: float, now: float) -> bool:
        """Whether one may be taken."""
        self.count = max(0.0, self.count - (now - self.at) / every)
        self.at = now
        return self.count + 1 <= burst


class DialAllowance:
    """Counts dials by address; shared by all who dial."""

    def __init__(self) -> None:
        self._tried: dict[Hashable, _Tried] = {}
        self._hosts: dict[str, _Spent] = {}
        self._all = _Spent()

    def take(self, host: str, port: int, now: float, *, proven: bool = False) -> bool:
        """Whether to dial now; a dial is counted as in vain until `answered` says otherwise."""
        tried = self._tried.get((host, port))
        if tried is not None and now < tried.last + _wait(tried, proven=proven):
            return False
        if not proven and not self._take_of_host(host, now):
            return False
        if tried is None:
            self._forget(now)
            tried = self._tried[(host, port)] = _Tried()
        tried.times += 1
        tried.last, tried.hope = now, False
        return True

    def answered(self, host: str, port: int) -> None:
        """Who was meant has proven its key there: that was no dial of a stranger."""
        if self._tried.pop((host, port), None) is not None:
            for spent in (self._all, self._hosts.get(_network_of(host))):
                if spent is not None:
                    spent.count = max(0.0, spent.count - 1)

    def hope(self, host: str, port: int) -> None:
        """It may be worth trying sooner: once, and not at once."""
        tried = self._tried.get((host, port))
        if tried is not None:
            tried.hope = True

    def _take_of_host(self, host: str, now: float) -> bool:
        network = _network_of(host)
        if network in _LOOPBACK:
            # Nobody else is there; where loopback counts at all.
            return True
        of_host = self._hosts.setdefault(network, _Spent(at=now))
        if not of_host.left(HOST_BURST, HOST_EVERY, now):
            return False
        if not self._all.left(ALL_BURST, ALL_EVERY, now):
            return False
        of_host.count += 1
        self._all.count += 1
        return True

    def _forget(self, now: float) -> None:
        """What no longer matters; the rest is bounded by how many dials there may be."""
        if len(self._tried) >= _MOST:
            late = now - _FORGOTTEN_AFTER
            self._tried = {key: each for key, each in self._tried.items() if each.last > late}
        if len(self._hosts) >= _MOST:
            full = HOST_BURST * HOST_EVERY
            self._hosts = {key: each for key, each in self._hosts.items() if now - each.at < full}


def _wait(tried: _Tried, *, proven: bool) -> float:
    free = PROVEN_TRIES if proven else FREE_TRIES
    if tried.times < free:
        return 0.0
    first, longest = (PROVEN_FIRST, PROVEN_LONGEST) if proven else (FIRST_WAIT, LONGEST_WAIT)
    wait = min(longest, first * 2.0 ** min(tried.times - free, 16))
    return min(wait, HOPE_WAIT) if tried.hope else wait


def _network_of(host: str) -> str:
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return "loopback"
    return str(ip) if ip.version == 4 else str(ip_network((ip, 64), strict=False))
