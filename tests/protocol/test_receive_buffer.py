"""The receive buffer: delivers exactly the bytes that came, in order, in memory that is bounded."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.receive_buffer import BULK_SPACE, RECORD_SPACE, SMALL, ReceiveBuffer

steps = st.lists(
    st.tuples(st.just("fill"), st.integers(1, 20_000))
    | st.tuples(st.just("take"), st.integers(0, 9_000))
    | st.tuples(st.just("expect"), st.integers(1, 300_000))
    | st.tuples(st.just("trim"), st.just(0)),
    max_size=60,
)


def fill(buffer: ReceiveBuffer, stream: bytes) -> int:
    """One read of at most these bytes; how many there was space for."""
    space = buffer.space()
    assert len(space) > 0
    count = min(len(space), len(stream))
    space[:count] = stream[:count]
    buffer.filled(count)
    return count


@given(steps=steps)
@settings(max_examples=200, deadline=None)
def test_takes_give_what_fills_gave(steps: list[tuple[str, int]]) -> None:
    source = random.Random(1)
    buffer, held = ReceiveBuffer(), b""
    for what, count in steps:
        if what == "fill":
            stream = source.randbytes(count)
            held += stream[: fill(buffer, stream)]
        elif what == "expect":
            buffer.expect(count)
        elif what == "trim":
            buffer.trim()
        else:
            taken = buffer.take(count)
            assert (taken is None) == (count > len(held))
            if taken is not None:
                assert bytes(taken) == held[:count]
                held = held[count:]
        assert len(buffer) == len(held)


@given(
    lengths=st.lists(st.integers(0, 300) | st.integers(0, 65_535), min_size=1, max_size=12),
    step=st.integers(1, 100_000),
    trim_every=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_records_come_whole_and_in_order(lengths: list[int], step: int, trim_every: int) -> None:
    source = random.Random(2)
    records = [source.randbytes(length) for length in lengths]
    stream = b"".join(len(record).to_bytes(2) + record for record in records)
    step = max(step, len(stream) // 2000)
    buffer, found, reads, most = ReceiveBuffer(), [], 0, 0
    while stream:
        count = fill(buffer, stream[:step])
        stream, reads = stream[count:], reads + 1
        while (record := buffer.take_record()) is not None:
            found.append(bytes(record))
        most = max(most, len(buffer.space()) + len(buffer))
        if reads % trim_every == 0:
            buffer.trim()
    assert found == records
    assert len(buffer) == 0
    assert most <= RECORD_SPACE


def test_a_read_goes_on_while_views_are_used() -> None:
    """A view stays good until the next `space`: nothing before that may move the bytes."""
    buffer = ReceiveBuffer()
    fill(buffer, b"\0\3abc\0\3def" + bytes(100))
    one, two = buffer.take_record(), buffer.take_record()
    buffer.expect(1 << 20)
    buffer.trim()
    assert (bytes(one or b""), bytes(two or b"")) == (b"abc", b"def")


def test_space_follows_what_is_expected() -> None:
    buffer = ReceiveBuffer()
    assert len(buffer.space()) == SMALL
    buffer.expect(1)
    assert len(buffer.space()) == RECORD_SPACE
    buffer.expect(1 << 40)
    assert len(buffer.space()) == BULK_SPACE
    buffer.trim()
    assert len(buffer.space()) == SMALL
    buffer.take(9000)
    assert len(buffer.space()) >= 9000


def test_nothing_large_is_thrown_away_by_a_trim() -> None:
    buffer = ReceiveBuffer()
    buffer.expect(1 << 20)
    content = random.Random(3).randbytes(SMALL + 1)
    fill(buffer, content)
    buffer.trim()
    buffer.space()
    assert bytes(buffer.take(len(content)) or b"") == content
