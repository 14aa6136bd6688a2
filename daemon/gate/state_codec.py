"""The gate's core as bytes and back: every attribute of every object that can be reached from it.

    data = encode(core)                # StateError: something in it is no value, named by its path
    core = decode(data)                # StateError: bytes of another schema, or damaged

Nothing is listed here, so nothing can be forgotten: whatever a step adds to the state is in it, or refused by
name. What is shared stays shared: an object, dict or list that two others hold is one object again. Only
classes of the gate's own modules are made, without calling code of theirs, and only where they are loaded.
Equal states of equal histories have equal bytes.

Structs of plain values are encoded by msgspec (`is_leaf`), a hundred thousand orders in a second; the rest is
few objects of many kinds, walked here. Caches are left empty (EMPTY), calendars made anew.
"""

from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from types import GenericAlias
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from daemon.gate.archive import Archive
from daemon.gate.core import GateCore
from daemon.gate.state import calendars
from daemon.gate.value_types import class_of, is_leaf, name_of

FORMAT: Final = 1
# Attributes that say nothing of the state: what the last step wanted done, and answers kept to be quick.
EMPTY: Final[dict[str, dict[str, Callable[[], Any]]]] = {
    "daemon.gate.state:GateState": {"effects": list, "archive": Archive},  # whoever reads it has the archive
    "risk.scopes:Scopes": {"_laws": dict, "_found": dict},
    "risk.tightening:Multipliers": {"_found": dict},
    "risk.overlay:RiskOverlay": {"_calendars": dict},
}
SCALARS: Final = frozenset({str, int, float, bool, type(None)})
INT_MAX: Final = 2**63  # beyond it msgpack has no room: written in digits
# Kinds of a node, and of a value that is no scalar.
LIST, DICT, FLAT, SET, DEQUE, COUNTER, OBJECT, MODEL = "l", "d", "f", "s", "q", "c", "o", "m"
NODE, LEAF, TUPLE, ENUM, BIG, BYTES = "n", "v", "t", "e", "i", "b"


class StateError(Exception):
    """A state that cannot be written, or bytes that are none: one line."""


class Document(msgspec.Struct, array_like=True):
    """What the bytes hold."""

    format: int
    classes: list[tuple[str, list[str]]]  # name, fields
    leaves: dict[int, msgspec.Raw]  # instances of a class, by its number
    nodes: list[list[Any]]
    root: Any


def encode(core: GateCore) -> bytes:
    """Return a core's bytes.

    Raises:
        StateError: it holds what is no value.

    """
    return _Writer().document(core)


def decode(data: bytes) -> GateCore:
    """Return the core of some bytes.

    Raises:
        StateError: they are damaged, or of another schema.

    """
    try:
        document = msgspec.msgpack.decode(data, type=Document)
        core = _Reader(document).root()
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StateError(f"no state of this program: {error}") from None
    if not isinstance(core, GateCore):
        raise StateError("no state of this program: it is no core")
    if core.state.overlay is not None:
        core.state.overlay.know_days(calendars())
    return core


def fields_of(thing: Any) -> list[str]:
    """Return the names of an object's attributes, in an order that does not depend on its history."""
    if isinstance(thing, msgspec.Struct):
        return list(thing.__struct_fields__)
    slots = [s for kind in type(thing).__mro__ for s in getattr(kind, "__slots__", ()) if hasattr(thing, s)]
    return sorted([*slots, *getattr(thing, "__dict__", ())])


