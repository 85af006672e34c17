"""Bytes to typed values and back: msgpack with explicit limits, then conversion to frozen structs.

Refuses anything unknown, ill-typed, too long or left over, always as RemoteProtocolError.
"""

from collections.abc import Mapping
from typing import Any

import msgpack
import msgspec

from protocol.errors import LocalProtocolError, RemoteProtocolError

MAX_CONTROL = 65_519
"""Most bytes of one control message: what fits one Noise transport message."""

MAX_ARRAY = 16_384
MAX_MAP = 64
_LONGEST_REASON = 200
_UNREADABLE = (ValueError, TypeError, RecursionError, msgpack.UnpackException)
_encoder = msgspec.msgpack.Encoder()


def encode(value: msgspec.Struct) -> bytes:
    """The msgpack form of a struct; the same value always gives the same bytes.

    LocalProtocolError for text that is not valid Unicode, or a number of over 64 bits.
    """
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError) as error:
        name = type(value).__name__
        raise LocalProtocolError(f"{name} cannot be encoded: {error}") from None


def decode_untrusted(encoded: bytes | bytearray | memoryview, kind: Any, *, limit: int) -> Any:
    """Convert at most `limit` bytes from a stranger to `kind` (a struct or a union of tagged ones).

    Raises RemoteProtocolError, and nothing else, for any bytes that are not exactly one such value.
    """
    return _convert(_unpack(encoded, limit), kind)


def decode_tagged_untrusted(
    encoded: bytes | bytearray | memoryview, kinds: Mapping[str, type], tag: str, *, limit: int
) -> Any:
    """As `decode_untrusted`, for one of many structs told apart by their field `tag`.

    msgspec would work a union's type out anew at each call, 50 microseconds for all messages.
    """
    value = _unpack(encoded, limit)
    name = value.get(tag) if isinstance(value, dict) else None
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        # Never str() of what is no text: lists a thousand deep are too deep for it.
        shown = repr(name[:40]) if isinstance(name, str) else type(name).__name__
        raise RemoteProtocolError(f"no message of type {shown} is known")
    return _convert(value, kind)


def decode_flat_untrusted(encoded: bytes, kind: Any, *, limit: int) -> Any:
    """As `decode_untrusted`, for a long struct none of whose fields holds a list or a struct.

    Takes little more memory than its bytes, where 64 MiB of empty lists would take gigabytes.
    """
    _check_length(encoded, limit)
    unpacker = msgpack.Unpacker(
        raw=False,
        max_buffer_size=max(1, len(encoded)),
        max_str_len=1 << 16,
        max_bin_len=limit,
        max_array_len=0,
        max_map_len=0,
        max_ext_len=0,
    )
    try:
        unpacker.feed(encoded)
        number = unpacker.read_map_header()
        if number > MAX_MAP:
            raise ValueError(f"a map of {number}")
        value: dict[str, Any] = {}
        for _ in range(number):
            key = unpacker.unpack()
            if not isinstance(key, str) or key in value:
                raise ValueError("a key that is no text, or comes twice")
            value[key] = unpacker.unpack()
        if unpacker.tell() != len(encoded):
            raise ValueError("bytes left over")
    except _UNREADABLE as error:
        raise _not_msgpack(error) from None
    return _convert(value, kind)


def _unpack(encoded: bytes | bytearray | memoryview, limit: int) -> object:
    _check_length(encoded, limit)
    try:
        value: object = msgpack.unpackb(
            encoded,
            raw=False,
            strict_map_key=True,
            max_str_len=min(limit, 1 << 16),
            max_bin_len=limit,
            max_array_len=MAX_ARRAY,
            max_map_len=MAX_MAP,
            max_ext_len=0,
        )
    except _UNREADABLE as error:
        raise _not_msgpack(error) from None
    return value


def _check_length(encoded: bytes | bytearray | memoryview, limit: int) -> None:
    if len(encoded) > limit:
        raise RemoteProtocolError(f"message of {len(encoded)} bytes is over the limit of {limit}")


def _convert(value: object, kind: Any) -> Any:
    try:
        # bytes is native to msgpack: without saying so, text would pass for base64.
        return msgspec.convert(value, kind, strict=True, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise RemoteProtocolError(f"message refused: {str(error)[:_LONGEST_REASON]}") from None


def _not_msgpack(error: Exception) -> RemoteProtocolError:
    reason = str(error)[:_LONGEST_REASON] or type(error).__name__
    return RemoteProtocolError(f"not msgpack within limits: {reason}")


def encode_control(message: msgspec.Struct) -> bytes:
    """Encode a control message; LocalProtocolError when it does not fit one transport message."""
    encoded = encode(message)
    if len(encoded) > MAX_CONTROL:
        name = type(message).__name__
        raise LocalProtocolError(f"{name} of {len(encoded)} bytes does not fit a control message")
    return encoded
