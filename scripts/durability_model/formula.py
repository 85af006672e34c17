"""What should be lost, by arithmetic; derived in docs/durability.md. Times are seconds."""

from collections.abc import Sequence
from math import comb, sqrt
from typing import NamedTuple

from durability_model.churn import YEAR


def expected_pairs(peers: float, deaths: float, window: float, during: float) -> float:
    """Ordered pairs of deaths, the second within `window` of the first: n(n-1) λ² T, times time.

    `deaths` is per machine and year, `during` how long it is watched.
    """
    per_second = deaths / YEAR
    return peers * (peers - 1) * per_second**2 * window * during


def expected_share(deaths: float, window: float, during: float) -> float:
    """The share of spans of two copies that are lost: the pairs, each taking 1 / C(n,2) of them.

    The number of machines cancels out.
    """
    return 2 * (deaths / YEAR) ** 2 * window * during


def share_of_a_pair(peers: int, placements: int) -> float:
    """The chance that a pair of deaths takes an entry that lies on so many pairs, drawn freely."""
    return float(1 - (1 - 1 / comb(peers, 2)) ** placements)


def count_pairs(deaths: Sequence[float], window: float) -> int:
    """Ordered pairs of deaths, given by when, the second within `window` of the first."""
    ordered = sorted(deaths)
    found = 0
    end = 0
    for begin, first in enumerate(ordered):
        while end < len(ordered) and ordered[end] <= first + window:
            end += 1
        found += end - begin - 1
    return found


class Ratio(NamedTuple):
    """Measured over predicted, with its interval of 95%."""

    ratio: float
    low: float
    high: float


def compare(measured: Sequence[float], predicted: Sequence[float]) -> Ratio:
    """The ratio of the sums over independent runs; the interval is from how the runs differ.

    Runs, not losses, are what is independent: one pair of deaths may take many spans.
    """
    runs = len(measured)
    total = sum(predicted)
    ratio = sum(measured) / total
    if runs < 2:
        return Ratio(ratio, 0.0, float("inf"))
    off = sum((m - ratio * p) ** 2 for m, p in zip(measured, predicted, strict=True))
    error = sqrt(off * runs / (runs - 1)) / total
    # Student's t for 95%, to 2% from 4 degrees of freedom on.
    free = runs - 1
    reach = (1.96 + 2.37 / free + 2.8 / free**2) * error
    return Ratio(ratio, ratio - reach, ratio + reach)
