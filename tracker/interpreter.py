"""How Python's interpreter divides its time in a tracker that thousands are connected to."""

import gc
import sys

_YOUNG, _OLDER, _OLDEST = 100_000, 10, 20
_TURN = 0.0005


def suit_crowds() -> None:
    """Look for circles of unused objects seldom, and change threads often.

    It looks for circles whenever some more objects were made than let go of. With thousands of
    connections that are told something, each has some on their way, and the looking took two fifths
    of all time; what a tracker does leaves few circles.
    And whoever waits for a thread's turn, as the database does after each row, has it after `_TURN`
    seconds rather than 5 ms.
    """
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)
    sys.setswitchinterval(_TURN)
