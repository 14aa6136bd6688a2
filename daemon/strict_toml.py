"""Strict TOML files read into models: a mistake is one line with file:line:key and a suggestion.

    load_model(path, Limits)        # ConfigError

Unknown keys, wrong types and values out of range refuse the file. Paths are relative to the file.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

HEADER: Final = re.compile(r"\s*\[{1,2}\s*([\w.-]+)\s*\]{1,2}\s*(?:#.*)?$")  # of a table, of one of an array
M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """The operator's mistake: one line, with file:line:key and how to mend it."""


def load_model(path: Path, model: type[M]) -> M:
    """Read any strict TOML file (the limits file is one) with the same kind of errors."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    if text.startswith("\ufeff"):
        raise ConfigError(f"{path}:1: begins with a byte order mark; save it as UTF-8 without one")
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not TOML that anybody wrote: brackets within brackets") from None
    try:
        return model.model_validate(absolute_paths(tree, model, path.parent))
    except ValidationError as error:
        raise ConfigError("; ".join(explain(path, text, e, model) for e in causes(error))) from None


def causes(error: ValidationError) -> list[Any]:
    """Return what is wrong, less the lists that are too short only because of what is wrong in them."""
    found: list[Any] = error.errors()
    inner = {loc[:n] for e in found if (loc := e["loc"]) for n in range(len(loc))}
    return [e for e in found if e["type"] != "too_short" or e["loc"] not in inner]


def absolute_paths(tree: dict[str, Any], model: type[BaseModel], base: Path) -> dict[str, Any]:
    """Return the tree with every `Path` field made absolute against the file's directory."""
    out = dict(tree)
    for key, field in model.model_fields.items():
        value, kind = tree.get(key), str(field.annotation)
        if isinstance(value, str) and "Path" in kind:
            out[key] = beside(base.resolve(), value)
        elif isinstance(value, dict):
            inner = section_of(field.annotation)
            if inner is not None:
                out[key] = absolute_paths(value, inner, base)
        elif isinstance(value, list):
            inner = section_of(field.annotation)
            if inner is not None:
                out[key] = [absolute_paths(v, inner, base) if isinstance(v, dict) else v for v in value]
    return out


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model behind `Section` or `Section | None`."""
    for kind in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def beside(base: Path, value: str) -> Path:
    """Return a path relative to a folder, its leading `..` folded away, so that messages name it plainly."""
    parts = Path(value).parts
    while parts[:1] == ("..",):
        base, parts = base.parent, parts[1:]
    return base.joinpath(*parts)


def explain(path: Path, text: str, error: Any, model: type[BaseModel]) -> str:
    """Return one error of pydantic as file:line:key: what is wrong, and a suggestion."""
    loc = [str(part) for part in error["loc"]]
    key = ".".join(loc) or "(file)"
    what = str(error["ctx"]["error"]) if error["type"] == "value_error" else error["msg"]
    message = f"{path}:{line_of(text, loc)}:{key}: {what[:1].lower()}{what[1:]}"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(loc[-1], known_keys(model), n=1)
        message += f"; did you mean {near[0]!r}?" if near else "; remove it"
    elif error["type"] != "missing" and not isinstance(error["input"], dict | list | tuple):
        message += f", got {error['input']!r}"
    return message


def known_keys(model: type[BaseModel]) -> set[str]:
    """Return every key that a file of this model may hold, at any depth."""
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        inner = section_of(field.annotation)
        if inner is not None:
            keys |= known_keys(inner)
    return keys


def line_of(text: str, loc: list[str]) -> int:
    """Return the line of a key; where it is not written, that of the longest table around it that is."""
    lines = text.splitlines()
    for cut in range(len(loc), 0, -1):
        start = header_at(lines, loc[:cut])
        if start is not None:
            break
    else:
        cut, start = 0, -1
    keys = [part for part in loc[cut:] if not part.isdigit()]
    for number in range(start + 1, len(lines)):
        if not keys or HEADER.match(lines[number]):
            break
        if re.match(rf"\s*{re.escape(keys[0])}\s*=", lines[number]):
            return number + 1
    return max(start, 0) + 1


def header_at(lines: list[str], table: list[str]) -> int | None:
    """Return where the header of a table stands; a number at the end says which of an array of tables."""
    name = ".".join(part for part in table if not part.isdigit())
    found = [n for n, line in enumerate(lines) if (m := HEADER.match(line)) and m[1] == name]
    index = int(table[-1]) if table[-1].isdigit() else 0
    return found[index] if index < len(found) else None
