"""Connections to another machine's page, which hangs: cut for all threads, and none left."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from peer.pushing.page_link import LostError, PageLink
from peer.pushing.pushing import Pushing, Stopped

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


def test_giving_up_ends_who_waits_and_a_login_may_follow(page: Page) -> None:
    link = PageLink(page.url)
    pushing = Pushing(link)
    assert link.ask("GET", "/").status == 200
    with ThreadPoolExecutor(2) as pool:
        waits = pool.submit(link.ask, "GET", "/hang")
        goes_on = pool.submit(pushing.ask, lambda: link.ask("GET", "/hang"))
        assert page.hangs.wait(PATIENCE)
        pushing.give_up([waits, goes_on])
        assert isinstance(waits.exception(), LostError)
        assert isinstance(goes_on.exception(), Stopped)
    assert not page.goes_on.is_set()
    assert link.ask("GET", "/").status == 200


def test_a_connection_ends_with_its_thread(page: Page) -> None:
    link = PageLink(page.url)
    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(link.ask, "GET", "/").result().status == 200
    gc.collect()
    assert not list(link._connections)
