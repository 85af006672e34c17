"""Where zones keep two copies from being apart: said before anything is lost by it. Pure."""

from collections import defaultdict

from protocol.roster import Member, Roster


def zone_warnings(roster: Roster) -> tuple[str, ...]:
    """What a person should know and do about the zones of the machines that take pieces.

    A machine without a label is a zone of its own. Nothing to say while there are fewer machines
    than copies: then there is no choice.
    """
    taking = [m for m in roster.storing() if m.state == "active"]
    if len(taking) < roster.copies:
        return ()
    zones: defaultdict[tuple[str, bytes], list[Member]] = defaultdict(list)
    for member in taking:
        zones[(member.zone, b"" if member.zone else member.peer)].append(member)
    if len(zones) < roster.copies:
        return (_too_few(len(zones), sorted(zones), roster.copies),)
    largest = max(zones.values(), key=lambda each: sum(m.capacity for m in each))
    inside = sum(m.capacity for m in largest)
    outside = sum(m.capacity for m in taking) - inside
    # A zone holds one copy of each piece, the others must hold the rest.
    if len(largest) > 1 and inside * (roster.copies - 1) > outside:
        return (_too_large(largest[0].zone, roster.copies),)
    return ()


def _too_few(count: int, zones: list[tuple[str, bytes]], copies: int) -> str:
    names = " and ".join(f"'{zone}'" for zone, _ in zones if zone)
    where = f"in zone {names}" if count == 1 else f"in {count} zones (among them {names})"
    return (
        f"all machines that take pieces are {where}, so copies share a zone: {copies} copies apart "
        f"need {copies} zones; add a machine elsewhere, or label one with "
        "'twofold-tracker zone NAME ZONE'"
    )


def _too_large(zone: str, copies: int) -> str:
    return (
        f"zone '{zone}' offers more than all other zones can match: once those are full, "
        f"{copies} copies will share it; offer more elsewhere with 'twofold capacity SIZE'"
    )
