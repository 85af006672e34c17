"""The opening of a connection: who gets in, who is told why not, and who gets no byte at all."""

import pytest
from ends import (
    AES_FIRST,
    CHACHA_FIRST,
    ConnectionPair,
    End,
    Swarm,
    flip_bit,
    open_pair,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.connection import Ended, Established, State
from protocol.errors import LocalProtocolError, RefusedError, RemoteProtocolError
from protocol.handshake import (
    FIRST_LENGTH,
    MAGIC,
    MAX_MESSAGE,
    OFFER_LENGTH,
    SLOTS,
    VERSION,
    decode_offer_untrusted,
    encode_offer,
)
from protocol.hello import Credentials, Hello
from protocol.identity import generate_identity
from protocol.ids import StaticKey
from protocol.messages.base import Ping
from protocol.noise import XXPSK0, Cipher, HandshakeState
from protocol.roster import sign_membership

SWARM = Swarm()
ciphers = pytest.mark.parametrize("cipher", Cipher)

TLS_CLIENT_HELLO = bytes.fromhex(
    "16030100c8010000c403036b8f2f1cbb6a0a4a1f5c5d0f1c7f4f3d5b0c7a9e8d6f5c4b3a29181706f5e4d320"
    "5f4e3d2c1b0a99887766554433221100ffeeddccbbaa99887766554433221100003e130213031301c02cc030"
) + bytes(120)
STRANGERS = [
    b"GET / HTTP/1.1\r\nHost: nas:4440\r\nUser-Agent: curl/8\r\n\r\n" + b"x" * 200,
    TLS_CLIENT_HELLO,
    b"SSH-2.0-OpenSSH_9.6\r\n" + bytes(100),
    MAGIC,
    MAGIC + bytes([1, 1, 1, 2, 0, 0, 0, 0]) + bytes(2 * FIRST_LENGTH),
    MAGIC + b"\xff" * 500,
    MAGIC + bytes(500),
    bytes(500),
]


def stranger_meets(responder: End, stream: bytes, *, step: int = 1 << 30) -> None:
    """A responder takes these bytes: refused or waiting for more, it answers nothing."""
    try:
        responder.feed(stream, step=step)
    except RemoteProtocolError:
        assert responder.connection.state is State.CLOSED
    else:
        assert responder.connection.state is State.OPENING
    assert responder.connection.take_outgoing() == b""
    assert not responder.established


def fresh_responder(**options: object) -> End:
    return End(SWARM.credentials(**options), initiator=False)  # type: ignore[arg-type]


def fresh_pair(ciphers: tuple[Cipher, ...] = AES_FIRST) -> ConnectionPair:
    return ConnectionPair(SWARM.credentials(ciphers=ciphers), SWARM.credentials(ciphers=ciphers))


# --- getting in -----------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 1 << 30])
@ciphers
def test_both_ends_learn_who_the_other_is(cipher: Cipher, step: int) -> None:
    here, there = SWARM.credentials(ciphers=(cipher,)), SWARM.credentials(ciphers=(cipher,))
    pair = ConnectionPair(here, there).open(step=step)
    for end, other in ((pair.initiator, there), (pair.responder, here)):
        static = StaticKey(other.static.public_key().public_bytes_raw())
        assert end.events == [Established(other.hello, static)]
        assert end.connection.state is State.CONTROL
    one, two = pair.initiator.connection, pair.responder.connection
    assert one.handshake_hash == two.handshake_hash
    assert (one.bytes_in, one.bytes_out) == (two.bytes_out, two.bytes_in)
    assert one.bytes_in > 0


@pytest.mark.parametrize("responder", [AES_FIRST, CHACHA_FIRST, AES_FIRST[:1], CHACHA_FIRST[:1]])
@pytest.mark.parametrize("initiator", [AES_FIRST, CHACHA_FIRST, AES_FIRST[:1], CHACHA_FIRST[:1]])
def test_the_responders_preference_among_what_is_offered_wins(
    initiator: tuple[Cipher, ...], responder: tuple[Cipher, ...]
) -> None:
    pair = ConnectionPair(
        SWARM.credentials(ciphers=initiator), SWARM.credentials(ciphers=responder)
    )
    common = [cipher for cipher in responder if cipher in initiator]
    if not common:
        with pytest.raises(RemoteProtocolError, match="in common"):
            pair.flights()
        assert pair.responder.connection.take_outgoing() == b""
        return
    offer, answer = pair.flights(1)
    numbers = {Cipher.AESGCM: 1, Cipher.CHACHAPOLY: 2}
    offered = decode_offer_untrusted(offer[:OFFER_LENGTH])
    assert offered == [(VERSION, numbers[cipher]) for cipher in initiator]
    assert answer[:2] == bytes([VERSION, numbers[common[0]]])
    pair.initiator.feed(answer)
    pair.responder.feed(pair.initiator.connection.take_outgoing())
    assert pair.responder.established
    pair.responder.feed(pair.initiator.say(Ping()))
    assert pair.responder.messages == [Ping()]


def test_no_two_connections_have_the_same_name() -> None:
    here, there = SWARM.credentials(), SWARM.credentials()
    names = {
        ConnectionPair(here, there).open().initiator.connection.handshake_hash for _ in range(5)
    }
    assert len(names) == 5


def test_an_offer_with_versions_not_known_here_is_answered_with_one_that_is() -> None:
    """What a later Twofold would send: its own pick first, of which nothing is known here."""
    offer = encode_offer([(9, 9), (VERSION, 2)])
    noise = HandshakeState(
        pattern=XXPSK0,
        cipher=Cipher.CHACHAPOLY,
        initiator=True,
        prologue=offer + bytes([VERSION, 2]),
        static=generate_identity().static,
        psk=SWARM.psk,
    )
    responder = fresh_responder()
    responder.feed(offer + b"?" * FIRST_LENGTH + noise.write_message(b""))
    answer = responder.connection.take_outgoing()
    assert answer[:2] == bytes([VERSION, 2])
    assert int.from_bytes(answer[2:4]) == len(answer) - 4
    assert noise.read_message(answer[4:])


# --- no byte for a stranger -----------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 1 << 30])
@pytest.mark.parametrize("stream", STRANGERS, ids=lambda stream: repr(stream[:10]))
def test_a_stranger_gets_no_byte(stream: bytes, step: int) -> None:
    stranger_meets(fresh_responder(), stream, step=step)


def test_a_stranger_who_says_nothing_gets_no_byte() -> None:
    responder = fresh_responder()
    responder.drain()
    assert responder.connection.take_outgoing() == b""
    with pytest.raises(RemoteProtocolError, match="cut"):
        responder.connection.received(0)
    assert responder.connection.close("goodbye") == b""


@given(
    head=st.sampled_from([b"", MAGIC, encode_offer([(1, 1)]), encode_offer([(1, 2), (1, 1)])]),
    tail=st.binary(max_size=600),
)
@settings(max_examples=200, deadline=None)
def test_random_bytes_get_no_byte(head: bytes, tail: bytes) -> None:
    stranger_meets(fresh_responder(), head + tail)


def test_a_stranger_costs_little_memory() -> None:
    responder = fresh_responder()
    picks = [(1, 1), (9, 9), (9, 8), (9, 7)]
    responder.feed(encode_offer(picks) + bytes(SLOTS * FIRST_LENGTH - 1))
    assert len(responder.connection.receive_space()) <= 4096


@pytest.mark.parametrize("order", [AES_FIRST, CHACHA_FIRST])
def test_a_wrong_pre_shared_key_gets_no_byte(order: tuple[Cipher, ...]) -> None:
    pair = ConnectionPair(SWARM.credentials(ciphers=order, psk=b"\xff" * 32), SWARM.credentials())
    stranger_meets(pair.responder, pair.initiator.connection.take_outgoing())


def test_a_responder_with_a_wrong_pre_shared_key_learns_nothing() -> None:
    """It cannot even read the first message; an answer made up is refused."""
    initiator = End(SWARM.credentials(), initiator=True)
    first = initiator.connection.take_outgoing()
    assert initiator.connection._handshake.wanted == 4
    with pytest.raises(RemoteProtocolError):
        initiator.feed(bytes([1, 1, 0, 200]) + first[16:64] + bytes(152))
    assert initiator.connection.take_outgoing() == b""


# --- nothing changed on the way -------------------------------------------------------------


def changed_offers() -> dict[str, tuple[list[tuple[int, int]], list[int]]]:
    """Offers an attacker could make of (AES, ChaCha): the slots, and the first messages kept."""
    return {
        "AES removed": ([(1, 2)], [1]),
        "ChaCha removed": ([(1, 1)], [0]),
        "AES blinded": ([(9, 9), (1, 2)], [0, 1]),
        "reordered": ([(1, 2), (1, 1)], [1, 0]),
        "labels swapped": ([(1, 2), (1, 1)], [0, 1]),
        "version of both": ([(2, 1), (2, 2)], [0, 1]),
        "version of one": ([(2, 1), (1, 2)], [0, 1]),
        "one added": ([(1, 1), (1, 2), (2, 1)], [0, 1, 0]),
    }


@pytest.mark.parametrize("change", changed_offers())
def test_a_changed_offer_gets_no_byte(change: str) -> None:
    picks, kept = changed_offers()[change]
    original = End(SWARM.credentials(), initiator=True).connection.take_outgoing()
    firsts = [original[OFFER_LENGTH + n * FIRST_LENGTH :][:FIRST_LENGTH] for n in (0, 1)]
    stranger_meets(fresh_responder(), encode_offer(picks) + b"".join(firsts[n] for n in kept))


@pytest.mark.parametrize("order", [AES_FIRST, CHACHA_FIRST])
def test_no_bit_of_the_first_flight_can_change(order: tuple[Cipher, ...]) -> None:
    """Offer and every first message, the one not picked too: no answer at all."""
    length = len(fresh_pair().initiator.connection.take_outgoing())
    assert length == OFFER_LENGTH + 2 * FIRST_LENGTH
    for bit in range(8 * length):
        pair = fresh_pair(order)
        stranger_meets(pair.responder, flip_bit(pair.initiator.connection.take_outgoing(), bit))


@ciphers
@pytest.mark.parametrize("flight", [1, 2])
def test_no_byte_of_the_later_flights_can_change(cipher: Cipher, flight: int) -> None:
    here, there = SWARM.credentials(ciphers=(cipher,)), SWARM.credentials(ciphers=(cipher,))
    length = len(ConnectionPair(here, there).flights(flight)[-1])
    assert length > 300
    for position in range(length):
        pair = ConnectionPair(here, there)
        reader = [pair.responder, pair.initiator][flight % 2]
        changed = flip_bit(pair.flights(flight)[-1], 8 * position + position % 8)
        try:
            reader.feed(changed)
        except RemoteProtocolError:
            assert reader.connection.state is State.CLOSED
        else:
            # A greater length waits for what never comes.
            assert reader.connection.state is State.OPENING
        assert not reader.established
        assert reader.connection.take_outgoing() == b""
        assert reader.connection.close("bye") == b""


@pytest.mark.parametrize("flight", [1, 2])
def test_no_flight_can_be_cut_short_or_grow(flight: int) -> None:
    here, there = SWARM.credentials(), SWARM.credentials()
    for change in (-1, -16, 1, 16):
        pair = ConnectionPair(here, there)
        reader = [pair.responder, pair.initiator][flight % 2]
        original = pair.flights(flight)[-1]
        at = 2 if flight == 1 else 0
        body = original[at + 2 :]
        body = body[:change] if change < 0 else body + bytes(change)
        with pytest.raises(RemoteProtocolError):
            reader.feed(original[:at] + len(body).to_bytes(2) + body)
        assert not reader.established


@pytest.mark.parametrize("length", [0, MAX_MESSAGE + 1, 65535])
@pytest.mark.parametrize("flight", [1, 2])
def test_a_handshake_message_of_an_impossible_length_is_refused_at_once(
    flight: int, length: int
) -> None:
    pair = fresh_pair()
    reader = [pair.responder, pair.initiator][flight % 2]
    head = pair.flights(flight)[-1][: 2 if flight == 1 else 0]
    with pytest.raises(RemoteProtocolError, match=str(length)):
        reader.feed(head + length.to_bytes(2))
    assert reader.connection.state is State.CLOSED


def test_a_pick_that_was_not_offered_is_refused() -> None:
    pair = fresh_pair(AES_FIRST[:1])
    answer = pair.flights(1)[-1]
    with pytest.raises(RemoteProtocolError, match="not offered"):
        pair.initiator.feed(bytes([VERSION, 2]) + answer[2:])


def test_a_replayed_offer_does_not_establish() -> None:
    here, there = SWARM.credentials(), SWARM.credentials()
    recorded = ConnectionPair(here, there).flights()
    again = End(there, initiator=False)
    again.feed(recorded[0])
    assert again.connection.take_outgoing()
    with pytest.raises(RemoteProtocolError, match="authentication"):
        again.feed(recorded[2])
    assert not again.established


def test_a_replayed_answer_does_not_establish() -> None:
    here, there = SWARM.credentials(), SWARM.credentials()
    recorded = ConnectionPair(here, there).flights()
    again = End(here, initiator=True)
    with pytest.raises(RemoteProtocolError, match="authentication"):
        again.feed(recorded[1])
    assert not again.established


def test_a_cut_in_the_handshake_is_no_end() -> None:
    pair = fresh_pair()
    pair.flights(1)
    with pytest.raises(RemoteProtocolError, match="cut"):
        pair.responder.connection.received(0)


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\xc0", b"junk", b"\x91" * 2000])
def test_a_hello_that_is_none_is_refused_without_a_word(payload: bytes) -> None:
    """From somebody who has the pre-shared key and a static key, and talks nonsense."""
    pair = fresh_pair(AES_FIRST[:1])
    answer = pair.flights(1)[-1]
    noise = next(iter(pair.initiator.connection._handshake._candidates.values()))  # type: ignore[attr-defined]
    noise.read_message(answer[4:])
    last = noise.write_message(payload)
    with pytest.raises(RemoteProtocolError):
        pair.responder.feed(len(last).to_bytes(2) + last)
    assert not pair.responder.established
    assert pair.responder.connection.take_outgoing() == b""


# --- not a member ---------------------------------------------------------------------------


def test_an_initiator_that_expects_another_machine_does_not_say_who_it_is() -> None:
    expected = generate_identity().static_key
    seen: list[StaticKey] = []

    def admit(hello: Hello, static: StaticKey) -> None:
        seen.append(static)
        if static != expected:
            raise RefusedError("another machine answers")

    there = SWARM.credentials()
    pair = ConnectionPair(SWARM.credentials(admit=admit), there)
    answer = pair.flights(1)[-1]
    with pytest.raises(RefusedError, match="another machine"):
        pair.initiator.feed(answer)
    assert seen == [there.static.public_key().public_bytes_raw()]
    assert pair.initiator.connection.take_outgoing() == b""
    assert pair.initiator.connection.close("bye") == b""
    assert pair.initiator.connection.state is State.CLOSED
    assert not pair.initiator.established


def refuse(initiator: Credentials, responder: Credentials, reason: str) -> None:
    """The responder refuses, tells why, encrypted, and takes nothing more from the initiator."""
    pair = ConnectionPair(initiator, responder)
    last = pair.flights(2)[-1]
    with pytest.raises(RefusedError, match=reason):
        pair.responder.feed(last)
    assert not pair.responder.established
    assert pair.responder.connection.state is State.CLOSED
    farewell = pair.responder.connection.take_outgoing()
    assert reason.encode() not in farewell
    with pytest.raises(RefusedError, match=reason):
        pair.initiator.feed(farewell)
    assert pair.initiator.connection.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        pair.initiator.say(Ping())
    with pytest.raises(LocalProtocolError):
        pair.responder.connection.next_event()


def test_a_revoked_member_is_told_that_it_is() -> None:
    revoked = generate_identity()
    roster = SWARM.roster(SWARM.member(revoked, "old laptop", state="revoked"))
    refuse(
        SWARM.credentials(revoked),
        SWARM.credentials(admit=SWARM.admit_by(roster)),
        "old laptop has been revoked",
    )


def test_a_member_of_another_swarm_is_refused() -> None:
    identity = generate_identity()
    foreign = sign_membership(Swarm().signing, SWARM.member(identity))
    refuse(
        SWARM.credentials(identity, membership=foreign), SWARM.credentials(), "not a member of this"
    )


def test_the_membership_of_another_machine_is_refused() -> None:
    stolen = sign_membership(SWARM.signing, SWARM.member(generate_identity()))
    refuse(SWARM.credentials(membership=stolen), SWARM.credentials(), "another machine")


def test_a_member_that_changed_its_key_is_refused() -> None:
    identity = generate_identity()
    newer = SWARM.member(identity, static=generate_identity().static_key)
    admit = SWARM.admit_by(SWARM.roster(newer))
    refuse(SWARM.credentials(identity), SWARM.credentials(admit=admit), "old key")


@pytest.mark.parametrize("kind", ["revoked", "foreign"])
def test_an_initiator_refuses_a_revoked_or_foreign_responder_silently(kind: str) -> None:
    identity = generate_identity()
    roster = SWARM.roster(SWARM.member(identity, state="revoked"))
    there = SWARM.credentials(identity)
    if kind == "foreign":
        roster = SWARM.roster()
        foreign = sign_membership(Swarm().signing, SWARM.member(identity))
        there = SWARM.credentials(identity, membership=foreign)
    pair = ConnectionPair(SWARM.credentials(admit=SWARM.admit_by(roster)), there)
    answer = pair.flights(1)[-1]
    with pytest.raises(RefusedError):
        pair.initiator.feed(answer)
    assert pair.initiator.connection.take_outgoing() == b""


def test_a_long_reason_is_cut_to_fit() -> None:
    def admit(hello: Hello, static: StaticKey) -> None:
        raise RefusedError("no! " * 30_000)

    refuse(SWARM.credentials(), SWARM.credentials(admit=admit), "no! no! ")


def test_a_member_not_yet_in_the_roster_known_here_is_admitted() -> None:
    admit = SWARM.admit_by(SWARM.roster())
    ConnectionPair(SWARM.credentials(), SWARM.credentials(admit=admit)).open()


def test_an_open_connection_is_closed_in_good_order() -> None:
    pair = open_pair()
    pair.responder.feed(pair.initiator.connection.close("bye"))
    assert pair.responder.events[-1] == Ended("bye")


# --- the offer itself -----------------------------------------------------------------------


@given(
    picks=st.lists(
        st.tuples(st.integers(0, 255), st.integers(0, 255)).filter(lambda pick: pick != (0, 0)),
        min_size=1,
        max_size=SLOTS,
        unique=True,
    )
)
def test_offers_round_trip(picks: list[tuple[int, int]]) -> None:
    offer = encode_offer(picks)
    assert len(offer) == OFFER_LENGTH
    assert decode_offer_untrusted(offer) == picks


@given(
    offer=st.binary(min_size=8, max_size=8).map(MAGIC.__add__) | st.binary(min_size=16, max_size=16)
)
@example(offer=MAGIC + bytes([1, 1, 1, 1, 0, 0, 0, 0]))
@example(offer=MAGIC + bytes([1, 1, 0, 0, 1, 2, 0, 0]))
@example(offer=MAGIC + bytes(8))
def test_an_offer_is_read_one_way_or_refused(offer: bytes) -> None:
    try:
        picks = decode_offer_untrusted(offer)
    except RemoteProtocolError:
        return
    assert encode_offer(picks) == offer
    assert len(set(picks)) == len(picks)


@pytest.mark.parametrize(
    "slots",
    [bytes(8), bytes([1, 1, 1, 1, 0, 0, 0, 0]), bytes([0, 0, 1, 1, 0, 0, 0, 0])],
    ids=["empty", "twice", "gap"],
)
def test_malformed_slots_are_refused(slots: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="slots"):
        decode_offer_untrusted(MAGIC + slots)


@pytest.mark.parametrize("number", [0, SLOTS + 1])
def test_an_offer_has_one_to_four_picks(number: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode_offer([(1, n + 1) for n in range(number)])
