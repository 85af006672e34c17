"""Runs that go the same way each time: keys, choices, the order of tasks and the work of threads.

The order of sets is the other thing that changes between runs: `PYTHONHASHSEED=0`, as scripts/test
sets it.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.identity import Identity


def make_repeatable(chance: random.Random, patch: pytest.MonkeyPatch) -> None:
    """All that a peer in this process draws from the system comes from `chance` from now on."""

    def identity() -> Identity:
        return Identity(
            static=X25519PrivateKey.from_private_bytes(chance.randbytes(32)),
            signing=Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)),
        )

    async def at_once(work: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    patch.setattr("peer.data_dir.generate_identity", identity)
    patch.setattr("peer.parts.os.urandom", chance.randbytes)
    patch.setattr("peer.parts.random.SystemRandom", lambda: random.Random(chance.getrandbits(64)))
    patch.setattr("trio.to_thread.run_sync", at_once)
    patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
    patch.setattr("trio._core._run._r", random.Random(chance.getrandbits(64)))
