"""A real PostgreSQL for tests, in a temporary directory: started once, a database for each test.

Its locale orders texts unlike code points do, and Twofold's role owns nothing but its databases: so
tests notice whoever relies on more.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from tracker.database import open_database

PASSWORD = "a secret, of tests: %/@"
"""Of the role over TCP; over the socket none is asked for."""
_ROLE = "twofold"
_PATIENCE = 60.0
_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_LOCALE = ("--encoding=UTF8", "--locale-provider=icu", "--icu-locale=und", "--locale=C.UTF-8")
_QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=100")


def programs() -> Path | None:
    """Where Debian's package puts the newest server's programs; None without it."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(found, key=lambda path: float(path.parents[1].name))
    return newest[-1].parent if newest else None


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, name: str) -> URL:
        """How a tracker reaches a database over the socket, without a password."""
        where = f"host={self.folder}&port={self.port}"
        return make_url(f"postgresql+psycopg://{_ROLE}@/{name}?{where}")

    def tcp_url(self, name: str, password: str | None = PASSWORD) -> URL:
        """The same over TCP, where the password is asked for."""
        return URL.create("postgresql", _ROLE, password, "127.0.0.1", self.port, name)

    def make(self, template: str = "template0") -> str:
        """A new database of Twofold's role; its name."""
        name = f"t_{secrets.token_hex(6)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {_ROLE}")
        return name

    def drop(self, name: str) -> None:
        """Throw a database away, and whoever is connected to it."""
        self.do(f"DROP DATABASE {name} WITH (FORCE)")

    def do(self, statement: str, database: str = "postgres") -> None:
        """A statement, as the superuser."""
        where = {"host": str(self.folder), "port": self.port, "user": "postgres"}
        with psycopg.connect(**where, dbname=database, autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(statement.encode())

    def migrated(self) -> str:
        """A template that has all tables."""
        name = self.make()
        open_database(self.url(name)).close()
        return name


@contextmanager
def running(*settings: str) -> Iterator[Postgres]:
    """A server for a while; `settings` are beside, or instead of, what tests need."""
    binaries = programs()
    assert binaries is not None, "the tests need PostgreSQL: sudo apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="twofold-pg-"))
    user = _server_user()
    if user is not None:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    try:
        yield from _serve(binaries, folder, user, settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(
    binaries: Path, folder: Path, user: str | None, wanted: Sequence[str]
) -> Iterator[Postgres]:
    data, port = folder / "data", _free_port()
    made = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--no-sync", *_LOCALE]
    _as(user, [*made, "--auth-local=trust", "--auth-host=scram-sha-256"], folder)
    settings = (*_QUICK, *wanted, f"port={port}", f"unix_socket_directories={folder}")
    command = [str(binaries / "postgres"), "-D", str(data)]
    for setting in (*settings, "listen_addresses=127.0.0.1"):
        command += ["-c", setting]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            preexec_fn=_end_with_parent,
        )
    try:
        server = Postgres(folder, port, process)
        _wait(server)
        quoted = PASSWORD.replace("'", "''")
        server.do(f"CREATE ROLE {_ROLE} LOGIN PASSWORD '{quoted}'")
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_PATIENCE)


def _wait(server: Postgres) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return server.do("SELECT 1")
        except psycopg.OperationalError:
            log = server.folder / "log"
            assert server.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


def _as(user: str | None, command: list[str], folder: Path) -> None:
    group = pwd.getpwnam(user).pw_gid if user else None
    extra: list[int] | None = [] if user else None
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        user=user,
        group=group,
        extra_groups=extra,
    )


def _server_user() -> str | None:
    """PostgreSQL does not run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _end_with_parent() -> None:
    # After the change of user, which would undo it. The server ends at once, with its children.
    if sys.platform == "linux":
        _LIBC.prctl(_PDEATHSIG, signal.SIGQUIT)
