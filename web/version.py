"""Which Twofold this is."""

from importlib import metadata


def version() -> str:
    """The installed version."""
    try:
        return metadata.version("twofold")
    except metadata.PackageNotFoundError:
        return "(not installed)"
