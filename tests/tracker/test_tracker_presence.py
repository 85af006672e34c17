"""Who is live, suspect and gone, on a clock that stands in the test."""

from tracker_support import Line

from protocol.ids import PeerId
from tracker.presence import Presence

NAS, LAPTOP = PeerId(b"n" * 32), PeerId(b"l" * 32)
HOME = ("192.168.1.2:4101",)


def test_a_peer_goes_from_live_to_suspect_to_gone() -> None:
    presence = Presence(grace=1800)
    line = Line(100)
    presence.arrive(NAS, HOME, line)
    assert list(presence.changes(100)) == [(NAS, "live", HOME)]
    assert list(presence.changes(115)) == []
    assert list(presence.changes(115.1)) == [(NAS, "suspect", HOME)]
    assert list(presence.changes(1900)) == []
    assert list(presence.changes(1900.1)) == [(NAS, "gone", HOME)]
    line.last_received = 1901
    assert list(presence.changes(1901)) == [(NAS, "live", HOME)]
    assert list(presence.changes(1916)) == []
    assert list(presence.changes(1916.1)) == [(NAS, "suspect", HOME)]


def test_who_was_heard_meanwhile_is_live_whenever_it_is_asked() -> None:
    presence, line = Presence(grace=1800), Line(0)
    presence.arrive(NAS, HOME, line)
    list(presence.changes(0))
    line.last_received = 14
    assert presence.state(NAS, 29) == "live"
    assert presence.state(NAS, 29.1) == "suspect"
    assert presence.silent_for(NAS, 20) == 6


def test_a_closed_connection_is_suspect_at_once() -> None:
    presence = Presence(grace=60)
    line = Line(0)
    presence.arrive(NAS, HOME, line)
    assert list(presence.changes(0)) == [(NAS, "live", HOME)]
    line.last_received = 10
    presence.leave(NAS)
    assert list(presence.changes(10)) == [(NAS, "suspect", HOME)]
    line.last_received = 50
    assert presence.state(NAS, 70) == "suspect"
    assert presence.state(NAS, 71) == "gone"
    assert presence.silent_for(NAS, 71) is None


def test_everybody_is_suspect_after_a_start() -> None:
    presence = Presence(grace=60)
    presence.expect(NAS, HOME, 1000)
    assert list(presence.changes(1000)) == []
    assert presence.states(1000) == {NAS: "suspect"}
    assert presence.states(1061) == {NAS: "gone"}
    assert presence.state(LAPTOP, 1000) == "gone"


def test_moving_is_a_change() -> None:
    presence = Presence(grace=60)
    presence.arrive(NAS, HOME, Line(0))
    list(presence.changes(0))
    presence.arrive(NAS, ("10.0.0.1:4101",), Line(1))
    assert list(presence.changes(1)) == [(NAS, "live", ("10.0.0.1:4101",))]
    assert list(presence.live(1)) == [(NAS, ("10.0.0.1:4101",))]


def test_a_second_connection_takes_the_place_of_the_first() -> None:
    presence = Presence(grace=60)
    first, second = Line(0), Line(3)
    presence.arrive(NAS, HOME, first)
    list(presence.changes(0))
    presence.arrive(NAS, HOME, second)
    assert list(presence.changes(3)) == []
    first.last_received = 100
    assert list(presence.changes(18.1)) == [(NAS, "suspect", HOME)]
    second.last_received = 19
    assert list(presence.changes(19)) == [(NAS, "live", HOME)]


def test_who_is_forgotten_is_told_of_no_more() -> None:
    presence = Presence(grace=60)
    for peer in (NAS, LAPTOP):
        presence.arrive(peer, HOME, Line(0))
    list(presence.changes(0))
    presence.forget(NAS)
    assert list(presence.changes(16)) == [(LAPTOP, "suspect", HOME)]
    presence.forget(LAPTOP)
    assert list(presence.changes(100)) == []


def test_of_many_it_is_known_how_they_were_a_moment_ago() -> None:
    presence = Presence(grace=60)
    many = [PeerId(number.to_bytes(32, "big")) for number in range(2000)]
    for peer in many:
        presence.arrive(peer, HOME, Line(0))
    assert set(presence.states(0).values()) == {"live"}
    presence.leave(many[0])
    presence.forget(many[1])
    assert many[1] not in presence.states(0.5)
    assert presence.states(0.5)[many[0]] == "suspect"
    presence.leave(many[2])
    before = presence.states(1.4)
    assert before[many[2]] == "live"
    assert presence.states(1.4) is before  # nobody was looked at again
    assert presence.states(1.5)[many[2]] == "suspect"


def test_grace_is_never_shorter_than_silence() -> None:
    presence = Presence(grace=0)
    presence.arrive(NAS, HOME, Line(0))
    assert presence.state(NAS, 15) == "live"
    assert presence.state(NAS, 16) == "gone"
