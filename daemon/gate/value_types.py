"""Which classes a state may hold, and which of them are plain values through and through.

class_of("risk.rates:Ring")        # the class, None where no module of ours that is loaded has it
is_leaf(ChildOrder)                # True: nothing in it is shared, msgspec can write and read it alone
"""

import functools
import sys
import types
import typing
from datetime import date, time
from enum import Enum
from typing import Any, Final

import msgspec

MODULES: Final = ("daemon.gate.", "market.", "risk.")
PLAIN: Final = frozenset({str, int, float, bool, bytes, date, time, type(None)})


def name_of(kind: type) -> str:
    """Return the name of a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def class_of(name: str) -> Any:
    """Return the class of a name, None where there is none of ours."""
    module, _, own = name.partition(":")
    if not module.startswith(MODULES) or not own.isidentifier():
        return None
    found = getattr(sys.modules.get(module), own, None)
    return found if isinstance(found, type) and name_of(found) == name else None


@functools.cache
def is_leaf(kind: type) -> bool:
    """Return whether instances are made of values alone, none of which another object could hold too."""
    if not issubclass(kind, msgspec.Struct):
        return False
    try:
        hints = typing.get_type_hints(kind)
    except NameError:
        return False
    return all(_is_value(hints[name]) for name in kind.__struct_fields__)


def _is_value(hint: Any) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return _is_value(hint.__supertype__)
    if origin in (typing.Union, types.UnionType):
        kinds = [part for part in parts if part is not type(None)]
        return len(kinds) == 1 and _is_value(kinds[0])
    if origin is tuple:
        return all(part is Ellipsis or _is_value(part) for part in parts)
    if origin is list:
        return _is_value(parts[0])
    if origin is dict:
        return _is_key(parts[0]) and _is_value(parts[1])
    if not isinstance(hint, type):
        return False
    if hint in PLAIN or issubclass(hint, Enum):
        return True
    return issubclass(hint, msgspec.Struct) and hint.__struct_config__.frozen and is_leaf(hint)


def _is_key(hint: Any) -> bool:
    if isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    return hint in (str, int) or (isinstance(hint, type) and issubclass(hint, Enum))
