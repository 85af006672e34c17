"""Signatures: Ed25519 as RFC 8032 has it, and nothing that could be made without the key."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.errors import RemoteProtocolError
from protocol.signing import Signed, check_signature, is_signature, sign

ORDER = 2**252 + 27742317777372353535851937790883648493
# RFC 8032, 7.1, the second and third test: seed, key, message, signature.
VECTORS = [
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "key", "message", "signature"), VECTORS)
def test_what_others_signed_is_read_and_ours_is_the_same(
    seed: str, key: str, message: str, signature: str
) -> None:
    assert is_signature(bytes.fromhex(signature), bytes.fromhex(key), bytes.fromhex(message))
    ours = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).sign(bytes.fromhex(message))
    assert ours.hex() == signature


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def test_every_changed_bit_is_noticed(key: Ed25519PrivateKey) -> None:
    public, message = key.public_key().public_bytes_raw(), b"a piece of cake"
    parts = key.sign(message), public, message
    assert is_signature(*parts)
    for at, part in enumerate(parts):
        for bit in range(8 * len(part)):
            changed = bytearray(part)
            changed[bit // 8] ^= 1 << bit % 8
            assert not is_signature(*parts[:at], bytes(changed), *parts[at + 1 :]), (at, bit)


def test_what_is_no_key_or_signature_is_refused(key: Ed25519PrivateKey) -> None:
    public = key.public_key().public_bytes_raw()
    signature = key.sign(b"")
    for wrong in (b"", public[:31], public + b"\0", signature):
        assert not is_signature(signature, wrong, b"")
    for wrong in (b"", signature[:63], signature + b"\0"):
        assert not is_signature(wrong, public, b"")


def test_a_second_signature_cannot_be_made_of_one(key: Ed25519PrivateKey) -> None:
    signature = key.sign(b"once")
    again = int.from_bytes(signature[32:], "little") + ORDER
    other = signature[:32] + again.to_bytes(32, "little")
    assert not is_signature(other, key.public_key().public_bytes_raw(), b"once")


@pytest.mark.parametrize("first", [0x01, 0x00, 0xEC])
def test_a_key_that_anybody_could_sign_with_is_none(first: int) -> None:
    """Points of small order: the neutral one, of which R and S of nothing sign everything."""
    last = 0x7F if first == 0xEC else 0
    low = bytes([first, *(b"\xff" * 30 if last else bytes(30)), last])
    neutral = bytes([1]) + bytes(31)
    for number in range(16):
        assert not is_signature(neutral + bytes(32), low, b"%d" % number)


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        (
            "7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572",
            "dfd3145e691e9b998cb20bd6e1790ccfbd79f23e01dc20a7349e3aec7193acf6"
            "f96ba821cb9ecbf8e487f2d2cd2b8ee4c007a462bee416565f8a3a64bd50e70d",
        ),
        (
            "6a84d583f06569edb3f5ed77df65544b27d6948b4f0b2cb76f33dd8413b20719",
            "684c0d53ab44de46d526ab4d33b5947bab9d77af687fe0a09518a5f6df4a86eb"
            "0b936459d6e11badddd2c8d161ed844bed5321a447f510d641bac659cbf7c200",
        ),
    ],
)
def test_what_only_some_libraries_accept_is_refused(key: str, signature: str) -> None:
    """R, or the key, with a point of order 8 added: valid where the cofactor is multiplied in.

    A library that accepts one would make machines disagree about who signed what (decision 0042).
    """
    assert not is_signature(bytes.fromhex(signature), bytes.fromhex(key), b"twofold")


def test_a_signature_serves_one_use(key: Ed25519PrivateKey) -> None:
    public = key.public_key().public_bytes_raw()
    signed = sign(key, "entry", b"body")
    check_signature(signed, public, "entry")
    with pytest.raises(RemoteProtocolError, match="the roster's signature is not valid"):
        check_signature(signed, public, "roster")
    with pytest.raises(RemoteProtocolError, match="the entry's signature is not valid"):
        check_signature(Signed(b"other", signed.signature), public, "entry")
