"""What the page says when it cannot do what was asked, and JSON as it leaves this process.

Every refusal is one exception, AnswerError, with a status, a kind for programs and a text for
people. Never carries an exception's own text.
"""

from html import escape
from typing import Any, Self

import aiohttp.web
import msgspec

from protocol.messages.base import Failed, Message
from web.shown import encode
from web.words import RIGHT_TO_LEFT, in_language

ONLY_ON_THE_WIRE = ("type", "call")
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_STATUS = {
    "not_found": 404,
    "refused": 403,
    "invalid": 400,
    "unreachable": 503,
    "busy": 503,
    "failed": 500,
}

_PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Twofold</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/app.css">{head}
</head>
<body class="message-page">
<main class="message"><h1>{title}</h1>{body}</main>
</body>
</html>
"""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong: a word for programs, a text for people, and which field, if it is one."""

    kind: str
    text: str
    field: str = ""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Every answer of 400 and above."""

    error: Problem


class AnswerError(Exception):
    """The request is answered with this status, kind and text, and the field that is wrong."""

    def __init__(self, status: int, kind: str, text: str, field: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.text = text
        self.field = field

    @classmethod
    def of_failed(cls, failed: Failed) -> Self:
        """The daemon's refusal as an HTTP one."""
        return cls(_STATUS[failed.kind], failed.kind, failed.text, failed.field)


def invalid(text: str, field: str = "") -> AnswerError:
    """A 400: the request itself, or this field of it, is wrong."""
    return AnswerError(400, "invalid", text, field)


def not_found(text: str) -> AnswerError:
    """A 404."""
    return AnswerError(404, "not_found", text)


def unreachable(text: str) -> AnswerError:
    """A 503: the daemon, or something behind it, is not there now."""
    return AnswerError(503, "unreachable", text)


def plain(message: Message) -> dict[str, Any]:
    """A message's own fields, without what only the wire needs."""
    fields: dict[str, Any] = msgspec.to_builtins(message)
    return {name: value for name, value in fields.items() if name not in ONLY_ON_THE_WIRE}


def json_answer(content: Any, *, status: int = 200) -> aiohttp.web.Response:
    """A JSON response."""
    body = encode(content)
    return aiohttp.web.Response(body=body, status=status, content_type="application/json")


def page_answer(
    title: str,
    *paragraphs: str,
    status: int = 200,
    command: str = "",
    refresh: str = "",
    language: str = "en",
) -> aiohttp.web.Response:
    """A small page of plain text, with a command to type or a place of ours to go on to."""
    title, go_on, *said = (in_language(language, each) for each in (title, "Go on", *paragraphs))
    body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in said)
    head = ""
    if command:
        body += f"<p><code>{escape(command)}</code></p>"
    if refresh:
        head = f'\n<meta http-equiv="refresh" content="0;url={escape(refresh)}">'
        body += f'<p><a class="button primary" href="{escape(refresh)}">{escape(go_on)}</a></p>'
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    text = _PAGE.format(
        title=escape(title), body=body, head=head, language=language, direction=direction
    )
    return aiohttp.web.Response(text=text, status=status, content_type="text/html")


def for_programs(path: str) -> bool:
    """Whether errors under this path are JSON; a person gets a small page."""
    return path.startswith("/api/") or path in _PROBES


def error_answer(path: str, error: AnswerError) -> aiohttp.web.Response:
    """The error as JSON for programs, as a small page for people."""
    if for_programs(path):
        said = ErrorAnswer(Problem(error.kind, error.text, error.field))
        return json_answer(said, status=error.status)
    title = "Not found" if error.status == 404 else "That did not work"
    return page_answer(title, error.text, status=error.status)
