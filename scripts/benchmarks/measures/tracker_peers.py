"""tracker-peers, tracker-storm: thousands of members that are connected and do nothing.

tracker-peers: what they cost the tracker, once all are there: memory, and processor time over
288 s, twice as long as it takes to open everybody's Pings; and how many pairs of member and
manifest one second of it keeps alive for 30 minutes, to compare with trackers that are told each
anew in that time (opentracker: 135,000 UDP announces a second of processor). tracker-storm: all are
cut at once, and come back as peers do.
"""

import time

from benchmarks.crowd import crowd
from benchmarks.footprint import memory_mib
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan

REST, WATCHED, HALF_HOUR = 20.0, 288.0, 1800.0
SOON, LATEST = 60.0, 300.0


def measure_tracker_peers(plan: Plan) -> Cases:
    """`size` members, idle."""
    with crowd(plan.folder, plan.size) as (swarm, members):
        assert swarm.tracker is not None
        pid = swarm.tracker.process.pid
        time.sleep(REST)

        def kept(cpu_seconds: float, manifests: int) -> float:
            """Pairs of member and manifest kept alive for 30 minutes by a second of processor."""
            return plan.size * manifests / (cpu_seconds * HALF_HOUR / WATCHED)

        def watch(_: int) -> Figures:
            account, before = members.account(), members.ask()
            time.sleep(WATCHED)
            account.note()
            after = members.ask()
            lost = sum(after.lost.values()) - sum(before.lost.values())
            return {
                "cpu_percent": 100 * account.cpu_seconds / WATCHED,
                "rss_mib": memory_mib(pid),
                # Each member's manifests are all kept alive by the one connection.
                "pairs_per_cpu_second_at_1000_manifests": kept(account.cpu_seconds, 1_000),
                "pairs_per_cpu_second_at_10000_manifests": kept(account.cpu_seconds, 10_000),
                "members": float(after.members),
                "lost_meanwhile": float(lost),
            }

        yield Case([Contender(OWN, watch)], told={"members": plan.size})


def measure_tracker_storm(plan: Plan) -> Cases:
    """`size` members, all cut at once."""
    with crowd(plan.folder, plan.size) as (_, members):

        def storm(_: int) -> Figures:
            time.sleep(REST)
            account, began = members.account(), time.monotonic()
            members.ask("cut")
            standing = members.await_all(LATEST)
            account.note()
            tries = sum(standing.lost.values()) - plan.size
            return {
                "seconds": standing.last - began,
                "tracker_cpu_seconds": account.cpu_seconds,
                "tracker_peak_mib": account.peak_mib,
                "members_back": float(standing.members),
                "further_tries": float(tries),
            }

        yield Case([Contender(OWN, storm)], told={"members": plan.size})
