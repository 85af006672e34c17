"""How often one member may report that another failed an audit."""

from collections import defaultdict, deque

from protocol.ids import PeerId

MOST_REPORTS = 100
"""Reports that are taken of one member within `WITHIN`: a wrong one hides a copy for an hour."""
WITHIN = 3600.0


class Reports:
    """When each member reported lately, in seconds of the clock that `allow` is given."""

    def __init__(self) -> None:
        self._moments: dict[PeerId, deque[float]] = defaultdict(deque)

    def allow(self, peer: PeerId, now: float) -> bool:
        """Whether this member may report once more, which is counted then."""
        moments = self._moments[peer]
        while moments and moments[0] <= now - WITHIN:
            moments.popleft()
        if len(moments) >= MOST_REPORTS:
            return False
        moments.append(now)
        return True
