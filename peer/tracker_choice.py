"""Which of a swarm's trackers to try first: each peer has an order of its own, so that not all go
to the same one, and what did not answer lately comes last. Pure; times are seconds.
"""

from collections.abc import Iterable
from hashlib import blake2b

FORGIVEN_AFTER = 60.0


class TrackerChoice:
    """The order of one peer. It is the same in every run."""

    def __init__(self, me: bytes) -> None:
        self._me = me
        self._failed: dict[str, float] = {}

    def order(self, listed: Iterable[str], others: Iterable[str], now: float) -> tuple[str, ...]:
        """All addresses to try: of those `listed` each peer has its order; `others` are behind."""
        own = sorted(dict.fromkeys(listed), key=self._rank)
        every = tuple(dict.fromkeys((*own, *others)))
        self._failed = {each: at for each, at in self._failed.items() if each in every}
        return tuple(sorted(every, key=lambda each: self._lately(each, now)))

    def failed(self, address: str, now: float) -> None:
        """Nobody answered there, or whoever did is gone."""
        self._failed[address] = now

    def _lately(self, address: str, now: float) -> bool:
        at = self._failed.get(address)
        return at is not None and now - at < FORGIVEN_AFTER

    def _rank(self, address: str) -> bytes:
        return blake2b(self._me + address.encode(), digest_size=8).digest()
