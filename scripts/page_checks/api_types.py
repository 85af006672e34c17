"""What the page's own interface takes and answers, as types for tsc: api.d.ts from openapi.json.

scripts/page_checks/api_types.py           says whether api.d.ts is up to date
scripts/page_checks/api_types.py --write   writes it
"""

import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import structlog
from aiohttp.test_utils import make_mocked_request

from protocol.address import Address
from web.application import make_page
from web.daemon import Daemon

FILE = Path(__file__).with_name("api.d.ts")
_HEAD = """\
// Made by scripts/page_checks/api_types.py --write from openapi.json; do not edit.
declare namespace Api {
"""
_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def openapi() -> dict[str, Any]:
    """The document as the page serves it."""

    async def ask() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            page = make_page(place, Daemon(place), Address(host="127.0.0.1", port=1), ())
            for route in page.application.router.routes():
                if route.resource and route.resource.canonical == "/api/v1/openapi.json":
                    answer = await route.handler(make_mocked_request("GET", "/"))
                    return json.loads(answer.body)
        raise LookupError("the page has no openapi.json")

    return asyncio.run(ask())  # type: ignore[no-any-return]


def types_of(document: dict[str, Any]) -> str:
    """The text of api.d.ts. Pure."""
    schemas = document["components"]["schemas"]
    bodies = {
        _type(content["schema"])
        for path in document["paths"].values()
        for operation in path.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "schema" in content
    }
    parts = [_named(name, schemas[name], name in bodies) for name in sorted(schemas)]
    return _HEAD + "\n".join(parts) + "}\n"


def _named(name: str, schema: dict[str, Any], is_body: bool) -> str:
    said = f"  /** {schema['description']} */\n" if schema.get("description") else ""
    if schema.get("type") != "object" or "properties" not in schema:
        return f"{said}  type {name} = {_type(schema)};\n"
    # What has a default is always in an answer, and need not be in a request.
    optional = set(schema["properties"]) - set(schema.get("required", ())) if is_body else set()
    lines = [
        f"    {key}{'?' if key in optional else ''}: {_type(value)};\n"
        for key, value in schema["properties"].items()
    ]
    return f"{said}  interface {name} {{\n{''.join(lines)}  }}\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(each) for each in schema[several]))
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PLAIN[each] for each in kind)
    if "prefixItems" in schema:
        return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
    if kind == "array":
        inner = _type(schema.get("items") or {})
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if kind == "object":
        return f"Record<string, {_type(schema.get('additionalProperties') or {})}>"
    return _PLAIN.get(kind or "", "unknown")


def main() -> int:
    """Write or compare."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    wanted = types_of(openapi())
    if "--write" in sys.argv[1:]:
        FILE.write_text(wanted)
        return 0
    if FILE.exists() and FILE.read_text() == wanted:
        return 0
    print(
        "api.d.ts is not what the page answers; run:"
        " .venv/bin/python scripts/page_checks/api_types.py --write",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
