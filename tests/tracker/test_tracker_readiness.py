"""What a tracker of many entries does behind its start, so that nobody waits for it."""

import pytest
import trio
from changing_catalogue import begin_changing

from protocol.messages.tracking import Search
from protocol.words import spaced
from tracker import common_terms, finding, readiness, remembered, search_index, searching
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.readiness import Readiness
from tracker.shelf import Shelf
from tracker.touched import Touched


@pytest.mark.parametrize("many", [True, False])
def test_letters_are_looked_up_once_there_are_many_entries(
    made: tuple[Database, SwarmKeys], monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    changing = begin_changing(*made, seed=7)
    # Sets of a few entries are remembered too, and nothing is looked at one by one.
    monkeypatch.setattr(remembered, "_SHARE", 1 << 30)
    monkeypatch.setattr(finding, "_FEW", -1)
    monkeypatch.setattr(readiness, "_MANY", 1 if many else 1 << 30)
    database, asked = changing.database, list[str]()
    shelf = Shelf(database.notes)
    database.notes.add(Touched(everything=True))
    trio.run(Readiness(database, shelf, lambda: changing.now).start)
    look = search_index.numbers_with

    def note(connection: object, word: str) -> object:
        asked.append(word)
        return look(connection, word)  # type: ignore[arg-type]

    monkeypatch.setattr(search_index, "numbers_with", note)

    def found(word: str) -> int:
        request = Search(call=0, words=word)
        return database.look_now(
            lambda c: searching.search(c, request, {}, changing.now, shelf).total
        )

    totals = {letter: found(letter) for letter in common_terms.LETTERS}
    had = [letter for letter in common_terms.LETTERS if totals[letter]]
    assert had
    assert asked == ([] if many else list(common_terms.LETTERS))
    # It is what is found without any of that.
    shelf = Shelf(database.notes)
    database.notes.add(Touched(everything=True))
    assert {letter: found(letter) for letter in common_terms.LETTERS} == totals


def test_what_many_have_is_looked_up_and_nothing_rarer(
    made: tuple[Database, SwarmKeys], monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = begin_changing(*made, seed=7)
    monkeypatch.setattr(remembered, "_SHARE", 1 << 30)
    monkeypatch.setattr(readiness, "_MANY", 1)
    monkeypatch.setattr(common_terms, "_COMMON", 3)
    shelf = Shelf(changing.database.notes)
    changing.database.notes.add(Touched(everything=True))
    look = changing.database.look_now
    common = look(lambda c: common_terms.common_terms(c, shelf, changing.now))

    def has(term: str) -> int:
        request = Search(call=0, words=term)
        return look(lambda c: searching.search(c, request, {}, changing.now, shelf).total)

    terms = ("fi", "il", "lm", "ph", "ot", "no", "es", "na", "at", "ti", "fil", "pho", "note")
    many = [term for term in terms if has(term) * 3 > len(shelf.shown)]
    assert 0 < len(many) < len(terms)
    assert [term for term in terms if term in common] == many
    assert not set(common) & set(common_terms.LETTERS)
    whole = [term for term in common if term.startswith(" ")]
    names = [spaced(shelf.columns.name(number)) for number in shelf.shown]
    assert whole
    assert all(sum(f"{term} " in name for name in names) * 20 > len(names) for term in whole)
    shelf = Shelf(changing.database.notes)
    changing.database.notes.add(Touched(everything=True))
    trio.run(Readiness(changing.database, shelf, lambda: changing.now).start)
    assert set(common) <= set(shelf.remembered.words)
