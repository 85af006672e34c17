"""How much there is, as `twofold-tracker status` says it, on either engine."""

import pytest
import trio
import trio.testing
from tracker_support import Swarm, entry_of, manifest_of, signed

from protocol.messages.tracking import Announce, Holding, Publish, PutManifest
from tracker.sizes import Sizes, count

MUCH = 60_000
"""Pieces, so that their manifest is of 2 MiB."""


@pytest.mark.trio
async def test_all_is_counted_and_what_the_database_takes_grows_with_it(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    machine, manifest = club.admit("one"), manifest_of(MUCH)
    sizes = Sizes(club.database)
    talk = await club.present(machine)
    before = await sizes.look()
    assert (before.entries, before.manifests, before.holdings) == (0, 0, 0)
    assert before.database > 0
    await talk.ask(Publish, record=signed(entry_of(manifest, machine), machine))
    await talk.ask(
        PutManifest, manifest.encoded, length=len(manifest.encoded), manifest=manifest.id
    )
    await talk.ask(Announce, stored=0, holdings=(Holding(manifest=manifest.id, bits=None),))
    assert await sizes.look() is before  # it was counted a moment ago
    mock_clock.jump(3600)
    after = await sizes.look()
    assert (after.entries, after.manifests, after.holdings) == (1, 1, 1)
    assert after.database >= before.database + len(manifest.encoded) // 2
    assert after == await club.database.read(count)
