"""Real daemons whose tracker has turned into one that lies, with its real keys."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from lying_tracker import LyingTracker
from swarm import Peer, Swarm, write_random
from trees import same_file

from peer.swarm.dial_allowance import FREE_TRIES
from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import Holder
from tracker.data_dir import DataDir

pytestmark = pytest.mark.swarm


@contextmanager
def lying(swarm: Swarm) -> Iterator[LyingTracker]:
    """In place of the real tracker, at its address; in a thread with an event loop of its own."""
    directory = DataDir(swarm.tracker_data)
    keys = directory.load_swarm_keys()
    liar = LyingTracker(keys.signing, keys.public, keys.psk, directory.make_identity())
    started, scope = threading.Event(), trio.CancelScope()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def serve() -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        with scope:
            listeners = await trio.open_tcp_listeners(swarm.tracker_port, host="127.0.0.1")
            started.set()
            await trio.serve_listeners(liar.serve, listeners)

    swarm.kill_tracker()
    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        assert started.wait(20)
        yield liar
    finally:
        tokens[0].run_sync_soon(scope.cancel)
        thread.join()


class Victim:
    """Somebody else's server: counts who connects."""

    def __init__(self) -> None:
        self.called = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                self._listening.accept()[0].close()
            except OSError:
                return
            self.called += 1

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def notices(swarm: Swarm, peer: Peer) -> str:
    """What `twofold status` has to say."""
    return "\n".join(each["text"] for each in swarm.ok(peer, "status")["notices"])


def test_daemons_go_on_and_say_that_the_tracker_went_back(swarm: Swarm, tmp_path: Path) -> None:
    a, b = swarm.add_peers("a", "b", capacity={"b": "0"})
    source = write_random(tmp_path / "film", 700_000)
    entry = swarm.ok(a, "add", str(source))["id"]
    swarm.wait_until(lambda: swarm.ok(b, "ls")["entries"], "it is listed")
    shown = swarm.ok(b, "show", entry)
    # So b has proven where a is.
    other = swarm.ok(a, "add", str(write_random(tmp_path / "other", 10)))["id"]
    swarm.ok(b, "get", other, "-o", str(tmp_path / "first"))
    assert notices(swarm, a) == notices(swarm, b) == ""
    victim = Victim()
    with lying(swarm) as liar:
        # It knows nothing, says that a is somebody else, and that somebody else is a.
        peer = PeerId(bytes.fromhex(swarm.ok(a, "status")["peer"]["id"]))
        everywhere = (victim.address,) * 8
        holder = Holder(peer=peer, state="live", addresses=everywhere, bits=None)

        class Anything(dict[ManifestId, tuple[Holder, ...]]):
            def get(self, *_: object) -> tuple[Holder, ...]:  # type: ignore[override]
                return (holder,)

        liar.lies.holders = Anything()
        for each in (a, b):
            swarm.wait_until(
                lambda e=each: "another database than before" in notices(swarm, e),  # type: ignore[misc]
                "it is shown",
            )
        assert {k: swarm.ok(b, "show", entry)[k] for k in ("id", "name", "link", "size")} == {
            k: shown[k] for k in ("id", "name", "link", "size")
        }
        # a is where it was proven to be.
        swarm.ok(b, "get", entry, "-o", str(tmp_path / "got"), seconds=90)
        assert same_file(tmp_path / "got", source)
        assert victim.called <= 2 * (FREE_TRIES + 1)
    victim.close()
    swarm.start_tracker()
    swarm.wait_until(lambda: not swarm.ok(b, "ls")["local"], "the real one is back")
    assert swarm.ok(b, "show", entry)["name"] == "film"
    assert not swarm.tracebacks()
