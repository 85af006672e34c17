"""A tracker on PostgreSQL, with real peers: what they share is found after either restarts."""

from pathlib import Path

import psycopg
import pytest
from postgres import Postgres
from swarm import Swarm

pytestmark = pytest.mark.swarm


def test_join_share_find_and_get(swarm_on_postgres: Swarm, tmp_path: Path) -> None:
    swarm = swarm_on_postgres
    a, b = swarm.add_peer("a"), swarm.add_peer("b")
    film = tmp_path / "Straßenfest 日本.txt"
    film.write_text("bread and butter\n" * 9_000)
    entry = swarm.ok(a, "add", str(film), "--wait")["id"]
    for words in ("strassen", "日本", "本", "nfest tx"):
        assert len(swarm.ok(b, "search", words)["entries"]) == 1, words
    swarm.kill_tracker()
    swarm.start_tracker()
    for peer in (a, b):
        swarm.ok(peer, "status", "--wait", "30")
    c = swarm.add_peer("c")
    assert len(swarm.ok(c, "search", "fest")["entries"]) == 1
    swarm.ok(c, "get", entry, "-o", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == film.read_bytes()
    assert not (swarm.tracker_data / "tracker.db").exists()
    names = {each["name"] for each in swarm.tracker_ok("members")["members"]}
    assert names == {"a", "b", "c"}


def test_a_database_that_was_away(swarm_on_postgres: Swarm, postgres_server: Postgres) -> None:
    swarm = swarm_on_postgres
    a = swarm.add_peer("a")
    name = swarm.database.partition("@/")[2].partition("?")[0]
    postgres_server.do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    away = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgres_server.do(away)
    assert swarm.cli(a, "search", "film").code != 0
    postgres_server.do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert swarm.ok(a, "search", "film")["entries"] == []
    assert swarm.tracker is not None
    assert swarm.tracker.alive()
    with psycopg.connect(host=str(postgres_server.folder), port=postgres_server.port,
                         user="postgres", dbname=name) as connection:  # fmt: skip
        assert connection.execute("SELECT count(*) FROM members").fetchone() == (1,)
