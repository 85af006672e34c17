"""What a Linux kernel tells of one TCP connection that sends: how far, how much, what was lost."""

import struct
from dataclasses import dataclass

_FIELDS = struct.Struct("=68xI28xI16xQ20xI4xI8xQQ")
"""Of struct tcp_info (linux/tcp.h), to which kernels add at its end only: tcpi_rtt,
tcpi_total_retrans, tcpi_bytes_acked, tcpi_min_rtt, tcpi_data_segs_out, tcpi_busy_time,
tcpi_rwnd_limited."""
TCP_INFO_ROOM = 512


@dataclass(frozen=True)
class TcpReading:
    """How a connection has fared since it was opened. Times in seconds."""

    control: str
    """The congestion control, as the kernel calls it."""
    rtt: float
    least_rtt: float
    acked: int
    """Bytes that the other side has told have come."""
    segments: int
    """Segments with bytes that were sent, with those sent again."""
    sent_again: int
    busy: float
    """Time in which something was on its way."""
    held_back: float
    """Of that, time in which the other side had no room."""


def parse_tcp_info(found: bytes, control: str) -> TcpReading | None:
    """Read a struct tcp_info; None where the kernel's is too old to have all that is needed."""
    if len(found) < _FIELDS.size:
        return None
    rtt, again, acked, least, segments, busy, held_back = _FIELDS.unpack_from(found)
    return TcpReading(
        control=control,
        rtt=rtt / 1e6,
        least_rtt=least / 1e6,
        acked=acked,
        segments=segments,
        sent_again=again,
        busy=busy / 1e6,
        held_back=held_back / 1e6,
    )
