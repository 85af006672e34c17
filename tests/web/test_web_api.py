"""The JSON interface over a real operator connection: answers, refusals, a daemon that goes."""

import asyncio
import json
from pathlib import Path

from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page, until

from protocol.messages import operating as op
from protocol.messages.health import EntryCounts, EventView, ReturnView


def test_status_and_peers_and_health(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        status, body, _ = await page.ask("GET", "/api/v1/status")
        assert status == 200
        said = json.loads(body)
        assert said["peer"]["name"] == "desk"
        assert said["swarm"] == {"name": "Studio", "roster": 4, "members": 3}
        assert (said["congestion"], said["lanes"]) == (["bbr"], 0)
        assert (said["limits"], said["fetched_twice"]) == ({"up": None, "down": None}, 0)
        assert (said["transfers"], said["notices"]) == ([], [])
        assert "call" not in said
        assert "type" not in said
        assert json.loads((await page.ask("GET", "/api/v1/peers"))[1]) == {
            "peers": [],
            "local": False,
            "warnings": [],
        }
        assert json.loads((await page.ask("GET", "/healthz"))[1])["daemon"] == "connected"

    run_with_page(tmp_path, work)


def test_health_is_json(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        page.double.counts = EntryCounts(safe=3, short=2, repairing=1)
        page.double.returns = (ReturnView(name="nas", state="gone", safe=2, found=0, out=None),)
        page.double.events = (EventView(when=5, kind="out", text="nas is out"),)
        status, body, _ = await page.ask("GET", "/api/v1/health")
        assert status == 200
        assert json.loads(body) == {
            "entries": {"safe": 3, "short": 2, "repairing": 1, "away": 0, "lost": 0},
            "missing": 1_200_000_000,
            "fetching": 1,
            "rate": 20_000_000,
            "left": 60,
            "returns": [{"name": "nas", "state": "gone", "safe": 2, "found": 0, "out": None}],
            "events": [{"when": 5, "kind": "out", "text": "nas is out"}],
            "local": False,
        }
        await page.double.stop()
        await until(lambda: not page.daemon.connected)
        assert (await page.ask("GET", "/api/v1/health"))[0] == 503

    run_with_page(tmp_path, work)


def test_entries_are_searched_and_paged(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        for number in range(7):
            page.double.hold_file(f"report {number}.txt", b"x")
        page.double.hold_file("фото.jpg", b"y")
        first = json.loads((await page.ask("GET", "/api/v1/entries?q=report&limit=5"))[1])
        assert first["entries"][0]["name"] == "report 6.txt"
        assert first["total"] == 7
        more = f"/api/v1/entries?q=report&limit=5&cursor={first['cursor']}"
        second = json.loads((await page.ask("GET", more))[1])
        assert [e["name"] for e in second["entries"]] == ["report 1.txt", "report 0.txt"]
        assert second["cursor"] == ""
        found = json.loads((await page.ask("GET", "/api/v1/entries?q=фото"))[1])
        assert [e["name"] for e in found["entries"]] == ["фото.jpg"]

    run_with_page(tmp_path, work)


def test_one_entry_its_files_its_pieces_its_end(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        files = {f"d/{number:03}.txt": b"." * number for number in range(210)}
        number = page.double.hold_folder("folder", files)
        held = page.double.entries[number]
        assert json.loads((await page.ask("GET", f"/api/v1/entries/{number}"))[1])["files"] == 210
        rest = json.loads((await page.ask("GET", f"/api/v1/entries/{number}/files?start=200"))[1])
        assert [file["index"] for file in rest["files"]] == list(range(200, 210))
        pieces = json.loads((await page.ask("GET", f"/api/v1/entries/{number}/pieces"))[1])
        assert pieces == {
            "pieces": held.view.pieces,
            "rows": [{"peer": "desk", "state": "live", "runs": [[0, held.view.pieces]]}],
        }
        assert (await page.ask("DELETE", f"/api/v1/entries/{number}"))[0] == 204
        status, body, _ = await page.ask("GET", f"/api/v1/entries/{number}")
        assert (status, json.loads(body)["error"]["kind"]) == (404, "not_found")

    run_with_page(tmp_path, work)


def test_a_deletion_that_is_held_is_told(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a", b"a")
        page.double.holds_deletions = True
        status, body, _ = await page.ask("DELETE", f"/api/v1/entries/{number}")
        assert (status, json.loads(body)) == (202, {"held": True})
        assert (await page.ask("GET", f"/api/v1/entries/{number}"))[0] == 200

    run_with_page(tmp_path, work)


def test_fetch_answers_wrong_links_at_once(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a", b"a")
        link = page.double.entries[number].view.link
        for text, expected in (
            (link, 202),
            (f" {link[:20]}\n {link[20:]} ", 202),
            (number[:8], 202),
            ("twofold-link-zz", 400),
            ("00" * 16, 404),
            ("x" * 999, 400),
            ("   ", 400),
        ):
            answer = await page.ask("POST", "/api/v1/fetch", json={"entry": text})
            assert answer[0] == expected, text
        for body in (b"", b"[]", b'{"entry": 5}', b'{"entry": "\xff"}', b'{"other": "x"}'):
            assert (await page.ask("POST", "/api/v1/fetch", data=body))[0] == 400
        await until(lambda: "Fetch" in page.double.asked)

    run_with_page(tmp_path, work)


def test_ill_formed_questions_do_not_reach_the_daemon(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("a", b"a")
        for path in (
            "/api/v1/entries?limit=0",
            "/api/v1/entries?limit=51",
            "/api/v1/entries?limit=²",
            "/api/v1/entries?limit=-1",
            "/api/v1/entries?q=" + "x" * 600,
            "/api/v1/entries?kind=films",
            "/api/v1/entries?least=1e3",
            "/api/v1/entries?least=5&most=4",
            "/api/v1/entries?after=5&before=4",
            "/api/v1/entries?copies=many",
            "/api/v1/entries?sort=best",
            "/api/v1/entries?cursor=zz",
            "/api/v1/entries?larger=5",
            "/api/v1/entries?kind=file&kind=folder",
            "/api/v1/entries?author=" + "x" * 300,
            f"/api/v1/entries/{number}/files?start=x",
        ):
            status, body, _ = await page.ask("GET", path)
            assert status == 400, path
            assert json.loads(body)["error"]["kind"] == "invalid"
        assert (await page.ask("GET", "/api/v1/entries/..%2F"))[0] == 404
        assert (await page.ask("PUT", "/api/v1/status"))[0] == 405
        assert (await page.ask("GET", "/api/v1/status"))[0] == 200  # the connection lives

    run_with_page(tmp_path, work)


def test_a_lost_daemon_is_503_and_found_again(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        await page.double.stop()
        await until(lambda: not page.daemon.connected)
        status, body, _ = await page.ask("GET", "/api/v1/status")
        assert status == 503
        assert "twofold run" in json.loads(body)["error"]["text"]
        assert json.loads((await page.ask("GET", "/healthz"))[1])["daemon"] == "unreachable"
        await page.double.start()  # under new keys, at another port
        await until(lambda: page.daemon.connected)
        assert (await page.ask("GET", "/api/v1/status"))[0] == 200

    run_with_page(tmp_path, work)


def test_events_tell_what_changes(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        address = page.origin + "/api/v1/events"
        async with page.http.get(address, headers=page.headers()) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            events = aiter(stream.content)
            assert (await _next(events))["peer"]["name"] == "desk"
            page.double.transfers = (
                op.TransferView(
                    id="ab", name="n", purpose="get", size=9, done=1, rate=1, left=8, sources=()
                ),
            )
            assert len((await _next(events))["transfers"]) == 1
            number = page.double.hold_file("a.txt", b"a")
            await page.ask("POST", "/api/v1/fetch", json={"entry": number})
            said = [await _next(events), await _next(events)]
            assert any("a.txt is on this machine" in one.get("text", "") for one in said)
            await page.double.stop()
            while (await _next(events)).get("state") != "unreachable":
                pass

    run_with_page(tmp_path, work)


async def _next(lines) -> dict:  # type: ignore[no-untyped-def,type-arg]
    async for line in lines:
        if line.startswith(b"data: "):
            return json.loads(line[6:])  # type: ignore[no-any-return]
    raise AssertionError("the stream ended")


def test_one_poller_for_many_listeners(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        address = page.origin + "/api/v1/events"
        streams = [await page.http.get(address, headers=page.headers()) for _ in range(5)]
        for stream in streams:
            assert (await _next(aiter(stream.content)))["peer"]["name"] == "desk"
        assert page.double.asked.count("GetStatus") <= 2
        for stream in streams:
            stream.close()

    run_with_page(tmp_path, work)


def test_a_daemon_that_speaks_out_of_turn_is_left(tmp_path: Path) -> None:
    class Rude(OperatorDouble):
        def _on_getstatus(self, ask: op.GetStatus) -> list[object]:  # type: ignore[override]
            return [op.GetStatus(call=1)]

    async def work(page: PageUnderTest) -> None:
        status, _, _ = await page.ask("GET", "/api/v1/status")
        assert status == 503
        await until(lambda: page.daemon.connected)
        assert (await page.ask("GET", "/api/v1/peers"))[0] == 200

    run_with_page(tmp_path, work, double=Rude(tmp_path))


def test_concurrent_questions_get_their_own_answers(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        numbers = [page.double.hold_file(f"{n}", b"x") for n in range(40)]
        answers = await asyncio.gather(
            *(page.ask("GET", f"/api/v1/entries/{number}") for number in numbers)
        )
        assert [json.loads(body)["id"] for _, body, _ in answers] == numbers

    run_with_page(tmp_path, work)
