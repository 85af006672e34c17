"""Who was let in to the page is shown to the owner, and put out again: at once, and for good."""

import asyncio
import socket
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from cryptography.fernet import Fernet
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, new_session, run_with_page, running_page, until
from raw_http import read_head
from test_web_inviting import as_guest, asked
from test_web_people import come_in
from tus_client import BODY, metadata

from web.answers import AnswerError
from web.session_book import FILE, MOST_OWNERS, MOST_PEOPLE, SESSION_SECONDS, SessionBook
from web.sessions import KEY_FILE, Sessions, load_sessions


async def let_in(page: PageUnderTest, name: str = "Ana") -> str:
    """A login address for this person."""
    status, made = await asked(page, "POST", "logins", name=name)
    assert status == 201
    return str(made["url"])


async def listed(page: PageUnderTest) -> list[dict]:  # type: ignore[type-arg]
    """Who is let in, as the owner sees it; the one who asks now is the owner from here on."""
    status, told = await asked(page, "GET", "people")
    assert status == 200
    return list(told["people"])


async def status_as(page: PageUnderTest, cookie: dict[str, str], path: str = "/api/v1/me") -> int:
    """What a request with this cookie is answered."""
    mine, page.cookie = page.cookie, cookie
    try:
        return (await page.ask("GET", path))[0]
    finally:
        page.cookie = mine


async def came_in(page: PageUnderTest, name: str = "Ana") -> dict[str, str]:
    """The cookie of a person who was let in by the owner, who is asking."""
    mine, url = dict(page.cookie), await let_in(page, name)
    await come_in(page, url)
    hers, page.cookie = dict(page.cookie), mine
    return hers


