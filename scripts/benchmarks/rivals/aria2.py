"""aria2 as a BitTorrent peer, one to one over loopback."""

import time
from pathlib import Path

from benchmarks.footprint import Account, transfer_figures
from benchmarks.needs import program
from benchmarks.places import ON_LOOPBACK, Place, free_port, wait_for_port
from benchmarks.programs import Program, wait_for_file
from benchmarks.rivals.peer_list import peer_list
from benchmarks.rivals.torrent_file import write_torrent
from benchmarks.rounds import Figures
from benchmarks.samples import check_same, remove, sync_seconds

NEEDS = ("aria2c",)
# Found by trying: its own cache costs a fifth, and allocating ahead gains nothing.
_SETTINGS = {
    "no-conf": "true",
    "quiet": "true",
    "async-dns": "false",
    "disable-ipv6": "true",
    "enable-dht": "false",
    "enable-dht6": "false",
    "bt-enable-lpd": "false",
    "enable-peer-exchange": "false",
    "bt-require-crypto": "false",
    "bt-min-crypto-level": "plain",
    "bt-max-peers": "0",
    "bt-max-open-files": "1000",
    "bt-request-peer-speed-limit": "0",
    "max-overall-upload-limit": "0",
    "max-overall-download-limit": "0",
    "seed-ratio": "0.0",
    "file-allocation": "none",
    "disk-cache": "0",
}
_SETTLE = 1.0


def transfer(source: Path, folder: Path) -> Figures:
    """From its start until it calls the hook it has for complete, checked downloads."""
    folder.mkdir(parents=True, exist_ok=True)
    target, torrent, ends = folder / "taken", folder / "source.torrent", ON_LOOPBACK
    ports = (free_port(ends.sender), free_port(ends.taker))
    peers = [(ends.sender.address, ports[0]), (ends.taker.address, ports[1])]
    with peer_list(peers) as tracker:
        write_torrent(torrent, source, tracker)
        serve = _command(folder, ends.sender, ports[0], source.parent, torrent, "served")
        with Program([*serve, "--check-integrity=true"], folder) as seed:
            wait_for_port(ends.sender, ports[0])
            wait_for_file(folder / "served", seed)
            time.sleep(_SETTLE)  # until it has told the tracker too
            sender = Account(seed.process.pid)
            command = _command(folder, ends.taker, ports[1], target, torrent, "complete")
            with Program(command, folder) as take:
                seconds = wait_for_file(folder / "complete", take)
                sender.note()
                take.account.note()
    durable = seconds + sync_seconds(target / source.name)
    check_same(source, target / source.name)
    remove(target)
    figures = transfer_figures(source.stat().st_size, seconds, sender, take.account)
    return figures | {"durable_seconds": durable}


def _command(
    folder: Path, place: Place, port: int, where: Path, torrent: Path, done: str
) -> list[str]:
    """`done` names the file that its hook makes."""
    remove(folder / done)
    hook = folder / f"{done}.sh"
    hook.write_text(f'#!/bin/sh\n: > "{folder / done}"\n')
    hook.chmod(0o700)
    changing = {
        "interface": place.address,
        "listen-port": str(port),
        "dir": str(where),
        "on-bt-download-complete": str(hook),
    }
    options = [f"--{name}={value}" for name, value in (_SETTINGS | changing).items()]
    return [program("aria2c"), *options, str(torrent)]
