"""Piece maps as the page draws them: runs of held pieces instead of bits. Pure."""

import re

from msgspec import Struct

from protocol.bitfield import bitfield_untrusted
from protocol.messages.operating import PieceMap
from protocol.messages.shared import PeerState

_RUN = re.compile("1+")


class PieceRow(Struct, frozen=True, kw_only=True):
    """One machine's pieces: the first of each run held, and how many it has."""

    peer: str
    state: PeerState
    runs: list[tuple[int, int]]


class PieceRows(Struct, frozen=True, kw_only=True):
    """How many pieces there are, and who holds which."""

    pieces: int
    rows: list[PieceRow]


def runs_of(bits: bytes | None, pieces: int) -> list[tuple[int, int]]:
    """(first piece, how many) for each run held. RemoteProtocolError when the bits do not fit."""
    field = bitfield_untrusted(bits, pieces)
    if field.full:
        return [(0, pieces)] if pieces else []
    encoded = field.to_bytes()
    text = format(int.from_bytes(encoded), f"0{len(encoded) * 8}b")
    return [(found.start(), found.end() - found.start()) for found in _RUN.finditer(text)]


def piece_map_view(piece_map: PieceMap) -> PieceRows:
    """The map as it is answered."""
    rows = [
        PieceRow(peer=row.peer, state=row.state, runs=runs_of(row.bits, piece_map.pieces))
        for row in piece_map.rows
    ]
    return PieceRows(pieces=piece_map.pieces, rows=rows)
