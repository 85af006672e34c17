"""A digest of everything a peer holds, so that a reconnect need not say it again."""

from collections.abc import Iterable

from blake3 import blake3

from protocol.ids import ManifestId

_CONTEXT = "twofold 2026 inventory"


def inventory_digest(holdings: Iterable[tuple[ManifestId, bytes | None]]) -> bytes:
    """32 bytes for a set of (manifest, bits or None for all), in whatever order it comes."""
    hasher = blake3(derive_key_context=_CONTEXT)
    for manifest, bits in sorted(holdings, key=lambda pair: pair[0]):
        hasher.update(manifest)
        hasher.update(b"\1" if bits is None else b"\0" + len(bits).to_bytes(4) + bits)
    return hasher.digest()
