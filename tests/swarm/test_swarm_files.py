"""Files of people: what is changed stays theirs, what is removed stays with them."""

import os
from pathlib import Path

import pytest
from swarm import Swarm, write_random
from trees import same_file

pytestmark = pytest.mark.swarm

SIZE = 12_000_000


@pytest.mark.parametrize("how", ["same size", "shorter", "gone"])
def test_a_shared_file_is_changed_by_its_owner(swarm: Swarm, tmp_path: Path, how: str) -> None:
    a, b, c = swarm.add_peers("a", "b", "c", capacity={"c": "0"})
    file, original = tmp_path / "notes", tmp_path / "original"
    original.write_bytes(write_random(file, SIZE).read_bytes())
    added = swarm.ok(a, "add", str(file), "--wait")
    entry, pieces = added["id"], added["pieces"]
    assert set(swarm.holders(c, entry)) == {"a", "b"}
    changed = os.urandom(SIZE if how == "same size" else 1000)
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(changed)

    done = swarm.ok(c, "get", entry, "-o", str(tmp_path / "fetched"))
    assert same_file(tmp_path / "fetched", original)
    assert "b" in done["sources"]
    # Nobody writes over what a person has written.
    assert not file.exists() if how == "gone" else file.read_bytes() == changed

    checked = swarm.cli(a, "verify", entry)
    assert checked.code in (0, 1), str(checked)
    swarm.wait_until(
        lambda: (
            swarm.holders(b, entry).get("a", {"pieces": 0})["pieces"] in (0, pieces)
            and swarm.copies(b, entry)[0] >= 2
        ),
        "the copies are right again",
    )
    assert not file.exists() if how == "gone" else file.read_bytes() == changed


def test_rm_takes_the_entry_away_and_leaves_the_file(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    file = write_random(tmp_path / "mine", SIZE)
    before = file.read_bytes()
    entry = swarm.ok(a, "add", str(file), "--wait")
    other = swarm.ok(a, "add", str(write_random(tmp_path / "stays", SIZE)), "--wait")
    assert swarm.ok(b, "status")["store"]["bytes"] == 2 * SIZE

    refused = swarm.cli(b, "rm", entry["id"])
    assert refused.code == 5, str(refused)

    assert swarm.ok(a, "rm", entry["id"])["id"] == entry["id"]
    for peer in (a, b):
        swarm.wait_until(
            lambda peer=peer: (
                [each["id"] for each in swarm.ok(peer, "ls")["entries"]] == [other["id"]]
            ),
            "the entry is gone",
        )
        assert swarm.ok(peer, "search", "mine")["entries"] == []
        assert swarm.cli(peer, "show", entry["id"]).code == 3
        assert swarm.cli(peer, "get", entry["link"], "-o", str(tmp_path / "no")).code == 3
    swarm.wait_until(
        lambda: swarm.ok(b, "status")["store"]["bytes"] == SIZE, "b keeps only the other one"
    )
    assert file.read_bytes() == before
    swarm.restart(b)
    assert [each["id"] for each in swarm.ok(b, "ls")["entries"]] == [other["id"]]


def test_get_never_writes_over_a_file(swarm: Swarm, tmp_path: Path) -> None:
    peer = swarm.add_peers("a")[0]
    entry = swarm.ok(peer, "add", str(write_random(tmp_path / "film", 3000)))["id"]
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for target in (precious, tmp_path / "nosuch" / ".." / "precious"):
        answer = swarm.cli(peer, "get", entry, "-o", str(target))
        assert answer.code == 1, str(answer)
        assert "exists already" in answer.result["error"]
        assert precious.read_text() == "mine"


def test_a_path_that_is_not_unicode_is_refused(swarm: Swarm, tmp_path: Path) -> None:
    peer = swarm.add_peers("a")[0]
    name = os.fsdecode(os.fsencode(tmp_path) + b"/latin\xe9")
    Path(name).write_text("x")
    answer = swarm.cli(peer, "add", name)
    assert answer.code == 2, str(answer)
    assert "not valid Unicode" in answer.result["error"]
