"""settings.toml in the data directory: edited by hand, and by commands that keep the rest of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from peer.data_dir import write_private
from peer.errors import PeerError, UsageError
from peer.settings import Settings, read_settings

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_BEGINNING = "# Twofold's settings; docs/operations.md says what there is.\n"


class SettingsFile:
    """One file, which need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Settings:
        """What is set. UsageError when the file is wrong, PeerError when it cannot be read."""
        return read_settings(self._text(), str(self.path))

    def change(
        self, decide: Callable[[Settings], Settings], edit: Callable[["TOMLDocument"], None]
    ) -> Settings:
        """Change what is set to what `decide` says, by an `edit` of the file that keeps comments.

        It begins with what is on disk now, and is one step. UsageError, and the file as it was,
        when the file is wrong or the edit does not come to what was decided.
        """
        import tomlkit  # only commands that change something need it
        from tomlkit.exceptions import TOMLKitError

        text = self._text()
        wanted = decide(read_settings(text, str(self.path)))
        try:
            document = tomlkit.parse(text or _BEGINNING)
            edit(document)
            text = tomlkit.dumps(document)
            settings = read_settings(text, str(self.path))
        except (TOMLKitError, UsageError, ValueError, TypeError, LookupError) as error:
            raise self._too_odd(str(error)) from None
        if settings != wanted:
            raise self._too_odd("the change would come to something else")
        try:
            write_private(self.path, text.encode())
        except OSError as error:
            raise PeerError(f"cannot write {self.path}: {error.strerror}") from None
        return settings

    def _too_odd(self, why: str) -> UsageError:
        """There are many ways to write the same TOML, and not all can be edited from here."""
        return UsageError(f"{self.path} has to be changed by hand, as it is written: {why}")

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError:
            raise UsageError(f"{self.path} is not text in UTF-8") from None
        except OSError as error:
            raise PeerError(f"cannot read {self.path}: {error.strerror}") from None
