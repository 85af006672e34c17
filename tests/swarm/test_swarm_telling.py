"""What a person sees of a download under way: on the terminal it runs on, and in `status`."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from processes import run_command
from swarm import Swarm, write_random

pytestmark = pytest.mark.swarm

SIZE = 20_000_000
DRAWN = re.compile(r"downloading .*? (\d+)% of 19\.1 MiB([^\r\n\x1b]*)")
TRANSFER = re.compile(
    r"^film\.mkv: \d+% of 19\.1 MiB, [\d.]+ [KM]iB/s, (\d+ s left|finishing), from a, for you$",
    re.M,
)


def test_a_download_on_a_terminal_and_in_the_status(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b", capacity={"b": "0"})  # else b may keep it before it gets it
    entry = swarm.ok(a, "add", str(write_random(tmp_path / "film.mkv", SIZE)), "--copies", "1")
    swarm.ok(b, "limit", "--down", "2MB")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    target = tmp_path / "fetched.mkv"
    command = ("get", entry["id"], "-o", str(target), "--data", str(b.data))
    getting = subprocess.Popen(
        [sys.executable, "-m", "peer", *command],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        os.close(theirs)
        drawn = b""
        while len(DRAWN.findall(_plain(drawn))) < 8:
            drawn += os.read(ours, 65536)
        status = run_command("peer", "status", "--data", str(b.data)).out
        drawn += _rest(ours)
        out, _ = getting.communicate(timeout=60)
    finally:
        getting.kill()
        getting.wait()
        os.close(ours)
    assert getting.returncode == 0
    assert str(target).encode() in out
    assert TRANSFER.search(status), status
    assert "; 1 transfer\n" in status
    seen = DRAWN.findall(_plain(drawn))
    shares = [int(share) for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    facts = [facts for _, facts in seen]
    assert any(
        re.fullmatch(r", [\d.]+ [KM]iB/s, \d+ s left, 1 source *", text) for text in facts
    ), facts
    assert "source" not in facts[-1]
    for text in facts:
        assert not re.search(r"-|inf|nan|None|\?|…", text), text


def _rest(terminal: int) -> bytes:
    drawn = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # nobody has the other end any more
            return drawn
        drawn += more


def _plain(drawn: bytes) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", drawn.decode(errors="replace"))
