"""A data directory whose machine has left its swarm: what goes, what stays, what it may join."""

from pathlib import Path

import pytest

from peer.data_dir import DataDir
from peer.errors import PeerError
from protocol.ids import SwarmKey


def test_a_data_directory_that_was_left_can_be_joined_with_again(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / "data")
    directory.create()
    one, other = SwarmKey(bytes(32)), SwarmKey(bytes([1]) * 32)
    directory.check_joinable(one)
    directory.mark_left(one, "Studio")
    directory.database.write_bytes(b"kept")
    directory.check_joinable(one)
    with pytest.raises(PeerError, match="still keeps what was stored for the swarm 'Studio'"):
        directory.check_joinable(other)
    (directory.content / "aa").mkdir()
    (directory.content / "aa" / "piece").write_bytes(b"x")
    assert directory.delete_stored([tmp_path / "elsewhere"]) == []
    assert not directory.content.exists()
    assert not directory.database.exists()
    directory.check_joinable(other)


def test_a_users_file_in_the_wrong_place_is_spared(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / "data")
    directory.create()
    mine = directory.content / "my film"
    mine.write_bytes(b"mine")
    (directory.trash / "old").write_bytes(b"x")
    assert directory.delete_stored([mine]) == [directory.content]
    assert mine.read_bytes() == b"mine"
    assert not directory.trash.exists()
