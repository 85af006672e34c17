"""`scripts/durability`: a month of a large swarm, simulated on one processor in the pure code.

The same options give the same figures. What they mean is in docs/durability.md.
"""

import argparse
import json
import sys

from durability_model.measures import MEASURES, Line, Plan
from durability_model.simulation import Settings


def main() -> int:
    """Run the measures that are named, or `month`."""
    given = _arguments()
    plan = Plan(
        peers=given.peers,
        pieces=given.pieces,
        days=given.days,
        seed=given.seed,
        seeds=given.seeds,
        deaths=given.deaths,
        settings=Settings(grace=given.grace, rate=given.rate * 1e6),
    )
    for name in given.measures or ["month"]:
        for line in MEASURES[name](plan):
            _tell({"measure": name, "seed": plan.seed, **line}, as_json=given.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/durability", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--pieces", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=10, help="runs of `formula` and `scatter`")
    parser.add_argument("--deaths", type=float, default=0.05, help="per machine and year")
    parser.add_argument("--grace", type=float, default=1800, help="seconds")
    parser.add_argument("--rate", type=float, default=5, help="MB/s that each machine sends")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args()
    for name in given.measures:
        if name not in MEASURES:
            parser.error(f"there is no measure {name}: choose from {', '.join(MEASURES)}")
    # A ring takes 65,536 machines, those that come later among them.
    if not 2 <= given.peers <= 20_000:
        parser.error(f"--peers {given.peers}: it takes 2 to 20,000 machines")
    for name in ("pieces", "days", "seeds", "rate"):
        if not getattr(given, name) > 0:
            parser.error(f"--{name} {getattr(given, name)}: it must be more than 0")
    for name in ("deaths", "grace"):
        if getattr(given, name) < 0:
            parser.error(f"--{name} {getattr(given, name)}: it cannot be below 0")
    return given


def _tell(line: Line, *, as_json: bool) -> None:
    rounded = {key: _rounded(value) for key, value in line.items()}
    if as_json:
        print(json.dumps(rounded), flush=True)
        return
    for key, value in rounded.items():
        shown = value if isinstance(value, dict) else {"": value}
        for part, figure in shown.items():
            print(f"{f'{key} {part}'.strip():45} {figure}")
    print(flush=True)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
