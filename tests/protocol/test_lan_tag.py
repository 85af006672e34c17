"""The tag by which members know one another on their network, and others learn nothing."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import PeerId
from protocol.lan_tag import SALT_LENGTH, TAG_LENGTH, lan_tag, tagged_peer

PSK = bytes(range(32))
A, B, C = (PeerId(bytes([n]) * 32) for n in range(1, 4))
SALT = b"s" * SALT_LENGTH
V4, OTHER, V6 = bytes([192, 168, 1, 5]), bytes([10, 0, 0, 1]), bytes(15) + b"\x01"


def test_a_tag_is_this_and_stays_this() -> None:
    tag = lan_tag(PSK, SALT, A, 4110, (V4, V6))
    assert tag.hex() == "2fd3787d48afb093cb0b5b9e02ffdeb3"
    assert len(tag) == TAG_LENGTH
    assert lan_tag(PSK, SALT, A, 4110, (V6, V4)) == tag


def test_members_know_the_tags_of_members() -> None:
    for peer in (A, B):
        tag = lan_tag(PSK, SALT, peer, 4110, (V4, V6))
        assert tagged_peer((A, B, C), PSK, SALT, tag, 4110, (V6, V4)) == peer
        assert tagged_peer((C,), PSK, SALT, tag, 4110, (V6, V4)) is None


@pytest.mark.parametrize(
    ("psk", "salt", "port", "addresses"),
    [
        (bytes(32), SALT, 4110, (V4,)),
        (PSK, b"t" * SALT_LENGTH, 4110, (V4,)),
        (PSK, SALT, 4111, (V4,)),
        (PSK, SALT, 4110, (OTHER,)),
        (PSK, SALT, 4110, (V4, OTHER)),
        (PSK, SALT, 4110, ()),
    ],
)
def test_a_tag_is_for_one_swarm_salt_and_place(
    psk: bytes, salt: bytes, port: int, addresses: tuple[bytes, ...]
) -> None:
    tag = lan_tag(PSK, SALT, A, 4110, (V4,))
    assert tagged_peer((A,), psk, salt, tag, port, addresses) is None


def test_addresses_cannot_be_cut_elsewhere() -> None:
    joined = lan_tag(PSK, SALT, A, 4110, (V4 + V4 + V4 + V4,))
    assert lan_tag(PSK, SALT, A, 4110, (V4, V4, V4, V4)) != joined


@given(
    salt=st.binary(max_size=40),
    tag=st.binary(max_size=40),
    port=st.integers(-1, 1 << 20),
    addresses=st.lists(st.binary(min_size=4, max_size=4), max_size=4),
)
def test_whatever_a_stranger_says_is_nobody(
    salt: bytes, tag: bytes, port: int, addresses: list[bytes]
) -> None:
    assert tagged_peer((A, B), PSK, salt, tag, port, tuple(addresses)) is None


def test_two_tags_of_one_machine_have_nothing_in_common() -> None:
    tags = {lan_tag(PSK, os.urandom(SALT_LENGTH), A, 4110, (V4,)) for _ in range(100)}
    assert len(tags) == 100