class _Writer:
    """One walk."""

    def __init__(self) -> None:
        self._classes: dict[str, int] = {}
        self._fields: list[tuple[str, list[str]]] = []
        self._leaves: dict[int, list[Any]] = {}
        self._seen: dict[int, list[Any]] = {}  # by identity: everything that was met stays alive meanwhile
        self._nodes: list[list[Any]] = []
        self._encoder = msgspec.msgpack.Encoder()

    def document(self, core: GateCore) -> bytes:
        """Return the whole."""
        root = self._value(core, "core")
        try:
            leaves = {n: msgspec.Raw(self._encoder.encode(found)) for n, found in self._leaves.items()}
            return self._encoder.encode(Document(FORMAT, self._fields, leaves, self._nodes, root))
        except (OverflowError, TypeError) as error:
            raise StateError(f"a state that cannot be written: {error}") from None

    def _value(self, thing: Any, path: str) -> Any:
        kind: Any = type(thing)
        if kind in SCALARS:
            if kind is int and not -INT_MAX <= thing < INT_MAX:
                return [BIG, str(thing)]
            return thing
        if isinstance(thing, Enum):
            return [ENUM, self._class(kind, path), thing.value]
        if kind is tuple:
            return [TUPLE, *[self._value(item, path) for item in thing]]
        if kind is bytes:
            return [BYTES, thing]
        found = self._seen.get(id(thing))
        if found is None:
            found = self._leaf(thing, path) if is_leaf(kind) else self._node(thing, path)
        return found

    def _leaf(self, thing: Any, path: str) -> list[Any]:
        number = self._class(type(thing), path)
        place = self._leaves.setdefault(number, [])
        self._seen[id(thing)] = reference = [LEAF, number, len(place)]
        place.append(thing)
        return reference

    def _node(self, thing: Any, path: str) -> list[Any]:
        node: list[Any] = []
        self._seen[id(thing)] = reference = [NODE, len(self._nodes)]
        self._nodes.append(node)
        kind = type(thing)
        if kind is dict or kind is Counter:
            self._mapping(node, thing, path)
        elif kind is list:
            node += [LIST, *[self._value(item, f"{path}[{n}]") for n, item in enumerate(thing)]]
        elif kind is deque:
            node += [DEQUE, thing.maxlen, *[self._value(item, path) for item in thing]]
        elif kind is set or kind is frozenset:
            node += [SET, kind is frozenset, *sorted((self._value(item, path) for item in thing), key=repr)]
        elif isinstance(thing, BaseModel):
            node += [MODEL, self._class(kind, path), thing.model_dump_json()]
        else:
            self._object(node, thing, path)
        return reference

    def _object(self, node: list[Any], thing: Any, path: str) -> None:
        name, names = name_of(type(thing)), fields_of(thing)
        number = self._class(type(thing), path)
        known = self._fields[number][1]
        if not known:
            known += names
        if known != names:
            raise StateError(f"{path}: two {name} that do not have the same attributes")
        empty = EMPTY.get(name, {})
        values = (None if n in empty else self._value(getattr(thing, n), f"{path}.{n}") for n in names)
        node += [OBJECT, number, *values]

    def _mapping(self, node: list[Any], thing: dict[Any, Any], path: str) -> None:
        kinds = {type(value) for value in thing.values()} | {type(key) for key in thing}
        small = int not in kinds or all(
            type(v) is not int or -INT_MAX <= v < INT_MAX for pair in thing.items() for v in pair
        )
        if kinds <= SCALARS and small and float not in {type(key) for key in thing}:
            node += [FLAT, type(thing) is Counter, thing]
            return
        node += [COUNTER if type(thing) is Counter else DICT]
        for key, value in thing.items():
            node += [self._value(key, path), self._value(value, f"{path}[{key!r}]")]

    def _class(self, kind: type, path: str) -> int:
        name = name_of(kind)
        number = self._classes.get(name)
        if number is None:
            if class_of(name) is not kind:
                raise StateError(f"{path}: a {name}, which is no value of the gate's state")
            number = self._classes[name] = len(self._fields)
            self._fields.append((name, []))
        return number


class _Reader:
    """One walk back."""

    def __init__(self, document: Document) -> None:
        if document.format != FORMAT:
            raise ValueError(f"format {document.format}, {FORMAT} is known")
        self._document = document
        self._classes: list[Any] = []
        for name, _ in document.classes:
            found = class_of(name)
            if found is None:
                raise ValueError(f"there is no {name}")
            self._classes.append(found)
        self._leaves = {
            number: msgspec.msgpack.decode(raw, type=GenericAlias(list, (self._classes[number],)))
            for number, raw in document.leaves.items()
        }
        self._things = [self._shell(node) for node in document.nodes]

    def root(self) -> Any:
        """Fill every shell and return the first thing of all."""
        for thing, node in zip(self._things, self._document.nodes, strict=True):
            self._fill(thing, node)
        return self._value(self._document.root)

    def _shell(self, node: list[Any]) -> Any:
        """Return an empty thing of a node's kind."""
        kind = node[0]
        if kind == LIST:
            return []
        if kind == DICT:
            return {}
        if kind == COUNTER:
            return Counter()
        if kind == FLAT:
            return Counter(node[2]) if node[1] else node[2]
        if kind == DEQUE:
            return deque(maxlen=node[1])
        if kind == SET:
            values = [self._value(item) for item in node[2:]]
            return frozenset(values) if node[1] else set(values)
        found = self._classes[node[1]]
        if kind == MODEL:
            return found.model_validate_json(node[2])
        if kind != OBJECT:
            raise ValueError(f"a node of kind {kind!r}")
        if issubclass(found, msgspec.Struct):
            return found(**dict.fromkeys(found.__struct_fields__))
        return object.__new__(found)

    def _fill(self, thing: Any, node: list[Any]) -> None:
        kind = node[0]
        if kind == LIST:
            thing.extend(self._value(item) for item in node[1:])
        elif kind in (DICT, COUNTER):
            for at in range(1, len(node), 2):
                thing[self._value(node[at])] = self._value(node[at + 1])
        elif kind == DEQUE:
            thing.extend(self._value(item) for item in node[2:])
        elif kind == OBJECT:
            self._attributes(thing, node)

    def _attributes(self, thing: Any, node: list[Any]) -> None:
        name, names = self._document.classes[node[1]]
        empty = EMPTY.get(name, {})
        for attribute, item in zip(names, node[2:], strict=True):
            value = empty[attribute]() if attribute in empty else self._value(item)
            if isinstance(thing, msgspec.Struct) and type(thing).__struct_config__.frozen:
                msgspec.structs.force_setattr(thing, attribute, value)
            else:
                setattr(thing, attribute, value)

    def _value(self, item: Any) -> Any:
        if type(item) is not list:
            return item
        kind = item[0]
        if kind == NODE:
            return self._things[item[1]]
        if kind == LEAF:
            return self._leaves[item[1]][item[2]]
        if kind == TUPLE:
            return tuple([self._value(part) for part in item[1:]])
        if kind == ENUM:
            return self._classes[item[1]](item[2])
        if kind == BIG:
            return int(item[1])
        if kind == BYTES:
            return item[1]
        raise ValueError(f"a value of kind {kind!r}")
