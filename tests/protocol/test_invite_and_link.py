"""Invites and links as text: round trips, every typo refused, every refusal clear."""

from collections.abc import Callable

import pytest
import rich.pretty
from hypothesis import given
from hypothesis import strategies as st

from protocol import checked_text
from protocol.address import Address
from protocol.errors import InvalidTextError, LocalProtocolError
from protocol.ids import EntryId, StaticKey, SwarmKey
from protocol.invite import Invite, decode_invite, encode_invite
from protocol.link import Link, decode_link, encode_link, swarm_tag

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SWARM = SwarmKey(bytes(range(32)))
INVITE = Invite(
    addresses=(Address(host="tracker.example", port=4440), Address(host="fd00::5", port=4440)),
    tracker=StaticKey(b"t" * 32),
    swarm=SWARM,
    psk=b"PSK-" * 8,
    token=b"TOKEN-TOKEN-TOKE",
)
LINK = Link(swarm_tag=swarm_tag(SWARM), entry=EntryId(b"e" * 16))

keys = st.binary(min_size=32, max_size=32)
addresses = st.builds(
    Address,
    host=st.sampled_from(["nas", "tracker.example.org", "10.1.2.3", "::1", "a." * 126 + "a"])
    | st.ip_addresses().map(str),
    port=st.integers(0, 65535),
)
invites = st.builds(
    Invite,
    addresses=st.lists(addresses, min_size=1, max_size=8).map(tuple),
    tracker=keys.map(StaticKey),
    swarm=keys.map(SwarmKey),
    psk=keys,
    token=st.binary(min_size=16, max_size=16),
)
links = st.builds(
    Link,
    swarm_tag=st.binary(min_size=8, max_size=8),
    entry=st.binary(min_size=16, max_size=16).map(EntryId),
)


# --- checked text ---------------------------------------------------------------------------


@given(kind=st.from_regex(r"[a-z]{1,16}", fullmatch=True), payload=st.binary(max_size=200))
def test_payloads_round_trip(kind: str, payload: bytes) -> None:
    text = checked_text.encode(kind, payload)
    assert text.startswith(f"twofold-{kind}-")
    assert text == text.lower()
    assert "=" not in text
    assert checked_text.decode(kind, text) == payload


@given(payload=st.binary(max_size=60), width=st.integers(1, 20))
def test_white_space_and_case_are_ignored(payload: bytes, width: int) -> None:
    text = checked_text.encode("link", payload).upper()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    assert checked_text.decode("link", "\t " + " \r\n\u00a0".join(lines) + "\n") == payload


def test_the_checksum_covers_the_kind() -> None:
    text = checked_text.encode("link", b"payload")
    with pytest.raises(InvalidTextError, match="checksum does not match"):
        checked_text.decode("invite", text.replace("-link-", "-invite-"))


@pytest.mark.parametrize("kind", ["", "Link", "a-b", "k9", "a" * 17])
def test_a_kind_is_a_short_word(kind: str) -> None:
    with pytest.raises(LocalProtocolError):
        checked_text.encode(kind, b"")


# --- round trips ----------------------------------------------------------------------------


@given(invite=invites)
def test_invites_round_trip(invite: Invite) -> None:
    assert decode_invite(encode_invite(invite)) == invite


@given(link=links)
def test_links_round_trip(link: Link) -> None:
    assert decode_link(encode_link(link)) == link


def test_the_texts_are_the_same_in_every_release() -> None:
    assert swarm_tag(SWARM).hex() == GOLDEN_TAG
    assert encode_link(LINK) == GOLDEN_LINK


GOLDEN_TAG = "0e55e36c20fd554a"
GOLDEN_LINK = "twofold-link-aeaa4vpdnqqp2vkkmvswkzlfmvswkzlfmvswkzlfmxfc3uqv"


def refusal_of(decode: Callable[[str], object], text: str) -> str | None:
    """What `decode` says against the text, None if it takes it; any other error is a failure."""
    try:
        decode(text)
    except InvalidTextError as refusal:
        return str(refusal)
    return None


# --- refusals -------------------------------------------------------------------------------


def substitutions(text: str) -> list[str]:
    return [
        text[:place] + letter + text[place + 1 :]
        for place in range(len(text))
        for letter in ALPHABET + "018-="
        if letter != text[place]
    ]


def test_every_substitution_in_an_invite_is_refused() -> None:
    text = encode_invite(INVITE)
    start = len("twofold-invite-")
    for wrong in substitutions(text):
        with pytest.raises(InvalidTextError) as refusal:
            decode_invite(wrong)
        if wrong.startswith(text[:start]):
            assert "a character is missing or mistyped; copy it again" in str(refusal.value)


