"""Identifiers as types: fixed-length byte strings that name things in the swarm."""

from typing import NewType

SwarmKey = NewType("SwarmKey", bytes)
"""The swarm's Ed25519 public key, 32 bytes."""

PeerId = NewType("PeerId", bytes)
"""A machine's Ed25519 public key, 32 bytes: who it is, and what it signs with."""

StaticKey = NewType("StaticKey", bytes)
"""A machine's X25519 public key, 32 bytes: what it proves in the Noise handshake."""

AuthorKey = NewType("AuthorKey", bytes)
"""The Ed25519 public key that signed an entry, 32 bytes."""

PieceHash = NewType("PieceHash", bytes)
"""BLAKE3 of one piece, 32 bytes."""

ManifestId = NewType("ManifestId", bytes)
"""BLAKE3 of an encoded manifest, 32 bytes."""

EntryId = NewType("EntryId", bytes)
"""Names an entry through all its edits, 16 bytes; bound to its author."""

SpanId = NewType("SpanId", bytes)
"""BLAKE3 of manifest id and span number, 32 bytes."""

KEY_LENGTH = 32
HASH_LENGTH = 32
ENTRY_ID_LENGTH = 16
