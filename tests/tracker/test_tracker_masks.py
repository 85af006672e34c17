"""Sets of numbers as bits: what is put in comes out, whichever way it is made and read."""

import random

import pytest

from tracker.masks import bits_among, bits_of, mask_of, numbers_of


@pytest.mark.parametrize("length", [1, 8, 64, 4_095, 4_096, 4_097, 100_000])
@pytest.mark.parametrize("share", [0, 1e-4, 1e-3, 0.03, 0.05, 0.5, 1])
def test_what_is_put_in_comes_out(length: int, share: float) -> None:
    chance = random.Random(length)
    for _ in range(5):
        numbers = sorted(chance.sample(range(length), round(length * share)))
        mixed = chance.sample(numbers, len(numbers))
        mask = mask_of(mixed, length)
        assert mask == sum(1 << number for number in numbers)
        assert numbers_of(mask) == numbers
        some = chance.sample(range(length), min(length, 50))
        there = set(numbers)
        assert bits_among(bits_of(mask), some) == [one for one in some if one in there]


@pytest.mark.parametrize("at", [0, 63, 64, 511, 512, 4_095, 4_096, 99_999])
def test_a_number_alone(at: int) -> None:
    assert numbers_of(1 << at) == [at]
    assert numbers_of(mask_of([at], 100_000)) == [at]
    assert numbers_of(0) == []
