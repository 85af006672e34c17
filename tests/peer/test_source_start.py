"""How much is asked of a source on a long way while TCP starts, and when a packet is lost."""

from peer.swarm.source import FIRST_BYTES, LONG_WAY, WARM_BYTES, WARM_WINDOW, Source

LENGTH = 1 << 20


def fill(source: Source, now: float = 0.0) -> int:
    """Ask for as much as there is room for; how much is then in flight."""
    for piece in range(1000, 1000 + source.room()):
        source.ask(piece, now)
    return len(source.asked)


def start_slowly(way: float, fast: float, *, length: int = 256 << 10) -> tuple[Source, list[int]]:
    """Pieces that come ever faster, as when TCP starts; what is in flight after each."""
    source, now, in_flight, took = Source(length), 0.0, [], 20 * fast
    fill(source)
    now += way
    for piece in range(1000, 1012):
        source.begin(piece, now)
        now += took
        source.deliver(piece, length, now)
        took = max(fast, took / 2)
        for other in range(2000 + 100 * piece, 2000 + 100 * piece + source.room()):
            source.ask(other, now)
        in_flight.append(len(source.asked))
    return source, in_flight


def test_a_long_way_is_kept_full_while_tcp_starts() -> None:
    """The first pieces come slowly: to ask for as much as they tell would leave the way idle."""
    source, in_flight = start_slowly(0.05, 0.01)
    assert source.rate < 0.5 * source.piece_length / 0.01, "too low an estimate still"
    assert min(in_flight) * source.piece_length >= FIRST_BYTES * 3 // 4


def test_a_short_way_needs_nothing_more_while_tcp_starts() -> None:
    _, in_flight = start_slowly(LONG_WAY / 2, 0.01)
    assert min(in_flight) * (256 << 10) < WARM_WINDOW // 2


def test_a_slow_source_on_a_long_way_is_not_asked_for_megabytes() -> None:
    source, now = Source(LENGTH), 0.0
    for piece in range(5):
        source.ask(piece, now)
        source.begin(piece, now + 0.05)
        now += 0.4
        source.deliver(piece, LENGTH, now)
    assert source.received < WARM_BYTES
    assert fill(source, now) == 3


def test_a_fast_way_is_asked_for_more_than_at_first_until_it_is_known() -> None:
    source, now = Source(256 << 10), 0.0
    for piece in range(8):
        source.ask(piece, now)
        source.begin(piece, now + 0.05)
        source.deliver(piece, 256 << 10, now := now + 0.05)
    assert fill(source, now) * source.piece_length == WARM_WINDOW


def test_a_packet_that_was_lost_changes_little() -> None:
    """All behind it waits for it, then comes at once: neither is the way's rate."""
    took, length, source, now = 0.01, 256 << 10, Source(256 << 10), 0.0
    for piece in range(200):
        source.ask(piece, now)
        source.begin(piece, now + 0.05)
        source.deliver(piece, length, now := now + took)
    rates = []
    for piece in range(200, 215):
        source.ask(piece, now)
    for number, piece in enumerate(range(200, 215)):
        now += 15 * took if number == 0 else 1e-6
        source.deliver(piece, length, now)
        rates.append(source.rate * took / length)
    assert 0.5 < min(rates) < max(rates) < 2.0
