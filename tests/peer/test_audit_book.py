"""The book of audits: whom to ask, of what, and who has failed."""

import random
from collections import Counter

from peer_net import PIECE

from peer.swarm.audits import (
    DISTRUSTED_FOR,
    EXCUSES,
    REMEMBERED_FOR,
    SILENCES,
    AuditBook,
    Budget,
    Question,
)
from protocol.hashing import hash_audit
from protocol.ids import ManifestId, PeerId
from protocol.messages.keeping import MAX_AUDIT

NAS, LAPTOP = PeerId(b"n" * 32), PeerId(b"l" * 32)
FILM, SONG = ManifestId(b"f" * 32), ManifestId(b"s" * 32)


def asked(book: AuditBook, peer: PeerId, manifest: ManifestId, pieces: int = 100) -> Question:
    question = book.question(peer, manifest, range(pieces), lambda _: PIECE)
    assert question is not None
    return question


def test_every_piece_is_as_likely() -> None:
    book = AuditBook(random.Random(3))
    claimed = [(FILM, 300), (SONG, 100)]
    chosen = Counter(book.choose(NAS, claimed, 0.0) for _ in range(4000))
    assert 2800 < chosen[FILM] < 3200
    questions = [asked(book, NAS, FILM, 10) for _ in range(2000)]
    pieces = Counter(question.piece for question in questions)
    assert all(150 < pieces[piece] < 250 for piece in range(10))
    assert len({question.nonce for question in questions}) == 2000
    assert all(0 <= q.start <= PIECE - q.length == PIECE - MAX_AUDIT for q in questions)
    assert max(q.start for q in questions) > PIECE - MAX_AUDIT - 1000
    assert book.choose(NAS, [], 0.0) is None
    assert book.question(NAS, FILM, [], lambda _: PIECE) is None


def test_short_pieces_are_asked_for_whole() -> None:
    question = AuditBook(random.Random(3)).question(NAS, FILM, [4], lambda _: 77)
    assert question is not None
    assert (question.piece, question.start, question.length) == (4, 0, 77)


def test_each_peer_about_once_a_minute() -> None:
    book = AuditBook(random.Random(3))
    due = Counter[PeerId]()
    for second in range(0, 6000, 5):
        due.update(peer for peer in (NAS, LAPTOP) if book.is_due(peer, float(second)))
    assert 85 < due[NAS] < 105
    assert 85 < due[LAPTOP] < 105


def test_the_second_failure_costs_the_trust_and_time_mends_it() -> None:
    book = AuditBook(random.Random(3))
    first = asked(book, NAS, FILM)
    assert not book.failed(NAS, first, 0.0)
    assert book.distrusted(FILM, 1.0) == frozenset()
    # What it failed for comes first, and the same piece.
    assert book.choose(NAS, [(SONG, 10_000), (FILM, 1)], 1.0) == FILM
    assert asked(book, NAS, FILM).piece == first.piece
    assert book.choose(LAPTOP, [(SONG, 1)], 1.0) == SONG
    assert book.failed(NAS, first, 100.0)
    assert book.distrusted(FILM, 101.0) == {NAS}
    assert book.distrusted(SONG, 101.0) == frozenset()
    assert book.distrusted(FILM, 100.0 + DISTRUSTED_FOR) == frozenset()
    assert book.failed(NAS, first, 4000.0)
    book.choose(NAS, [], 4001.0 + REMEMBERED_FOR)
    assert not book.failed(NAS, first, 5000.0 + REMEMBERED_FOR)


def test_to_pass_for_the_same_piece_clears_the_name() -> None:
    book = AuditBook(random.Random(3))
    first = asked(book, NAS, FILM)
    book.failed(NAS, first, 0.0)
    book.passed(NAS, Question(FILM, first.piece + 1, 0, 1, b""))
    assert book.choose(NAS, [(SONG, 1), (FILM, 1)], 1.0) == FILM
    book.passed(NAS, asked(book, NAS, FILM))
    assert not book.failed(NAS, first, 2.0)


def test_a_silence_is_forgiven_once() -> None:
    book = AuditBook(random.Random(3))
    assert [book.said_nothing(NAS) for _ in range(SILENCES)] == [False, True]
    book.passed(NAS, asked(book, NAS, FILM))
    assert not book.said_nothing(NAS)


def test_an_excuse_is_for_the_same_piece_and_ends() -> None:
    book = AuditBook(random.Random(3))
    first = asked(book, NAS, FILM)
    assert not book.could_not(NAS, first)
    # No way round it: the same is asked for again, whatever else it has.
    assert book.choose(NAS, [(SONG, 10_000), (FILM, 1)], 1.0) == FILM
    assert asked(book, NAS, FILM).piece == first.piece
    book.passed(NAS, Question(SONG, first.piece, 0, 1, b""))
    said = [book.could_not(NAS, first) for _ in range(EXCUSES - 1)]
    assert said == [False] * (EXCUSES - 2) + [True]
    book.passed(NAS, first)
    assert not book.could_not(NAS, first)


def test_what_it_lacks_it_may_lack_once() -> None:
    book = AuditBook(random.Random(3))
    assert not book.lacked(NAS, FILM, 0.0)
    assert not book.lacked(NAS, SONG, 0.0)
    assert book.lacked(NAS, FILM, 100.0)
    book.choose(NAS, [], 101.0 + REMEMBERED_FOR)
    assert not book.lacked(NAS, FILM, 102.0 + REMEMBERED_FOR)


def test_a_budget_allows_a_few_and_then_one_at_a_time() -> None:
    budget = Budget(3, 10.0)
    assert [budget.allows(NAS, 0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert budget.allows(LAPTOP, 0.0)
    assert not budget.allows(NAS, 9.0)
    assert budget.allows(NAS, 10.0)
    assert not budget.allows(NAS, 11.0)
    assert [budget.allows(NAS, 1000.0) for _ in range(4)] == [True] * 3 + [False]


def test_a_digest_is_good_for_one_nonce_and_range() -> None:
    digests = {
        hash_audit(nonce, content)
        for nonce in (b"a" * 16, b"b" * 16)
        for content in (b"some", b"bytes", memoryview(b"more"))
    }
    assert len(digests) == 6
