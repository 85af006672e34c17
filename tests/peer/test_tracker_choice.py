"""Which tracker a peer tries first, and which after one has failed."""

from collections import Counter

from peer.tracker_choice import FORGIVEN_AFTER, TrackerChoice

HERE = ("a:1", "b:1", "c:1", "d:1")


def test_each_peer_has_an_order_of_its_own() -> None:
    firsts = Counter(TrackerChoice(b"%d" % peer).order(HERE, (), 0.0)[0] for peer in range(400))
    assert set(firsts) == set(HERE)
    assert max(firsts.values()) < 150
    assert TrackerChoice(b"1").order(HERE, (), 0.0) == TrackerChoice(b"1").order(
        reversed(HERE), (), 9.0
    )


def test_what_the_roster_does_not_list_comes_last() -> None:
    order = TrackerChoice(b"1").order(HERE, ("old:1", "a:1"), 0.0)
    assert order[-1] == "old:1"
    assert len(order) == 5


def test_what_failed_lately_comes_last_for_a_while() -> None:
    choice = TrackerChoice(b"1")
    first, second, *_ = choice.order(HERE, (), 0.0)
    choice.failed(first, 0.0)
    assert choice.order(HERE, ("old:1",), 1.0)[0] == second
    assert choice.order(HERE, ("old:1",), 1.0)[-1] == first
    assert choice.order(HERE, (), FORGIVEN_AFTER)[0] == first


def test_all_have_failed() -> None:
    choice = TrackerChoice(b"1")
    for each in HERE:
        choice.failed(each, 0.0)
    assert set(choice.order(HERE, (), 1.0)) == set(HERE)
