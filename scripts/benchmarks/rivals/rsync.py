"""rsync from its own daemon over loopback: neither encrypted nor verified."""

from pathlib import Path

from benchmarks.needs import program
from benchmarks.places import ON_LOOPBACK, free_port, wait_for_port
from benchmarks.programs import Program
from benchmarks.rounds import Figures
from benchmarks.samples import check_same, remove

NEEDS = ("rsync",)

_CONFIGURATION = """
address = {address}
port = {port}
use chroot = no
pid file = {folder}/rsync.pid
log file = {folder}/rsync.messages
[share]
path = {root}
read only = yes
"""


def get(source: Path, folder: Path) -> Figures:
    """A whole folder, from the start of the client to its end."""
    remove(folder)
    folder.mkdir(parents=True)
    place, port, target = ON_LOOPBACK.sender, free_port(ON_LOOPBACK.sender), folder / "taken"
    configuration = folder / "rsync.conf"
    configuration.write_text(
        _CONFIGURATION.format(address=place.address, port=port, folder=folder, root=source.parent)
    )
    serve = [program("rsync"), "--daemon", "--no-detach", "--config", str(configuration)]
    with Program(serve, folder):
        wait_for_port(place, port)
        url = f"rsync://{place.address}:{port}/share/{source.name}"
        # Whole files, written in place: the least it can do.
        command = [program("rsync"), "-rtW", "--inplace", url, f"{target}/"]
        with Program(command, folder) as client:
            seconds = client.finish()
    check_same(source, target / source.name)
    remove(target)
    return {"get_seconds": seconds}
