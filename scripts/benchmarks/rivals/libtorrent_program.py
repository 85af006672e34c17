"""One libtorrent process, run by a Python that has libtorrent and nothing else of ours.

    libtorrent_program.py hash TORRENT SOURCE      make TORRENT
    libtorrent_program.py hash-each FOLDER SOURCE  make one for each file in SOURCE
    libtorrent_program.py check TORRENT FOLDER     check what lies in FOLDER
    libtorrent_program.py seed TORRENT FOLDER      check it and serve it
    libtorrent_program.py take TORRENT FOLDER      download to FOLDER
    libtorrent_program.py idle FOLDER FOLDER       serve every *.torrent, unchecked

It prints one JSON line when it is done (or ready), with the seconds that took without its own
start. `seed`, `take` and `idle` then stay, answer each line on standard input with the bytes they
have sent, and end with standard input.
"""

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import libtorrent as lt  # type: ignore[import-not-found,import-untyped,unused-ignore]

_HOURS = 3600
_MIB = 1 << 20

# Found by trying, on loopback. Without uTP, which is slower by far and wins over TCP when both are
# on; two hashing threads; queues and buffers large enough never to be waited for.
_TUNED = {
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "hashing_threads": 2,
    "max_queued_disk_bytes": 256 * _MIB,
    "max_out_request_queue": 1500,
    "max_allowed_in_request_queue": 2000,
    "max_peer_recv_buffer_size": 5 * _MIB,
    "send_buffer_low_watermark": _MIB,
    "send_buffer_watermark": 3 * _MIB,
    "send_buffer_watermark_factor": 150,
    "send_not_sent_low_watermark": 8 * _MIB,
    "connections_limit": 8000,
    "connection_speed": 500,
    "listen_queue_size": 3000,
    "unchoke_slots_limit": -1,
    "file_pool_size": 500,
    "smooth_connects": False,
    "no_atime_storage": True,
    "allow_multiple_connections_per_ip": True,
    "allowed_fast_set_size": 0,
}
_ALONE = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False}
_MANY = {"active_limit": 20_000, "active_seeds": 20_000, "active_checking": 1}
_FORCED, _DISABLED, _RC4 = 0, 2, 2


def main() -> None:
    """Do what the command line says."""
    given = _arguments()
    if given.role.startswith("hash"):
        _hash(given)
        return
    session = lt.session(_settings(given))
    began = time.perf_counter()
    if given.role == "idle":
        added = _add_all(session, given)
        _wait_seeding(session, added)
    else:
        added = [_add(session, given.torrent, given.place, given.peer)]
        _wait_done(session, added[0])
    say(seconds=time.perf_counter() - began)
    if given.role != "check":
        _answer(session, added)
    # Without the long good-bye to trackers that are not there.
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["hash", "hash-each", "check", "seed", "take", "idle"])
    parser.add_argument("torrent", type=Path)
    parser.add_argument("place", type=Path)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--rc4", action="store_true")
    parser.add_argument("--peer", action="append", default=[])
    return parser.parse_args()


def _hash(given: argparse.Namespace) -> None:
    began = time.perf_counter()
    if given.role == "hash":
        make_torrent(given.torrent, given.place)
    else:
        for each in given.place.iterdir():
            make_torrent(given.torrent / f"{each.name}.torrent", each)
    say(seconds=time.perf_counter() - began)


def make_torrent(torrent: Path, source: Path) -> None:
    """Hash a file or a folder, version 1, with libtorrent's own choice of piece length."""
    paths = sorted(source.rglob("*")) if source.is_dir() else [source]
    entries = [
        lt.create_file_entry(str(path.relative_to(source.parent)), path.stat().st_size)
        for path in paths
        if path.is_file()
    ]
    made = lt.create_torrent(entries, 0, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, str(source.parent))
    torrent.write_bytes(lt.bencode(made.generate()))


def say(**fields: float) -> None:
    """Print one JSON line."""
    print(json.dumps(fields), flush=True)


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    address = given.listen.rpartition(":")[0]
    alerts = lt.alert.category_t
    mask = alerts.status_notification | alerts.storage_notification | alerts.error_notification
    if given.rc4:
        secrecy: dict[str, Any] = {"in_enc_policy": _FORCED, "out_enc_policy": _FORCED}
        secrecy |= {"allowed_enc_level": _RC4, "prefer_rc4": True}
    else:
        secrecy = {"in_enc_policy": _DISABLED, "out_enc_policy": _DISABLED}
    where = {"listen_interfaces": given.listen, "outgoing_interfaces": address}
    wanted = {**_TUNED, **_ALONE, **_MANY, **secrecy, **where, "alert_mask": int(mask)}
    known = lt.default_settings()  # an older libtorrent does not have them all
    return {key: value for key, value in wanted.items() if key in known}


def _add(session: Any, torrent: Path, folder: Path, peers: list[str], flags: int = 0) -> Any:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(str(torrent))
    parameters.save_path = str(folder)
    parameters.flags = lt.torrent_flags.update_subscribe | flags
    found = [peer.rpartition(":") for peer in peers]
    parameters.peers = [(address, int(port)) for address, _, port in found]
    return session.add_torrent(parameters)


def _add_all(session: Any, given: argparse.Namespace) -> list[Any]:
    return [
        _add(session, each, given.place, [], lt.torrent_flags.seed_mode)
        for each in sorted(given.torrent.glob("*.torrent"))
    ]


def _wait_done(session: Any, added: Any) -> None:
    """Until every piece is hashed and written: "finished" may come with writes still queued."""
    deadline = time.monotonic() + _HOURS
    while time.monotonic() < deadline:
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_error_alert | lt.file_error_alert):
                sys.exit(alert.message())
            if isinstance(alert, lt.torrent_finished_alert):
                added.flush_cache()
            if isinstance(alert, lt.cache_flushed_alert):
                return
    sys.exit("not done in an hour")


def _wait_seeding(session: Any, added: list[Any]) -> None:
    while not all(each.status().is_seeding for each in added):
        session.pop_alerts()
        time.sleep(0.1)


def _answer(session: Any, added: list[Any]) -> None:
    ended = threading.Event()

    def listen() -> None:
        for _ in sys.stdin:
            say(sent=sum(each.status().total_payload_upload for each in added))
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    while not ended.wait(1.0):
        session.pop_alerts()


if __name__ == "__main__":
    main()
