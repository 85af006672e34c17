"""What is said about zones that keep copies from being apart."""

from protocol.ids import PeerId, StaticKey, SwarmKey
from protocol.roster import Member, MemberState, Roster
from protocol.zones import zone_warnings

TB = 10**12


def member(
    number: int, zone: str = "", capacity: int = TB, state: MemberState = "active"
) -> Member:
    key = bytes([number]) * 32
    return Member(
        peer=PeerId(key),
        static=StaticKey(key),
        name=f"m{number}",
        zone=zone,
        capacity=capacity,
        joined=1,
        state=state,
    )


def warnings(*members: Member, copies: int = 2) -> tuple[str, ...]:
    return zone_warnings(
        Roster(
            swarm=SwarmKey(bytes(32)),
            number=1,
            name="lab",
            trackers=(),
            copies=copies,
            members=members,
        )
    )


def test_machines_without_a_zone_are_apart() -> None:
    assert warnings(member(1), member(2), member(3)) == ()
    assert warnings(member(1), member(2, "attic")) == ()
    # One large machine cannot hold two copies of anything.
    assert warnings(member(1, capacity=9 * TB), member(2)) == ()
    assert warnings(member(1, "attic", 9 * TB), member(2)) == ()


def test_all_in_one_zone() -> None:
    (found,) = warnings(member(1, "attic"), member(2, "attic"), member(3, "attic"))
    assert "in zone 'attic'" in found
    assert "twofold-tracker zone NAME ZONE" in found
    (found,) = warnings(member(1, "attic"), member(2, "attic"), member(3, "cellar"), copies=3)
    assert "in 2 zones" in found
    assert "'attic' and 'cellar'" in found


def test_no_choice_no_warning() -> None:
    assert warnings() == ()
    assert warnings(member(1, "attic")) == ()
    assert warnings(member(1, "attic"), member(2, "attic"), copies=3) == ()


def test_only_machines_that_take_pieces_count() -> None:
    elsewhere: list[tuple[MemberState, int]] = [
        ("draining", TB),
        ("leaving", TB),
        ("left", TB),
        ("revoked", TB),
        ("active", 0),
    ]
    for state, capacity in elsewhere:
        other = member(3, "cellar", capacity, state)
        assert len(warnings(member(1, "attic"), member(2, "attic"), other)) == 1
    assert warnings(member(1, "attic"), member(2, "attic"), member(3, "cellar", 2 * TB)) == ()


def test_a_zone_larger_than_all_others_together() -> None:
    two = (member(1, "attic", 2 * TB), member(2, "attic", 2 * TB))
    (found,) = warnings(*two, member(3, capacity=3 * TB))
    assert "zone 'attic' offers more" in found
    assert warnings(*two, member(3, capacity=3 * TB), member(4)) == ()
    assert (
        len(warnings(*two, member(3, capacity=3 * TB), member(4, capacity=3 * TB), copies=3)) == 1
    )
