"""Files of a folder, opened by their names in it, one after another.

Every step is taken from an open folder and never through a symbolic link: what somebody puts in the
place of a folder cannot lead us out of it. Blocking; one thread at a time.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe in the place of a file would be waited for.
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Folder:
    """Keeps open the folder used last, as files that lie together come together."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name: str | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._leave()

    def open(self, name: str, flags: int) -> int:
        """A descriptor of the file at a relative path; whoever asked closes it. OSError."""
        folder, _, last = name.rpartition("/")
        if folder != self._name:
            self.enter(folder)
        try:
            return os.open(last, flags | _OPEN, 0o666, dir_fd=self._descriptor)
        except OSError as error:
            raise self._named(error, name) from None

    def stat(self, name: str) -> os.stat_result:
        """How a file looks. OSError."""
        folder, _, last = name.rpartition("/")
        if folder != self._name:
            self.enter(folder)
        try:
            return os.stat(last, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            raise self._named(error, name) from None

    def enter(self, folder: str, *, make: bool = False) -> None:
        """Open a folder below the root ("": the root), made if asked for. OSError."""
        self._leave()
        self._descriptor = os.open(self._root, _STEP)
        for part in folder.split("/") if folder else ():
            try:
                below = self._step(part, make=make)
            except OSError as error:
                raise self._named(error, folder) from None
            os.close(self._descriptor)
            self._descriptor = below
        self._name = folder

    def names(self) -> set[str]:
        """What is in the folder entered. OSError."""
        descriptor = os.open(".", _LIST, dir_fd=self._descriptor)
        try:
            return set(os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Make durable what the folder entered names. OSError."""
        descriptor = os.open(".", _LIST, dir_fd=self._descriptor)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _step(self, part: str, *, make: bool) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=self._descriptor)
        try:
            return os.open(part, _STEP | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except NotADirectoryError:
            found = os.stat(part, dir_fd=self._descriptor, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):
                raise
            raise OSError(errno.ELOOP, "a symbolic link leads out of the folder") from None

    def _leave(self) -> None:
        self._name = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _named(self, error: OSError, name: str) -> OSError:
        """The same error with the whole path in it."""
        return OSError(error.errno, error.strerror, str(self._root / name))
