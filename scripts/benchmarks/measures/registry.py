"""Every measure by name, with its usual size and where its files lie best."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.measures.add import measure_add
from benchmarks.measures.fanout import measure_fanout
from benchmarks.measures.idle import measure_idle
from benchmarks.measures.page_download import measure_page_download
from benchmarks.measures.page_map import measure_page_map
from benchmarks.measures.page_paint import NEEDS as PAINT_NEEDS
from benchmarks.measures.page_paint import measure_page_paint
from benchmarks.measures.page_search import measure_page_search
from benchmarks.measures.page_upload import measure_page_upload
from benchmarks.measures.repair import measure_repair
from benchmarks.measures.scrub import measure_scrub
from benchmarks.measures.small import measure_small
from benchmarks.measures.tracker_peers import measure_tracker_peers, measure_tracker_storm
from benchmarks.measures.tracker_rebuild import measure_tracker_rebuild
from benchmarks.measures.tracker_search import measure_tracker_search
from benchmarks.measures.tracker_writes import (
    measure_tracker_announce,
    measure_tracker_locate,
    measure_tracker_publish,
)
from benchmarks.measures.transfer import measure_transfer
from benchmarks.measures.verify import measure_verify
from benchmarks.measures.wan import NEEDS as WAN_NEEDS
from benchmarks.measures.wan import measure_wan
from benchmarks.rounds import Measure

_MIB = 1 << 20
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Registered:
    """One measure. `size` is in bytes, or how many of what it does.

    `in_memory`: a disk's own moods would drown it.
    """

    run: Measure
    size: int
    in_memory: bool = False
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> Path | None:
        """Where its files lie when nobody says; None is where temporary files do."""
        return _MEMORY if self.in_memory and _MEMORY.is_dir() else None


MEASURES = {
    "transfer": Registered(measure_transfer, 2048 * _MIB),
    "fanout": Registered(measure_fanout, 1024 * _MIB),
    "add": Registered(measure_add, 2048 * _MIB),
    "small": Registered(measure_small, 10_000 * 4096, in_memory=True),
    "verify": Registered(measure_verify, 2048 * _MIB),
    "repair": Registered(measure_repair, 2048 * _MIB),
    "scrub": Registered(measure_scrub, 2048 * _MIB),
    "wan": Registered(measure_wan, 128 * _MIB, needs=WAN_NEEDS),
    "idle": Registered(measure_idle, 0),
    "tracker-rebuild": Registered(measure_tracker_rebuild, 0),
    "page-download": Registered(measure_page_download, 1024 * _MIB),
    "page-upload": Registered(measure_page_upload, 1024 * _MIB),
    "page-search": Registered(measure_page_search, 0),
    "page-map": Registered(measure_page_map, 0, needs=PAINT_NEEDS),
    "page-paint": Registered(measure_page_paint, 0, needs=PAINT_NEEDS),
    "tracker-search": Registered(measure_tracker_search, 1_000_000),
    "tracker-publish": Registered(measure_tracker_publish, 8_000),
    "tracker-announce": Registered(measure_tracker_announce, 400_000),
    "tracker-peers": Registered(measure_tracker_peers, 10_000),
    "tracker-storm": Registered(measure_tracker_storm, 10_000),
    "tracker-locate": Registered(measure_tracker_locate, 40_000),
}
GROUPS = {
    group: tuple(name for name in MEASURES if name.startswith(f"{group}-"))
    for group in ("page", "tracker")
}
"""Several measures by one name."""
