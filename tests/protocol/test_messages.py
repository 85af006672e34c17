"""Messages: every type survives the wire; what is no message is refused, always in one way."""

import base64
import random
import tracemalloc
from typing import Any, ClassVar

import msgpack
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from message_strategies import fields_of, values_of

from protocol import codec
from protocol.codec import MAX_CONTROL
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.hello import Hello, MemberHello, decode_hello_untrusted, encode_hello
from protocol.ids import ManifestId, PeerId
from protocol.messages import ALL, decode_message_untrusted
from protocol.messages.base import Close, Done, Message, Ping, Reply, Request, bytes_following
from protocol.messages.operating import Fetched
from protocol.messages.peering import GetPiece, Have, Piece
from protocol.messages.rebuilding import GiveManifests, HandRoster
from protocol.messages.shared import Holder, Located, ManifestDocument, RosterDocument
from protocol.messages.tracking import Announce, Publish, PutManifest
from protocol.signing import Signed

every_type = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
any_message = st.sampled_from(ALL).flatmap(values_of)
MANIFEST = ManifestId(b"m" * 32)
BASE64 = base64.b64encode(MANIFEST).decode()


def message_or_refusal(encoded: bytes) -> Message | None:
    """The message, None when it is refused; any other exception fails the test."""
    try:
        message = decode_message_untrusted(encoded)
    except RemoteProtocolError:
        return None
    assert isinstance(message, ALL)
    return message


def refused(fields: dict[Any, Any], why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        decode_message_untrusted(msgpack.packb(fields))


# --- every type -----------------------------------------------------------------------------


def test_all_messages_are_listed() -> None:
    def concrete(kind: type[Message]) -> set[type[Message]]:
        found = {kind} if kind.__struct_config__.tag is not None else set()
        return found.union(*[concrete(below) for below in kind.__subclasses__()])

    here = {kind for kind in concrete(Message) if kind.__module__.startswith("protocol.")}
    assert here == set(ALL)
    assert len({kind.__name__ for kind in ALL}) == len(ALL) > 60


@every_type
@given(chosen=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_message_round_trips(kind: type[Message], chosen: st.DataObject) -> None:
    message = chosen.draw(values_of(kind))
    encoded = codec.encode_control(message)
    decoded = decode_message_untrusted(memoryview(bytearray(encoded)))
    assert decoded == message
    assert type(decoded) is kind
    assert codec.encode(decoded) == encoded
    hash(decoded)


@every_type
def test_every_message_is_strict_and_frozen(kind: type[Message]) -> None:
    config = kind.__struct_config__
    assert config.frozen
    assert config.forbid_unknown_fields
    assert config.tag == kind.__name__
    assert config.tag_field == "type"
    assert not config.array_like
    assert ("call" in kind.__struct_fields__) == (
        issubclass(kind, Request | Reply) or kind.__name__ == "Progress"
    )


@every_type
@given(chosen=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_message_takes_a_field_it_does_not_know(
    kind: type[Message], chosen: st.DataObject
) -> None:
    refused(fields_of(chosen.draw(values_of(kind))) | {"extra": 1}, "unknown field")


@every_type
@given(chosen=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_message_does_without_a_field_it_needs(
    kind: type[Message], chosen: st.DataObject
) -> None:
    fields = fields_of(chosen.draw(values_of(kind)))
    for field in msgspec.structs.fields(kind):
        if field.required:
            refused({k: v for k, v in fields.items() if k != field.name}, "missing required")


def test_nested_structs_refuse_unknown_fields_too() -> None:
    def structs(info: Any) -> set[type]:
        inner = [getattr(info, name, None) for name in ("item_type", "type")]
        inner += [*getattr(info, "item_types", ()), *getattr(info, "types", ())]
        inner += [field.type for field in getattr(info, "fields", ())]
        found = {info.cls} if isinstance(info, msgspec.inspect.StructType) else set()
        return found.union(*[structs(item) for item in inner if item is not None])

    for info in msgspec.inspect.multi_type_info(ALL):
        for kind in structs(info):
            assert kind.__struct_config__.forbid_unknown_fields, kind  # type: ignore[attr-defined]
            assert kind.__struct_config__.frozen, kind  # type: ignore[attr-defined]


# --- headers --------------------------------------------------------------------------------


def test_the_headers_are_these() -> None:
    headers = {kind for kind in ALL if kind.max_bytes}
    asked = {Piece, RosterDocument, ManifestDocument, PutManifest, HandRoster, GiveManifests}
    assert headers == asked
    assert all("length" in kind.__struct_fields__ for kind in headers)


@pytest.mark.parametrize("length", [1, 12_345, Piece.max_bytes])
def test_a_header_says_how_many_bytes_follow(length: int) -> None:
    assert bytes_following(Piece(length=length, manifest=MANIFEST, piece=0)) == length


@pytest.mark.parametrize("length", [0, Piece.max_bytes + 1, 1 << 62])
def test_a_header_cannot_announce_too_much_or_nothing(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"Piece announces {length} bytes"):
        bytes_following(Piece(length=length, manifest=MANIFEST, piece=0))


def test_nothing_follows_other_messages() -> None:
    assert bytes_following(Ping()) == 0


# --- what is no message ---------------------------------------------------------------------


@given(encoded=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_refused_or_a_message(encoded: bytes) -> None:
    message_or_refusal(encoded)


@given(message=any_message, chosen=st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_bytes_are_refused_or_a_message(message: Message, chosen: st.DataObject) -> None:
    encoded = bytearray(codec.encode(message))
    for _ in range(chosen.draw(st.integers(1, 4))):
        at = chosen.draw(st.integers(0, len(encoded)))
        until = chosen.draw(st.integers(at, min(len(encoded), at + 5)))
        encoded[at:until] = chosen.draw(st.binary(max_size=5))
    message_or_refusal(bytes(encoded))


class _Packed:
    """Values that msgpack has and a message never does."""

    scalars: ClassVar[st.SearchStrategy[Any]] = (
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 64) - 1)
        | st.floats()
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        | st.binary(max_size=40)
        | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8))
        | st.builds(msgpack.Timestamp, st.integers(0, 1 << 40), st.integers(0, 999_999_999))
    )
    anything: ClassVar[st.SearchStrategy[Any]] = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text("type abc", max_size=4) | st.binary(max_size=3), inner)
        ),
        max_leaves=12,
    )


