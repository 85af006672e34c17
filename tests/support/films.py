"""Films of noise that a browser plays: large, and quickly made."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av

WIDTH, HEIGHT = 192, 144
FRAMES_A_SECOND = 10
_PATTERN_SECONDS = 10
_CODECS = {
    ".webm": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "qmin": "0", "qmax": "4"}),
    ".mp4": ("libx264", {"preset": "ultrafast", "qp": "4", "sc_threshold": "0"}),
}
_BITS = 5_000_000


def write_film(path: Path, seconds: int, *, index_first: bool = False) -> Path:
    """A film with an index at its end, or, MP4 only, at its beginning.

    Some seconds are encoded, and said again and again: noise has no other size the next time.
    """
    pattern = _encode(path.suffix)
    options = {"movflags": "faststart"} if index_first else {}
    with (
        av.open(io.BytesIO(pattern)) as source,
        av.open(str(path), "w", container_options=options) as film,
    ):
        (shown,) = source.streams.video
        stream = film.add_stream_from_template(shown)
        packets = [
            (bytes(packet), packet.pts, packet.dts, packet.is_keyframe)
            for packet in source.demux(shown)
            if packet.size
        ]
        base = shown.time_base
        assert base is not None
        length = int(_PATTERN_SECONDS / base)
        for again in range(seconds // _PATTERN_SECONDS):
            for content, pts, dts, key in packets:
                packet = av.Packet(content)
                packet.pts, packet.dts = pts + again * length, dts + again * length
                packet.time_base, packet.stream, packet.is_keyframe = base, stream, key
                film.mux(packet)
    return path


def _encode(suffix: str) -> bytes:
    codec, options = _CODECS[suffix]
    out = io.BytesIO()
    with av.open(out, "w", format=suffix[1:]) as film:
        stream = film.add_stream(codec, rate=FRAMES_A_SECOND, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate, stream.gop_size, stream.max_b_frames = _BITS, FRAMES_A_SECOND, 0
        for number in range(_PATTERN_SECONDS * FRAMES_A_SECOND):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane in frame.planes:
                plane.update(os.urandom(plane.buffer_size))
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_A_SECOND)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return out.getvalue()
