"""Bytes to typed values and back: msgpack with explicit limits, then conversion to frozen structs.

Refuses anything unknown, ill-typed, too long or left over, always as RemoteProtocolError.
"""

from typing import Any, TypeVar

import msgpack
import msgspec

from protocol.errors import LocalProtocolError, RemoteProtocolError

MAX_CONTROL = 65_519
"""Most bytes of one control message: what fits one Noise transport message."""

MAX_ARRAY = 16_384
MAX_MAP = 64
_T = TypeVar("_T")
_encoder = msgspec.msgpack.Encoder()


def encode(value: msgspec.Struct) -> bytes:
    """The msgpack form of a struct; the same value always gives the same bytes."""
    return _encoder.encode(value)


def decode_untrusted(encoded: bytes | bytearray | memoryview, kind: Any, *, limit: int) -> Any:
    """Convert at most `limit` bytes from a stranger to `kind` (a struct or a union of tagged ones).

    Raises RemoteProtocolError, and nothing else, for any bytes that are not exactly one such value.
    """
    if len(encoded) > limit:
        raise RemoteProtocolError(f"message of {len(encoded)} bytes is over the limit of {limit}")
    try:
        value = msgpack.unpackb(
            encoded,
            raw=False,
            strict_map_key=True,
            max_str_len=min(limit, 1 << 16),
            max_bin_len=limit,
            max_array_len=MAX_ARRAY,
            max_map_len=MAX_MAP,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise RemoteProtocolError(f"not msgpack within limits: {error}") from None
    try:
        # bytes is native to msgpack: without saying so, text would pass for base64.
        return msgspec.convert(value, kind, strict=True, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise RemoteProtocolError(f"message refused: {error}") from None


def encode_control(message: msgspec.Struct) -> bytes:
    """Encode a control message; LocalProtocolError when it does not fit one transport message."""
    encoded = encode(message)
    if len(encoded) > MAX_CONTROL:
        name = type(message).__name__
        raise LocalProtocolError(f"{name} of {len(encoded)} bytes does not fit a control message")
    return encoded