def test_the_owner_sees_who_was_let_in(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        owner = dict(page.cookie)
        assert await listed(page) == []
        url = await let_in(page)
        (ana,) = await listed(page)
        assert (ana["name"], ana["used"], ana["seen"]) == ("Ana", 0, 0)
        assert ana["ends"] - ana["made"] == 86_400_000
        await come_in(page, url)
        assert (await asked(page, "GET", "people"))[0] == 403
        assert (await asked(page, "DELETE", f"people/{ana['id']}"))[0] == 403
        assert (await asked(page, "POST", "logout/others"))[0] == 403
        page.cookie = owner
        (ana,) = await listed(page)
        assert ana["made"] <= ana["used"] <= ana["seen"]
        assert ana["ends"] - ana["used"] == SESSION_SECONDS * 1000
        kept = (tmp_path / FILE).read_text()
        assert urlsplit(url).query.removeprefix("token=") not in kept

    run_with_page(tmp_path, work)


def test_an_unused_address_is_revoked(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        url = await let_in(page)
        (ana,) = await listed(page)
        assert (await asked(page, "DELETE", f"people/{ana['id']}"))[0] == 204
        assert await listed(page) == []
        # The daemon would still take its token.
        async with page.http.get(f"{page.origin}/login?{urlsplit(url).query}") as answer:
            assert answer.status == 403
            assert not answer.cookies
        status, gone = await asked(page, "DELETE", f"people/{ana['id']}")
        assert status == 404
        assert "not" in gone["error"]["kind"]

    run_with_page(tmp_path, work)


def test_one_of_two_of_a_name_is_put_out_and_comes_back_anew(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        first, second = await came_in(page), await came_in(page)
        later, earlier = await listed(page)
        if later["made"] == earlier["made"]:  # within a millisecond the order is by chance
            await status_as(page, first)
        number = load_id(page, first)
        assert (await asked(page, "DELETE", f"people/{number}"))[0] == 204
        assert await status_as(page, first) == 401
        assert await status_as(page, first, "/") == 303
        assert await status_as(page, second) == 200
        assert [each["id"] for each in await listed(page)] == [load_id(page, second)]
        third = await came_in(page)
        assert await status_as(page, third) == 200
        assert await status_as(page, first) == 401
        status, told = await asked(page, "GET", "activity?kind=revoke")
        assert status == 200
        assert [(act["person"], act["text"]) for act in told["acts"]] == [("", "Ana")]

    run_with_page(tmp_path, work)


def load_id(page: PageUnderTest, cookie: dict[str, str]) -> str:
    """The id of the session of a cookie."""
    found = page.page.sessions.session(next(iter(cookie.values())))
    assert found is not None
    return found.id


def test_what_was_revoked_stays_so_after_a_restart_and_the_rest_lasts(tmp_path: Path) -> None:
    async def before(page: PageUnderTest) -> tuple[str, list[str]]:
        ana, ben = await came_in(page), await came_in(page, "Ben")
        url = await let_in(page, "Cem")
        assert (await asked(page, "DELETE", f"people/{load_id(page, ana)}"))[0] == 204
        return urlsplit(url).query, [next(iter(each.values())) for each in (ana, ben)]

    async def scenario() -> None:
        async with asyncio.timeout(30):
            async with running_page(tmp_path) as page:
                query, (ana, ben) = await before(page)
            async with running_page(tmp_path, OperatorDouble(tmp_path)) as page:
                (name,) = page.cookie
                assert await status_as(page, {name: ana}) == 401
                assert await status_as(page, {name: ben}) == 200
                assert [each["name"] for each in await listed(page)] == ["Cem", "Ben"]
                # A new daemon knows nothing of it.
                await come_in(page, f"{page.origin}/login?{query}")
                assert (await asked(page, "GET", "me"))[1]["person"] == "Cem"
                page.cookie = {}
                async with page.http.get(f"{page.origin}/login?{query}") as answer:
                    assert answer.status == 403

    asyncio.run(scenario())


async def _raw(
    page: PageUnderTest, cookie: dict[str, str], method: str, path: str, **more: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request over a connection with small buffers, whose answer is read by hand."""
    host, _, port = page.origin.removeprefix("http://").rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    mine, page.cookie = page.cookie, cookie
    headers = page.headers(Host=f"{host}:{port}", **more)
    page.cookie = mine
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


async def _rest(reader: asyncio.StreamReader) -> int:
    """How much comes until the other end hangs up."""
    length = 0
    try:
        while part := await reader.read(65536):
            length += len(part)
    except ConnectionError:
        pass
    return length


@pytest.mark.parametrize("complete", [True, False], ids=["sendfile", "read"])
def test_streams_downloads_and_uploads_are_cut(tmp_path: Path, complete: bool) -> None:
    size = 60 << 20

    async def work(page: PageUnderTest) -> None:
        page.double.complete = complete
        film = page.double.hold_file("film.mp4", bytes(size))
        ana, ben = await came_in(page), await came_in(page, "Ben")
        about = {"Tus-Resumable": "1.0.0", "Upload-Length": "900"} | BODY
        about |= {"Upload-Metadata": metadata(name="song.ogg"), "Content-Length": "900"}
        asks = (
            ("GET", "/api/v1/events", {}),
            ("GET", f"/download/{film}", {}),
            ("POST", "/api/v1/uploads", about),
        )
        hers = [await _raw(page, ana, method, path, **more) for method, path, more in asks]
        his, his_writer = await _raw(page, ben, "GET", "/api/v1/events")
        hers[2][1].write(b"la")
        for reader, _ in (hers[0], hers[1], (his, his_writer)):
            assert (await read_head(reader)).status == 200
        open_ = page.page.connections
        await until(lambda: len(open_) >= 4 and page.page.events.open == 2)
        await until(lambda: any((tmp_path / "spool").iterdir()))
        assert (await asked(page, "DELETE", f"people/{load_id(page, ana)}"))[0] == 204
        lengths = [await _rest(reader) for reader, _ in hers]
        assert lengths[1] < size
        await until(lambda: page.page.events.open == 1)
        assert load_id(page, ben) in {each["id"] for each in await listed(page)}
        page.page.events.notice("still here", good=True)
        await his.readuntil(b"still here")
        for writer in [each[1] for each in hers] + [his_writer]:
            writer.close()
        # Nothing is left behind on a file descriptor that the next connection has.
        for _ in range(8):
            async with aiohttp.ClientSession() as fresh:
                assert (await fresh.get(page.origin + "/healthz")).status == 200

    run_with_page(tmp_path, work)


def test_logging_out_ends_this_session_alone(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        owner = dict(page.cookie)
        ana = await came_in(page)
        page.cookie = dict(ana)
        reader, writer = await _raw(page, ana, "GET", "/api/v1/events")
        assert (await read_head(reader)).status == 200
        status, _, said = await page.ask("POST", "/api/v1/logout")
        assert status == 204
        assert "Max-Age=0" in said["Set-Cookie"]
        await _rest(reader)
        writer.close()
        assert (await page.ask("GET", "/api/v1/me"))[0] == 401
        page.cookie = owner
        assert await listed(page) == []
        assert (await asked(page, "GET", "activity?kind=logout"))[1]["acts"][0]["person"] == "Ana"

    run_with_page(tmp_path, work)


def test_the_owner_ends_all_other_sessions(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        (name,) = page.cookie
        others = [{name: new_session(page.page)} for _ in range(3)]
        ana = await came_in(page)
        assert (await asked(page, "GET", "people"))[1]["others"] == 3
        assert (await asked(page, "POST", "logout/others"))[1] == {"ended": 3}
        assert [await status_as(page, each) for each in others] == [401] * 3
        assert await status_as(page, ana) == 200
        assert (await asked(page, "GET", "people"))[1]["others"] == 0

    run_with_page(tmp_path, work)


def test_a_cookie_without_an_id_logs_in_again(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        (name,) = page.cookie
        key = Fernet((tmp_path / KEY_FILE).read_bytes())
        number = load_id(page, page.cookie).encode()
        old = b"twofold session 1"
        for content in (old, old + b"\0Ana", b"", b"\xff", b"\0" + number):
            assert await status_as(page, {name: key.encrypt(content).decode()}) == 401

    run_with_page(tmp_path, work)


def test_a_full_disk_logs_in_and_says_what_it_did_not_keep(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        ana = await came_in(page)
        page.page.sessions.book._path = tmp_path / "nowhere" / FILE
        page.double.tokens.add("token")
        async with page.http.get(page.origin + "/login?token=token") as answer:
            assert answer.status == 200
        status, told = await asked(page, "DELETE", f"people/{load_id(page, ana)}")
        assert (status, told["error"]["kind"]) == (507, "no_room")
        assert await status_as(page, ana) == 401

    run_with_page(tmp_path, work)


def test_the_book_has_bounds_and_survives_damage(tmp_path: Path) -> None:
    now = [1000.0]
    book = SessionBook(tmp_path / FILE, now=lambda: now[0])
    first = book.begin()
    now[0] += 1
    for _ in range(MOST_OWNERS):
        book.begin()
    assert book.get(first.id) is None
    for number in range(MOST_PEOPLE):
        book.expect(f"token {number}", "Ana", 60)
    with pytest.raises(AnswerError):
        book.expect("one more", "Ana", 60)
    assert book.use("token 0")
    assert book.use("token 0") is None
    now[0] += 60
    assert book.use("token 1") is None
    book.expect("one more", "Ana", 60)
    assert len(list(book.of_people())) == 2
    asyncio.run(book.save())
    assert len(list(SessionBook(tmp_path / FILE, now=lambda: now[0]).of_people())) == 2
    for damage in (b"", b"[", b'[{"id": 7}]', b"\xff", b"[" * 9999):
        (tmp_path / FILE).write_bytes(damage)
        key = Fernet.generate_key()
        assert Sessions(key, SessionBook(tmp_path / FILE)).session("x") is None
    assert load_sessions(tmp_path).book.get(first.id) is None
    assert msgspec.json.encode(first)


def test_edits_and_the_trash_are_told_to_the_owner(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        owner = dict(page.cookie)
        as_guest(page, tmp_path)
        one, two = (page.double.hold_file(name, b"x") for name in ("a.txt", "b.txt"))
        assert (await asked(page, "PATCH", f"entries/{one}", caption="New"))[0] == 200
        for number in (one, two):
            assert (await page.ask("DELETE", f"/api/v1/entries/{number}"))[0] == 204
        assert (await page.ask("POST", f"/api/v1/trash/{one}/restore"))[0] == 200
        assert (await page.ask("DELETE", f"/api/v1/trash/{two}"))[0] == 200
        assert (await page.ask("DELETE", f"/api/v1/trash/{two}"))[0] == 404
        assert (await page.ask("DELETE", "/api/v1/trash"))[0] == 200
        page.cookie = owner
        _, told = await asked(page, "GET", "activity?person=Ana")
        assert [(act["kind"], act["text"]) for act in told["acts"]][::-1] == [
            ("edit", "a.txt"),
            ("delete", "a.txt"),
            ("delete", "b.txt"),
            ("restore", "a.txt"),
            ("purge", "b.txt"),
            ("purge", ""),
        ]

    run_with_page(tmp_path, work)
