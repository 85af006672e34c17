"""The bare loop: the least work an encrypted, verified, durable transfer can be made of.

One process reads a file and sends it over loopback in batched AES-256-GCM messages of Noise's size;
another opens them into page-aligned buffers, hashes each piece with BLAKE3 and writes it with
O_DIRECT to a new file, made durable at the end. No protocol, no choice, no bookkeeping: the limit
that `transfer` is measured against (docs/performance.md).
"""

import mmap
import multiprocessing
import os
import struct
import time
from multiprocessing.connection import Connection
from pathlib import Path

import trio
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PAYLOAD = 65_519
RECORD = 2 + PAYLOAD + 16
PIECE = 2 << 20
BUFFERS = 6
_NONCE = struct.Struct(">IQ").pack
_KEY = bytes(32)


def run_bare_loop(source: Path, target: Path) -> float:
    """Move `source` (whole pieces of 2 MiB) to the new file `target`; seconds until durable."""
    size = source.stat().st_size
    if size % PIECE:
        raise ValueError(f"the bare loop moves whole pieces of {PIECE} bytes")
    ours, theirs = multiprocessing.Pipe()
    sender = multiprocessing.Process(target=_sender, args=(source, size, theirs), daemon=True)
    sender.start()
    port: int = ours.recv()
    started = time.perf_counter()
    trio.run(_receive, port, target, size)
    seconds = time.perf_counter() - started
    sender.join()
    return seconds


def _sender(source: Path, size: int, ready: Connection) -> None:
    async def serve() -> None:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        ready.send(listener.socket.getsockname()[1])
        stream = await listener.accept()
        await _send(stream.socket, source, size)
        await stream.aclose()

    trio.run(serve)


async def _send(sock: trio.socket.SocketType, source: Path, size: int) -> None:
    descriptor = os.open(source, os.O_RDONLY)
    cipher, counter = AESGCM(_KEY), 0
    piece = memoryview(bytearray(PIECE))
    out = memoryview(bytearray(-(-PIECE // PAYLOAD) * RECORD))
    for offset in range(0, size, PIECE):
        os.preadv(descriptor, [piece], offset)
        position = 0
        for start in range(0, PIECE, PAYLOAD):
            end = min(start + PAYLOAD, PIECE)
            length = end - start + 16
            out[position : position + 2] = length.to_bytes(2)
            target = out[position + 2 : position + 2 + length]
            cipher.encrypt_into(_NONCE(0, counter), piece[start:end], None, target)
            counter += 1
            position += 2 + length
        rest = out[:position]
        while rest:
            rest = rest[await sock.send(rest[: 1 << 20]) :]
    os.close(descriptor)


async def _receive(port: int, path: Path, size: int) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    descriptor = os.open(path, flags | os.O_DIRECT)
    free = [mmap.mmap(-1, PIECE) for _ in range(BUFFERS)]
    writing = trio.Semaphore(BUFFERS - 2)

    def hash_and_write(buffer: mmap.mmap, offset: int) -> None:
        blake3(buffer).digest()
        os.pwrite(descriptor, buffer, offset)

    async def finish(buffer: mmap.mmap, offset: int) -> None:
        await trio.to_thread.run_sync(hash_and_write, buffer, offset)
        free.append(buffer)
        writing.release()

    async with trio.open_nursery() as nursery:
        offset, opened = 0, _Opener(stream.socket)
        while offset < size:
            await writing.acquire()
            buffer = free.pop()
            await opened.fill(memoryview(buffer))
            nursery.start_soon(finish, buffer, offset)
            offset += PIECE
    os.fdatasync(descriptor)
    os.close(descriptor)
    await stream.aclose()


class _Opener:
    """Takes messages off a socket and opens them into the buffers it is given."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._socket = sock
        self._cipher, self._counter = AESGCM(_KEY), 0
        self._memory = memoryview(bytearray(2 << 20))
        self._start = self._end = 0

    async def fill(self, target: memoryview) -> None:
        filled = 0
        while filled < len(target):
            start, memory = self._start, self._memory
            held = self._end - start
            length = (memory[start] << 8 | memory[start + 1]) if held >= 2 else 0
            if not length or held < 2 + length:
                memory[:held] = memory[start : self._end]
                self._start = 0
                self._end = held + await self._socket.recv_into(memory[held:])
                continue
            record = memory[start + 2 : start + 2 + length]
            view = target[filled : filled + length - 16]
            self._cipher.decrypt_into(_NONCE(0, self._counter), record, None, view)
            self._counter += 1
            filled += length - 16
            self._start += 2 + length
