"""The OpenAPI 3.1 document of the routes that are declared. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from protocol.messages.base import Message
from web.answers import ONLY_ON_THE_WIRE, ErrorAnswer, for_programs
from web.routes import Body, Raw, Route

_TEMPLATE = "#/components/schemas/{name}"
_Refs = dict[type[msgspec.Struct], dict[str, Any]]
_ALWAYS = (401, 421, 500, 503)
_MEANING = {
    200: "Done.",
    201: "Made.",
    202: "Begun; it goes on in the background.",
    204: "Done; there is nothing to tell.",
    206: "The part that was asked for.",
    303: "Not logged in: go to /login.",
    304: "Not changed.",
    400: "Something in the request is wrong; the text says what.",
    401: "Not logged in.",
    403: "Refused: not from this page, or not allowed.",
    404: "Not there.",
    408: "The request did not come in time.",
    411: "The length is missing.",
    413: "The request is too long.",
    415: "This form is not taken.",
    416: "The part asked for lies outside.",
    421: "The Host header does not name this page.",
    500: "Something failed; the text says what.",
    503: "The daemon, or a machine behind it, is not there now.",
    507: "There is no room on the disk.",
}


def document(
    routes: Sequence[Route], version: str, is_open: Callable[[str], bool]
) -> dict[str, Any]:
    """All of them as one document; `is_open` tells which paths need no session."""
    paths: dict[str, dict[str, Any]] = {}
    refs, schemas = _schemas(routes)
    for route in routes:
        paths.setdefault(route.plain_path, {})[route.method.lower()] = _operation(
            route, refs, is_open(route.path)
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Twofold",
            "version": version,
            "description": "The page of one machine, for programs. See docs/operations.md.",
        },
        "servers": [{"url": "/"}],
        "security": [{"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "twofold_session_PORT",
                    "description": "Set by /login; PORT is the one the page listens at.",
                }
            },
        },
    }


def _operation(route: Route, refs: _Refs, is_open: bool) -> dict[str, Any]:
    parameters = [*_in_path(route), *_in_headers(route), *_in_query(route)]
    said: dict[str, Any] = {"summary": route.summary}
    if is_open:
        said["security"] = []
    if parameters:
        said["parameters"] = parameters
    if route.body is not None:
        said["requestBody"] = {"required": True, "content": _content(route.body, refs)}
    answers = {str(status): _answer(status, body, refs) for status, body in route.answers.items()}
    program = for_programs(route.path)
    error = ErrorAnswer if program else Raw("text/html")
    said["responses"] = answers | {
        str(status): _answer(status, error, refs) for status in _errors(route)
    }
    if not program:
        said["responses"]["303"] = _answer(303, None, refs)
        del said["responses"]["401"]
    return said


def _errors(route: Route) -> list[int]:
    found = {*_ALWAYS, *route.errors}
    if route.patterns:
        found |= {400, 404}
    if route.query:
        found.add(400)
    if route.changes:
        found.add(403)
    if isinstance(route.body, type):
        found |= {400, 408, 413, 415}
    return sorted(found - set(route.answers))


def _answer(status: int, body: Body, refs: _Refs) -> dict[str, Any]:
    said: dict[str, Any] = {"description": _MEANING.get(status, "See docs/operations.md.")}
    return said if body is None else said | {"content": _content(body, refs)}


def _content(body: type[msgspec.Struct] | Raw, refs: _Refs) -> dict[str, Any]:
    if isinstance(body, Raw):
        return {body.kind: {}}
    return {"application/json": {"schema": refs[body]}}


def _in_path(route: Route) -> Iterable[dict[str, Any]]:
    for name, pattern in route.patterns.items():
        schema = {"type": "string", "pattern": f"^{pattern}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_headers(route: Route) -> Iterable[dict[str, Any]]:
    for name, meaning in route.headers.items():
        yield {
            "name": name,
            "in": "header",
            "required": False,
            "description": meaning,
            "schema": {"type": "string"},
        }


def _in_query(route: Route) -> Iterable[dict[str, Any]]:
    if route.query is None:
        return
    [_], described = msgspec.json.schema_components([route.query], ref_template=_TEMPLATE)
    [schema] = described.values()
    for name, each in schema["properties"].items():
        required = name in schema.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": each}


def _schemas(routes: Iterable[Route]) -> tuple[_Refs, dict[str, Any]]:
    """How each struct is referred to, and what all of them look like by name."""
    bodies = [body for route in routes for body in (route.body, *route.answers.values())]
    kinds: list[type[msgspec.Struct]] = [ErrorAnswer]
    kinds += [body for body in dict.fromkeys(bodies) if isinstance(body, type)]
    found, schemas = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    refs = dict(zip(kinds, found, strict=True))
    for kind in kinds:
        if issubclass(kind, Message):
            _without_the_wire(schemas[refs[kind]["$ref"].rpartition("/")[2]])
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
    return refs, dict(schemas)


def _without_the_wire(schema: dict[str, Any]) -> None:
    """As `answers.plain` leaves out what only the wire needs."""
    for name in ONLY_ON_THE_WIRE:
        schema["properties"].pop(name, None)
    schema["required"] = [name for name in schema["required"] if name not in ONLY_ON_THE_WIRE]
