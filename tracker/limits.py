"""How much each address and each member may ask of the tracker: pure, all take `now` in seconds.

The defaults are far above what an honest machine does for long; they keep one that runs wild from
using up the tracker for all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal, get_args

from protocol.ids import PeerId
from protocol.messages.base import Request
from protocol.messages.deleting import GetBursts, GetHeld, PublishApproval
from protocol.messages.health import GetHealth
from protocol.messages.shared import GetMachines, GetManifest, Locate
from protocol.messages.tracking import Announce, GetEntry, Publish, PutManifest, Search
from tracker.allowance import Allowance, Rate
from tracker.errors import UsageError

LimitKind = Literal["handshakes", "sessions", "searches", "publishes", "announces"]
KINDS: tuple[LimitKind, ...] = get_args(LimitKind)
DEFAULTS: dict[LimitKind, Rate] = {
    "handshakes": Rate(400, 2_000),
    "sessions": Rate(200, 1_000),
    "searches": Rate(500, 50_000),
    "publishes": Rate(2_000, 200_000),
    "announces": Rate(50_000, 5_000_000),
}
"""The first two for an address, the others for a member; of requests by `cost_of`."""
LINE = 5.0
"""Seconds that a connection waits for its handshake: half of what a peer gives it."""
_MOST_RATE = 1e9
_COSTS: dict[type[Request], tuple[LimitKind, float]] = {
    Search: ("searches", 1.0),
    GetHealth: ("searches", 1.0),
    GetMachines: ("searches", 1.0),
    GetManifest: ("searches", 0.2),
    GetEntry: ("searches", 0.1),
    Locate: ("searches", 0.05),
    GetHeld: ("searches", 1.0),
    GetBursts: ("searches", 1.0),
    Publish: ("publishes", 1.0),
    PutManifest: ("publishes", 1.0),
    PublishApproval: ("publishes", 10.0),
}


@dataclass(frozen=True)
class Wait:
    """Not now: in so many seconds. `kind` is the limit that was met."""

    kind: LimitKind
    seconds: float


class Limits:
    """The buckets of all addresses and members."""

    def __init__(self, rates: Mapping[LimitKind, Rate] = DEFAULTS) -> None:
        self._allowed = {kind: Allowance(rates.get(kind, DEFAULTS[kind])) for kind in KINDS}
        self._slots: dict[PeerId, float] = {}

    def handshake(self, host: str, now: float) -> float | None:
        """Seconds after which a connection from there gets its handshake; None for never.

        Who must wait has its turn from now on: the next one waits longer.
        """
        allowed = self._allowed["handshakes"]
        wait = allowed.wait(host, now)
        if wait > LINE:
            return None
        allowed.take(host, now)
        return wait

    def session(self, host: str, peer: PeerId, now: float) -> float:
        """0 if a member may stay, else the seconds after which it has a place that is kept."""
        allowed = self._allowed["sessions"]
        slot = self._slots.get(peer)
        if slot is not None:
            if now < slot:
                return slot - now
            del self._slots[peer]
            return 0.0
        wait = allowed.wait(host, now)
        allowed.take(host, now)
        if wait > 0:
            self._slots[peer] = now + wait
        return wait

    def request(self, peer: PeerId, request: Request, now: float) -> Wait | None:
        """None if a member may ask this now, which is counted; else when."""
        found = cost_of(request)
        if found is None:
            return None
        kind, cost = found
        seconds = self._allowed[kind].try_take(peer, now, cost)
        return Wait(kind, seconds) if seconds > 0 else None

    def keep_members(self, members: frozenset[PeerId]) -> None:
        """Forget the places that are kept for others than these."""
        self._slots = {peer: slot for peer, slot in self._slots.items() if peer in members}


def source_of(host: str) -> str:
    """What counts as one address: of IPv6 a network of 64 bits, as one machine has all of it."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return host


def cost_of(request: Request) -> tuple[LimitKind, float] | None:
    """What a request costs, and of what; None for one that is not limited."""
    if isinstance(request, Announce):
        return "announces", float(1 + len(request.holdings))
    if isinstance(request, Publish) and request.manifest:
        return "publishes", 2.0
    return _COSTS.get(type(request))


def parse_rates(texts: tuple[str, ...]) -> dict[LimitKind, Rate]:
    """The rates with those of `KIND=RATE` or `KIND=RATE/BURST` texts instead.

    UsageError when one makes no sense.
    """
    rates = dict(DEFAULTS)
    for each in texts:
        name, _, number = each.partition("=")
        kind = next((kind for kind in KINDS if kind == name), None)
        if kind is None:
            raise UsageError(f"a limit is one of {', '.join(KINDS)}, as in searches=500")
        rates[kind] = _parse_rate(number, DEFAULTS[kind])
    return rates


def _parse_rate(text: str, usual: Rate) -> Rate:
    if text == "none":
        return Rate(0, 0)
    each, slash, at_once = text.partition("/")
    rate = _parse_number(each)
    return Rate(rate, _parse_number(at_once) if slash else rate * usual.at_once / usual.each)


def _parse_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.01 <= number <= _MOST_RATE:
        raise UsageError(f"{text!r} is no rate: a number a second, or none")
    return number
