"""Searches as people make them: mistyped, and by what is in a folder."""

from pathlib import Path

import pytest
from processes import run_command
from swarm import Swarm, write_random

pytestmark = pytest.mark.swarm


def test_a_typing_mistake_and_a_name_in_a_folder_are_found(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b")
    trip = tmp_path / "trip"
    (trip / "DCIM").mkdir(parents=True)
    write_random(trip / "DCIM" / "Sunset at Étretat.JPG", 50_000)
    film = write_random(tmp_path / "holiday film.mp4", 60_000)
    for path in (film, trip):
        swarm.ok(a, "add", str(path))

    found = swarm.ok(b, "search", "holliday")
    assert [each["name"] for each in found["entries"]] == ["holiday film.mp4"]
    assert found["replaced"] == [{"word": "holliday", "instead": ["holiday"]}]
    (folder,) = swarm.ok(b, "search", "étretat")["entries"]
    assert (folder["name"], folder["inside"]) == ("trip", "sunset at étretat.jpg")
    assert swarm.ok(b, "search", "sunste")["entries"][0]["name"] == "trip"
    answer = run_command("peer", "search", "holliday", "--data", str(b.data))
    assert "nothing for 'holliday', showing 'holiday'" in answer.errors
    answer = run_command("peer", "search", "sunset", "--data", str(b.data))
    assert "trip (inside: sunset at étretat.jpg)" in answer.out

    swarm.kill_tracker()
    swarm.wait_until(lambda: swarm.ok(b, "search", "film")["local"], "the tracker is missed")
    found = swarm.ok(b, "search", "holliday")
    assert found["replaced"] == [{"word": "holliday", "instead": ["holiday"]}]
    assert [each["name"] for each in found["entries"]] == ["holiday film.mp4"]
    assert not swarm.tracebacks()
