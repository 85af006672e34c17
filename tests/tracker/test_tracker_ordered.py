"""Entries in an order, and sets of them: against lists and sets of plain numbers."""

import random

import pytest
from pyroaring import FrozenBitMap

from tracker import blocks, ordered
from tracker.columns import Columns
from tracker.ordered import Ordered
from tracker.sets import Sets

MOST = 600


@pytest.mark.parametrize("looked_at", [0, 16, 1 << 30])
@pytest.mark.parametrize("seed", range(4))
def test_an_order_is_that_of_its_places(
    seed: int, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "_LOOKED_AT", looked_at)
    monkeypatch.setattr(ordered, "_FEW", seed * 20)
    monkeypatch.setattr(ordered, "_SEVERAL", (8, 300)[seed % 2])
    # Many blocks, and heaps of them.
    monkeypatch.setattr(blocks, "_SIZE", 9)
    monkeypatch.setattr(blocks, "_HEAP", 3)
    monkeypatch.setattr(blocks, "_HEAPS", 5 + seed * 10)
    chance, columns = random.Random(seed), Columns()
    for number in range(MOST):
        entry = chance.randbytes(16)
        columns.put(number, chance.randrange(90), number, f"n{chance.randrange(50)}", entry)
    order, there = Ordered(columns.by(chance.choice(("created", "name"))), []), set[int]()
    for _ in range(30):
        more = set(chance.sample(range(MOST), chance.choice((1, 2, 40)))) - there
        order.put(more)
        there |= more
        gone = set(chance.sample(sorted(there), min(len(there), chance.choice((0, 1, 2, 20)))))
        order.drop(gone)
        there -= gone
        _compare(order, there, chance)


def _compare(order: Ordered, there: set[int], chance: random.Random) -> None:
    in_order = sorted(there, key=order.place)
    assert list(order.numbers) == in_order
    least, most = sorted(order.key(chance.randrange(MOST)) for _ in range(2))
    within = {number for number in there if least <= order.key(number) <= most}
    assert set(order.within(least, most)) == within
    wanted = set(chance.sample(sorted(there), chance.randint(0, len(there))))
    descending = chance.random() < 0.5
    after = chance.choice((None, order.place(chance.randrange(MOST))))
    rest = [number for number in in_order if number in wanted]
    if after is not None:
        rest = [one for one in rest if (order.place(one) < after) == descending]
        rest = [one for one in rest if order.place(one) != after]
    rest = rest[::-1] if descending else rest
    assert order.first(FrozenBitMap(wanted), 7, after, descending=descending) == rest[:7]


@pytest.mark.parametrize("seed", range(4))
def test_sets_hold_what_was_put_in(seed: int) -> None:
    chance, sets = random.Random(seed), Sets()
    truth: dict[str, set[int]] = {}
    length = 5_000
    for value, many in (("many", 3_000), ("few", 4), ("none", 0)):
        numbers = chance.sample(range(length), many)
        sets.put(value, numbers)
        truth[value] = set(numbers)
    for _ in range(20):
        changed = chance.sample(range(length), chance.choice((1, 3, 200)))
        now = {
            value: chance.sample(changed, chance.randint(1, len(changed)))
            for value in chance.sample(("many", "few", "none", "new"), 2)
        }
        sets.change(FrozenBitMap(changed), now)
        for value in {*truth, *now}:
            truth[value] = truth.get(value, set()) - set(changed) | set(now.get(value, ()))
        for value, numbers in truth.items():
            assert set(sets.get(value)) == numbers
    again = Sets()
    for value, content in sets.dump():
        again.load(value, content)
    assert again.all() == sets.all()
