"""`twofold push` to the page of a real daemon: logins, stops of either side, whole folders."""

import io
import signal
import urllib.request
import zipfile
from pathlib import Path

import psutil
import pytest
from processes import run_command
from swarm import Peer, Swarm, held_still, write_random
from trees import count_files, same_file, tree_difference

from peer.pushing.page_sessions import PageSessions

pytestmark = pytest.mark.swarm

SIZE = 60_000_000
PART = 64 << 20


def page_url(swarm: Swarm, peer: Peer) -> str:
    """Where the page is, which from now on stays there when the daemon is started again."""
    url = str(swarm.wait_until(lambda: swarm.ok(peer, "status")["web"], "the page is up"))
    peer.web = url.removeprefix("http://")
    return url


def logged_in(swarm: Swarm, peer: Peer, tmp_path: Path) -> tuple[str, Path]:
    """Where the page is, and a data directory that has a session with it, and nothing else."""
    url, data = page_url(swarm, peer), tmp_path / "laptop"
    address = str(swarm.ok(peer, "login")["url"])
    (tmp_path / "first").write_text("first")
    first = str(tmp_path / "first")
    arguments = ("push", url, first, "--data", str(data), "--json")
    assert run_command("peer", *arguments, text=address).code == 0
    return url, data


def test_a_file_is_pushed_with_one_login(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.add_peer("b")
    url, data = logged_in(swarm, a, tmp_path)
    file = write_random(tmp_path / "film", SIZE)
    file.chmod(0o755)
    more = ("--name", "The film", "--caption", "Sea", "--tag", "x", "--data", str(data), "--json")
    answer = run_command("peer", "push", url, str(file), *more)
    assert answer.code == 0, str(answer)
    done = answer.result
    assert (done["name"], done["caption"], done["tags"]) == ("The film", "Sea", ["x"])
    assert (done["size"], done["sent"], done["author"]) == (SIZE, SIZE, "a")
    swarm.ok(b, "get", done["link"], "-o", str(tmp_path / "out"))
    assert same_file(tmp_path / "out", file)
    assert (tmp_path / "out").stat().st_mode & 0o100
    secret = data / "page-sessions.json"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data.iterdir()] == [secret.name]
    assert count_files(a.data / "spool") <= 3  # records of what was added, and the lock
    assert not list((a.data / "spool").glob("*.part"))


