"""What many members are told of many others: encoded once for all of them, and not at once.

Who comes and goes is news for everybody, so that it grows with the square of the swarm. With few
members each piece of it is told at once; with many it is gathered for a while.
"""

from collections.abc import Iterable, Iterator

from protocol import codec
from protocol.ids import PeerId
from protocol.messages.shared import PeerState
from protocol.messages.tracking import MOST_CHANGED, PeersChanged

FEW = 64
"""Members that are connected, up to which each piece of news is told at once."""
TOLD_A_SECOND = 2000
"""Of more, how many are told something each second."""
_SPACE = 16_000

News = tuple[PeerId, PeerState, tuple[str, ...]]


def pause_for(connected: int) -> float:
    """Seconds for which news is gathered."""
    return 0.0 if connected <= FEW else connected / TOLD_A_SECOND


def portions(news: Iterable[News]) -> Iterator[bytes]:
    """Messages, encoded, that say all of it."""
    some: list[News] = []
    space = _SPACE
    for each in news:
        space -= 50 + sum(len(address.encode()) + 3 for address in each[2])
        if some and (space < 0 or len(some) == MOST_CHANGED):
            yield codec.encode_control(PeersChanged(peers=tuple(some)))
            some, space = [], _SPACE
        some.append(each)
    if some:
        yield codec.encode_control(PeersChanged(peers=tuple(some)))
