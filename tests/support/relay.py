"""A network between a browser and a page, in a test's hands: counted, cut off, and mended."""

import fcntl
import os
import socket
import struct
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_AT_ONCE = 1 << 20
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """Listens at one address and passes on to another; `up` counts bytes towards that one.

    While cut, whoever connects is reset, and whoever was connected, too. The other end is told
    nothing, as when a cable is pulled.
    """

    def __init__(self, listen: tuple[str, int], to: tuple[str, int]) -> None:
        self.up = 0
        self.turned_away = 0
        self._to = to
        self._cut = False
        self._near: set[socket.socket] = set()
        self._far: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listening = socket.create_server(listen)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        with self._lock:
            for far in self._far:
                far.close()

    def cut(self) -> None:
        """Cut every connection, and let no new one through."""
        with self._lock:
            self._cut = True
            for near in self._near:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                # Wakes who reads it, and says nothing to the other end.
                near.shutdown(socket.SHUT_RD)

    def mend(self) -> None:
        """Let new connections through again."""
        self._cut = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = self._connect()
            if far is None:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                near.close()
                self.turned_away += 1
                continue
            with self._lock:
                self._near.add(near)
                self._far.append(far)
            threading.Thread(target=self._pass_up, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pass_down, args=(far, near), daemon=True).start()

    def _connect(self) -> socket.socket | None:
        if self._cut:
            return None
        try:
            return socket.create_connection(self._to)
        except OSError:
            return None

    def _pass_up(self, near: socket.socket, far: socket.socket) -> None:
        for count in _passed(near, far):
            self.up += count
        with self._lock:
            self._near.discard(near)
            near.close()
            if not self._cut:
                _end(far)

    def _pass_down(self, far: socket.socket, near: socket.socket) -> None:
        for _ in _passed(far, near):
            pass
        _end(near)


def _end(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already


def _passed(one: socket.socket, other: socket.socket) -> Iterator[int]:
    """Move bytes until either ends; how many, each time. The kernel moves them: it is cheap."""
    out, in_ = os.pipe()
    fcntl.fcntl(in_, fcntl.F_SETPIPE_SZ, _AT_ONCE)
    try:
        while left := os.splice(one.fileno(), in_, _AT_ONCE):
            while left:
                count = os.splice(out, other.fileno(), left)
                left -= count
                yield count
    except (OSError, ValueError):
        return  # either went away
    finally:
        os.close(out)
        os.close(in_)
