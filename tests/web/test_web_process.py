"""The command as another program starts it: the ready line, its end, its exit codes."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from operator_double import OperatorDouble

ROOT = Path(__file__).parents[2]


async def _start(data: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "web", "--data", str(data), *options),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


async def _end(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    assert process.stdin is not None
    process.stdin.close()
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def test_it_says_where_it_is_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with OperatorDouble(tmp_path) as double:
            double.tokens = {"secret-token"}
            process = await _start(tmp_path, "--listen", "127.0.0.1:0", "--supervised")
            assert process.stdout is not None
            ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
            assert ready["type"] == "ready"
            async with aiohttp.ClientSession() as http:
                async with http.get(f"{ready['url']}/login?token=secret-token") as answer:
                    assert answer.status == 200
                async with http.get(f"{ready['url']}/healthz") as answer:
                    assert (await answer.json())["daemon"] == "connected"
            code, out, err = await _end(process)  # closes its stdin
            assert (code, out) == (0, "")
            assert "secret-token" not in err
            assert "Traceback" not in err

    asyncio.run(scenario())


def test_everywhere_is_shown_as_here_and_signals_end_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with OperatorDouble(tmp_path):
            process = await _start(tmp_path, "--listen", "0.0.0.0:0")
            assert process.stdout is not None
            ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
            assert ready["url"].startswith("http://127.0.0.1:")
            process.send_signal(signal.SIGTERM)
            assert (await _end(process))[0] == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--listen", "nonsense"), 2),
        (("--listen", "127.0.0.1:99999"), 2),
        (("--no-such-option",), 2),
        (("--allow-host", "not a host"), 2),
        (("--json",), 4),
    ],
)
def test_exit_codes_without_a_daemon(
    tmp_path: Path, options: tuple[str, ...], expected: int
) -> None:
    async def scenario() -> None:
        code, out, err = await _end(await _start(tmp_path, *options))
        assert code == expected
        assert "Traceback" not in out + err
        if "--json" in options:
            assert json.loads(out)["code"] == 4

    asyncio.run(scenario())


def test_a_taken_port_and_a_dead_daemon(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with OperatorDouble(tmp_path):
            with socket.create_server(("127.0.0.1", 0)) as taken:
                listen = f"127.0.0.1:{taken.getsockname()[1]}"
                code, _, err = await _end(await _start(tmp_path, "--listen", listen))
            assert (code, listen in err) == (1, True)
        code, _, err = await _end(await _start(tmp_path))  # operator.json is still there
        assert code == 4
        (tmp_path / "operator.json").write_bytes(b"{}")
        assert (await _end(await _start(tmp_path)))[0] == 4

    asyncio.run(scenario())


def test_help_is_help(tmp_path: Path) -> None:
    async def scenario() -> None:
        code, out, _ = await _end(await _start(tmp_path, "--help"))
        assert code == 0
        for option in ("--data", "--listen", "--allow-host", "--supervised", "--json"):
            assert option in out

    asyncio.run(scenario())
