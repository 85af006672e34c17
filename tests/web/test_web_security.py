"""Which hosts are ours, sessions, and the way in. Every route is in test_web_every_route.py."""

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page

from protocol.address import Address
from web.security import Gate
from web.session_book import FILE, SessionBook
from web.sessions import KEY_FILE, Sessions, load_sessions


def test_the_event_stream_is_guarded_as_well(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        address = page.origin + "/api/v1/events"
        foreign = page.headers() | {"Host": "evil.example"}
        assert (await page.http.get(address)).status == 401
        assert (await page.http.get(address, headers=foreign)).status == 421
        good = await page.http.get(address, headers=page.headers())
        assert (good.status, good.headers["X-Content-Type-Options"]) == (200, "nosniff")
        good.close()

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("listen", "allowed", "shown", "admitted"),
    [
        ("127.0.0.1:8080", (), "127.0.0.1:8080", True),
        ("127.0.0.1:8080", (), "nas.local:8080", False),
        ("127.0.0.1:8080", ("nas.local",), "nas.local:8080", True),
        ("127.0.0.1:8080", ("nas.local",), "NAS.local.", True),
        ("127.0.0.1:8080", ("nas.local",), "nas.local:443", False),
        ("127.0.0.1:8080", ("nas.local:443",), "nas.local:443", True),
        ("127.0.0.1:8080", (), "192.168.1.9:8080", False),
        ("192.168.1.9:8080", (), "192.168.1.9:8080", True),
        ("0.0.0.0:8080", (), "192.168.1.9:8080", True),
        ("0.0.0.0:8080", (), "192.168.1.10:8080", False),
        ("0.0.0.0:8080", (), "0.0.0.0:8080", False),
        ("[::]:8080", (), "192.168.1.9:8080", True),
        ("127.0.0.1:8080", (), "[::1]:8080", True),
        ("127.0.0.1:8080", (), "127.0.0.1.evil.example:8080", False),
        ("127.0.0.1:8080", (), "127.0.0.1@evil.example", False),
    ],
)
def test_which_hosts_are_ours(
    listen: str, allowed: tuple[str, ...], shown: str, admitted: bool
) -> None:
    """The connection came in on 192.168.1.9."""
    names = tuple(Address.parse(name, default_port=0) for name in allowed)
    gate = Gate(Address.parse(listen), names, Sessions(_key(), SessionBook(Path("nowhere"))))
    assert gate.allowed(shown, "192.168.1.9") is admitted


def _key() -> bytes:
    return b"A" * 43 + b"="


def test_login_works_once_and_says_what_to_do(tmp_path: Path) -> None:
    double = OperatorDouble(tmp_path)
    double.tokens = {"good-token"}

    async def work(page: PageUnderTest) -> None:
        to_login = await page.http.get(page.origin + "/", allow_redirects=False)
        assert (to_login.status, to_login.headers["Location"]) == (303, "/login")
        plain = await page.http.get(page.origin + "/login")
        assert "twofold login" in await plain.text()
        address = page.origin + "/login?token=good-token"
        assert (await page.http.head(address)).status == 405
        prefetch = {"Sec-Purpose": "prefetch;prerender"}
        assert (await page.http.get(address, headers=prefetch)).status == 503
        first = await page.http.get(address)
        cookie = first.cookies[next(iter(page.cookie))]
        assert (first.status, cookie["httponly"], cookie["samesite"]) == (200, True, "Strict")
        assert int(cookie["max-age"]) == 30 * 86_400
        inside = {"Cookie": f"{cookie.key}={cookie.value}"}
        assert (await page.http.get(page.origin + "/", headers=inside)).status == 200
        again = await page.http.get(address)
        assert (again.status, again.cookies) == (403, {})
        assert "twofold login" in await again.text()

    run_with_page(tmp_path, work, double=double)


def test_login_attempts_are_limited(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        address = page.origin + "/login?token=guess"
        said = [(await page.http.get(address)).status for _ in range(12)]
        assert said == [403] * 10 + [429] * 2
        assert page.double.asked.count("RedeemLogin") == 10

    run_with_page(tmp_path, work)


def test_the_session_key_is_secret_and_kept(tmp_path: Path) -> None:
    sessions = load_sessions(tmp_path)
    token = sessions.token(sessions.book.begin())
    asyncio.run(sessions.book.save())
    key = tmp_path / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert token not in (tmp_path / FILE).read_text()
    found = load_sessions(tmp_path).session(token)
    assert found is not None
    assert found.person == ""
    assert load_sessions(tmp_path).session(token[:-2] + "é") is None
    key.write_bytes(b"damaged")
    assert load_sessions(tmp_path).session(token) is None
    assert os.listdir(tmp_path) == [KEY_FILE]  # of the old key's sessions, nothing is left


def test_a_session_ends_after_thirty_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = load_sessions(tmp_path)
    token = sessions.token(sessions.book.begin())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 30 * 86_400 + 5)
    assert sessions.session(token) is None


def test_two_hosts_in_one_request_are_refused(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        host = page.origin.removeprefix("http://")
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: evil\r\n\r\n".encode())
        line = await reader.readline()
        assert line.split()[1] in (b"400", b"421")
        writer.close()

    run_with_page(tmp_path, work)


def test_a_bug_shows_no_traceback(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async def fails(*_: object, **__: object) -> None:
            raise ZeroDivisionError("secret detail")

        page.daemon.ask = fails  # type: ignore[method-assign,assignment]
        status, body, _ = await page.ask("GET", "/api/v1/status")
        assert status == 500
        assert b"secret" not in body

    run_with_page(tmp_path, work)


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
        ("same-site", "navigate", 200),  # a link on a page of another port
        ("same-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "no-cors", 403),
    ],
)
def test_pages_of_other_ports_do_not_read_with_the_session(
    tmp_path: Path, site: str, mode: str, status: int
) -> None:
    """SameSite does not keep them out: to a browser all ports of a host are one site."""

    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a.png", b"content")
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        for path in ("/api/v1/status", f"/download/{number}", f"/view/{number}/0"):
            assert (await page.ask("GET", path, headers=headers))[0] == status
        assert (await page.ask("GET", "/static/app.js", headers=headers))[0] == 200

    run_with_page(tmp_path, work)
