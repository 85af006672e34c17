"""The peer's data directory: what lies where, one daemon at a time, secrets for us alone."""

import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from peer.errors import InUseError, NotJoinedError, PeerError
from protocol.errors import InvalidTextError
from protocol.fields import AddressText, StaticKeyField, SwarmKeyField
from protocol.identity import Identity, decode_identity, encode_identity, generate_identity
from protocol.ids import SwarmKey
from protocol.operator_access import FILE_NAME as OPERATOR_FILE
from protocol.signing import Signed


class JoinedSwarm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What joining left behind. `psk` is the swarm's transport secret: never logged."""

    swarm: SwarmKeyField
    psk: bytes
    tracker: StaticKeyField
    tracker_addresses: tuple[AddressText, ...]
    membership: Signed
    capacity: int

    def __repr__(self) -> str:
        return f"JoinedSwarm(swarm={self.swarm.hex()[:12]})"


class LeftSwarm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which swarm this machine was in; what it stored for it may still be here."""

    swarm: SwarmKeyField
    name: str


def default_data_dir() -> Path:
    """Where a peer keeps its data when nobody says otherwise."""
    import platformdirs  # takes as long as all of a command's messages do

    return Path(platformdirs.user_data_dir("twofold"))


class DataDir:
    """Paths below one directory, and the few files in it that are not the database's."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.database = self.root / "peer.db"
        self.content = self.root / "content"
        self.trash = self.root / "trash"
        self.spool = self.root / "spool"
        self.quarantine = self.root / "quarantine"
        self.operator_file = self.root / OPERATOR_FILE
        self.settings_file = self.root / "settings.toml"
        self._identity_file = self.root / "identity.key"
        self._joined_file = self.root / "membership.json"
        self._left_file = self.root / "left.json"

    def create(self) -> None:
        """Make the directories; PeerError when the file system refuses."""
        try:
            for folder in (self.root, self.content, self.trash, self.spool):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise PeerError(f"cannot use data directory {self.root}: {error.strerror}") from None

    def lock(self) -> int:
        """Hold the directory until the process ends. InUseError when another daemon has it."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InUseError(
                f"another twofold daemon is already running on {self.root}; "
                "use it, or give this one another --data"
            ) from None
        return descriptor

    def load_identity(self) -> Identity:
        """This machine's keys, made on first use. PeerError when the file is damaged."""
        try:
            return decode_identity(bytes.fromhex(self._identity_file.read_text()))
        except FileNotFoundError:
            identity = generate_identity()
            write_private(self._identity_file, encode_identity(identity).hex().encode())
            return identity
        except (ValueError, InvalidTextError):
            raise PeerError(f"{self._identity_file} is damaged; restore it from a backup") from None

    def load_joined(self) -> JoinedSwarm:
        """What joining left. NotJoinedError before that, PeerError when it is damaged."""
        try:
            return msgspec.json.decode(self._joined_file.read_bytes(), type=JoinedSwarm)
        except FileNotFoundError:
            left = self.load_left()
            which = f"has left the swarm {left.name!r}" if left else "is not in a swarm yet"
            raise NotJoinedError(f"{self.root} {which}: run 'twofold join INVITE' first") from None
        except msgspec.MsgspecError as error:
            raise PeerError(f"{self._joined_file} is damaged ({error}); join again") from None

    def save_joined(self, joined: JoinedSwarm) -> None:
        """Keep what joining gave."""
        write_private(self._joined_file, msgspec.json.encode(joined))
        self._left_file.unlink(missing_ok=True)

    def is_joined(self) -> bool:
        """Whether this machine has joined a swarm."""
        return self._joined_file.exists()

    def mark_left(self, swarm: SwarmKey, name: str) -> None:
        """This machine is in no swarm any more: its membership and the swarm's secret go."""
        write_private(self._left_file, msgspec.json.encode(LeftSwarm(swarm=swarm, name=name)))
        self._joined_file.unlink(missing_ok=True)

    def load_left(self) -> LeftSwarm | None:
        """The swarm that was left; None when none was. PeerError when the file is damaged."""
        try:
            return msgspec.json.decode(self._left_file.read_bytes(), type=LeftSwarm)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise PeerError(f"{self._left_file} is damaged ({error}); delete it") from None

    def check_joinable(self, swarm: SwarmKey) -> None:
        """PeerError when joining this swarm would mix it up with another."""
        if self.is_joined():
            raise PeerError(f"{self.root} has joined a swarm already; use another --data")
        left = self.load_left()
        if left is not None and left.swarm != swarm and self.database.exists():
            raise PeerError(
                f"{self.root} still keeps what was stored for the swarm {left.name!r}; "
                "use another --data, or delete it first"
            )

    def delete_stored(self, users: Iterable[Path]) -> list[Path]:
        """Delete database and stored pieces for good, but no folder with a file of the `users` in.

        The folders that stayed. OSError when the file system refuses.
        """
        paths = [path.absolute() for path in users]
        spared = []
        for folder in (self.content, self.trash, self.spool, self.quarantine):
            if any(path.is_relative_to(folder) for path in paths):
                spared.append(folder)
            elif folder.exists():
                shutil.rmtree(folder)
        for suffix in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        return spared


def write_private(path: Path, content: bytes) -> None:
    """Replace a file as one step, durable, readable by its owner only."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
