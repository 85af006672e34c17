"""The tracker's data directory: where things lie, whose it is now, and its secret files.

Refuses a second user by a lock that the kernel drops with the process. Secret files have mode 0600
and are there whole or not at all.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import URL

from protocol import operator_access
from protocol.errors import InvalidTextError
from protocol.identity import Identity, decode_identity, encode_identity, generate_identity
from protocol.ids import SwarmKey
from protocol.invite import PSK_LENGTH
from tracker.database_place import SQLITE_NAME, URL_NAME, Place, has_password, parse_place
from tracker.errors import DataDirectoryError, InUseError

_SEED_LENGTH = 32
_RUN_LENGTH = 16


@dataclass(frozen=True)
class SwarmKeys:
    """The swarm's own secrets: what signs memberships and rosters, and the transport key."""

    signing: Ed25519PrivateKey = field(repr=False)
    psk: bytes = field(repr=False)

    @property
    def public(self) -> SwarmKey:
        """The key by which everybody knows the swarm."""
        return SwarmKey(self.signing.public_key().public_bytes_raw())


def default_data_dir() -> Path:
    """Where a tracker keeps its state when nobody says otherwise."""
    return Path(platformdirs.user_data_dir("twofold-tracker"))


class DataDir:
    """Paths below one directory, and the files that are not the database's."""

    def __init__(self, root: Path, place: Place | None = None) -> None:
        self.root = root
        self._place = place
        self.swarm_key = root / "swarm.key"
        self.identity_key = root / "identity.key"
        self.database = root / SQLITE_NAME
        self.database_url = root / URL_NAME
        self.shelf = root / "search.cache"
        self.operator = root / operator_access.FILE_NAME
        self._run = root / "run.id"
        self._public = root / "public"
        self._lock = root / "lock"

    def create(self) -> None:
        """Make the directory, for its owner only."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataDirectoryError(f"cannot make {self.root}: {error.strerror}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the directory for a while; InUseError when another process does."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryError(f"cannot use {self.root}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUseError(f"{self.root} is in use by another tracker") from None
            yield
        finally:
            os.close(descriptor)

    def place(self) -> Place:
        """Where the database is: as was given, or kept by `keep_place`, or a file in here."""
        if self._place is not None:
            return self._place
        if not self.database_url.exists():
            return self.database
        place = parse_place(
            self.root, _read_secret(self.database_url).decode().strip(), str(self.database_url)
        )
        if isinstance(place, URL) and has_password(place) and _is_open(self.database_url):
            raise DataDirectoryError(f"{self.database_url} has a password: chmod 600 it")
        return place

    def keep_place(self, place: Place) -> None:
        """From now on the database is there, for all commands."""
        self._place = place
        if isinstance(place, URL):
            text = place.render_as_string(hide_password=False)
            write_secret(self.database_url, f"{text}\n".encode())
        else:
            self.database_url.unlink(missing_ok=True)

    def new_run(self) -> tuple[bytes, bytes]:
        """An id by which other trackers know this run, and that of the one before, or b""."""
        before = self._run.read_bytes()[:_RUN_LENGTH] if self._run.exists() else b""
        run = os.urandom(_RUN_LENGTH)
        write_secret(self._run, run)
        return run, before

    def public(self) -> tuple[str, ...]:
        """Where machines reach this very tracker, if that was said."""
        return tuple(self._public.read_text().split()) if self._public.exists() else ()

    def keep_public(self, addresses: tuple[str, ...]) -> None:
        """From now on machines reach this tracker there."""
        write_secret(self._public, "".join(f"{each}\n" for each in addresses).encode())

    def check_made(self) -> None:
        """DataDirectoryError unless `init` has been here. The database may be lost."""
        if not self.swarm_key.exists():
            raise DataDirectoryError(
                f"there is no tracker in {self.root}: make one with `twofold-tracker init`"
            )

    def check_keys(self) -> None:
        """DataDirectoryError unless another tracker's keys are here, for nobody else to read."""
        for key in (self.swarm_key, self.identity_key):
            if not key.exists():
                raise DataDirectoryError(f"copy {key.name} of another tracker to {key} first")
            if _is_open(key):
                raise DataDirectoryError(f"others can read {key}: chmod 600 it")

    def load_swarm_keys(self) -> SwarmKeys:
        """The swarm's secrets, made by `init`."""
        secret = _read_secret(self.swarm_key)
        if len(secret) != _SEED_LENGTH + PSK_LENGTH:
            raise DataDirectoryError(f"{self.swarm_key} is damaged: restore it from a backup")
        signing = Ed25519PrivateKey.from_private_bytes(secret[:_SEED_LENGTH])
        return SwarmKeys(signing, secret[_SEED_LENGTH:])

    def make_swarm_keys(self) -> SwarmKeys:
        """The swarm's secrets: those that are there, else fresh ones."""
        if not self.swarm_key.exists():
            signing = Ed25519PrivateKey.generate()
            secret = signing.private_bytes_raw() + os.urandom(PSK_LENGTH)
            write_secret(self.swarm_key, secret)
        return self.load_swarm_keys()

    def make_identity(self) -> Identity:
        """The tracker's own identity: the one that is there, else a fresh one."""
        if not self.identity_key.exists():
            write_secret(self.identity_key, encode_identity(generate_identity()))
        try:
            return decode_identity(_read_secret(self.identity_key))
        except InvalidTextError as error:
            raise DataDirectoryError(f"{self.identity_key} is damaged: {error}") from None


def write_secret(path: Path, content: bytes) -> None:
    """Put a whole new file in place, mode 0600, durable when this returns."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _read_secret(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataDirectoryError(f"cannot read {path}: {error.strerror}") from None