@given(message=any_message, chosen=st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fields_with_other_values_are_refused_or_a_message(
    message: Message, chosen: st.DataObject
) -> None:
    fields = fields_of(message)
    name = chosen.draw(st.sampled_from(sorted(fields)))
    fields[name] = chosen.draw(_Packed.anything)
    decoded = message_or_refusal(msgpack.packb(fields))
    if decoded is not None and fields[name] == fields[name]:
        assert codec.encode(decoded) == codec.encode(
            decode_message_untrusted(codec.encode(decoded))
        )


@given(value=_Packed.anything)
@settings(max_examples=200, deadline=None)
def test_other_values_are_refused(value: Any) -> None:
    assert message_or_refusal(msgpack.packb(value)) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"type": "Nobody"}, "no message of type 'Nobody'"),
        ({"type": b"Ping"}, "no message of type bytes"),
        ({"type": 1}, "no message of type int"),
        ({b"type": "Ping"}, "no message of type NoneType"),
        ({}, "no message of type NoneType"),
        ({None: 1, "type": "Ping"}, "map key"),
        ({1: 1, "type": "Ping"}, "map key"),
        ({"type": "Done", "call": True}, "Expected `int`"),
        ({"type": "Done", "call": 1.0}, "Expected `int`"),
        ({"type": "Done", "call": "1"}, "Expected `int`"),
        ({"type": "Done", "call": -1}, ">= 0"),
        ({"type": "Done", "call": 1 << 32}, "<"),
        ({"type": "Close", "reason": b"text"}, "Expected `str`"),
        ({"type": "Close", "refused": 1}, "Expected `bool`"),
        ({"type": "Close", "reason": "x" * 4097}, "length <= 4096"),
        ({"type": "GetManifest", "call": 1, "manifest": "m" * 32}, "Expected `bytes`"),
        ({"type": "GetManifest", "call": 1, "manifest": BASE64}, "Expected `bytes`, got `str`"),
        ({"type": "GetManifest", "call": 1, "manifest": b"m" * 31}, "length >= 32"),
        ({"type": "GetManifest", "call": 1, "manifest": b"m" * 33}, "length <= 32"),
        ({"type": "Have", "manifest": b"m" * 32, "pieces": [0] * 4097}, "length <= 4096"),
        ({"type": "Have", "manifest": b"m" * 32, "pieces": {"0": 0}}, "Expected `array`"),
        ({"type": "Have", "manifest": b"m" * 32, "pieces": msgpack.ExtType(1, b"")}, "Expected"),
        ({"type": "Have", "manifest": msgpack.ExtType(1, b"m" * 32), "pieces": []}, "ext"),
        ({"type": "Done", "call": msgpack.Timestamp(1)}, "ext"),
        ({f"k{n}": n for n in range(65)}, "max_map_len"),
        ({"type": "Have", "pieces": [0] * 16_385}, "max_array_len"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_wrong_type_is_refused(fields: dict[Any, Any], why: str) -> None:
    refused(fields, why)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xc1",
        codec.encode(Ping())[:-1],
        codec.encode(Ping()) + b"\0",
        codec.encode(Ping()) * 2,
        b"\x81\xa4type\xa4\xff\xff\xff\xff",
        b"\x81\xa4type\xa4\xed\xa0\x80a",  # half a surrogate pair
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff\xa4type",
        b"\x81\xa4type\xdb\xff\xff\xff\xff",
        b"\x81\xa4type\xc6\xff\xff\xff\xff",
        b"\x81\xa4type\xc9\xff\xff\xff\xff\x01",
        b"\xc7\0\xff",
        b"\xd6\xff\0\0\0\0",
        b"\xc7\x0c\xff" + b"\xff" * 12,
        b"\x81\x90\x01",
        b"\x81\x80\x01",
    ],
)
def test_broken_encodings_are_refused(encoded: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_message_untrusted(encoded)


@pytest.mark.parametrize(
    "opening", [b"\x91", b"\x81\xa1a", b"\x81\xa4type", b"\x82\xa4type\xa4Done\xa4call"]
)
@pytest.mark.parametrize("depth", [50, 500, 1023, 1025, 5000])
def test_deep_nesting_is_refused(opening: bytes, depth: int) -> None:
    for encoded in (opening * depth, opening * depth + b"\x01"):
        with pytest.raises(RemoteProtocolError):
            decode_message_untrusted(encoded[:MAX_CONTROL])


def test_keys_that_come_twice_make_one_message_or_none() -> None:
    twice = b"\x83\xa4type\xa4Done\xa4call\x01\xa4call\x02"
    assert message_or_refusal(twice) in (None, Done(call=1), Done(call=2))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -0.0, 1e308])
