"""The version of this program, as it tells others."""

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """The installed package's version; "unknown" when run from files alone."""
    try:
        return version("twofold")
    except PackageNotFoundError:
        return "unknown"