def test_ends_of_a_push_that_cannot_be(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a", web=True)
    url, file, data = page_url(swarm, a), tmp_path / "file", str(tmp_path / "laptop")
    file.write_text("x")

    def push(*arguments: str, text: str = "") -> int:
        answer = run_command("peer", "push", *arguments, "--data", data, "--json", text=text)
        assert answer.result["type"] == "error", str(answer)
        assert "internal" not in answer.out
        assert "Traceback" not in answer.errors
        return answer.code

    used = str(swarm.ok(a, "login")["url"])
    assert push(url, str(file)) == 5
    assert push(url, str(file), text="nonsense\n") == 2
    assert push(url, str(file), text=used[:-2] + "\n") == 5
    assert push("ftp://somewhere", str(file)) == 2
    assert push(f"{url}/login?token=x", str(file)) == 2
    assert push(url, str(tmp_path / "nowhere"), text=used + "\n") == 3
    ok = run_command("peer", "push", url, str(file), "--data", data, "--json", text=used + "\n")
    assert ok.code == 0, str(ok)
    (tmp_path / "laptop" / "page-sessions.json").unlink()
    assert push(url, str(file), text=used + "\n") == 5
    (tmp_path / "empty").mkdir()
    assert push(url, str(tmp_path / "empty"), text=str(swarm.ok(a, "login")["url"])) == 2


def test_page_and_daemon_are_killed_in_the_middle(swarm: Swarm, tmp_path: Path) -> None:
    """The push waits for them, goes on, and sends at most one part twice."""
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    size = 8 * SIZE
    file = write_random(tmp_path / "film", size)
    spool = a.data / "spool"
    pushing = swarm._run("push", "peer", "push", url, str(file), "--data", str(data), "--json")

    def has(share: float) -> bool:
        assert pushing.alive(), str(pushing.finish())
        return sum(part.stat().st_size for part in spool.glob("*.part")) > size * share

    swarm.wait_until(lambda: has(0.2), "some of it came")
    assert a.daemon is not None
    (page,) = psutil.Process(a.daemon.process.pid).children()
    page.kill()
    swarm.wait_until(lambda: has(0.6), "it goes on")
    swarm.kill9(a)
    swarm.start(a)
    answer = pushing.finish()
    assert answer.code == 0, str(answer)
    assert answer.result["sent"] - size <= 2 * PART  # two stops
    swarm.ok(a, "get", answer.result["id"], "-o", str(tmp_path / "out"))
    assert same_file(tmp_path / "out", file)


def test_a_folder_is_pushed_stopped_and_pushed_again(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peer("a", web=True), swarm.add_peer("b")
    url, data = logged_in(swarm, a, tmp_path)
    folder = tmp_path / "holiday"
    for number in range(1000):
        (folder / f"{number % 10}").mkdir(parents=True, exist_ok=True)
        write_random(folder / f"{number % 10}" / f"{number}.jpg", 3000 + number)
    write_random(folder / "film", SIZE)
    (folder / "run.sh").write_text("echo")
    (folder / "run.sh").chmod(0o755)
    (folder / "nothing" / "here").mkdir(parents=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    command = ("push", url, str(folder), "--data", str(data), "--json")
    pushing = swarm._run("push", "peer", *command)
    spool = a.data / "spool"
    swarm.wait_until(lambda: count_files(spool) > 300, "some of it came", every=0.002)
    with held_still(a):
        pushing.process.send_signal(signal.SIGINT)
        assert pushing.finish(10).code != 0
    kept = sum(path.stat().st_size for path in spool.glob("*.tree/**/*") if path.is_file())
    answer = run_command("peer", *command)
    assert answer.code == 0, str(answer)
    assert answer.result["sent"] <= size - kept
    assert (answer.result["kind"], answer.result["files"]) == ("folder", 1002)
    swarm.ok(b, "get", answer.result["id"], "-o", str(tmp_path / "out"))
    assert tree_difference(tmp_path / "out", folder) == []
    assert (tmp_path / "out" / "nothing" / "here").is_dir()
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o100
    assert not list(spool.glob("*.tree"))
    again = run_command("peer", *command)
    assert again.result["id"] == answer.result["id"]


def test_a_daemon_killed_while_it_adds_adds_again(
    swarm: Swarm, tmp_path: Path, big_file: Path
) -> None:
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    command = ("push", url, str(big_file), "--data", str(data), "--json")
    pushing = swarm._run("push", "peer", *command)
    spool, size = a.data / "spool", big_file.stat().st_size

    def complete() -> bool:
        return any(part.stat().st_size == size for part in spool.glob("*.part"))

    swarm.wait_until(complete, "all of it came")
    swarm.kill9(a)
    swarm.start(a)
    answer = pushing.finish()
    assert answer.code == 0, str(answer)
    assert len(swarm.ok(a, "ls")["entries"]) == 2
    swarm.wait_until(lambda: not list(spool.glob("*.part")), "the spool is empty")
    swarm.ok(a, "get", answer.result["id"], "-o", str(tmp_path / "out"))
    assert same_file(tmp_path / "out", big_file)


def test_a_folder_with_empty_folders_in_it_comes_as_a_zip(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    folder = tmp_path / "holiday"
    for number in range(250):
        (folder / f"{number:03}" / "nothing").mkdir(parents=True)
        (folder / f"{number:03}" / f"{number}").write_text(f"{number}")
    entry = swarm.ok(a, "add", str(folder))
    cookie = PageSessions(data).find(url)
    request = urllib.request.Request(f"{url}/download/{entry['id']}", headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert archive.testzip() is None
    names = [path.relative_to(tmp_path) for path in folder.rglob("*") if path.is_file()]
    assert sorted(archive.namelist()) == sorted(map(str, names))


def test_a_folder_in_which_a_file_was_renamed_is_begun_again(swarm: Swarm, tmp_path: Path) -> None:
    """It looks the same: its name, its size, so many files."""
    a = swarm.add_peer("a", web=True)
    url, data = logged_in(swarm, a, tmp_path)
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "old name").write_bytes(bytes(1000))
    write_random(folder / "film", SIZE)
    command = ("push", url, str(folder), "--data", str(data), "--json")
    pushing = swarm._run("push", "peer", *command)
    swarm.wait_until(lambda: list((a.data / "spool").glob("*.tree/old name")), "some of it came")
    pushing.process.send_signal(signal.SIGKILL)
    pushing.finish()
    (folder / "old name").rename(folder / "new name")
    answer = run_command("peer", *command)
    assert answer.code == 0, str(answer)
    swarm.ok(a, "get", answer.result["id"], "-o", str(tmp_path / "out"))
    assert tree_difference(tmp_path / "out", folder) == []
