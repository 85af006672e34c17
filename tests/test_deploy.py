"""The units and container files: as far as they can be checked without running them."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import App

from peer.cli.command import app as peer_app
from protocol.address import Address
from tracker.cli import app as tracker_app

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
DROP_INS = sorted((ROOT / "deploy" / "systemd").glob("*/*.conf"))
CONTAINERS = ROOT / "deploy" / "containers"
COMMANDS: dict[str, App] = {"twofold": peer_app, "twofold-tracker": tracker_app}
MOST_EXPOSED = 25
"""Of 100, by systemd's own measure; a unit that says nothing has 96."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def understood(command: list[str]) -> None:
    """The program takes these arguments: raises otherwise."""
    COMMANDS[Path(command[0]).name].parse_args(command[1:], exit_on_error=False, print_error=False)


def started_by(unit: Path) -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    return shlex.split(line)


def services() -> dict[str, Any]:
    document = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())
    found: dict[str, Any] = document["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    text = (CONTAINERS / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def runnable(unit: Path, folder: Path) -> Path:
    """A copy whose programs are there."""
    copy = folder / unit.name
    copy.write_text(re.sub(r"/opt/twofold/bin/\S+", sys.executable, unit.read_text()))
    return copy


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS] == ["twofold-tracker.service", "twofold.service"]


@each_unit
def test_units_start_what_there_is(unit: Path) -> None:
    understood(started_by(unit))


@needs_systemd
@each_unit
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    done = analyze("verify", "--man=no", str(runnable(unit, tmp_path)))
    about_us = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert about_us == [], done.stderr


@needs_systemd
@each_unit
def test_units_are_shut_in(unit: Path, tmp_path: Path) -> None:
    done = analyze(
        "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(runnable(unit, tmp_path))
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.parent.name)
def test_drop_ins_have_sections_and_settings(drop_in: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(drop_in.read_text())
    assert set(parser.sections()) <= {"Unit", "Service"}
    assert all(parser.items(section) for section in parser.sections())


def test_what_watches_the_tracker_is_on_loopback() -> None:
    for unit in UNITS:
        command = started_by(unit)
        for option in ("--metrics", "--web"):
            if option in command:
                assert Address.parse(command[command.index(option) + 1]).host == "127.0.0.1"


def test_the_image_is_made_of_what_is_here() -> None:
    for name, rest in instructions():
        assert name in [
            "FROM",
            "WORKDIR",
            "COPY",
            "RUN",
            "ENV",
            "USER",
            "VOLUME",
            "STOPSIGNAL",
            "EXPOSE",
            "CMD",
        ], name
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
    packages = {rest.split()[0] for name, rest in instructions() if name == "COPY"}
    assert packages >= {"protocol", "tracker", "peer", "web"}


def test_the_image_is_no_root_and_starts_the_tracker() -> None:
    last = dict(instructions())
    assert last["USER"] == "4100:4100"
    assert last["STOPSIGNAL"] == "SIGTERM"
    understood(json.loads(last["CMD"]))


@pytest.mark.parametrize("name", ["tracker", "peer", "postgresql"])
def test_containers_may_do_little(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["healthcheck"]["test"][0] == "CMD"
    if "command" in service:
        understood(service["command"])
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_volumes_and_secrets_are_declared() -> None:
    document = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())
    used = {each.partition(":")[0] for one in services().values() for each in one["volumes"]}
    assert used == set(document["volumes"])
    assert {each for one in services().values() for each in one.get("secrets", [])} == set(
        document["secrets"]
    )
    assert "POSTGRES_PASSWORD" not in services()["postgresql"]["environment"]
