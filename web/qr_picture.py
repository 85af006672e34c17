"""A text as a QR code that a page may show: an SVG in a data address. Pure."""

import segno
from segno.encoder import DataOverflowError

_QUIET_ZONE = 4


def qr_picture(text: str, *, error: str = "m") -> str:
    """A `data:` address, black on white also where the page is dark; "" when it does not fit."""
    try:
        code = segno.make_qr(text, error=error)
    except DataOverflowError:
        return ""
    picture: str = code.svg_data_uri(
        border=_QUIET_ZONE,
        dark="#000000",
        light="#ffffff",
        svgclass=None,
        lineclass=None,
        omitsize=True,
    )
    return picture
