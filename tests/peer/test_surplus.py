"""When surplus copies are tried, pure."""

from peer.store.contents import Content
from peer.swarm.surplus import RETRY, SETTLED, SurplusBook
from protocol.bitfield import Bitfield
from protocol.ids import ManifestId

ID = ManifestId(b"m" * 32)
CONTENT = Content(ID, 1, 1000, None, Bitfield(1, full=True))


def test_a_copy_is_tried_once_it_has_been_surplus_for_a_while() -> None:
    book = SurplusBook()
    book.note(CONTENT, [0], 10.0)
    assert book.due(10.0 + SETTLED - 1) == []
    # Looked at again it waits no longer.
    book.note(CONTENT, [0], 50.0)
    assert book.due(10.0 + SETTLED) == [(ID, 0)]
    book.later(ID, 0, 70.0)
    assert book.next_time() == 70.0 + RETRY
    book.note(CONTENT, [], 71.0)
    assert book.next_time() is None


def test_what_is_brought_back_after_each_drop_is_left_alone_for_longer() -> None:
    book, now = SurplusBook(), 0.0
    waits = []
    for _ in range(15):
        book.note(CONTENT, [0], now)
        due = book.next_time()
        assert due is not None
        waits.append(due - now)
        now = due
        book.dropped(ID, 0)
    assert waits[:4] == [SETTLED, 2 * SETTLED, 4 * SETTLED, 8 * SETTLED]
    assert waits[-1] == waits[-2] == SETTLED * 1024
