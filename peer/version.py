"""The version of the package: as in pyproject.toml, and cheaper to look up here."""

VERSION = "0.1.0"
