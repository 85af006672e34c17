"""Addresses: every form round-trips, everything else is refused with a reason."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.address import Address
from protocol.errors import InvalidTextError

labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
addresses = st.builds(Address, host=hosts, port=st.integers(0, 65535))


@given(address=addresses)
def test_text_round_trips(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert Address.parse(f"  {str(address).upper()}\n") == address


@given(address=addresses)
def test_messages_round_trip(address: Address) -> None:
    encoded = msgspec.msgpack.encode(address)
    assert msgspec.msgpack.decode(encoded, type=Address) == address


@given(text=st.text() | st.text(alphabet="[]:.%0123456789afx-", max_size=30))
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        address = Address.parse(text, default_port=4440)
    except InvalidTextError:
        return
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("nas:4440", "nas:4440"),
        ("NAS.Local.:0", "nas.local:0"),
        ("192.168.1.5:65535", "192.168.1.5:65535"),
        ("[FE80:0::1]:1", "[fe80::1]:1"),
        ("[fe80::1%eth0]:1", "[fe80::1%eth0]:1"),
        ("nas", "nas:7"),
        ("10.0.0.1", "10.0.0.1:7"),
        ("[::1]", "[::1]:7"),
    ],
)
def test_forms(text: str, written: str) -> None:
    assert str(Address.parse(text, default_port=7)) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no host|no port"),
        (":80", "no host"),
        ("nas", "no port"),
        ("[::1]", "no port"),
        ("nas:", "not a port"),
        ("nas:65536", "65536 is not a port"),
        ("nas:-1", "not a port"),
        ("nas:+1", "not a port"),
        ("nas:٣", "not a port"),
        ("nas:4440/", "not a port"),
        ("http://nas:80", "not an address"),
        ("::1", "brackets"),
        ("::1:80", "brackets"),
        ("[::1", "brackets"),
        ("[nas]:80", "leave out the brackets"),
        ("[::g]:80", "not an IPv6"),
        ("[fe80::1%]:80", "not a network interface"),
        ("[::1]80", "brackets"),
        ("300.1.1.1:80", "not an IPv4"),
        ("1.2.3:80", "not an IPv4"),
        ("1234:80", "not an IPv4"),
        ("a..b:80", "not a host name"),
        ("-a:80", "not a host name"),
        ("a b:80", "not a host name"),
        ("bücher:80", "not a host name"),
        (f"{'a' * 64}:80", "not a host name"),
        (f"{'a.' * 130}a:80", "not a host name"),
    ],
)
def test_refusals_say_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidTextError, match=reason):
        Address.parse(text)


def test_a_made_address_is_checked_and_canonical_too() -> None:
    assert Address(host="NAS", port=1) == Address(host="nas", port=1)
    for host, port in (("", 1), ("a:b", 1), ("[::1]", 1), ("nas", -1), ("nas", 65536)):
        with pytest.raises(InvalidTextError):
            Address(host=host, port=port)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"host": "a b", "port": 1}, Address)


def test_addresses_have_an_order_and_a_hash() -> None:
    unordered = [Address(host="b", port=1), Address(host="a", port=2), Address(host="a", port=1)]
    assert [str(address) for address in sorted(unordered)] == ["a:1", "a:2", "b:1"]
    assert len({*unordered, Address(host="A", port=1)}) == 3
