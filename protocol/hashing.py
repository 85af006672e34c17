"""BLAKE3 with one context string for each use, so that no hash of one kind passes for another."""

from blake3 import blake3

from protocol.ids import EntryId, ManifestId, PieceHash, SpanId

_PIECE = "twofold 2026 piece"
_MANIFEST = "twofold 2026 manifest"
_SPAN = "twofold 2026 span"
_ENTRY = "twofold 2026 entry id"
_INVITE = "twofold 2026 invite token"
_LAN = "twofold 2026 lan"
_AUDIT = "twofold 2026 audit"
_TOMBSTONE = "twofold 2026 tombstone"
_CHECKSUM = "twofold 2026 checksum"

Buffer = bytes | bytearray | memoryview


def hash_piece(content: Buffer) -> PieceHash:
    """The hash of one piece's bytes; releases the GIL for anything but the smallest pieces."""
    return PieceHash(blake3(content, derive_key_context=_PIECE).digest())


def hash_manifest(encoded: bytes) -> ManifestId:
    """The id of a manifest, from its encoded form."""
    return ManifestId(blake3(encoded, derive_key_context=_MANIFEST).digest())


def hash_span(manifest: ManifestId, number: int) -> SpanId:
    """The id of span `number` (from 0) of a manifest."""
    return SpanId(blake3(manifest + number.to_bytes(4), derive_key_context=_SPAN).digest())


def hash_entry(author: bytes, salt: bytes) -> EntryId:
    """The id of an entry; nobody but `author` can make another entry with it."""
    return EntryId(blake3(author + salt, derive_key_context=_ENTRY).digest(16))


def hash_invite_token(token: bytes) -> bytes:
    """What a tracker keeps of an invite's token, 32 bytes."""
    return blake3(token, derive_key_context=_INVITE).digest()


def hash_lan(psk: bytes, payload: bytes) -> bytes:
    """Sixteen bytes that nobody can make, or tell from chance, without the pre-shared key."""
    key = blake3(psk, derive_key_context=_LAN).digest()
    return blake3(payload, key=key).digest(16)


def hash_audit(nonce: bytes, content: Buffer) -> bytes:
    """What proves, 32 bytes, that somebody has some bytes of a piece. Nonces have one length."""
    return blake3(nonce, derive_key_context=_AUDIT).update(content).digest()


def hash_tombstone(body: bytes) -> bytes:
    """What names one signed tombstone, 32 bytes, for who decides about it."""
    return blake3(body, derive_key_context=_TOMBSTONE).digest()


def checksum(payload: bytes) -> bytes:
    """Four bytes that tell a mistyped string."""
    return blake3(payload, derive_key_context=_CHECKSUM).digest(4)
