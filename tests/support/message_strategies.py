"""Hypothesis strategies for the values of any msgspec type, from what the type says of itself."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

Strategy = st.SearchStrategy[Any]

_TEXT = st.characters(exclude_categories=["Cs"])
_MOST = 4
"""Most elements of a list, and characters above the least: long ones have tests of their own."""


def values_of(kind: type) -> Strategy:
    """Valid values of a struct type."""
    return _strategy(inspect.type_info(kind))


def _strategy(info: inspect.Type) -> Strategy:
    simple: dict[type, Strategy] = {
        inspect.BoolType: st.booleans(),
        inspect.NoneType: st.none(),
        inspect.FloatType: st.floats(allow_nan=False),
    }
    if type(info) in simple:
        return simple[type(info)]
    if isinstance(info, inspect.IntType):
        return _integers(info)
    if isinstance(info, inspect.StrType):
        low, high = _lengths(info)
        return st.text(_TEXT, min_size=low, max_size=high)
    if isinstance(info, inspect.BytesType):
        low, high = _lengths(info)
        return st.binary(min_size=low, max_size=high)
    if isinstance(info, inspect.LiteralType):
        return st.sampled_from(info.values)
    if isinstance(info, inspect.UnionType):
        return st.one_of([_strategy(item) for item in info.types])
    if isinstance(info, inspect.VarTupleType):
        low, high = _lengths(info)
        items = st.lists(_strategy(info.item_type), min_size=low, max_size=min(high, low + _MOST))
        return items.map(tuple)
    if isinstance(info, inspect.TupleType):
        return st.tuples(*[_strategy(item) for item in info.item_types])
    if isinstance(info, inspect.StructType):
        return st.builds(info.cls, **{f.name: _strategy(f.type) for f in info.fields})
    raise NotImplementedError(f"no values for {info}")


def _integers(info: inspect.IntType) -> Strategy:
    low = info.ge if info.ge is not None else -(1 << 63) if info.gt is None else info.gt + 1
    high = info.le if info.le is not None else (1 << 63) - 1 if info.lt is None else info.lt - 1
    return st.integers(low, high) | st.sampled_from([low, high])


def _lengths(info: Any) -> tuple[int, int]:
    """The least and the greatest length to try."""
    low = info.min_length or 0
    high = low + 40 if info.max_length is None else min(info.max_length, low + 40)
    return low, high


def fields_of(message: msgspec.Struct) -> dict[str, Any]:
    """The message as the map that goes over the wire."""
    plain: dict[str, Any] = msgspec.to_builtins(message, builtin_types=(bytes,))
    return plain