def test_every_substitution_in_a_link_is_refused() -> None:
    for wrong in substitutions(encode_link(LINK)):
        with pytest.raises(InvalidTextError):
            decode_link(wrong)


def test_every_cut_and_every_missing_or_doubled_character_is_refused() -> None:
    text = encode_invite(INVITE)
    for place in range(len(text)):
        for wrong in (text[:place], text[:place] + text[place + 1 :]):
            with pytest.raises(InvalidTextError):
                decode_invite(wrong)
        with pytest.raises(InvalidTextError):
            decode_invite(text[:place] + text[place] + text[place:])


@given(text=st.text() | st.text(alphabet=ALPHABET).map("twofold-invite-".__add__))
def test_any_text_is_refused_clearly_or_valid(text: str) -> None:
    for decode in (decode_invite, decode_link):
        refusal = refusal_of(decode, text)
        assert refusal is None or "copy" in refusal


@given(payload=st.binary(max_size=300), sound=st.booleans())
def test_any_payload_with_a_good_checksum_is_refused_or_valid(payload: bytes, sound: bool) -> None:
    start = b"\x01" + bytes(112) + b"\x01" if sound else b""
    for kind, decode in (("invite", decode_invite), ("link", decode_link)):
        refusal = refusal_of(decode, checked_text.encode(kind, start + payload))
        assert refusal is None or f"this {kind}" in refusal


def test_kinds_are_not_mixed_up() -> None:
    with pytest.raises(InvalidTextError, match="this is a link, not an invite"):
        decode_invite(encode_link(LINK))
    with pytest.raises(InvalidTextError, match="this is an invite, not a link"):
        decode_link(encode_invite(INVITE))
    with pytest.raises(InvalidTextError, match=r"this is not a link.*starts with twofold-link-"):
        decode_link("https://example.org/")


def with_payload(change: bytes, at: int) -> str:
    payload = checked_text.decode("invite", encode_invite(INVITE))
    return checked_text.encode("invite", payload[:at] + change + payload[at + len(change) :])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (with_payload(b"\x02", 0), "newer Twofold: update this machine"),
        (with_payload(b"\x00", 113), "not made correctly"),
        (with_payload(b"\x09", 113), "not made correctly"),
        (with_payload(b"\x01", 113), "not made correctly"),
        (with_payload(b"\x03", 113), "not made correctly"),
        (with_payload(b"\xff\xff", 114), "not made correctly"),
        (with_payload(b" ", 118), "bad tracker address"),
        (with_payload(b"\xff", 118), "bad tracker address"),
        (checked_text.encode("invite", b""), "not made correctly"),
    ],
)
def test_malformed_invites(text: str, reason: str) -> None:
    with pytest.raises(InvalidTextError, match=reason):
        decode_invite(text)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x02\x00" + bytes(24), "newer Twofold: update this machine"),
        (b"\x01\x01" + bytes(24), "newer Twofold: update this machine"),
        (b"\x01\x01" + bytes(56), "newer Twofold: update this machine"),
        (b"\x01\x00" + bytes(25), "not made correctly"),
        (b"\x01\x00" + bytes(23), "not made correctly"),
        (b"\x01", "not made correctly"),
        (b"", "not made correctly"),
    ],
)
def test_malformed_links(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidTextError, match=reason):
        decode_link(checked_text.encode("link", payload))


# --- values ---------------------------------------------------------------------------------


def test_secrets_are_not_printed() -> None:
    for shown in (repr(INVITE), str(INVITE), f"{[INVITE]}", rich.pretty.pretty_repr(INVITE)):
        assert "tracker.example:4440" in shown
        for secret in (INVITE.psk, INVITE.token):
            assert secret.decode() not in shown
            assert secret.hex() not in shown


def test_wrong_lengths_are_our_own_fault() -> None:
    one = INVITE.addresses[:1]
    keys = {"tracker": INVITE.tracker, "swarm": SWARM, "psk": bytes(32), "token": bytes(16)}
    for addresses, changed in (
        ((), {}),
        (one * 9, {}),
        (one, {"tracker": bytes(31)}),
        (one, {"swarm": b""}),
        (one, {"psk": bytes(33)}),
        (one, {"token": bytes(15)}),
    ):
        with pytest.raises(LocalProtocolError):
            Invite(addresses=addresses, **(keys | changed))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError):
        Link(swarm_tag=bytes(7), entry=EntryId(bytes(16)))
    with pytest.raises(LocalProtocolError):
        Link(swarm_tag=bytes(8), entry=EntryId(bytes(17)))


def test_swarm_tags_tell_swarms_apart() -> None:
    assert len(swarm_tag(SWARM)) == 8
    assert swarm_tag(SWARM) != swarm_tag(SwarmKey(bytes(32)))
