"""Entries: only their author speaks for them, and the later word counts."""

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import values_of

from protocol import codec
from protocol.entry import (
    MAX_ENTRY,
    MOST_AHEAD,
    Entry,
    Record,
    Restoration,
    RestoredEntry,
    Tombstone,
    first_salt,
    may_sign,
    open_record_untrusted,
    read_record,
    sign_record,
    sign_restoration,
    supersedes,
    what_author_signed,
)
from protocol.errors import RemoteProtocolError
from protocol.hashing import hash_entry
from protocol.ids import AuthorKey, ManifestId
from protocol.signing import Signed, sign

KEY = Ed25519PrivateKey.from_private_bytes(b"\x31" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x32" * 32)
AUTHOR = AuthorKey(KEY.public_key().public_bytes_raw())
ADMIN = AuthorKey(OTHER.public_key().public_bytes_raw())
MANIFEST = ManifestId(b"m" * 32)
SALT = b"s" * 16


def entry(sequence: int = 1, **fields: object) -> Entry:
    known: dict[str, object] = {
        "salt": SALT,
        "author": AUTHOR,
        "sequence": sequence,
        "name": "holiday.jpg",
        "manifest": MANIFEST,
        "size": 10,
        "pieces": 1,
        "files": 1,
        "kind": "file",
        "created": 1_700_000_000_000,
    }
    return Entry(**(known | fields))  # type: ignore[arg-type]


def tombstone(sequence: int = 1, salt: bytes = SALT, by: AuthorKey | None = None) -> Tombstone:
    return Tombstone(
        salt=salt,
        author=AUTHOR,
        sequence=sequence,
        manifest=MANIFEST,
        deleted=1_700_000_000_001,
        by=by,
    )


@given(record=values_of(Entry) | values_of(Tombstone))
@settings(max_examples=60, deadline=None)
def test_signed_records_round_trip(record: Record) -> None:
    key = Ed25519PrivateKey.generate()
    author = AuthorKey(key.public_key().public_bytes_raw())
    mine = type(record)(
        **{f: getattr(record, f) for f in record.__struct_fields__}
        | {"author": author}
        | ({"by": None} if isinstance(record, Tombstone) else {})
    )
    opened = open_record_untrusted(sign_record(mine, key))
    assert opened == mine
    assert opened.id == hash_entry(author, mine.salt)


@pytest.mark.parametrize("record", [entry(), tombstone()], ids=["entry", "tombstone"])
def test_no_bit_of_a_signed_record_can_change(record: Record) -> None:
    signed = sign_record(record, KEY)
    for bit in range(8 * len(signed.body)):
        body = bytearray(signed.body)
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            open_record_untrusted(Signed(bytes(body), signed.signature))
    for bit in range(8 * 64):
        signature = bytearray(signed.signature)
        signature[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError, match="signature"):
            open_record_untrusted(Signed(signed.body, bytes(signature)))


def test_another_cannot_speak_for_the_author() -> None:
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(sign_record(entry(), OTHER))
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(sign_record(tombstone(9), OTHER))


def test_another_authors_record_has_another_id() -> None:
    theirs = entry(author=AuthorKey(OTHER.public_key().public_bytes_raw()))
    assert theirs.id != entry().id
    with pytest.raises(RemoteProtocolError):
        supersedes(theirs, entry())


def test_an_admin_may_delete_and_nobody_in_an_admins_name() -> None:
    theirs = tombstone(2, by=ADMIN)
    opened = open_record_untrusted(sign_record(theirs, OTHER))
    assert opened == theirs
    assert (opened.id, opened.signer) == (entry().id, ADMIN)
    assert may_sign(opened, {ADMIN})
    assert not may_sign(opened, {AUTHOR})
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(sign_record(theirs, KEY))
    # Leaving out who signed makes it the author's word, which it is not.
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(sign_record(tombstone(2), OTHER))


def test_an_author_needs_no_admin() -> None:
    for record in (entry(), tombstone(), tombstone(by=AUTHOR)):
        assert may_sign(open_record_untrusted(sign_record(record, KEY)), ())


def test_an_admin_restores_what_the_author_signed_and_nothing_else() -> None:
    original = sign_record(entry(4, name="as it was"), KEY)
    again = sign_restoration(original, 6, OTHER)
    restored = open_record_untrusted(again)
    assert isinstance(restored, Entry)
    assert (restored.name, restored.sequence, restored.signer) == ("as it was", 6, ADMIN)
    assert restored.author == AUTHOR
    assert restored == read_record(again.body)
    assert supersedes(restored, tombstone(5))
    assert not may_sign(restored, {AUTHOR})
    assert what_author_signed(again) == original
    # What was restored can be deleted and restored again.
    third = open_record_untrusted(sign_restoration(again, 8, OTHER))
    assert isinstance(third, Entry)
    assert (third.name, third.sequence) == ("as it was", 8)


def test_a_restoration_of_what_the_author_never_signed_is_refused() -> None:
    forged = sign_record(entry(4, name="never said"), OTHER)
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(sign_restoration(forged, 6, OTHER))
    good = sign_restoration(sign_record(entry(4), KEY), 6, OTHER)
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(Signed(good.body, sign_record(entry(4), KEY).signature))
    dead = Restoration(by=ADMIN, sequence=6, entry=sign_record(tombstone(5), KEY))
    with pytest.raises(RemoteProtocolError):
        open_record_untrusted(sign(OTHER, "entry", codec.encode(dead)))


def test_a_restored_entry_never_comes_as_one() -> None:
    fields = {f: getattr(entry(), f) for f in Entry.__struct_fields__}
    body = codec.encode(RestoredEntry(**fields, by=ADMIN))
    with pytest.raises(RemoteProtocolError):
        open_record_untrusted(sign(OTHER, "entry", body))


def test_a_tombstone_replayed_after_a_restoration_wins_nothing() -> None:
    restored = open_record_untrusted(sign_restoration(sign_record(entry(1), KEY), 3, OTHER))
    for old in (tombstone(1), tombstone(2), tombstone(2, by=ADMIN)):
        assert not supersedes(old, restored)
    assert supersedes(tombstone(3), restored)


@pytest.mark.parametrize("context", ["membership", "roster", "entry\0", "", "Entry"])
def test_a_signature_for_another_use_is_refused(context: str) -> None:
    signed = sign(KEY, context, codec.encode(entry()))
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_record_untrusted(signed)


def test_context_and_body_cannot_run_into_one_another() -> None:
    body = codec.encode(entry())
    assert sign(KEY, "entry", b"x" + body).signature != sign(KEY, "entryx", body).signature


@pytest.mark.parametrize("body", [b"", b"\x80", b"\xc1", codec.encode(Signed(b"", b"s" * 64))])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        open_record_untrusted(sign(KEY, "entry", body))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"caption": "x" * 4097},
        {"tags": ("t",) * 33},
        {"tags": ("",)},
        {"tags": ("x" * 65,)},
        {"copies": 0},
        {"copies": 17},
        {"size": -1},
        {"kind": "link"},
        {"created": 1 << 53},
        {"salt": b"s" * 15},
        {"manifest": b"m" * 33},
        {"author": b"a" * 31},
        {"sequence": -1},
        {"sequence": 1 << 63},
        {"sequence": True},
        {"more": 1},
    ],
    ids=str,
)
def test_a_badly_filled_entry_is_refused_although_signed(fields: dict[str, object]) -> None:
    plain = {f: getattr(entry(), f) for f in Entry.__struct_fields__} | {"type": "entry"} | fields
    with pytest.raises(RemoteProtocolError):
        open_record_untrusted(sign(KEY, "entry", msgpack.packb(plain)))


