"""The commands as other programs use them: fields, exit codes, errors as JSON, help."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from processes import Answer, Fields, run_command
from swarm import Peer, Swarm, write_random

pytestmark = pytest.mark.swarm

SIZE = 700_000
ENTRY = {"id", "link", "name", "size", "author", "pieces", "copies", "holders"}
PEER_COMMANDS = (
    *("join", "run", "status", "add", "get", "search", "ls", "show", "link", "rm", "verify"),
    *("trash", "restore", "purge", "approve"),
    *("peers", "login", "limit", "rules"),
)
TRACKER_COMMANDS = ("init", "run", "invite", "members", "revoke", "admin", "approve")


@pytest.fixture(scope="module")
def entry(three: Swarm, tmp_path_factory: pytest.TempPathFactory) -> Fields:
    """Something that a shares."""
    file = write_random(tmp_path_factory.mktemp("shared") / "report.pdf", SIZE)
    return three.ok(three.peers["a"], "add", str(file), "--caption", "For May", "--wait")


def check_entry(found: Fields) -> None:
    """An entry has the fields that were promised, and they fit one another."""
    assert found.keys() >= ENTRY
    assert found["copies"].keys() == {"have", "want"}
    assert found["holders"]
    for holder in found["holders"]:
        assert holder.keys() == {"peer", "pieces", "state"}
        assert holder["state"] in ("live", "suspect", "gone")
        assert 0 <= holder["pieces"] <= found["pieces"]


def failed(answer: Answer, code: int) -> str:
    """The message of a command that must fail with this code."""
    assert answer.code == code, str(answer)
    assert answer.result["type"] == "error"
    assert answer.result["code"] == code
    message = str(answer.result["error"])
    assert message
    assert "\n" not in message
    return message


def test_add_show_ls_and_search(three: Swarm, entry: Fields) -> None:
    assert entry["type"] == "result"
    assert entry["name"] == "report.pdf"
    assert entry["size"] == SIZE
    assert entry["link"].startswith("twofold-link-")
    check_entry(entry)
    for name in ("b", "c"):
        peer = three.peers[name]
        shown = three.ok(peer, "show", entry["id"])
        check_entry(shown)
        assert shown["author"] == "a"
        for same in (entry["link"], entry["id"][:10]):
            assert three.ok(peer, "show", same)["id"] == entry["id"]
        for command in (("ls",), ("search", "report"), ("search", "may")):
            (found,) = three.ok(peer, *command)["entries"]
            check_entry(found)
            assert found["id"] == entry["id"]
        assert three.ok(peer, "link", entry["id"])["link"] == entry["link"]


def test_get(three: Swarm, entry: Fields, tmp_path: Path) -> None:
    for peer in three.peers.values():
        folder = tmp_path / peer.name
        folder.mkdir()
        done = three.ok(peer, "get", entry["link"], "-o", str(folder))
        assert done.keys() >= {"id", "path", "size", "seconds", "sources"}
        assert done["path"] == str(folder / "report.pdf")
        assert Path(done["path"]).stat().st_size == done["size"] == SIZE
        assert set(done["sources"]) <= {"a", "b", "c"} - {peer.name}


def test_status_and_peers(three: Swarm, entry: Fields) -> None:
    for peer in three.peers.values():
        status = three.ok(peer, "status")
        assert status["peer"].keys() >= {"id", "name", "version", "listen"}
        assert status["peer"]["name"] == peer.name
        assert status["web"] is None
        assert status["tracker"] == {"state": "connected"}
        assert status["swarm"].keys() >= {"name", "roster", "members"}
        assert (status["swarm"]["name"], status["swarm"]["members"]) == ("lab", 3)
        assert status["store"].keys() >= {"bytes", "capacity", "pieces"}
        assert status["store"]["capacity"] == 50 << 30
        assert status["transfers"] == []
        machines = three.ok(peer, "peers")["peers"]
        assert [each["name"] for each in machines] == ["a", "b", "c"]
        assert {each["state"] for each in machines} == {"live"}


def test_verify(three: Swarm, entry: Fields) -> None:
    done = three.ok(three.peers["a"], "verify", entry["id"])
    assert (done["pieces"], done["bytes"], done["bad"]) == (entry["pieces"], SIZE, 0)


def test_code_1_failed(three: Swarm, entry: Fields, tmp_path: Path) -> None:
    a = three.peers["a"]
    (tmp_path / "there").write_text("precious")
    out = str(tmp_path / "there")
    assert "exists already" in failed(three.cli(a, "get", entry["id"], "-o", out), 1)
    assert (tmp_path / "there").read_text() == "precious"
    assert "page" in failed(three.cli(a, "login"), 1)


def test_code_2_wrong_usage(three: Swarm, entry: Fields, tmp_path: Path) -> None:
    a = three.peers["a"]
    for command in (
        ("fly",),
        ("show",),
        ("add",),
        ("search",),
        ("show", entry["id"], "--sideways"),
        ("add", str(tmp_path), "--copies", "99"),
        ("add", str(tmp_path), "--copies", "many"),
        ("get", entry["link"][:-2]),
        ("get", "nonsense"),
        ("run", "--listen", "here:there"),
        ("join", "-", "--capacity", "a lot"),
    ):
        failed(three.cli(a, *command), 2)


def test_code_3_not_found(three: Swarm, tmp_path: Path) -> None:
    a = three.peers["a"]
    absent = "0123456789abcdef" * 2
    for command in ("show", "get", "rm", "link", "verify"):
        failed(three.cli(a, command, absent), 3)
    failed(three.cli(a, "add", str(tmp_path / "absent")), 3)
    failed(three.tracker_cli("revoke", "nobody"), 3)


def test_code_4_not_reachable(three: Swarm, tmp_path: Path) -> None:
    nobody = Peer("nobody", tmp_path / "nobody")
    for command in (("status",), ("ls",), ("status", "--wait", "0.5"), ("show", "abcdef")):
        assert "twofold run" in failed(three.cli(nobody, *command), 4)


def test_code_5_refused(three: Swarm, entry: Fields) -> None:
    failed(three.cli(three.peers["b"], "rm", entry["id"]), 5)


def test_what_people_see(three: Swarm, entry: Fields) -> None:
    a = three.peers["a"]
    listed = run_command("peer", "ls", "--data", str(a.data))
    assert listed.code == 0
    assert "report.pdf" in listed.out
    assert "2 of 2" in listed.out or "3 of 2" in listed.out
    wrong = run_command("peer", "show", "0123456789", "--data", str(a.data))
    assert wrong.code == 3
    assert wrong.out == ""
    assert wrong.errors.startswith("error: ")
    environment = {**os.environ, "TWOFOLD_DATA": str(a.data)}
    command = [sys.executable, "-m", "peer", "link", entry["id"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == entry["link"]


def command_help(module: str, command: str) -> Answer:
    """What a command says about itself."""
    return run_command(module, command, "--help")


def test_help() -> None:
    for module, commands in (("peer", PEER_COMMANDS), ("tracker", TRACKER_COMMANDS)):
        whole = run_command(module, "--help")
        assert whole.code == 0
        assert "Exit codes: 0 done" in whole.out
        with ThreadPoolExecutor(4) as pool:
            each = list(pool.map(partial(command_help, module), commands))
        for command, one in zip(commands, each, strict=True):
            assert command in whole.out
            assert one.code == 0
            assert "--data" in one.out
            assert "--json" in one.out
    assert "--listen" in run_command("web", "--help").out
