"""Limits from the command line and from settings.toml, at a running daemon."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from processes import Answer, Fields, run_command
from swarm import Peer, Swarm

pytestmark = pytest.mark.swarm

MB = 1_000_000
NONE: Fields = {"up": None, "down": None}


def settings_of(peer: Peer) -> Path:
    return peer.data / "settings.toml"


def limits(swarm: Swarm, peer: Peer, *arguments: str) -> Fields:
    """What `twofold limit` answers."""
    found = swarm.ok(peer, "limit", *arguments)
    assert found.keys() == {
        *("type", "now", "base", "windows", "peers", "lan", "near", "file"),
    }
    return found


def refused(answer: Answer, code: int, why: str) -> None:
    assert answer.code == code, str(answer)
    assert why in answer.result["error"], str(answer)


def test_limits_are_set_shown_and_kept(swarm: Swarm) -> None:
    a, _ = swarm.add_peers("a", "b")
    found = limits(swarm, a)
    assert (found["now"], found["base"]) == (NONE, NONE)
    assert (found["windows"], found["peers"], found["lan"], found["near"]) == ([], [], "exempt", [])
    assert found["file"] == str(settings_of(a))
    found = limits(swarm, a, "--up", "5MB", "--down", "20 MiB/s")
    assert found["now"] == found["base"] == {"up": 5 * MB, "down": 20 << 20}
    found = limits(swarm, a, "--peer", "b", "--up", "800KiB")
    assert found["peers"] == [
        {"name": "b", "rates": {"up": 800 << 10, "down": None}, "known": True}
    ]
    found = limits(swarm, a, "--at", "mon-sun 00:00-24:00", "--up", "1MB", "--down", "none")
    (window,) = found["windows"]
    assert window == {"times": "daily 00:00-24:00", "rates": found["now"], "now": True}
    assert found["now"] == swarm.ok(a, "status")["limits"] == {"up": MB, "down": None}
    limits(swarm, a, "--lan", "limited")
    swarm.restart(a)
    found = limits(swarm, a)
    assert (found["now"], found["lan"]) == ({"up": MB, "down": None}, "limited")
    found = limits(swarm, a, "--at", "00:00-24:00", "--remove")
    assert found["windows"] == []
    assert found["now"] == {"up": 5 * MB, "down": 20 << 20}
    limits(swarm, a, "--at", "sat 8:00-9:00", "--up", "1MB")
    limits(swarm, a, "--peer", "b", "--up", "none")
    clear = ("--clear-schedule", "--lan", "exempt", "--up", "none", "--down", "none")
    found = limits(swarm, a, *clear)
    assert (found["windows"], found["lan"]) == ([], "exempt")
    assert (found["now"], found["peers"]) == (NONE, [])


def test_the_file_is_read_at_the_start_and_when_told(swarm: Swarm) -> None:
    a = swarm.join_peer("a")
    file = settings_of(a)
    file.write_text("# slow at home\n[limits]\nup = '1MB' # a second\n")
    swarm.start(a)
    assert limits(swarm, a)["now"] == {"up": MB, "down": None}
    limits(swarm, a, "--down", "2MB")
    assert file.read_text() == "# slow at home\n[limits]\nup = '1MB' # a second\ndown = \"2MB\"\n"
    file.write_text("[limits]\nup = '3MB'\n")
    assert limits(swarm, a)["now"] == {"up": MB, "down": 2 * MB}
    assert limits(swarm, a, "--reload")["now"] == {"up": 3 * MB, "down": None}
    file.write_text("[limits]\nup = '4MB'\n")
    assert a.daemon is not None
    a.daemon.process.send_signal(signal.SIGHUP)
    swarm.wait_until(lambda: limits(swarm, a)["now"]["up"] == 4 * MB, "the settings are read")
    file.write_text("[limits]\nupp = '5MB'\n")
    refused(swarm.cli(a, "limit", "--reload"), 2, "limits.upp: there is no such setting")
    refused(swarm.cli(a, "limit", "--up", "6MB"), 2, "limits.upp: there is no such setting")
    assert file.read_text() == "[limits]\nupp = '5MB'\n"
    a.daemon.process.send_signal(signal.SIGHUP)
    log = a.daemon.errors
    swarm.wait_until(lambda: "settings not read" in log.read_text(), "it says so in the log")
    assert limits(swarm, a)["now"] == {"up": 4 * MB, "down": None}
    swarm.stop(a)
    a.daemon = swarm.begin(a, "run", "--listen", "127.0.0.1:0", "--web", "off")
    refused(a.daemon.finish(), 2, "limits.upp: there is no such setting; there are")


def test_wrong_usage(swarm: Swarm) -> None:
    a = swarm.add_peer("a")
    for arguments, code, why in (
        (("--up", "fast"), 2, "is not a rate"),
        (("--up", "1KB"), 2, "out of bounds"),
        (("--lan", "maybe"), 2, "maybe"),
        (("--at", "tuesday 1:00-2:00", "--up", "1MB"), 2, "are no days"),
        (("--at", "1:00-2:00"), 2, "give a rate"),
        (("--remove",), 2, "give its times"),
        (("--peer", "", "--up", "1MB"), 2, "name of a machine"),
        (("--peer", "x" * 300, "--up", "1MB"), 2, "name of a machine"),
        (("--peer", "a", "--at", "1:00-2:00", "--up", "1MB"), 2, "not both"),
        (("--reload", "--up", "1MB"), 2, "goes alone"),
        (("--peer", "nobody", "--up", "1MB"), 3, "no machine is called 'nobody'"),
        (("--at", "1:00-2:00", "--remove"), 3, "no window daily 01:00-02:00"),
    ):
        refused(swarm.cli(a, "limit", *arguments), code, why)
    swarm.stop(a)
    refused(swarm.cli(a, "limit"), 4, "twofold run")
    assert not settings_of(a).exists()


def test_what_people_see(swarm: Swarm) -> None:
    a = swarm.add_peer("a")

    def said(*arguments: str) -> str:
        done = run_command("peer", *arguments, "--data", str(a.data))
        assert done.code == 0
        return done.out

    assert "in force now: up none, down none" in said("limit")
    assert "limits" not in said("status")
    said("limit", "--up", "5MB")
    said("limit", "--peer", "a", "--down", "1MiB")
    text = said("limit", "--at", "mon 8:00-9:00", "--up", "1500KB")
    assert "mon 08:00-09:00" in text
    assert "1500KB/s" in text
    assert "1MiB/s" in text
    assert str(settings_of(a)) in text
    assert "limits: up " in said("status")


def test_a_terminal_that_closes_ends_the_daemon(swarm: Swarm) -> None:
    """SIGHUP says that too; `nohup` and service managers leave no terminal."""
    a = swarm.join_peer("a")
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    options: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    command = ("run", "--data", str(a.data), "--listen", "127.0.0.1:0", "--web", "off", "--no-lan")
    daemon = subprocess.Popen(
        [sys.executable, "-m", "peer", *command],
        cwd=Path(__file__).parents[2],
        preexec_fn=take_terminal,
        **options,
    )
    try:
        os.close(theirs)
        swarm.ok(a, "status", "--wait", "20")
        daemon.send_signal(signal.SIGHUP)
        assert limits(swarm, a)["now"] == NONE
        os.close(ours)
        assert daemon.wait(15) == 0
    finally:
        daemon.kill()
        daemon.wait()
