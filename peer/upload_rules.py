"""The rules for uploads in the settings file: their values, and changes that keep its comments."""

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from peer.errors import UsageError
from peer.limits.rates import rate_text
from peer.units import parse_size
from protocol.errors import InvalidTextError
from protocol.fields import MAX_LENGTH
from protocol.messages.upload_rules import Resolution, Rules
from protocol.upload_rules import parse_resolution, resolution_text, tidy_types

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def types_of(value: object) -> tuple[str, ...]:
    """Types from a list of texts. UsageError otherwise."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError('must be a list of texts, like ["image", ".pdf"]')
    try:
        return tidy_types(value)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None


def largest_of(value: object) -> int:
    """Bytes from a number, or a text like "50GB". UsageError otherwise."""
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise UsageError(f'must be a size, like "50GB", not {value!r}')
    size = value if isinstance(value, int) else parse_size(value)
    if not 1 <= size <= MAX_LENGTH:
        raise UsageError(f"{value!r} is out of bounds: at least 1 byte, at most {MAX_LENGTH}")
    return size


def resolution_of(value: object) -> Resolution:
    """A resolution from a text. UsageError otherwise."""
    if not isinstance(value, str):
        raise UsageError(f'must be a resolution, like "1024x786", not {value!r}')
    try:
        return parse_resolution(value)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None


def edit_upload_rules(document: "TOMLDocument", rules: Rules) -> None:
    """Set the rules in a document that is valid."""
    least = resolution_text(rules.least) if rules.least else None
    _set(document, "uploads", "types", list(rules.types) or None)
    _set(document, "uploads", "largest", rate_text(rules.largest) if rules.largest else None)
    _set(document, "uploads", "quota", rate_text(rules.quota) if rules.quota else None)
    _set(document, "pictures", "least", least)
    _set(document, "pictures", "embed", rules.embed or None)


def _set(document: MutableMapping[str, Any], place: str, key: str, value: object) -> None:
    """Set one value; None is what holds when nothing is set."""
    import tomlkit  # only commands that change something need it

    if value is None:
        table = document.get(place, {})
        table.pop(key, None)
        if place in document and not table:
            del document[place]
        return
    if place not in document:
        document[place] = tomlkit.table()
    if document[place].get(key) != value:
        document[place][key] = value
