"""Whose session a request shows, and what only the owner of the machine may do.

A person has the name that the owner gave them; the owner's is "".
"""

import unicodedata

import aiohttp.web

from protocol.paths import clean_name
from web.answers import AnswerError, invalid
from web.session_book import Session

PERSON = aiohttp.web.RequestKey("person", str)
"""Set by the gate for every request with a session."""
SESSION = aiohttp.web.RequestKey("session", Session)
"""Set with it."""
LONGEST_NAME = 64


def clean_person(name: str) -> str:
    """A person's name fit to show; AnswerError when nothing is left of it."""
    written = " ".join(unicodedata.normalize("NFC", name).split())
    # Letters or digits, so that nobody is called what looks like nothing.
    if not any(char.isalnum() for char in written):
        raise invalid("Give the person a name, of letters or digits.", "name")
    if len(written) > LONGEST_NAME:
        raise invalid(f"The name is too long: {LONGEST_NAME} characters at most.", "name")
    return clean_name("".join(char if char.isprintable() else "_" for char in written))


def require_owner(request: aiohttp.web.Request) -> None:
    """AnswerError when the session is that of somebody whom the owner let in."""
    if request[PERSON]:
        text = "Only the owner of this machine can do that. Ask them, or run on it: twofold login"
        raise AnswerError(403, "refused", text)
