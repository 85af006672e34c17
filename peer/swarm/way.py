"""How the way to a peer fares, from what the kernel tells of the connections we send on."""

import math

from peer.swarm.widening import LONG_WAY, PAUSE, Sample
from protocol.drivers.on_trio import TrioChannel, read_tcp
from protocol.drivers.tcp_info import TcpReading

SLOW = 4e6
BUSY = 0.6
"""Share of the time in which the connection must have had something on its way."""


class Way:
    """Compares each look with the one before."""

    def __init__(self, main: TrioChannel) -> None:
        self.looked = -math.inf
        self.slow = False
        """Little goes over a long way, under 4 MB/s on the link's own connection; also at first."""
        self.losing = False
        """And some of it is lost."""
        self._main = main
        self._readings: dict[TrioChannel, TcpReading] = {}

    def look(self, now: float, lanes: list[TrioChannel]) -> Sample | None:
        """What has happened since the last look; None where that is not known, and with BBR."""
        before, elapsed = self._readings, now - self.looked
        self._readings = found = {
            channel: reading
            for channel in (self._main, *lanes)
            if (reading := read_tcp(channel.stream)) is not None
        }
        self.looked = now
        main, was = found.get(self._main), before.get(self._main)
        if main is None or main.control.startswith("bbr"):
            self.slow = self.losing = False
            return None
        long = main.least_rtt >= LONG_WAY
        if was is None or elapsed > PAUSE:
            self.slow, self.losing = long, False
            return None
        self.slow = long and main.acked - was.acked < SLOW * elapsed
        self.losing = self.slow and main.sent_again > was.sent_again
        worked = (main.busy - was.busy) - (main.held_back - was.held_back)
        new = [(reading, before.get(channel)) for channel, reading in found.items()]
        return Sample(
            acked=sum(r.acked - (b.acked if b else 0) for r, b in new),
            segments=sum(r.segments - (b.segments if b else 0) for r, b in new),
            sent_again=sum(r.sent_again - (b.sent_again if b else 0) for r, b in new),
            busy=worked > BUSY * elapsed,
            rtt=main.rtt,
            least_rtt=main.least_rtt,
            lanes=len(lanes),
        )
