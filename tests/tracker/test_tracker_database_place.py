"""Where the database is said to be: flag, environment, file; and that passwords stay secret."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from postgres import PASSWORD, Postgres
from sqlalchemy import URL, make_url

from tracker.data_dir import DataDir
from tracker.database_place import given_place, has_password, shown
from tracker.errors import DataDirectoryError, UsageError

PLAIN = "postgresql://tracker@db.lan/twofold"
SECRET = "postgresql://tracker:hush@db.lan/twofold"


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWOFOLD_DATABASE", raising=False)


def run(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracker", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("text", [PLAIN, "postgres://tracker@db.lan/twofold", "postgresql:///club"])
def test_urls(tmp_path: Path, text: str) -> None:
    place = given_place(tmp_path, text)
    assert isinstance(place, URL)
    assert place.drivername == "postgresql+psycopg"


@pytest.mark.parametrize("text", ["sqlite", "sqlite:", "sqlite://"])
def test_a_file_in_the_data_directory(tmp_path: Path, text: str) -> None:
    assert given_place(tmp_path, text) == tmp_path / "tracker.db"


@pytest.mark.parametrize(
    "text",
    ["", "x", "mysql://u@h/d", "sqlite:///elsewhere.db", "postgresql+asyncpg://h/d", "http://h",
     "postgresql://h:port/d", "postgresql"],
)  # fmt: skip
def test_what_is_no_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--database needs a URL like"):
        given_place(tmp_path, text)


@pytest.mark.parametrize(
    "text", [SECRET, PLAIN + "?password=hush", PLAIN + "?sslpassword=hush&x=1", "postgres://:h@/d"]
)
def test_no_password_on_the_command_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="TWOFOLD_DATABASE") as caught:
        given_place(tmp_path, text)
    assert "hush" not in str(caught.value)


def test_the_environment_may_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert given_place(tmp_path, None) is None
    monkeypatch.setenv("TWOFOLD_DATABASE", SECRET)
    place = given_place(tmp_path, None)
    assert isinstance(place, URL)
    assert place.password == "hush"
    assert given_place(tmp_path, "sqlite:") == tmp_path / "tracker.db"


def test_a_wrong_environment_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_DATABASE", "postgresql://a:hush@h:x/d")
    with pytest.raises(UsageError) as caught:
        given_place(tmp_path, None)
    assert "hush" not in str(caught.value)


def test_what_is_shown_of_a_place_is_no_secret(tmp_path: Path) -> None:
    for text in (SECRET, PLAIN + "?password=hush", "postgresql://:hush@/d?host=/run/x"):
        url = make_url(text)
        assert has_password(url)
        assert "hush" not in shown(url)
    assert shown(tmp_path) == str(tmp_path)


def test_a_place_is_kept_and_given_up(tmp_path: Path) -> None:
    directory = DataDir(tmp_path)
    assert directory.place() == directory.database
    directory.keep_place(make_url(SECRET).set(drivername="postgresql+psycopg"))
    assert stat.S_IMODE(directory.database_url.stat().st_mode) == 0o600
    again = DataDir(tmp_path).place()
    assert isinstance(again, URL)
    assert again.password == "hush"
    directory.database_url.chmod(0o640)
    with pytest.raises(DataDirectoryError, match="chmod 600"):
        DataDir(tmp_path).place()
    directory.keep_place(directory.database)
    assert DataDir(tmp_path).place() == directory.database


def test_a_password_in_the_flag_is_refused_by_the_command(tmp_path: Path) -> None:
    done = run(tmp_path / "d", "init", "--name", "club", "--database", SECRET)
    assert done.returncode == 2
    assert "TWOFOLD_DATABASE" in done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert not (tmp_path / "d").exists()


def test_a_swarm_on_postgres_by_commands(tmp_path: Path, postgres_server: Postgres) -> None:
    name = postgres_server.make()
    url = postgres_server.tcp_url(name).render_as_string(hide_password=False)
    data = tmp_path / "d"
    said = ["--public", "nas.lan:4100", "--log-level", "debug"]
    done = run(data, "init", "--name", "club", *said, TWOFOLD_DATABASE=url)
    assert done.returncode == 0, done.stderr
    assert not (data / "tracker.db").exists()
    invited = run(data, "invite", "--log-level", "debug")
    assert invited.returncode == 0, invited.stderr
    assert invited.stdout
    again = run(tmp_path / "e", "init", "--name", "club", TWOFOLD_DATABASE=url)
    assert again.returncode == 1
    assert "already" in again.stderr
    wrong = url.replace("twofold:", "twofold:x")
    refused = run(data, "members", "--log-level", "debug", TWOFOLD_DATABASE=wrong)
    assert refused.returncode == 1
    assert "password authentication failed" in refused.stderr
    said_in_all = "".join(each.stdout + each.stderr for each in (done, invited, again, refused))
    for secret in (PASSWORD, url.split(":")[2].split("@")[0]):
        assert secret not in said_in_all
    postgres_server.drop(name)
