"""A tracker that hangs: its connections stay open and say nothing."""

import pytest
import trio
from lied_to import Liar, meet
from peer_net import Clock, PeerNet, until

from peer.errors import UnreachableError
from protocol.liveness import SILENT_AFTER, TRACKER_SILENT_AFTER
from protocol.messages.shared import GetMachines, Machines

SLACK = 10.0
"""Seconds between two looks, and since the tracker said something last."""


@pytest.mark.trio
async def test_who_asks_it_nothing_gives_it_up_after_minutes(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    (one,) = await net.start("one")
    await meet(liar, one)
    liar.lies.silent = True
    since = trio.current_time()
    await until(lambda: not one.parts.tracker.connected, "it is given up")
    assert abs(trio.current_time() - since - TRACKER_SILENT_AFTER) < SLACK
    liar.lies.silent = False
    await until(lambda: one.parts.tracker.connected, "it is tried again")


@pytest.mark.trio
async def test_who_waits_for_an_answer_gives_it_up_soon(
    net: PeerNet, liar: Liar, autojump_clock: Clock
) -> None:
    (one,) = await net.start("one")
    await meet(liar, one)
    liar.lies.silent = True
    await trio.sleep(TRACKER_SILENT_AFTER / 2)
    assert one.parts.tracker.connected
    since = trio.current_time()
    with pytest.raises(UnreachableError):
        await one.parts.tracker.call(lambda call: GetMachines(call=call), Machines)
    assert trio.current_time() - since < SILENT_AFTER + SLACK