def test_any_float_makes_a_message_or_none(number: float) -> None:
    sent = Fetched(
        call=1, id="a", path=None, files=1, size=1, seconds=number, sources=(), received=1
    )
    got = message_or_refusal(codec.encode(sent))
    assert got is None or isinstance(got, Fetched)


def test_the_limit_is_what_one_transport_message_holds() -> None:
    longest = Announce(call=1, stored=0, holdings=())
    room = MAX_CONTROL - len(codec.encode(Publish(call=1, record=Signed(b"x" * 60_000, b"s" * 64))))
    fits = Publish(call=1, record=Signed(b"x" * (60_000 + room), b"s" * 64))
    encoded = codec.encode_control(fits)
    assert len(encoded) == MAX_CONTROL
    assert decode_message_untrusted(encoded) == fits
    with pytest.raises(LocalProtocolError, match="Publish of 65520 bytes"):
        codec.encode_control(Publish(call=1, record=Signed(b"x" * (60_001 + room), b"s" * 64)))
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        decode_message_untrusted(encoded + b"x")
    assert decode_message_untrusted(codec.encode(longest)) == longest


def test_a_reason_from_the_remote_does_not_flood_the_log() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_message_untrusted(msgpack.packb({"type": "Ping", "x" * 60_000: 1}))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["x" * 60_000, b"x" * 60_000, [[1] * 9000] * 6], ids=type)
def test_nor_does_an_unknown_type(name: object) -> None:
    with pytest.raises(RemoteProtocolError, match="no message of type") as caught:
        decode_message_untrusted(msgpack.packb({"type": name}))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("message", [Close(reason="\ud800"), Done(call=1 << 70)], ids=repr)
def test_what_cannot_be_encoded_is_our_own_mistake(message: Message) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be encoded"):
        codec.encode_control(message)


# --- memory ---------------------------------------------------------------------------------


def nested(leaf: bytes) -> bytes:
    """Lists of 1,000 leaves each, filling a control message."""
    inner = b"\xdc\x03\xe8" + leaf * 1000
    number = (MAX_CONTROL - 3) // len(inner)
    return b"\xdc" + number.to_bytes(2) + inner * number


def maps() -> bytes:
    inner = b"\x8f" + b"".join(bytes([0xA1, 97 + n]) + b"\x80" for n in range(15))
    number = (MAX_CONTROL - 3) // len(inner)
    return b"\xdc" + number.to_bytes(2) + inner * number


