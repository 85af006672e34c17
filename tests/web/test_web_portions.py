"""How much of a file is sent at once: more to who takes it quickly, and less again."""

from web.outgoing import LARGEST_PORTION, PORTION, next_portion


def test_grows_with_a_fast_reader_and_shrinks_with_a_slow_one() -> None:
    portion = PORTION
    for _ in range(20):
        portion = next_portion(portion, 0.001, 30.0)
    assert portion == LARGEST_PORTION
    assert next_portion(portion, 1.0, 30.0) == portion
    for _ in range(20):
        portion = next_portion(portion, 5.0, 30.0)
    assert portion == PORTION


def test_who_becomes_thirty_times_slower_does_not_count_as_gone() -> None:
    allowed = 30.0
    for took in (0.001, 0.29, 0.31, 1.1, 2.0, 29.0):
        portion = 4 * PORTION
        larger = next_portion(portion, took, allowed) / portion
        if larger > 1:
            assert 30 * took * larger < allowed
