"""The command line, as programs call it: real processes, exit codes, JSON."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from tracker_support import Talk, join_request

from protocol.drivers.on_trio import open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RefusedError
from protocol.hello import Credentials, Hello, JoinHello, MemberHello
from protocol.identity import Identity, generate_identity
from protocol.inventory import inventory_digest
from protocol.invite import Invite, decode_invite
from protocol.messages.shared import GetMachines
from protocol.messages.tracking import Join, Present
from tracker.daemon import MOST_OF_SOURCE
from tracker.sockets import METRICS

Command = Callable[..., subprocess.CompletedProcess[str]]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "TWOFOLD_DATA"}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    def run(
        *arguments: str, data: Path | None = tmp_path / "d"
    ) -> subprocess.CompletedProcess[str]:
        where = ["--data", str(data)] if data else []
        return subprocess.run(
            [sys.executable, "-m", "tracker", *arguments, *where],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=ENVIRONMENT,
        )

    return run


@pytest.fixture
def made(command: Command) -> Command:
    assert command("init", "--name", "club").returncode == 0
    return command


@pytest.fixture
def running(made: Command, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    arguments = ["run", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "d")]
    with subprocess.Popen(
        [sys.executable, "-m", "tracker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("tracker of club listening on 127.0.0.1:")
        yield process, line.split()[-1]
        process.kill()


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (line,) = done.stdout.splitlines()
    document: dict[str, Any] = json.loads(line)
    assert document["type"] == ("result" if done.returncode == 0 else "error")
    if done.returncode:
        assert document["code"] == done.returncode
    assert "Traceback" not in done.stdout + done.stderr
    return document


def test_init_twice_overwrites_nothing(made: Command, tmp_path: Path) -> None:
    key = (tmp_path / "d" / "swarm.key").read_bytes()
    again = made("init", "--name", "other")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "error: there is a tracker in this directory or database already\n"
    assert as_json(made("init", "--name", "other", "--json"))["code"] == 1
    assert (tmp_path / "d" / "swarm.key").read_bytes() == key


def test_an_invite_without_a_running_tracker(command: Command) -> None:
    command("init", "--name", "club", "--public", "nas.example:4100")
    plain = command("invite", "--zone", "attic")
    (line,) = plain.stdout.splitlines()
    assert str(decode_invite(line).addresses[0]) == "nas.example:4100"
    made = as_json(command("invite", "--expires", "15m", "--json"))
    assert set(made) == {"type", "invite", "id", "expires"}
    assert decode_invite(made["invite"]).token != decode_invite(line).token
    listed = as_json(command("members", "--json"))
    assert listed["members"] == []
    assert sorted(invite["zone"] for invite in listed["invites"]) == ["", "attic"]
    assert as_json(command("revoke", made["id"], "--json"))["what"] == "invite"
    assert made["id"] in command("members").stdout


def test_an_invite_needs_an_address(made: Command) -> None:
    failed = made("invite")
    assert failed.returncode == 1
    assert "--public" in failed.stderr
    assert as_json(made("members", "--json"))["invites"] == []


def test_the_running_tracker_is_asked(
    made: Command, running: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, address = running
    invite = as_json(made("invite", "--json"))
    assert [str(each) for each in decode_invite(invite["invite"]).addresses] == [address]
    second = made("run", "--listen", "127.0.0.1:0")
    assert second.returncode == 1
    assert "in use by another tracker" in second.stderr
    assert as_json(made("revoke", "nobody", "--json"))["code"] == 3
    assert as_json(made("set", "grace", "10m", "--json"))["grace"] == 600
    assert (tmp_path / "d" / "operator.json").stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not (tmp_path / "d" / "operator.json").exists()
    listed = as_json(made("members", "--json"))
    assert [each["id"] for each in listed["invites"]] == [invite["id"]]


def test_how_it_does_is_told_while_it_runs(
    made: Command, running: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = running
    status = as_json(made("status", "--json"))
    assert (status["swarm"], status["addresses"], status["live"]) == ("club", [address], 0)
    assert status["database"] > 4096
    shown = made("status").stdout
    assert "0 live, 0 suspect, 0 gone" in shown
    assert address in shown
    made("revoke", as_json(made("invite", "--json"))["id"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert as_json(made("status", "--json"))["code"] == 4
    (line,) = as_json(made("audit", "--json", "--since", "1h"))["lines"]
    assert (line["act"], line["who"], line["host"]) == ("revoked", "operator", "127.0.0.1")
    assert "invite" in made("audit").stdout


def test_a_usual_place_that_is_taken_keeps_nobody_from_starting(
    made: Command, tmp_path: Path
) -> None:
    with socket.socket() as usual:
        with suppress(OSError):  # then somebody else has it
            usual.bind(("127.0.0.1", METRICS.port))
            usual.listen()
        taken = str(METRICS)
        refused = made("run", "--listen", "127.0.0.1:0", "--metrics", taken)
        assert refused.returncode == 1
        assert f"cannot listen on {taken}" in refused.stderr
        for option, told in (((), True), (("--metrics", "none"), False)):
            with subprocess.Popen(
                [
                    *(sys.executable, "-m", "tracker", "run", "--json", *option),
                    *("--listen", "127.0.0.1:0", "--data", str(tmp_path / "d")),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=ENVIRONMENT,
            ) as process:
                assert process.stdout is not None
                metrics = json.loads(process.stdout.readline())["metrics"]
                process.kill()
            assert metrics != taken
            assert bool(metrics) is told


def test_one_address_cannot_take_all_places_of_handshakes(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    host, _, port = running[1].rpartition(":")
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(socket.create_connection((host, int(port))))
            for _ in range(MOST_OF_SOURCE + 20)
        ]
        # Those that are too many are shut at once, the others when their time is over.
        shut, _, _ = select.select(crowd, [], [], 8)
        assert 0 < len(shut) <= 20
        other = stack.enter_context(
            socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0))
        )
        assert select.select([other], [], [], 1)[0] == []


def test_after_a_kill_everything_is_there(
    made: Command, running: tuple[subprocess.Popen[str], str]
) -> None:
    process, _ = running
    invite = as_json(made("invite", "--json"))
    process.kill()
    process.wait(20)
    listed = as_json(made("members", "--json"))
    assert [each["id"] for each in listed["invites"]] == [invite["id"]]


@pytest.mark.trio
async def test_a_machine_joins_over_tcp_is_seen_and_is_revoked(
    made: Command, running: tuple[subprocess.Popen[str], str]
) -> None:
    invite = decode_invite(as_json(made("invite", "--json"))["invite"])
    machine = generate_identity()
    joiner = await talk_to(invite, machine, JoinHello(version="t"))
    joined = await joiner.ask(Join, **join_request(machine, joiner, invite.token))
    await joiner.channel.aclose()
    hello = MemberHello(version="t", membership=joined.membership, roster=0)
    talk = await talk_to(invite, machine, hello)
    fields: dict[str, Any] = {"capacity": 5, "stored": 0, "digest": inventory_digest([]), "seen": 0}
    await talk.ask(Present, addresses=("10.1.2.3:77",), **fields)
    (seen,) = (await talk.ask(GetMachines)).machines
    assert seen.addresses == ("10.1.2.3:77", "127.0.0.1:77")
    (listed,) = as_json(made("members", "--json"))["members"]
    assert (listed["name"], listed["state"]) == ("laptop", "live")
    assert as_json(made("revoke", "laptop", "--json"))["id"] == machine.peer.hex()
    with pytest.raises(RefusedError, match="laptop has been revoked"):
        await talk.until_the_end()
    again = await talk_to(invite, machine, hello)
    await again.channel.send(GetMachines(call=1))
    with pytest.raises(RefusedError, match="laptop has been revoked"):
        await again.until_the_end()
    running[0].kill()
    running[0].wait(20)
    (listed,) = as_json(made("members", "--json"))["members"]
    assert listed["state"] == "revoked"


async def talk_to(invite: Invite, machine: Identity, hello: Hello) -> Talk:
    credentials = Credentials(
        psk=invite.psk,
        static=machine.static,
        hello=hello,
        admit=lambda _hello, _static: None,
        ciphers=preferred_ciphers(),
    )
    address = invite.addresses[0]
    return Talk(await open_channel(address.host, address.port, credentials))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nonsense"], 2),
        (["invite", "--nonsense"], 2),
        (["init"], 2),
        (["init", "--name", "x", "--public", "no port"], 2),
        (["init", "--name", "x", "--public", "host:0"], 2),
        (["init", "--name", " "], 2),
        (["invite", "--expires", "5y"], 2),
        (["run", "--listen", "nowhere"], 2),
        (["run", "--metrics", "nowhere"], 2),
        (["run", "--limit", "searches=many"], 2),
        (["audit", "--since", "5y"], 2),
        (["status"], 1),
        (["revoke"], 2),
        (["revoke", ""], 2),
        (["invite", "--zone", "z" * 65], 2),
        (["members"], 1),
        (["run"], 1),
    ],
)
def test_errors(command: Command, arguments: list[str], code: int) -> None:
    plain = command(*arguments)
    assert (plain.returncode, plain.stdout) == (code, "")
    assert plain.stderr.startswith("error: ")
    assert len(plain.stderr.splitlines()) == 1
    assert as_json(command(*arguments, "--json"))["code"] == code


def test_an_address_that_is_taken(made: Command, running: tuple[Any, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    made("init", "--name", "two", data=other)
    taken = made("run", "--listen", running[1], data=other)
    assert taken.returncode == 1
    assert f"cannot listen on {running[1]}" in taken.stderr


@pytest.mark.parametrize(
    "name", ["init", "run", "invite", "members", "revoke", "set", "status", "audit"]
)
def test_every_command_has_help(command: Command, name: str) -> None:
    shown = command(name, "--help", data=None)
    assert shown.returncode == 0
    assert "Usage: twofold-tracker" in shown.stdout
