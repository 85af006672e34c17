"""scrub: what a scrub at the sender costs a transfer, which it should yield to."""

from pathlib import Path

from benchmarks.bare_loop import PIECE
from benchmarks.own_swarm import SECONDS, Sharing
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Swarm, write_random

HELD = 2
"""Times as much as is transferred is held besides: the scrub must not end before."""


def measure_scrub(plan: Plan) -> Cases:
    """A transfer while everything that the sender holds is scrubbed, and one without."""
    size = plan.size - plan.size % PIECE
    source = write_random(plan.folder / "source", size)
    held = write_random(plan.folder / "held", HELD * size)
    with Swarm(plan.folder / "scrubbed") as swarm, Swarm(plan.folder / "left alone") as other:
        scrubbed, alone = _sharing(swarm, source, held), _sharing(other, source, held)
        target = plan.folder / "got"
        yield Case(
            [
                Contender(OWN, lambda _: _scrubbed(scrubbed, target)),
                Contender("no_scrub", lambda _: alone.transfer(target)),
            ],
            size,
        )


def _sharing(swarm: Swarm, source: Path, held: Path) -> Sharing:
    sharing = Sharing(swarm, source)
    swarm.ok(sharing.sender, "add", str(held), seconds=SECONDS)
    # Only the scrub that is asked for is measured.
    (sharing.sender.data / "settings.toml").write_text("[scrub]\ndays = 0\n")
    swarm.restart(sharing.sender)
    return sharing


def _scrubbed(sharing: Sharing, target: Path) -> Figures:
    """A transfer while everything is scrubbed."""
    swarm, sender = sharing.swarm, sharing.sender
    swarm.ok(sender, "scrub")
    before = swarm.ok(sender, "status")["scrub"]["completed"]
    figures = sharing.transfer(target)
    if swarm.ok(sender, "status")["scrub"]["completed"] != before:
        raise SystemExit("the scrub was over before the transfer; hold more")
    return figures
