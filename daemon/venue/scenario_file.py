"""Reading a scenario: every mistake on a line of its own, with file and line."""

import difflib
import re
import tomllib
from datetime import time
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from daemon.strict_toml import ConfigError
from gateways.venue.scenario import Action, Rule, Scenario, When

RULE: Final = re.compile(r"\s*\[\[\s*rule\s*\]\]\s*(?:#.*)?$")
BYTES_MAX: Final = 1 << 20  # 256 rules are some 30 KB
MISTAKES_MAX: Final = 20  # shown at once; who has more has another kind of file


def read_scenario(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises:
        ConfigError: a line for each mistake, with file:line.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--scenario {path}: cannot be read: {error.strerror}") from None
    if len(data) > BYTES_MAX:
        raise ConfigError(f"--scenario {path}: over {BYTES_MAX >> 20} MiB; a scenario is a page of rules")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}:1: is not UTF-8 text") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(not_toml(path, text, str(error))) from None
    except RecursionError:
        raise ConfigError(f"{path}:1: not TOML that anybody wrote: brackets within brackets") from None
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        lines = [explained(path, text, tree, one) for one in error.errors()[:MISTAKES_MAX]]
        by_line = sorted(dict.fromkeys(lines), key=lambda line: int(line.split(":")[1]))
        raise ConfigError("\n".join(by_line)) from None


def check_scenario(path: Path, *, lockstep: bool, engine: bool = False, begin: time = time.min) -> Scenario:
    """Read a scenario that is to be played so; `engine`: by the FIX engine, whose bytes are always right.

    `begin`: of the window. What would have happened once before it does not happen.

    Raises:
        ConfigError: it cannot be read, or not be played so.

    """
    scenario = read_scenario(path)
    rule = scenario.of_the_wire
    if rule is not None and (lockstep or engine):
        line = line_of(path.read_text(), ["rule", scenario.rule.index(rule)])
        way = "--lockstep has none" if lockstep else "the FIX engine gets right; leave --acceptor away"
        raise ConfigError(f"{path}:{line}: {rule.do.action} is done to bytes of a wire, which {way}")
    rule = scenario.of_a_silent_feed
    if rule is not None and lockstep:
        line = line_of(path.read_text(), ["rule", scenario.rule.index(rule)])
        raise ConfigError(f"{path}:{line}: a silent feed is waited for in --lockstep; leave that away")
    for n, rule in enumerate(scenario.rule):
        at = rule.when.at
        if at is not None and at < begin and rule.when.every_s is None:
            line = line_of(path.read_text(), ["rule", n, "when", "at"])
            text = f"at {at} lies before the window, which begins at {begin}: it would not happen"
            raise ConfigError(f"{path}:{line}: {text}; give --from, or another time")
    return scenario


def not_toml(path: Path, text: str, why: str) -> str:
    """Return tomllib's complaint with the line in front, where other complaints have it."""
    match = re.search(r" \(at line (\d+), column \d+\)$", why)
    line = int(match[1]) if match else len(text.splitlines())
    return f"{path}:{line}: not TOML: {why[: match.start()] if match else why}"


def explained(path: Path, text: str, tree: dict[str, Any], error: Any) -> str:
    """Return one mistake as `file:line: key: what is wrong`."""
    loc = list(error["loc"])
    if loc[2:3] == ["do"] and loc[3:4] and loc[3] in ACTIONS:
        del loc[3]  # of which action it is, not written as a key
    what = str(error["ctx"]["error"]) if error["type"] == "value_error" else error["msg"]
    key = ".".join(str(part) for part in loc if not isinstance(part, int) and part != "rule")
    message = f"{path}:{line_of(text, loc)}: {key + ': ' if key else ''}{what[:1].lower()}{what[1:]}"
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        given = error["input"].get("action") if isinstance(error["input"], dict) else None
        near = difflib.get_close_matches(str(given), ACTIONS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(ACTIONS))}"
        what = f"{given!r} is no action; {hint}" if given else f"names no action; {hint}"
        return f"{path}:{line_of(text, loc)}: do: {what}"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        near = difflib.get_close_matches(error["input"], re.findall("'([^']*)'", what), n=1)
        if near:
            return (
                f"{path}:{line_of(text, loc)}: {key}: {error['input']!r} is none; did you mean {near[0]!r}?"
            )
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), known(tree, loc), n=1)
        return f"{message}; did you mean {near[0]!r}?" if near else f"{message}; remove it"
    if error["type"] not in ("missing", "value_error") and not isinstance(error["input"], dict | list):
        message += f", got {error['input']!r}"
    return message


def line_of(text: str, loc: list[Any]) -> int:
    """Return the line of a key; where it is not written, that of the table around it."""
    lines = text.splitlines()
    at, end = 0, len(lines)
    keys = list(loc)
    if len(keys) > 1 and keys[0] == "rule" and isinstance(keys[1], int):
        headers = [n for n, line in enumerate(lines) if RULE.match(line)]
        if keys[1] >= len(headers):  # rules as an inline array
            return 1
        at = headers[keys[1]]
        end = headers[keys[1] + 1] if keys[1] + 1 < len(headers) else len(lines)
        keys = keys[2:]
    words = [str(key) for key in keys if not isinstance(key, int)]
    while words:
        dotted = r"\s*\.\s*".join(re.escape(word) for word in words)
        for number in range(at, end):
            line = lines[number]
            if re.match(rf"\s*{dotted}\s*[=.]", line):
                return number + 1
            first, last = re.escape(words[0]), re.escape(words[-1])
            if len(words) == 2 and re.match(rf"\s*{first}\s*=.*\b{last}\s*=", line):
                return number + 1
            if len(words) == 1 and re.match(rf"\s*\[\s*rule\s*\.\s*{first}\s*\]", line):
                return number + 1
        words.pop()
    return at + 1


def known(tree: dict[str, Any], loc: list[Any]) -> set[str]:
    """Return the keys that may stand where one stands that is not known."""
    if len(loc) == 4 and loc[2] == "do":
        action = tree["rule"][loc[1]]["do"].get("action")
        return keys_of(ACTIONS.get(action, Rule))
    models: dict[int, type[BaseModel]] = {4: When, 3: Rule}
    return keys_of(models.get(len(loc), Scenario))


def keys_of(model: type[BaseModel]) -> set[str]:
    """Return how a file names the fields of a model."""
    return {field.alias or name for name, field in model.model_fields.items()}


def actions_of(kind: Any) -> dict[str, type[BaseModel]]:
    """Return every action by its word."""
    members = get_args(get_args(kind)[0])
    return {get_args(m.model_fields["action"].annotation)[0]: m for m in members}


ACTIONS: Final = actions_of(Action)
