"""Choosing files of a folder by patterns, as a shell has them. Pure.

`*`, `?` and `[abc]` stay inside one part of a path, `**` is any number of parts. A pattern without
a slash is matched with the file's name, wherever the file lies; with one, with the whole path.
"""

import re
from fnmatch import translate

from peer.errors import NotFoundError, UsageError
from protocol.manifest import Manifest


class Pattern:
    """One pattern; `matches` a path inside the folder."""

    def __init__(self, text: str) -> None:
        parts = text.strip("/").split("/")
        if "/" not in text:
            parts.insert(0, "**")
        if text.endswith("/"):
            parts.append("**")
        if parts[-1] == "**":
            # What lies in a folder, not the folder.
            parts.append("*")
        self._parts = [None if part == "**" else re.compile(translate(part)) for part in parts]

    def matches(self, path: str) -> bool:
        """Whether the whole path fits. Takes parts times parts steps at most."""
        reached = self._past_any({0})
        for name in path.split("/"):
            following = set()
            for at in reached:
                part = self._parts[at] if at < len(self._parts) else _END
                if part is None:
                    following.add(at)
                elif part.match(name):
                    following.add(at + 1)
            reached = self._past_any(following)
        return len(self._parts) in reached

    def _past_any(self, reached: set[int]) -> set[int]:
        """The same places, and those behind every `**` that may stand for nothing."""
        for at in sorted(reached):
            while at < len(self._parts) and self._parts[at] is None:
                at += 1
                reached.add(at)
        return reached


_END = re.compile(r"(?!)")
"""Matches nothing: behind the last part no name may follow."""


def choose(manifest: Manifest, name: str, patterns: tuple[str, ...]) -> list[int]:
    """The numbers of the files that any pattern matches, in the order of the manifest.

    `name` is that of the entry. NotFoundError names a pattern that matches nothing; UsageError when
    there is nothing to choose from, as the entry is a single file of another name.
    """
    if manifest.single:
        if not any(Pattern(text).matches(name) for text in patterns):
            raise UsageError(f"{name} is a single file: get it without --only")
        return [0]
    chosen: set[int] = set()
    for text in patterns:
        pattern = Pattern(text)
        found = [
            number
            for number, record in enumerate(manifest.files)
            if not record.directory and pattern.matches(record.path)
        ]
        if not found:
            raise NotFoundError(f"no file in {name} matches {text!r}")
        chosen.update(found)
    return sorted(chosen)
