"""`steadyhand limits show|diff|apply|except|explain`: the limits that hold, and how they change (R73).

What holds is the word of the gate that runs, since limits change while it does; else that of the file. Exit
codes: 0 done (diff: nothing loosens), 1 refused, or the file would loosen, 2 usage, 78 a file without limits.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any, Final

from daemon.config import Config, load
from daemon.options import USAGE
from daemon.people.one_line import DONE, REFUSED, NoGate, Refused, in_one_line
from daemon.people.operator import ask, ask_signed
from daemon.strict_toml import ConfigError, load_model
from risk.commands import REASON_CHARS_MIN, ExceptionAsk, ExceptionConfirm, LimitsApply, LimitsConfirm
from risk.limits import LimitDoc, Limits, changes, explain, overrides, value_of

NAME: Final = "steadyhand limits"
CONTROL: Final = re.compile(r"(R|GR)\d{1,2}[A-Z]?")


def main(args: argparse.Namespace) -> int:
    """Run one of show, diff, apply, except, explain; every failure is one line."""
    act = {"show": show, "diff": diff, "apply": apply, "except": exempt, "explain": tell}[args.what]
    return in_one_line(NAME, args.json, lambda: act(args))


def show(args: argparse.Namespace) -> int:
    """What holds now."""
    config = config_of(args.config)
    law, source = live(config)
    rows = {doc.key: value_of(law, doc.key) for doc in documented(args.key)}
    own = {
        f"level.{level}.{name}.{key}": value
        for (level, name, key), value in overrides(law).items()
        if not args.key or key in rows
    }
    if args.json:
        facts = {
            "source": source,
            "version": law.version,
            "sha256": law.digest(),
            "limits": rows,
            "levels": own,
        }
        print(json.dumps(facts, indent=2))
        return DONE
    print(f"version {law.version} of {source}, {law.digest()[:12]}")
    units = {doc.key: doc.unit for doc in explain()}
    for key, value in {**rows, **own}.items():
        unit = units.get(key, units.get(key.split(".", 3)[-1], ""))
        print(f"  {key:<44} {written(value):>18}  {unit}")
    return DONE


def diff(args: argparse.Namespace) -> int:
    """What a file would change."""
    config = config_of(args.config)
    law, source = live(config)
    new = load_model(args.file, Limits)
    found = changes(law, new)
    if args.json:
        rows = [{"key": c.key, "old": c.old, "new": c.new, "looser": c.looser} for c in found]
        print(json.dumps({"source": source, "changes": rows}, indent=2))
    else:
        for c in found:
            way = "looser " if c.looser else "tighter"
            print(f"  {way}  {c.key:<44} {written(c.old)} -> {written(c.new)}")
        if not found:
            print(f"nothing differs from {source}")
    return REFUSED if any(c.looser for c in found) else DONE


def apply(args: argparse.Namespace) -> int:
    """Change the limits of a running gate."""
    config = config_of(args.config)
    if args.confirm:
        answer = ask_signed(config, LimitsConfirm(digest=args.confirm), args.key, "second")
        say(args, answer, f"version {answer['version']} holds, {answer['changes']} limits changed")
        return DONE
    if len(args.reason.strip()) < REASON_CHARS_MIN:
        raise Refused(f"give a reason of at least {REASON_CHARS_MIN} characters: --reason", USAGE)
    new = load_model(args.file, Limits)
    body = LimitsApply(limits=new.model_dump_json(), reason=args.reason, next_day=args.next_day)
    answer = ask_signed(config, body, args.key, "first")
    lines = [
        f"  {'looser ' if c['looser'] else 'tighter'}  {c['key']}: {c['old']} -> {c['new']}"
        for c in answer["changes"]
    ]
    if answer["applied"]:
        place = config.gate.limits if config.gate else ""
        lines.append(f"version {answer['version']} holds, after a restart too; put it in {place} as well")
    elif answer.get("next_day"):
        lines.append("nothing holds yet, since it loosens: it will once another person begins the next day")
    else:
        wait_s, digest = answer["confirm_after_s"], answer["digest"]
        lines.append("nothing holds yet, since it loosens. Another person, with another key, in")
        lines.append(f"{wait_s} s to 5 min: steadyhand limits apply --confirm {digest}")
    say(args, answer, "\n".join(lines))
    return DONE


def exempt(args: argparse.Namespace) -> int:
    """Let one order of a parent pass a soft control, by two people."""
    config = config_of(args.config)
    if args.confirm:
        answer = ask_signed(config, ExceptionConfirm(digest=args.confirm), args.key, "second")
        say(args, answer, f"one order of {answer['parent']} may pass {answer['control']}")
        return DONE
    if len(args.reason.strip()) < REASON_CHARS_MIN:
        raise Refused(f"give a reason of at least {REASON_CHARS_MIN} characters: --reason", USAGE)
    if args.qty <= 0:
        raise Refused("give the largest quantity of that order: --qty", USAGE)
    body = ExceptionAsk(parent_id=args.parent, control=args.control, qty_max=args.qty, reason=args.reason)
    answer = ask_signed(config, body, args.key, "first")
    wait_s, digest = answer["confirm_after_s"], answer["digest"]
    text = f"nothing passes yet. Another person, with another key, in {wait_s} s to 5 min:"
    say(args, answer, f"{text}\nsteadyhand limits except --confirm {digest}")
    return DONE


def tell(args: argparse.Namespace) -> int:
    """What a limit is for."""
    docs = documented(args.key)
    if args.json:
        print(json.dumps([facts(doc) for doc in docs], indent=2))
        return DONE
    for doc in docs:
        print(f"{doc.key}  ({doc.control})")
        print(f"  {doc.doc}")
        ceiling = f"; never above {doc.ceiling:,} in live" if doc.ceiling is not None else ""
        if doc.unit not in ("list", "yes or no"):
            print(f"  {doc.low} to {doc.high:,} {doc.unit}, {doc.tightens} is tighter{ceiling}")
        else:
            print(f"  {doc.unit}; {doc.tightens} is tighter")
        print(f"  of: {', '.join(('firm', *doc.levels))}")
        print(f"  paper: {doc.why}")
    return DONE


# --- common -------------------------------------------------------------------------------------


def documented(key: str) -> list[LimitDoc]:
    """Return what there is to know of a table, a key or a control's number (R10).

    Raises:
        Refused: there is none.

    """
    import difflib

    docs = explain()
    found = [
        doc
        for doc in docs
        if key in ("", doc.key) or doc.key.startswith(f"{key}.") or doc.control == key.upper()
    ]
    if found:
        return found
    if CONTROL.fullmatch(key.upper()):
        raise Refused(f"no limit is of {key.upper()}; docs/RUNBOOK.md says what it is", USAGE)
    names = [doc.key for doc in docs] + sorted({doc.key.split(".")[0] for doc in docs})
    near = difflib.get_close_matches(key, names, n=1)
    raise Refused(f"no limit {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""), USAGE)


def facts(doc: LimitDoc) -> dict[str, Any]:
    """Return a limit's facts as plain values."""
    return {name: getattr(doc, name) for name in doc.__struct_fields__}


def config_of(path: Path) -> Config:
    """Read a configuration that has a gate.

    Raises:
        ConfigError

    """
    config = load(path)
    if config.gate is None:
        raise ConfigError(f"{path}: there is no [gate] section")
    return config


def live(config: Config) -> tuple[Limits, str]:
    """Return the limits that hold, and whose word that is."""
    assert config.gate is not None
    try:
        answer = ask(config, {"cmd": "limits"})
    except NoGate:
        return load_model(config.gate.limits, Limits), str(config.gate.limits)
    return Limits.model_validate_json(json.dumps(answer["limits"])), "the running gate"


def written(value: Any) -> str:
    """Return a value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def say(args: argparse.Namespace, answer: dict[str, Any], text: str) -> None:
    """Print an answer."""
    print(json.dumps(answer, indent=2) if args.json else text)
