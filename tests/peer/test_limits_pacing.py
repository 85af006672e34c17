"""Whoever moves pieces waits for its turn: on a clock that jumps."""

import pytest
import trio
from peer_net import Clock

from peer.limits.pacing import Direction, Pacing
from peer.limits.rates import Rates
from protocol.ids import PeerId

A, B, C = (PeerId(bytes([n]) * 32) for n in range(3))
MB = 1_000_000
NOBODY: frozenset[PeerId] = frozenset()
PEERS: dict[PeerId, Rates] = {}


class Mover:
    """A task that moves bytes for a peer without end, as a link's writer does."""

    def __init__(
        self,
        pacing: Pacing,
        peer: PeerId,
        direction: Direction = "up",
        *,
        size: int | None = None,
        urgent: bool = False,
    ) -> None:
        self.pacing, self.peer, self.direction = pacing, peer, direction
        self.size, self.urgent = size, urgent
        self.moved = 0

    async def run(self) -> None:
        while True:
            size = self.size or self.pacing.portion(self.peer, self.direction)
            if self.pacing.limited(self.peer, self.direction):
                await self.pacing.wait_turn(self.peer, self.direction, size, urgent=self.urgent)
            else:
                await trio.sleep(0.01)
            self.moved += size


async def moved_in(seconds: float, *movers: Mover) -> list[int]:
    """What each moves from now on."""
    async with trio.open_nursery() as nursery:
        before = [mover.moved for mover in movers]
        for mover in movers:
            nursery.start_soon(mover.run)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()
    return [mover.moved - was for mover, was in zip(movers, before, strict=True)]


@pytest.mark.trio
async def test_without_limits_nobody_waits(autojump_clock: Clock) -> None:
    pacing = Pacing()
    assert not pacing.limited(A, "up")
    assert pacing.portion(A, "down") == 1 << 20
    started = trio.current_time()
    for _ in range(50):
        await pacing.wait_turn(A, "up", 1 << 30)
    assert trio.current_time() == started


@pytest.mark.trio
@pytest.mark.parametrize("rate", [50_000, 5 * MB, 100 * MB])
async def test_the_whole_rate_is_kept_within_5_percent(autojump_clock: Clock, rate: int) -> None:
    pacing = Pacing()
    pacing.set_limits(Rates(up=rate, down=2 * rate), PEERS, NOBODY)
    up = [Mover(pacing, peer, "up") for peer in (A, B, C)]
    down = [Mover(pacing, peer, "down") for peer in (A, B)]
    moved = await moved_in(10, *up, *down)
    assert sum(moved[:3]) == pytest.approx(10 * rate, rel=0.05)
    assert sum(moved[3:]) == pytest.approx(20 * rate, rel=0.05)


@pytest.mark.trio
async def test_a_peers_rate_and_the_whole_rate_hold_together(autojump_clock: Clock) -> None:
    pacing = Pacing()
    pacing.set_limits(Rates(up=10 * MB), {A: Rates(up=MB), B: Rates(down=MB)}, NOBODY)
    one, two, three = await moved_in(10, Mover(pacing, A), Mover(pacing, B), Mover(pacing, C))
    assert one == pytest.approx(10 * MB, rel=0.05)
    assert one + two + three == pytest.approx(100 * MB, rel=0.05)
    assert two == pytest.approx(three, rel=0.05)
    assert not pacing.limited(A, "down")
    assert pacing.limited(B, "down")


@pytest.mark.trio
async def test_shares_are_equal_in_bytes(autojump_clock: Clock) -> None:
    pacing = Pacing()
    pacing.set_limits(Rates(down=6 * MB), PEERS, NOBODY)
    sizes = {A: 600_000, B: 16 << 10, C: 100_000}
    moved = await moved_in(10, *(Mover(pacing, p, "down", size=s) for p, s in sizes.items()))
    for each in moved:
        assert each == pytest.approx(20 * MB, rel=0.06)


@pytest.mark.trio
async def test_a_reader_goes_before_background_copies(autojump_clock: Clock) -> None:
    pacing = Pacing()
    pacing.set_limits(Rates(down=MB), PEERS, NOBODY)
    copies = [Mover(pacing, A, "down") for _ in range(3)] + [Mover(pacing, B, "down")]
    reader = Mover(pacing, A, "down", urgent=True)
    moved = await moved_in(10, *copies, reader)
    assert moved[-1] == pytest.approx(10 * MB, rel=0.05)
    assert sum(moved[:-1]) <= 0.5 * MB


@pytest.mark.trio
async def test_a_change_holds_at_once_for_those_who_wait(autojump_clock: Clock) -> None:
    pacing = Pacing()
    pacing.set_limits(Rates(up=50_000), PEERS, NOBODY)
    await pacing.wait_turn(A, "up", 100 * MB)
    times: dict[PeerId, float] = {}

    async def move(peer: PeerId) -> None:
        await pacing.wait_turn(peer, "up", 1000)
        times[peer] = trio.current_time() - started

    async with trio.open_nursery() as nursery:
        for peer in (A, B, C):
            nursery.start_soon(move, peer)
        await trio.sleep(1)
        started = trio.current_time()
        pacing.set_limits(Rates(up=50_000), PEERS, frozenset({B}))
        await trio.sleep(1)
        assert times == {B: 0}
        pacing.set_limits(Rates(up=100 * MB), PEERS, NOBODY)
        await trio.sleep(2)
        assert sorted(times) == [A, B, C]
        assert times[A] == pytest.approx(2, abs=0.1)
    with trio.fail_after(1):
        pacing.set_limits(Rates(), PEERS, NOBODY)
        await pacing.wait_turn(A, "up", 1 << 40)


@pytest.mark.trio
async def test_who_gives_up_holds_up_nobody(autojump_clock: Clock) -> None:
    """Whoever keeps the time for all may be the one that is cancelled."""
    pacing = Pacing()
    pacing.set_limits(Rates(up=MB), PEERS, NOBODY)
    await pacing.wait_turn(A, "up", 5 * MB)
    came: list[float] = []

    async def move(peer: PeerId, patience: float) -> None:
        with trio.move_on_after(patience):
            await pacing.wait_turn(peer, "up", MB)
            came.append(trio.current_time() - started)

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for peer, patience in ((A, 1.0), (B, 2.0), (C, 60.0), (A, 3.0), (B, 60.0)):
            nursery.start_soon(move, peer, patience)
            await trio.testing.wait_all_tasks_blocked()
    assert came == [pytest.approx(4.9, abs=0.01), pytest.approx(5.9, abs=0.01)]


@pytest.mark.trio
async def test_limits_set_and_lifted_under_load(autojump_clock: Clock) -> None:
    pacing = Pacing()
    movers = [Mover(pacing, peer) for peer in (A, B, C)]
    async with trio.open_nursery() as nursery:
        for mover in movers:
            nursery.start_soon(mover.run)
        for rate in (MB, 20 * MB, 300_000, 3 * MB):
            await trio.sleep(3)
            pacing.set_limits(Rates(up=rate), PEERS, NOBODY)
            await trio.sleep(1)
            before = sum(mover.moved for mover in movers)
            await trio.sleep(10)
            now = sum(mover.moved for mover in movers)
            assert now - before == pytest.approx(10 * rate, rel=0.05)
            pacing.set_limits(Rates(), PEERS, NOBODY)
        nursery.cancel_scope.cancel()
