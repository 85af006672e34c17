"""How often the interpreter looks for circles of objects that nothing uses any more."""

import gc

_YOUNG, _OLDER, _OLDEST = 100_000, 10, 20


def collect_seldom() -> None:
    """Look a hundred times less often than the interpreter would.

    It looks whenever some more objects were made than let go of. With thousands of connections that
    are told something, each has some on their way, and the looking took two fifths of all time;
    what a tracker does leaves few circles.
    """
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)
