"""Bitfields do what a set of piece numbers does, and refuse bits that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.bitfield import Bitfield, bitfield_untrusted
from protocol.errors import RemoteProtocolError

lengths = st.integers(0, 70)


@given(
    length=lengths,
    full=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(["add", "discard", "update"]), st.integers(-2, 75))),
)
def test_it_is_a_set(length: int, full: bool, steps: list[tuple[str, int]]) -> None:
    field, model = Bitfield(length, full=full), set(range(length) if full else ())
    for what, piece in steps:
        inside = 0 <= piece < length
        if what == "discard":
            assert field.discard(piece) == (piece in model)
            model.discard(piece)
        elif not inside:
            with pytest.raises(IndexError):
                field.add(piece)
        elif what == "add":
            assert field.add(piece) == (piece not in model)
            model.add(piece)
        else:
            field.update([piece, 0])
            model |= {piece, 0}
        assert len(field) == field.count == len(model)
    assert list(field) == sorted(model)
    assert [piece for piece in range(-3, length + 9) if piece in field] == sorted(model)
    assert list(field.missing()) == sorted(set(range(length)) - model)
    assert field.as_integer() == sum(1 << piece for piece in model)
    assert field.full == (len(model) == length)


@given(length=lengths, chosen=st.data())
def test_bitfields_round_trip(length: int, chosen: st.DataObject) -> None:
    pieces = chosen.draw(st.sets(st.integers(0, length - 1))) if length else set()
    field = Bitfield(length)
    field.update(pieces)
    for wire in (field.to_wire(), field.to_bytes()):
        read = bitfield_untrusted(wire, length)
        assert read == field
        assert read.count == field.count
        assert read.as_integer() == field.as_integer()
    assert (field.to_wire() is None) == field.full
    assert len(field.to_bytes()) == -(-length // 8)
    assert field != Bitfield(length + 1)


@given(length=lengths, bits=st.binary(max_size=10))
def test_wire_bits_are_read_exactly_or_refused(length: int, bits: bytes) -> None:
    try:
        field = bitfield_untrusted(bits, length)
    except RemoteProtocolError:
        padding = "".join(f"{byte:08b}" for byte in bits)[length:]
        assert bits
        assert len(bits) != -(-length // 8) or "1" in padding
        return
    assert field.to_bytes() == (bits or bytes(-(-length // 8)))
    assert set(field) <= set(range(length))
    assert field.count == len(list(field))


@pytest.mark.parametrize("length", [0, 1, 8, 1000])
def test_all_and_nothing(length: int) -> None:
    assert bitfield_untrusted(None, length).full
    assert bitfield_untrusted(b"", length).count == 0
    assert bitfield_untrusted(None, length) == Bitfield(length, full=True)


@pytest.mark.parametrize(
    ("bits", "length"), [(b"\xff\xff", 8), (b"\xff", 9), (b"\x01", 7), (b"\0\x40", 9), (b"\0", 0)]
)
def test_bits_that_cannot_be_are_refused(bits: bytes, length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        bitfield_untrusted(bits, length)


def test_the_first_piece_is_the_highest_bit() -> None:
    assert list(bitfield_untrusted(b"\x80\x40", 10)) == [0, 9]


def test_a_copy_is_independent() -> None:
    field = Bitfield(9)
    twin = field.copy()
    twin.add(3)
    assert (list(field), list(twin)) == ([], [3])
    assert (field.count, twin.count) == (0, 1)
    assert field != twin
    with pytest.raises(TypeError):
        hash(field)


def test_as_an_integer_the_first_piece_is_the_lowest_bit() -> None:
    assert bitfield_untrusted(b"\x80\x40", 10).as_integer() == 1 | 1 << 9
    assert Bitfield(10).as_integer() == Bitfield(0, full=True).as_integer() == 0
    assert Bitfield(10, full=True).as_integer() == (1 << 10) - 1