BOMBS = {
    "empty lists": nested(b"\x90"),
    "empty maps": nested(b"\x80"),
    "small numbers": nested(b"\x01"),
    "empty bytes": nested(b"\xc4\0"),
    "floats": nested(b"\xcb" + b"\x11" * 8),
    "lists in lists": nested(b"\x91\x91\x90"),
    "maps": maps(),
    "huge list": b"\xdd\x7f\xff\xff\xff" + b"\x90" * (MAX_CONTROL - 5),
    "huge map": b"\xdf\x7f\xff\xff\xff" + b"\xa0\x90" * (MAX_CONTROL // 2 - 5),
    "huge text": b"\xdb\x7f\xff\xff\xff" + b"x" * (MAX_CONTROL - 5),
    "deep": b"\x91" * MAX_CONTROL,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_message_takes_much_memory(bomb: str) -> None:
    assert len(BOMBS[bomb]) <= MAX_CONTROL
    tracemalloc.start()
    try:
        assert message_or_refusal(BOMBS[bomb]) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


# --- long flat structs (manifests, rosters) -------------------------------------------------


flat = st.builds(Signed, st.binary(max_size=200), st.binary(min_size=64, max_size=64))


@given(value=flat)
def test_flat_structs_round_trip(value: Signed) -> None:
    assert codec.decode_flat_untrusted(codec.encode(value), Signed, limit=1000) == value


@given(value=flat, chosen=st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_flat_structs_are_refused_or_read(value: Signed, chosen: st.DataObject) -> None:
    encoded = bytearray(codec.encode(value))
    at = chosen.draw(st.integers(0, len(encoded)))
    encoded[at : at + chosen.draw(st.integers(0, 4))] = chosen.draw(st.binary(max_size=4))
    try:
        read = codec.decode_flat_untrusted(bytes(encoded), Signed, limit=1000)
    except RemoteProtocolError:
        return
    assert isinstance(read, Signed)
    assert codec.decode_untrusted(bytes(encoded), Signed, limit=1000) == read


@given(encoded=st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_no_flat_struct(encoded: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec.decode_flat_untrusted(encoded, Signed, limit=1000)


@pytest.mark.parametrize("inner", [[], [1], {}, {"a": 1}, 1, "x", None])
def test_flat_structs_hold_nothing_but_their_fields(inner: object) -> None:
    with pytest.raises(RemoteProtocolError):
        codec.decode_flat_untrusted(
            msgpack.packb({"body": inner, "signature": b"s" * 64}), Signed, limit=1000
        )


@pytest.mark.parametrize("tail", [b"\xc0", b"\x90", b"\x80"])
def test_nothing_is_left_over_behind_a_flat_struct(tail: bytes) -> None:
    encoded = codec.encode(Signed(b"", b"s" * 64)) + tail
    with pytest.raises(RemoteProtocolError, match="left over"):
        codec.decode_flat_untrusted(encoded, Signed, limit=1000)


def test_a_key_of_a_flat_struct_comes_once() -> None:
    twice = b"\x83" + codec.encode(Signed(b"", b"s" * 64))[1:] + b"\xa4body\xc4\x01x"
    with pytest.raises(RemoteProtocolError, match="twice"):
        codec.decode_flat_untrusted(twice, Signed, limit=1000)
    with pytest.raises(RemoteProtocolError, match="limit"):
        codec.decode_flat_untrusted(twice, Signed, limit=10)


@pytest.mark.parametrize("leaf", [b"\x90", b"\x80", b"\xc0"])
def test_a_long_flat_struct_takes_little_more_than_its_length(leaf: bytes) -> None:
    inner = b"\xdc\x40\0" + leaf * 16_384
    encoded = b"\x82\xa4body\xdc\x01\0" + inner * 256
    assert len(encoded) > 4 << 20
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            codec.decode_flat_untrusted(encoded, Signed, limit=8 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(encoded)


# --- hellos ---------------------------------------------------------------------------------


@given(hello=st.one_of(*[values_of(kind) for kind in Hello.__args__]))
def test_hellos_round_trip(hello: Hello) -> None:
    assert decode_hello_untrusted(encode_hello(hello)) == hello


@given(payload=st.binary(max_size=100))
def test_arbitrary_bytes_are_no_hello(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_hello_untrusted(payload)


def test_a_message_is_no_hello_and_a_hello_no_message() -> None:
    hello = MemberHello(version="1", membership=Signed(b"", b"s" * 64), roster=0)
    assert message_or_refusal(encode_hello(hello)) is None
    with pytest.raises(RemoteProtocolError):
        decode_hello_untrusted(codec.encode(Ping()))
    with pytest.raises(RemoteProtocolError, match="limit"):
        decode_hello_untrusted(encode_hello(hello) + bytes(9000))


# --- the longest ----------------------------------------------------------------------------


def test_the_longest_values_are_carried() -> None:
    """Longer ones than the strategies above try."""
    source = random.Random(1)
    located = Located(
        call=(1 << 32) - 1,
        holders=tuple(
            Holder(
                peer=PeerId(source.randbytes(32)), state="gone", addresses=("a:1",) * 16, bits=b""
            )
            for _ in range(50)
        ),
    )
    assert decode_message_untrusted(codec.encode_control(located)) == located
    longest = Have(manifest=MANIFEST, pieces=tuple(range((1 << 18) - 4096, 1 << 18)))
    assert decode_message_untrusted(codec.encode_control(longest)) == longest
    with pytest.raises(RemoteProtocolError):
        decode_message_untrusted(codec.encode(GetPiece(manifest=MANIFEST, piece=1 << 18)))
