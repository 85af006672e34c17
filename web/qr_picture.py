"""A text as a QR code that a page may show: black on white also where the page is dark. Pure."""

import base64
import io

import segno
from segno.encoder import DataOverflowError

_QUIET_ZONE = 4


def qr_svg(text: str, *, error: str = "m") -> bytes:
    """The code as an SVG of squares. ValueError when the text does not fit any code."""
    out = io.BytesIO()
    segno.make_qr(text, error=error).save(
        out,
        kind="svg",
        border=_QUIET_ZONE,
        dark="#000000",
        light="#ffffff",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        omitsize=True,
        nl=False,
    )
    return out.getvalue()


def qr_picture(text: str, *, error: str = "m") -> str:
    """The same as a `data:` address; "" when it does not fit."""
    try:
        picture = qr_svg(text, error=error)
    except DataOverflowError:
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"
