"""A login address as a code for a telephone: on a terminal only, and only if it leads here."""

import os
import pty
import sys

import pytest

from peer.cli.output import Printer
from peer.daemon import for_others

URL = "http://192.168.1.5:4180/login?token=abc"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, printer: Printer, text: str) -> str:
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        printer.qr_code(text)
        print("end", flush=True)
        said = b""
        while b"end" not in said:
            said += os.read(ours, 65536)
    os.close(ours)
    return said.decode()


def test_a_terminal_shows_the_code_and_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    said = on_a_terminal(monkeypatch, Printer(as_json=False), URL)
    assert f"from another device: {URL}" in said
    assert "█" in said or "▀" in said


def test_programs_files_and_pages_for_this_machine_only_get_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_a_terminal(monkeypatch, Printer(as_json=True), URL).strip() == "end"
    assert on_a_terminal(monkeypatch, Printer(as_json=False), "").strip() == "end"
    monkeypatch.undo()
    Printer(as_json=False).qr_code(URL)
    assert capsys.readouterr().out == ""


def test_where_others_find_the_page() -> None:
    there = "http://192.168.1.5:4180"
    assert for_others("192.168.1.5", there) == there
    assert for_others("nas.local", "http://nas.local:4180") == "http://nas.local:4180"
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        shown = f"[{host}]" if ":" in host else host
        assert for_others(host, f"http://{shown}:4180") == ""
    # Where it listens everywhere, the address that leads out of here, if any does.
    found = for_others("0.0.0.0", "http://127.0.0.1:4180")
    assert found == "" or (found.endswith(":4180") and "127.0.0.1" not in found)
