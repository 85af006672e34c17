"""`scripts/bench`: measures the real thing, each measure beside its limits and rivals.

Everybody takes turns in every round, so that a machine whose speed drifts is unfair to none. One
JSON line a round, then one with the medians. What is not installed is named under `missing`.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.measures.registry import GROUPS, MEASURES, Registered
from benchmarks.needs import is_there
from benchmarks.rounds import Case, Plan, add_ratios, medians, run_round, tell


def main() -> int:
    """Run the measures that are named, or all of them."""
    given = _arguments()
    # Told to end, it cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = given.measures or MEASURES
    for name in dict.fromkeys(each for one in asked for each in GROUPS.get(one, (one,))):
        measure = MEASURES[name]
        absent = [need for need in measure.needs if not is_there(need)]
        if absent:
            tell({"measure": name, "missing": [name], "because_of": absent})
        else:
            _run(name, measure, given)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "measures", nargs="*", choices=[[], *MEASURES, *GROUPS], help="all if none is named"
    )
    parser.add_argument("--mib", type=int, default=0, help="bytes that are moved, in MiB")
    parser.add_argument("--number", type=int, default=0, help="entries, or whatever is counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder",
        type=Path,
        help="where files lie: a disk, not a tmpfs (but `small` is in memory if nothing is said)",
    )
    parser.add_argument("--no-rivals", action="store_true", help="only Twofold and its limits")
    parser.add_argument("--cc", default="bbr", help="congestion control of `wan`")
    return parser.parse_args()


def _run(name: str, measure: Registered, given: argparse.Namespace) -> None:
    where = given.folder or measure.folder
    with tempfile.TemporaryDirectory(prefix="twofold-bench-", dir=where) as folder:
        size = (given.mib << 20) or given.number or measure.size
        plan = Plan(Path(folder), size, given.rounds, given.cc)
        # Closed at once whatever happens, so that what a measure has started ends with it.
        with contextlib.closing(measure.run(plan)) as cases:
            for case in cases:
                _run_case(name, case, plan.rounds, rivals=not given.no_rivals)


def _run_case(name: str, case: Case, rounds: int, *, rivals: bool) -> None:
    left_out = [each.name for each in case.contenders if each.rival and not rivals]
    wanted = [each for each in case.contenders if each.name not in left_out]
    missing = [each.name for each in wanted if not all(map(is_there, each.needs))]
    case = replace(case, contenders=[each for each in wanted if each.name not in missing])
    first = {"measure": name, "case": case.label, "bytes": case.size, **case.told}
    first["missing"] = missing
    if left_out:
        first["left_out"] = left_out
    found = []
    for number in range(rounds):
        done = run_round(case.contenders, number)
        add_ratios(done, case)
        found.append(done)
        tell({**first, "round": number + 1, "failed": done.failed, **done.figures})
    failed = sorted({rival for each in found for rival in each.failed})
    last: dict[str, object] = {"median_of": rounds, "failed": failed}
    tell({**first, **{k: v for k, v in last.items() if v}, **medians(found)})


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