def test_a_record_has_a_greatest_length() -> None:
    body = codec.encode(entry()) + bytes(MAX_ENTRY)
    with pytest.raises(RemoteProtocolError, match="limit"):
        open_record_untrusted(sign(KEY, "entry", body))
    longest = entry(
        name="\U0001f600" * 255, caption="\U0001f600" * 4096, tags=("\U0001f600" * 64,) * 32
    )
    signed = sign_record(longest, KEY)
    assert open_record_untrusted(signed) == longest
    again = open_record_untrusted(sign_restoration(signed, 2, OTHER))
    assert isinstance(again, Entry)
    assert again.caption == longest.caption


def test_the_later_record_counts() -> None:
    assert supersedes(entry(2), entry(1))
    assert supersedes(tombstone(2), entry(1))
    assert supersedes(entry(2), tombstone(1))
    assert not supersedes(entry(1), entry(2))
    assert not supersedes(tombstone(1), entry(2))


def test_a_tombstone_wins_a_tie_and_a_replay_wins_nothing() -> None:
    assert supersedes(tombstone(1), entry(1))
    assert not supersedes(entry(1), tombstone(1))
    assert not supersedes(entry(1), entry(1))
    assert not supersedes(tombstone(1), tombstone(1))


@given(
    records=st.permutations([entry(1), entry(2), tombstone(2), entry(2), tombstone(1), entry(0)])
)
def test_the_order_of_arrival_does_not_matter(records: list[Record]) -> None:
    kept = records[0]
    for record in records[1:]:
        if supersedes(record, kept):
            kept = record
    assert kept == tombstone(2)


def test_records_of_other_entries_do_not_supersede() -> None:
    with pytest.raises(RemoteProtocolError):
        supersedes(tombstone(9, salt=b"t" * 16), entry(1))


def test_the_same_content_under_the_same_name_is_the_same_entry() -> None:
    assert first_salt(MANIFEST, "a") == first_salt(MANIFEST, "a")
    others = {first_salt(MANIFEST, "b"), first_salt(ManifestId(b"n" * 32), "a")}
    assert first_salt(MANIFEST, "a") not in others
    assert entry(salt=first_salt(MANIFEST, "a")).id


def test_a_sequence_far_ahead_replaces_nothing() -> None:
    """It would leave no number for whoever undoes it."""
    old = entry(sequence=3)
    assert supersedes(entry(sequence=3 + MOST_AHEAD), old)
    assert not supersedes(entry(sequence=4 + MOST_AHEAD), old)
