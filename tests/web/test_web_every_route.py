"""Every route there is, with every combination of host, origin, session and method.

What is expected follows from a rule, in this order: a foreign host is 421; a method that changes
needs proof that it comes from our page, else 403; what is not open needs a session, else 401 for
programs and the login page for people; and then the router decides.
"""

import itertools
import re
from pathlib import Path

import pytest
from page_under_test import PageUnderTest, new_session, run_with_page
from raw_http import RawClient, Said

from web.security import asks_for_itself

ENTRY = "ab" * 16
FILLED = {"id": ENTRY, "file": "0", "name": "app.css", "quality": "low"}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND")
OPEN = {"/login", "/healthz", "/readyz", "/metrics"}
"""/metrics is open to this machine only: see below."""
HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "server": "twofold",
}
SESSIONS = ("good", "none", "forged", "another port's")
OPENS_FOR_READING = ("GET", "HEAD", "OPTIONS")


def _paths(page: PageUnderTest) -> dict[str, set[str]]:
    """An address for each resource of the router with its methods, and some that do not exist."""
    found: dict[str, set[str]] = {}
    for resource in page.page.application.router.resources():
        path = re.sub(r"\{(\w+)\}", lambda m: FILLED.get(m[1], "0" * 32), resource.canonical)
        methods = {route.method for route in resource}
        assert "*" not in methods, "a route of any method would be a hole in this test"
        found[path] = found.get(path, set()) | methods
    assert len(found) >= 18
    return found | {"/nowhere": set(), "/api/v1/nowhere": set(), "/api": set()}


def _hosts(port: str) -> list[tuple[list[str], bool]]:
    return [
        ([f"127.0.0.1:{port}"], True),
        ([f"LOCALHOST:{port}"], True),
        ([f"evil.example:{port}"], False),
        ([f"127.0.0.1:{int(port) ^ 1}"], False),
        ([""], False),
        ([], False),
        ([f"127.0.0.1:{port}", f"127.0.0.1:{port}"], False),
        ([f"127.0.0.1:{port}", "evil.example"], False),
    ]


def _origins(host: str) -> list[tuple[dict[str, str], bool]]:
    own = {"Origin": f"http://{host.lower()}"}
    return [
        (own, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        (own | {"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ]


def _check(said: Said, path: str, method: str, *, exists: set[str], session: bool) -> None:
    """The host is ours and the origin proven, or not asked for."""
    opened = path in OPEN or path.startswith("/static/")
    if not session and not opened:
        assert said.status == (401 if path.startswith("/api/") else 303)
        assert said.headers.get("location") == (None if path.startswith("/api/") else ["/login"])
    elif not exists:
        assert said.status == 404
    elif method not in exists:
        assert said.status == 405
    else:
        assert said.status not in (401, 403, 405, 421)
        assert said.status < 500


def test_every_route_host_origin_session_and_method(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        port = page.origin.rpartition(":")[2]
        name, token = next(iter(page.cookie.items()))
        cookies = {
            "good": f"{name}={token}",
            "none": "",
            "forged": f"{name}={token[:-9]}AAAAAAAA=",
            "another port's": f"{name}1={token}",
        }
        tried = 0
        async with RawClient(page.origin) as client:
            for (path, exists), method, (hosts, ours), session in itertools.product(
                _paths(page).items(), METHODS, _hosts(port), SESSIONS
            ):
                for origin, proven in _origins(hosts[0] if hosts else ""):
                    headers = [("Host", host) for host in hosts]
                    headers += [*origin.items(), ("Cookie", cookies[session])]
                    said = await client.ask(method, path, headers)
                    tried += 1
                    try:
                        if len(hosts) != 1 and said.status == 400:
                            continue  # not let in by the parser, as HTTP wants it
                        _check_headers(said)
                        if (path, said.status) == ("/api/v1/logout", 204):
                            cookies["good"] = f"{name}={new_session(page.page)}"
                        if not ours:
                            assert said.status == 421
                        elif method not in OPENS_FOR_READING and not proven:
                            assert said.status == 403
                        else:
                            good = session == "good"
                            _check(said, path, method, exists=exists, session=good)
                    except AssertionError as error:
                        case = (method, path, hosts, origin, session, said.status)
                        raise AssertionError(f"{case}: {error}") from error
        assert tried > 15_000

    run_with_page(tmp_path, work, seconds=400)


def _check_headers(said: Said) -> None:
    for name, start in HEADERS.items():
        assert said.one(name).startswith(start), name
    assert "access-control-allow-origin" not in said.headers
    assert b"Traceback" not in said.body
    if said.status in (401, 403, 421):
        assert said.one("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("remote", "host", "more", "open_"),
    [
        ("127.0.0.1", "127.0.0.1:4180", {}, True),
        ("::1", "[::1]:4180", {}, True),
        ("::ffff:127.0.0.1", "localhost", {}, True),
        ("192.168.1.9", "127.0.0.1:4180", {}, False),
        ("::ffff:192.168.1.9", "127.0.0.1:4180", {}, False),
        ("", "127.0.0.1", {}, False),
        ("127.0.0.1", "nas.local:4180", {}, False),
        ("127.0.0.1", "192.168.1.9:4180", {}, False),
        ("127.0.0.1", "", {}, False),
        ("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "192.168.1.9"}, False),
        ("127.0.0.1", "127.0.0.1", {"Forwarded": "for=192.168.1.9"}, False),
        ("127.0.0.1", "127.0.0.1", {"Via": "1.1 proxy"}, False),
    ],
)
def test_metrics_without_a_session_are_for_this_machine(
    remote: str, host: str, more: dict[str, str], open_: bool
) -> None:
    assert asks_for_itself(remote, {"Host": host} | more) is open_


def test_metrics_through_a_proxy_need_a_session(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        through = {"X-Forwarded-For": "192.168.1.9"}
        async with page.http.get(
            page.origin + "/metrics", headers=through, allow_redirects=False
        ) as answer:
            assert answer.status == 401
        assert (await page.ask("GET", "/metrics", headers=through))[0] == 200

    run_with_page(tmp_path, work)
