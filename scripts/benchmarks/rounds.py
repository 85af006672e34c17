"""Contenders that take turns: what a measure is made of, and how its rounds are run and told.

Every figure that is compared ends in `seconds` or `mib`. Beside it stands a ratio: the contender's
figure over Twofold's of the same round, so above 1 Twofold is the faster (or the smaller) one.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Figures = dict[str, float]

OWN = "twofold"


class RivalError(Exception):
    """A rival did not do what it was asked to; the measure goes on without it."""


@dataclass(frozen=True)
class Plan:
    """How a measure is to be run. `folder` is its own and empty; `size` is in bytes."""

    folder: Path
    size: int
    rounds: int = 3
    congestion_control: str = "bbr"


@dataclass(frozen=True)
class Contender:
    """One that is measured. `needs` names what must be here for it (see `benchmarks.needs`)."""

    name: str
    run: Callable[[int], Figures]
    """Does it once, leaves nothing behind; is given the number of the round."""
    needs: tuple[str, ...] = ()
    rival: bool = False


@dataclass(frozen=True)
class Case:
    """Contenders that do the same thing. `size` is what each moves or reads, in bytes."""

    contenders: list[Contender]
    size: int = 0
    label: str = ""
    compared: tuple[str, ...] = ("seconds",)
    """Which figures get a ratio."""
    told: Mapping[str, object] = field(default_factory=dict)
    """More about the case, repeated in each of its lines."""


Cases = Generator[Case, None, None]
Measure = Callable[[Plan], Cases]


@dataclass
class Round:
    """What one round found: figures by contender, and why some have none."""

    figures: dict[str, Figures] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def run_round(contenders: list[Contender], number: int) -> Round:
    """Let each run once. Who begins changes from round to round; Twofold may not fail."""
    found = Round()
    first = number % len(contenders)
    for contender in contenders[first:] + contenders[:first]:
        os.sync()  # what the one before has left to write is not this one's load
        try:
            found.figures[contender.name] = contender.run(number)
        except (RivalError, OSError, subprocess.SubprocessError) as error:
            if contender.name == OWN:
                raise
            found.failed[contender.name] = str(error)
            print(f"{contender.name} failed: {error}", file=sys.stderr)
    # The same order in every line, whoever began.
    found.figures = {c.name: found.figures[c.name] for c in contenders if c.name in found.figures}
    return found


def add_ratios(found: Round, case: Case) -> None:
    """Put rates and ratios beside the figures they come from."""
    own = found.figures.get(OWN, {})
    for name, figures in found.figures.items():
        for key in case.compared:
            if name != OWN and key in figures and own.get(key):
                ratio = f"{key.rpartition('_')[0]}_ratio".lstrip("_")
                figures[ratio] = figures[key] / own[key]
        if case.size and figures.get("seconds"):
            figures["mb_per_s"] = case.size / 1e6 / figures["seconds"]


def medians(rounds: list[Round]) -> dict[str, Figures]:
    """The median of every figure, over the rounds that have it."""
    found: dict[str, dict[str, list[float]]] = {}
    for each in rounds:
        for name, figures in each.figures.items():
            for key, value in figures.items():
                found.setdefault(name, {}).setdefault(key, []).append(value)
    return {
        name: {key: statistics.median(values) for key, values in figures.items()}
        for name, figures in found.items()
    }


def tell(fields: Mapping[str, object]) -> None:
    """Print one JSON line, numbers rounded, empty fields left out."""
    print(json.dumps({k: _rounded(v) for k, v in fields.items() if v not in ({}, "")}), flush=True)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return value
