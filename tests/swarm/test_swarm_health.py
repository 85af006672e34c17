"""Health at one glance: a machine dies, entries are short, then safe again; real processes."""

from pathlib import Path

import pytest
from processes import Fields
from swarm import Peer, Swarm, write_random

pytestmark = pytest.mark.swarm

MB = 1_000_000


def health(swarm: Swarm, peer: Peer) -> Fields:
    """What `health` tells; its exit code goes with it."""
    answer = swarm.cli(peer, "health")
    entries = answer.result["entries"]
    safe = not (entries["short"] or entries["away"] or entries["lost"])
    assert answer.code == (0 if safe else 6), str(answer)
    return answer.result


def missed_first(
    swarm: Swarm, owner: Peer, entries: list[str], others: tuple[Peer, ...]
) -> Peer | None:
    """Whose death makes an entry short: who alone holds one beside its owner.

    What the ring places on both of the others has three copies: the owner keeps its own file.
    """
    for entry in entries:
        held = swarm.holders(owner, entry).keys() - {owner.name}
        if len(held) == 1:
            return next(each for each in others if each.name in held)
    return None


def test_a_machine_dies_and_all_is_safe_again(swarm: Swarm, tmp_path: Path) -> None:
    swarm.tracker_ok("set", "grace", "5s")
    a, b, c = swarm.add_peers("a", "b", "c")
    entries: list[str] = []
    dead: Peer | None = None
    while len(entries) < 6 or dead is None:
        file = write_random(tmp_path / f"film {len(entries)}", 2 * MB)
        entries.append(swarm.ok(a, "add", str(file), "--wait")["id"])
        dead = missed_first(swarm, a, entries[:-1], (b, c))
    total = len(entries)
    swarm.wait_until(lambda: health(swarm, a)["entries"]["safe"] == total, "all is safe")
    assert swarm.ok(a, "show", entries[0])["safety"] == "safe"

    swarm.kill9(dead)
    short = swarm.wait_until(
        lambda: (found := health(swarm, a))["entries"]["short"] and found, "some are short"
    )
    assert short["missing"] > 0
    assert short["local"] is False
    assert [each["name"] for each in short["returns"]] == [dead.name]
    swarm.wait_until(
        lambda: health(swarm, a)["entries"]["safe"] == total, "they are copied again", seconds=90
    )
    other = c if dead is b else b

    def repaired() -> bool:
        told = health(swarm, a)["events"] + health(swarm, other)["events"]
        return "repaired" in {event["kind"] for event in told}

    swarm.wait_until(repaired, "who had it copied says so")
    kinds = [event["kind"] for event in health(swarm, a)["events"]]
    assert kinds.index("out") < kinds.index("left")
    texts = " ".join(event["text"] for event in health(swarm, a)["events"])
    assert f"{dead.name} left: " in texts
    assert "at 1 of 2, repair starts in " in texts

    # Without the tracker each machine tells what it holds.
    assert swarm.tracker is not None
    swarm.tracker.kill9()
    local = swarm.wait_until(
        lambda: (found := health(swarm, a))["local"] and found, "this machine's own view"
    )
    assert local["entries"]["safe"] == total
    assert swarm.tracebacks() == []
