"""Connections to another machine's page, which hangs: cut for all threads, and none left."""

import gc
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from peer.errors import PeerError
from peer.pushing.page_link import LostError, PageLink
from peer.pushing.pushing import Pushing, Stopped
from peer.pushing.senders import send_together

PATIENCE = 30


class Page(ThreadingHTTPServer):
    """Answers everything but /hang, of which it says that it came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.hangs, self.goes_on = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Page

    def do_GET(self) -> None:
        if self.path == "/hang":
            self.server.hangs.set()
            self.server.goes_on.wait(PATIENCE)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.goes_on.set()
        server.shutdown()
        thread.join()


def test_an_error_ends_who_waits_and_a_login_may_follow(page: Page) -> None:
    link = PageLink(page.url)
    pushing = Pushing(link)
    assert link.ask("GET", "/").status == 200
    seen: list[Exception] = []

    def waits() -> None:
        try:
            link.ask("GET", "/hang")
        except LostError as error:
            seen.append(error)

    def goes_on() -> None:
        try:
            pushing.ask(lambda: link.ask("GET", "/hang"))
        except Stopped as error:
            seen.append(error)

    def fails() -> None:
        assert page.hangs.wait(PATIENCE)
        raise PeerError("no room")

    with pytest.raises(PeerError, match="no room"):
        send_together(pushing, [waits, goes_on, fails], 3, lambda: None)
    assert {type(error) for error in seen} == {LostError, Stopped}
    assert not page.goes_on.is_set()
    assert link.ask("GET", "/").status == 200


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


class Interrupts:
    def __del__(self) -> None:
        # What is raised in here would be lost.
        interrupt()


def test_an_interrupt_ends_who_waits_wherever_it_finds_the_first_thread(page: Page) -> None:
    link = PageLink(page.url)
    pushing = Pushing(link)
    done: list[int] = []

    def tell() -> None:
        assert page.hangs.wait(PATIENCE)
        interrupts = Interrupts()
        del interrupts

    hanging = [partial(link.ask, "GET", "/hang")] * 2
    with pytest.raises(KeyboardInterrupt):
        send_together(pushing, [*hanging, *[partial(done.append, 1)] * 1000], 2, tell)
    assert not done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_after_the_last_end_is_not_lost(page: Page) -> None:
    pushing = Pushing(PageLink(page.url))
    with pytest.raises(KeyboardInterrupt):
        send_together(pushing, [lambda: None], 1, interrupt)
    assert not pushing.stop.is_set()


def test_an_interrupt_behind_an_error_is_not_lost(page: Page) -> None:
    pushing = Pushing(PageLink(page.url))

    def fails() -> None:
        raise PeerError("no room")

    def give_up(threads: Iterable[threading.Thread]) -> None:
        interrupt()
        Pushing.give_up(pushing, threads)

    pushing.give_up = give_up  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        send_together(pushing, [fails], 1, lambda: None)


def test_a_second_interrupt_does_not_wait_for_what_cannot_be_cut(page: Page) -> None:
    pushing = Pushing(PageLink(page.url))
    goes_on, ended = threading.Event(), threading.Event()

    def hangs() -> None:
        # As a name that is looked up, or a disk.
        goes_on.wait(PATIENCE)
        ended.set()

    def cut() -> None:
        assert not ended.is_set()
        interrupt()

    pushing._page.cut = cut  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        send_together(pushing, [hangs], 1, interrupt)
    assert not ended.is_set()
    goes_on.set()
    assert ended.wait(PATIENCE)


def test_every_task_is_done_once_and_how_far_it_is_is_told_last(page: Page) -> None:
    done: list[int] = []
    told: list[int] = []
    tasks = [partial(done.append, number) for number in range(1000)]
    send_together(Pushing(PageLink(page.url)), tasks, 4, lambda: told.append(len(done)))
    assert sorted(done) == list(range(1000))
    assert told[-1] == 1000


def test_a_connection_ends_with_its_thread(page: Page) -> None:
    link = PageLink(page.url)
    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(link.ask, "GET", "/").result().status == 200
    gc.collect()
    assert not list(link._connections)
