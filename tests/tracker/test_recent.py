"""What was last read of entries: as much as fits, and nothing that has changed."""

import random

from tracker.recent import Recent, get_all


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    recent = Recent[str](10, len)
    recent.put({1: "aaaa", 2: "bbbb"})
    assert recent.get([1, 3]) == ({1: "aaaa"}, [3])
    recent.put({3: "cc"})
    assert recent.get([1, 2, 3])[1] == []
    recent.get([1])
    recent.put({4: "dd"})
    assert recent.get([1, 2, 3, 4]) == ({1: "aaaa", 3: "cc", 4: "dd"}, [2])
    recent.put({5: "more than fits"})
    assert recent.get([1, 3, 4, 5])[0] == {}


def test_what_has_changed_is_read_again() -> None:
    recent, there = Recent[str](1000, len), {1: "a", 2: "b"}
    asked: list[list[int]] = []

    def read(numbers: list[int]) -> dict[int, str]:
        asked.append(numbers)
        return {number: there[number] for number in numbers if number in there}

    assert get_all(recent, [1, 2, 3], read) == there
    assert get_all(recent, [1, 2], read) == there
    there[1] = "c"
    recent.forget([1, 9])
    assert get_all(recent, [1, 2], read) == there
    assert asked == [[1, 2, 3], [1]]


def test_never_has_more_than_fits() -> None:
    chance, recent, kept = random.Random(3), Recent[str](200, len), {}
    for _ in range(500):
        some = {chance.randrange(60): "x" * chance.randrange(30) for _ in range(4)}
        recent.put(some)
        kept |= some
        recent.forget(gone := chance.sample(range(60), 2))
        for number in gone:
            kept.pop(number, None)
        found, _ = recent.get(range(60))
        assert found.items() <= kept.items()
        assert sum(map(len, found.values())) <= 200
