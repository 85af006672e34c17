"""Clients that dribble, do not read, say too much or come too often; over raw sockets."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from page_under_test import PageUnderTest, run_with_page, until
from raw_http import RawClient, read_head
from tus_client import BODY, Tus

from web.attempts import Attempts
from web.limits import Limits
from web.places import Places
from web.receiving import PART_LENGTH

SHORT = Limits(
    head_seconds=0.2, body_seconds=0.2, send_seconds=0.3, linger_seconds=0.1, connections=4
)


async def _connect(page: PageUnderTest) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = page.origin.removeprefix("http://").rpartition(":")
    # Small buffers: what is not read must soon wait at the page.
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return await asyncio.open_connection(sock=sock, limit=4096)


async def _cut(reader: asyncio.StreamReader) -> None:
    """The other end hangs up, whatever comes before that."""
    try:
        while await reader.read(4096):
            pass
    except ConnectionError:
        pass


def _head(page: PageUnderTest, method: str, path: str, **more: str) -> bytes:
    headers = page.headers(Host=page.origin.removeprefix("http://"), **more)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0"])
def test_a_head_that_does_not_end_is_cut(tmp_path: Path, begun: bytes) -> None:
    async def work(page: PageUnderTest) -> None:
        reader, writer = await _connect(page)
        writer.write(begun)
        await _cut(reader)
        writer.close()
        await until(lambda: len(page.page.connections) == 0)

    run_with_page(tmp_path, work, limits=SHORT)


def test_a_head_that_drips_is_cut(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        reader, writer = await _connect(page)
        ended = asyncio.create_task(_cut(reader))
        for byte in _head(page, "GET", "/healthz") * 1000:
            if ended.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)  # the drip itself
        await ended
        writer.close()

    run_with_page(tmp_path, work, limits=SHORT)


def test_the_next_head_on_a_connection_is_awaited_no_longer(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        reader, writer = await _connect(page)
        writer.write(_head(page, "GET", "/healthz"))
        said = await read_head(reader)
        assert said.status == 200
        await reader.readexactly(int(said.one("content-length")))
        writer.write(_head(page, "GET", "/healthz")[:-5])
        await _cut(reader)
        writer.close()

    run_with_page(tmp_path, work, limits=SHORT)


@pytest.mark.parametrize("sent", [b"", b'{"entry": "'])
def test_a_body_that_does_not_end_is_408_and_cut(tmp_path: Path, sent: bytes) -> None:
    async def work(page: PageUnderTest) -> None:
        reader, writer = await _connect(page)
        writer.write(_head(page, "POST", "/api/v1/fetch", **{"Content-Length": "900"}) + sent)
        assert (await read_head(reader)).status == 408
        await _cut(reader)
        writer.close()

    run_with_page(tmp_path, work, limits=SHORT)


def test_who_would_send_much_at_the_wrong_place_is_told_so_and_cut(tmp_path: Path) -> None:
    """Chromium sends again by itself, to the next page, what a page that ended cut short."""

    async def work(page: PageUnderTest) -> None:
        path = await Tus(page).begin(8 << 30, name="film")
        said = {"Tus-Resumable": "1.0.0", "Upload-Offset": "4", **BODY}
        head = _head(page, "PATCH", path, **{"Content-Length": str(PART_LENGTH + 1)}, **said)
        reader, writer = await _connect(page)
        writer.write(head + b"some of it")
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 409 ")
            assert b"\r\nTus-Resumable: 1.0.0\r\n" in answer
            assert b"\r\nConnection: close\r\n" in answer
            await _cut(reader)
        writer.close()
        await until(lambda: len(page.page.connections) == 1)  # that of the first request

    run_with_page(tmp_path, work, limits=Limits(linger_seconds=3600))


def test_an_answer_that_nobody_reads_is_cut(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("film.mp4", bytes(40 << 20))
        _, writer = await _connect(page)
        writer.write(_head(page, "GET", f"/download/{number}"))
        await until(lambda: len(page.page.connections) == 1)
        await until(lambda: len(page.page.connections) == 0)
        writer.close()
        assert (await page.ask("GET", "/healthz"))[0] == 200

    run_with_page(tmp_path, work, limits=SHORT)


def test_an_answer_that_is_read_slowly_is_not_cut(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        size = 1 << 20
        number = page.double.hold_file("film.mp4", bytes(size))
        reader, writer = await _connect(page)
        writer.write(_head(page, "GET", f"/download/{number}"))
        assert (await read_head(reader)).status == 200
        left = size
        while left:
            left -= len(await reader.read(16 << 10))
            await asyncio.sleep(0.01)  # slow, and several times longer than send_seconds in all
        writer.close()

    run_with_page(tmp_path, work, limits=SHORT)


def test_many_small_answers_that_nobody_reads_are_cut(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        _, writer = await _connect(page)
        request = _head(page, "GET", "/static/app.css")
        await until(lambda: len(page.page.connections) == 1)
        while len(page.page.connections) == 1:
            if writer.transport.get_write_buffer_size() < 1 << 20:
                writer.write(request * 100)
            await asyncio.sleep(0.01)
        writer.close()

    run_with_page(tmp_path, work, limits=SHORT)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ],
)
def test_requests_that_are_too_long_or_no_http(
    tmp_path: Path, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(page: PageUnderTest) -> None:
        reader, writer = await _connect(page)
        writer.write(request_)
        said = await read_head(reader)
        assert 400 <= said.status < 500
        await _cut(reader)
        writer.close()
        assert (await page.ask("GET", "/api/v1/status"))[0] == 200

    run_with_page(tmp_path, work)
    assert "Traceback" not in caplog.text


def test_connections_are_counted(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        streams = [await _connect(page) for _ in range(4)]
        await until(lambda: len(page.page.connections) == 4)
        fifth, writer = await _connect(page)
        await _cut(fifth)
        writer.close()
        streams[0][1].close()
        await until(lambda: len(page.page.connections) == 3)
        async with RawClient(page.origin) as client:
            headers = [("Host", page.origin.removeprefix("http://"))]
            assert (await client.ask("GET", "/healthz", headers)).status == 200
        for _, each in streams:
            each.close()

    run_with_page(tmp_path, work, limits=Limits(connections=4))


def test_one_address_does_not_take_all_places() -> None:
    places = Places(together=10, each=3)
    assert [places.take("192.168.1.9") for _ in range(4)] == [True] * 3 + [False]
    assert places.take("192.168.1.8")
    assert [places.take("127.0.0.1") for _ in range(7)] == [True] * 6 + [False]
    places.leave("192.168.1.9")
    assert places.take("192.168.1.9")
    for _ in range(3):
        places.leave("192.168.1.9")
    assert places.take("192.168.1.9")


def test_one_network_of_version_six_does_not_take_all_places() -> None:
    """One machine has as many addresses of its network as it likes."""
    places = Places(together=10, each=3)
    assert [places.take(f"2001:db8::{n}") for n in range(4)] == [True] * 3 + [False]
    assert not places.take("2001:db8::5%eth0")
    assert places.take("2001:db8:1::1")
    places.leave("2001:db8::1")
    assert places.take("2001:db8::9")
    assert [places.take(f"::ffff:10.0.0.{n}") for n in (1, 1, 1, 1)] == [True] * 3 + [False]
    assert places.take("::ffff:127.0.0.1")


def test_login_attempts_of_one_address_and_of_all() -> None:
    attempts = Attempts(each=10, together=30)
    for last in range(3):
        address = f"192.168.1.{last}"
        assert [attempts.take(address, 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert not attempts.take("192.168.1.77", 1.0)
    # Whoever sits at this machine is not kept out by others.
    assert [attempts.take("127.0.0.1", 1.0) for _ in range(11)] == [True] * 10 + [False]
    assert not attempts.take("::1", 1.0)
    assert not attempts.take("::ffff:127.0.0.1", 1.0)
    assert attempts.take("192.168.1.77", 60.5)


def test_one_network_of_version_six_counts_as_one_address() -> None:
    attempts = Attempts(each=2)
    assert attempts.take("2001:db8::1", 0.0)
    assert attempts.take("2001:db8::2", 0.0)
    assert not attempts.take("2001:db8::ffff:1", 0.0)
    assert attempts.take("2001:db8:1::1", 0.0)
    assert attempts.take("fe80::1%eth0", 0.0)


@pytest.mark.parametrize(
    ("body", "status", "field", "said"),
    [
        (b'{"entry": 5}', 400, "entry", "“entry” is wrong: expected text, got a whole number."),
        (b"{}", 400, "entry", "“entry” is missing."),
        (b'{"entry": "x", "other": 1}', 400, "other", "“other” is not known here."),
        (b'{"entry": ""}', 400, "entry", "of at least 1 characters"),
        (b'{"entry": "%s"}' % (b"x" * 1001), 400, "entry", "of at most 1000 characters"),
        (b"[]", 400, "", "expected an object, got a list"),
        (b'{"entry": "\\ud800"}', 400, "", "not JSON"),
        (b'{"entry": "\xff"}', 400, "", "not JSON"),
        (b"", 400, "", "not JSON"),
        (b'{"a":' + b"[" * 9000, 400, "a", "not known"),
        (b'{"entry": "%s"}' % (b"x" * 20_000), 413, "", "too long"),
    ],
)
def test_a_wrong_body_is_told_by_its_field(
    tmp_path: Path, body: bytes, status: int, field: str, said: str
) -> None:
    async def work(page: PageUnderTest) -> None:
        async def chunks():  # type: ignore[no-untyped-def]
            yield body

        for sent in (body, chunks()):
            answer = await page.ask("POST", "/api/v1/fetch", data=sent)
            error = json.loads(answer[1])["error"]
            assert answer[0] == status
            assert error.get("field", "") == field
            assert said in error["text"]

    run_with_page(tmp_path, work)


def test_a_wrong_query_is_told_by_its_field(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        for query, said in (
            ("entries?limit=0", "“limit” must be a whole number from 1 to 50."),
            ("entries?limit=x", "“limit” must be a whole number from 1 to 50."),
            ("entries?q=a&q=b", "“q” may be given once only."),
            ("entries?q=" + "x" * 600, "“q” must be text of at most 512 characters."),
            ("trash?start=-1", "“start” is wrong: expected a whole number of at least 0."),
            ("trash?start=x", "“start” is wrong: expected a whole number, got text."),
            ("trash?start=1&start=2", "“start” is there twice."),
        ):
            status, body, _ = await page.ask("GET", f"/api/v1/{query}")
            error = json.loads(body)["error"]
            assert (status, error["text"]) == (400, said)
            assert error["field"] == query.partition("?")[2].partition("=")[0]
        assert (await page.ask("GET", "/api/v1/entries?unknown=1"))[0] == 400
        assert (await page.ask("GET", "/api/v1/trash?unknown=1"))[0] == 200

    run_with_page(tmp_path, work)
