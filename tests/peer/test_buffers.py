"""The pool of buffers: bounded, and it wakes who waits."""

import pytest
import trio
import trio.testing
from peer_net import PIECE, Clock

from peer.store.buffers import BufferPool


@pytest.mark.trio
async def test_the_pool_is_bounded_and_wakes_who_waits(autojump_clock: Clock) -> None:
    pool = BufferPool(10 * PIECE)
    taken = [await pool.take(PIECE) for _ in range(10)]
    got: list[int] = []

    async def taker(size: int) -> None:
        buffer = await pool.take(size)
        got.append(len(buffer))
        pool.give_back(buffer)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(taker, PIECE)
        nursery.start_soon(taker, 2 * PIECE)
        await trio.testing.wait_all_tasks_blocked()
        assert got == []
        assert pool.in_use == 10
        pool.give_back(taken.pop())
        pool.give_back(taken.pop())
        await trio.testing.wait_all_tasks_blocked()
        for buffer in taken:
            pool.give_back(buffer)
    assert sorted(got) == [PIECE] * 5 + [2 * PIECE]
    assert pool.in_use == 0
    pool.trim()
    assert pool._allocated == 0


@pytest.mark.trio
async def test_a_cancelled_taker_takes_nothing(autojump_clock: Clock) -> None:
    pool = BufferPool(3 * PIECE)
    taken = [await pool.take(PIECE) for _ in range(3)]
    with trio.move_on_after(1):
        await pool.take(PIECE)
    assert pool.in_use == 3
    for buffer in taken:
        pool.give_back(buffer)
    assert pool.in_use == 0
