"""What the running tracker tells of itself: to Prometheus, and to its operator."""

from collections import Counter

import trio

from protocol.messages.tending import GetTrackerStatus, RequestRate, TrackerStatus
from tracker.metrics import Gauge
from tracker.session import Session
from tracker.tracker import Tracker
from tracker.version import program_version

_STATES = ("live", "suspect", "gone")
_ROLES = ("member", "joiner", "operator")
_MOST_KINDS = 64


def gauges(tracker: Tracker) -> tuple[Gauge, ...]:
    """All that is known without counting at each event."""

    def states() -> dict[str, float]:
        return {name: _states(tracker)[name] for name in _STATES}

    def roles() -> dict[str, float]:
        found: Counter[str] = Counter(session.role for session in tracker.sessions)
        return {role: found[role] for role in _ROLES}

    def moved() -> dict[str, float]:
        received, sent = tracker.bytes_moved()
        return {"received": received, "sent": sent}

    def others() -> dict[str, float]:
        return {"": tracker.others.living if tracker.others is not None else 0}

    sizes = tracker.sizes
    return (
        Gauge("connections", "Open connections, by who is at the other end.", "role", roles),
        Gauge("members", "Members, by how they are.", "state", states),
        Gauge("entries", "Entries that can be found.", "", lambda: {"": sizes.known.entries}),
        Gauge("manifests", "Manifests.", "", lambda: {"": sizes.known.manifests}),
        Gauge("holdings", "Who holds what: pairs.", "", lambda: {"": sizes.known.holdings}),
        Gauge("database_bytes", "Bytes of the database.", "", lambda: {"": sizes.known.database}),
        Gauge("roster_number", "Of the newest roster.", "", lambda: {"": tracker.roster.number}),
        Gauge("other_trackers", "Other trackers of the swarm that live.", "", others),
        Gauge("moved_bytes", "Bytes of connections to peers.", "way", moved, counter=True),
        Gauge(
            "search_index_age_seconds",
            "For how long changes wait for the next search to take them in.",
            "",
            lambda: {"": tracker.database.notes.age()},
        ),
    )


async def get_status(tracker: Tracker, session: Session, request: GetTrackerStatus) -> None:
    """Answer how the tracker does."""
    size, now = await tracker.sizes.look(), trio.current_time()
    states = _states(tracker)
    await session.send(
        TrackerStatus(
            call=request.call,
            version=program_version(),
            swarm=tracker.roster.roster.name,
            uptime=int((now - tracker.started) * 1000),
            roster=tracker.roster.number,
            addresses=tracker.everywhere[:16],
            metrics=tracker.metrics_address,
            live=states["live"],
            suspect=states["suspect"],
            gone=states["gone"],
            connections=len(tracker.sessions),
            entries=size.entries,
            manifests=size.manifests,
            holdings=size.holdings,
            database=size.database,
            turned_away=tracker.metrics.turned_away_ever,
            limited=tracker.metrics.limited_ever,
            requests=_requests(tracker, now),
        )
    )


def _states(tracker: Tracker) -> Counter[str]:
    return Counter(tracker.states().values())


def _requests(tracker: Tracker, now: float) -> tuple[RequestRate, ...]:
    rates, failed = tracker.metrics.rates, tracker.metrics.failed
    lately = rates.lately(now)
    return tuple(
        RequestRate(request=name, total=total, failed=failed.totals[name], minute=lately[name])
        for name, total in sorted(rates.totals.items())[:_MOST_KINDS]
    )
