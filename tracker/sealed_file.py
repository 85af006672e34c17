"""Files under a passphrase: written and read in portions, each sealed, none missing or moved. Pure.

The key comes from the passphrase by argon2id with a salt of the file's own. Portions are sealed by
ChaCha20-Poly1305; the nonce is the portion's number and whether it is the last, the header is
authenticated with each. So a file that is cut, joined of two, or changed anywhere is refused.
"""

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tracker.errors import DataDirectoryError

MAGIC = b"twofold tracker backup 1\n"
PORTION = 1 << 20
_SALT = 16
_TAG = 16
_LENGTH = 4
# RFC 9106, the second recommended choice; another one would be another MAGIC.
_MEMORY_KIB, _PASSES, _LANES = 64 << 10, 3, 4


def write_sealed(file: BinaryIO, passphrase: str, pieces: Iterable[bytes]) -> None:
    """Write a file whose content is these pieces one after the other."""
    header = MAGIC + os.urandom(_SALT)
    cipher = _cipher(passphrase, header)
    file.write(header)
    number, waiting = 0, bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) > PORTION:
            _write_portion(file, cipher, header, number, bytes(waiting[:PORTION]), last=False)
            del waiting[:PORTION]
            number += 1
    _write_portion(file, cipher, header, number, bytes(waiting), last=True)


def read_sealed(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """The content in pieces; DataDirectoryError at the first that is not as it was written."""
    header = file.read(len(MAGIC) + _SALT)
    if len(header) < len(MAGIC) + _SALT or not header.startswith(MAGIC):
        raise DataDirectoryError("this file is no backup of a tracker")
    cipher = _cipher(passphrase, header)
    number, last = 0, False
    while not last:
        length = int.from_bytes(file.read(_LENGTH))
        sealed = file.read(length) if _TAG <= length <= PORTION + _TAG else b""
        try:
            piece = cipher.decrypt(_nonce(number, last=False), sealed, header)
        except InvalidTag:
            try:
                piece, last = cipher.decrypt(_nonce(number, last=True), sealed, header), True
            except InvalidTag:
                raise DataDirectoryError(_why(number)) from None
        yield piece
        number += 1
    if file.read(1):
        raise DataDirectoryError("the backup is damaged: there is something behind its end")


def _write_portion(
    file: BinaryIO,
    cipher: ChaCha20Poly1305,
    header: bytes,
    number: int,
    piece: bytes,
    *,
    last: bool,
) -> None:
    sealed = cipher.encrypt(_nonce(number, last=last), piece, header)
    file.write(len(sealed).to_bytes(_LENGTH) + sealed)


def _cipher(passphrase: str, header: bytes) -> ChaCha20Poly1305:
    derive = Argon2id(
        salt=header[len(MAGIC) :],
        length=32,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return ChaCha20Poly1305(derive.derive(passphrase.encode()))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _why(number: int) -> str:
    if number == 0:
        return "the passphrase is wrong, or the backup is damaged"
    return "the backup is damaged or not whole"
