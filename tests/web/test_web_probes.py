"""What watching programs are told: alive, ready, counted; and the description of the interface."""

import json
import re
from pathlib import Path

from page_under_test import PageUnderTest, run_with_page, until
from prometheus_client.parser import text_string_to_metric_families


def test_alive_is_not_ready(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        async def ask(path: str) -> tuple[int, bytes]:
            async with page.http.get(page.origin + path) as answer:  # without a session
                return answer.status, await answer.read()

        assert await ask("/readyz") == (200, b'{"state":"ready"}')
        await page.double.stop()
        await until(lambda: not page.daemon.connected)
        status, body = await ask("/readyz")
        assert (status, json.loads(body)["error"]["kind"]) == (503, "unreachable")
        assert "twofold run" in json.loads(body)["error"]["text"]
        assert (await ask("/healthz"))[0] == 200
        await page.double.start()
        await until(lambda: page.daemon.connected)
        assert (await ask("/readyz"))[0] == 200

    run_with_page(tmp_path, work)


async def _counted(page: PageUnderTest) -> dict[tuple[str, ...], float]:
    async with page.http.get(page.origin + "/metrics") as answer:  # from loopback
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = await answer.text()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_and_bytes_are_counted(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        size = 300_000
        number = page.double.hold_file("secret-name.bin", bytes(size))
        before = await _counted(page)
        await page.ask("GET", f"/download/{number}")
        await page.ask("HEAD", f"/download/{number}")
        await page.ask("GET", "/api/v1/entries/" + "00" * 16)
        await page.ask("GET", "/nowhere/secret-path")
        await page.ask("PROPFIND", "/")
        await page.ask("POST", "/api/v1/fetch", data=b"x" * 9000)
        async with page.http.get(f"{page.origin}/api/v1/events", headers=page.headers()):
            await until(lambda: page.page.events.open == 1)
            now = await _counted(page)
        name = "twofold_web_requests_total"
        assert now[name, "GET", "/download/{id}", "200"] == 1
        assert now[name, "HEAD", "/download/{id}", "200"] == 1
        assert now[name, "GET", "/api/v1/entries/{id}", "404"] == 1
        assert now[name, "GET", "none", "404"] == 1
        assert now[name, "other", "none", "405"] == 1
        assert now[name, "POST", "/api/v1/fetch", "400"] == 1
        sent, received = "twofold_web_sent_bytes_total", "twofold_web_received_bytes_total"
        assert size < now[sent,] - before[sent,] < size + 20_000
        assert 9000 < now[received,] - before[received,] < 20_000
        assert now["twofold_web_streams",] == 1
        assert now["twofold_web_connections",] >= 2
        assert now["twofold_web_daemon_connected",] == 1
        assert now["process_resident_memory_bytes",] > 1 << 20
        said = " ".join(" ".join(labels) for labels in now)
        for secret in ("secret", number, "Studio", "desk"):
            assert secret not in said

    run_with_page(tmp_path, work)


def test_a_download_that_is_cut_is_counted_as_far_as_it_went(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        number = page.double.hold_file("film", bytes(3 << 20))
        page.double.run_length, page.double.breaks_at = 1 << 20, 2 << 20
        async with page.http.get(
            f"{page.origin}/download/{number}", headers=page.headers()
        ) as answer:
            got = 0
            try:
                async for content in answer.content.iter_any():
                    got += len(content)
            except OSError:
                pass
            except Exception as error:
                assert "payload" in str(error)  # noqa: PT017 - one of aiohttp's many
        await until(lambda: len(page.page.connections) == 0)
        assert (await _counted(page))["twofold_web_sent_bytes_total",] >= got

    run_with_page(tmp_path, work)


def test_every_route_for_programs_is_described(tmp_path: Path) -> None:
    async def work(page: PageUnderTest) -> None:
        described = json.loads((await page.ask("GET", "/api/v1/openapi.json"))[1])
        assert described["openapi"] == "3.1.0"
        for resource in page.page.application.router.resources():
            path = resource.canonical
            if path == "/" or path.startswith(("/static/", "/login")):
                continue
            methods = {route.method.lower() for route in resource} - {"head"}
            assert methods <= set(described["paths"][path]), path
        for path, methods in described["paths"].items():
            for method, said in methods.items():
                assert said["summary"].endswith("."), (path, method)
                named = {one["name"] for one in said.get("parameters", []) if one["in"] == "path"}
                assert named == set(re.findall(r"\{(\w+)\}", path))
        schemas = described["components"]["schemas"]
        assert not {"type", "call"} & set(schemas["Status"]["properties"])
        assert not {"type", "call"} & set(schemas["Status"]["required"])
        used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(described)))
        assert used == set(schemas)
        assert described["paths"]["/healthz"]["get"]["security"] == []

    run_with_page(tmp_path, work)
