"""Write docs/SCENARIOS.md from the models of scenarios: `python deploy/setup/scenarios.py` (`make docs`)."""

import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from pydantic import BaseModel  # noqa: E402

from daemon.venue.scenario_file import ACTIONS, keys_of  # noqa: E402
from gateways.venue import actions, scenario  # noqa: E402

TARGET = ROOT / "docs" / "SCENARIOS.md"
HEAD = """# Scenarios: what goes wrong at the venue

`steadyhand venue --scenario FILE` and `steadyhand paper --scenario FILE` play a file of rules. Those that
ship are in [deploy/scenarios](../deploy/scenarios/); how to rehearse with them is in the
[RUNBOOK](RUNBOOK.md#to-rehearse-an-outage). Any FIX client can be rehearsed, not only ours. This page is made
from the code (`make docs`).
"""
HOW = """## What can be done

Keys with `*` must be given, the others show what they are otherwise. An action marked (w) is done to bytes
of the wire: the venue then takes FIX connections by an acceptor of its own in place of the engine, on
loopback, and `--lockstep` is refused.
"""
WIRE = " (w)"  # what is done to bytes of the wire


def build() -> str:
    """Return the whole page."""
    doc = (scenario.__doc__ or "").split("\n", 1)[1].strip("\n")
    words = ", ".join(f"`{word}`" for word in get_args(scenario.Event))
    return "\n".join(
        [
            HEAD,
            *described(doc),
            "",
            *textwrap.wrap(f"What `on` knows: {words}.", 110),
            "",
            HOW,
            *section("To the message that matched", actions.MessageAction),
            *section(
                "To an order: the message's, or with `at` the one that `pick` names", actions.OrderAction
            ),
            *section("To a session, prices or the feed", actions.LineAction),
            *section("To the market", scenario.MarketAction),
        ]
    )


def described(doc: str) -> list[str]:
    """Return the module's text with its example fenced."""
    out: list[str] = []
    fenced = False
    lines = doc.splitlines()
    for n, line in enumerate(lines):
        code = line.startswith("    ") or (fenced and not line and lines[n + 1].startswith("    "))
        if code != fenced:
            out.append("```toml" if code else "```")
            fenced = code
        out.append(line.removeprefix("    ") if code else line)
    return out


def section(title: str, kinds: Any) -> list[str]:
    """Return a table of actions."""
    members = set(get_args(kinds) or (kinds,))
    rows = [row(word, model) for word, model in ACTIONS.items() if model in members]
    return [f"### {title}", "", "| action | what happens | keys |", "|---|---|---|", *rows, ""]


def row(word: str, model: type[BaseModel]) -> str:
    """Return one action."""
    keys = []
    for name, field in model.model_fields.items():
        if name != "action":
            given = " `*`" if field.is_required() else f" = {default(field.default)}"
            keys.append(f"`{field.alias or name}`{given}")
    what = " ".join((model.__doc__ or "").split()).replace("|", "\\|")
    assert len(keys) + 1 == len(keys_of(model)), "every key is told"
    mark = WIRE if model in actions.OF_THE_WIRE else ""
    return f"| `{word}`{mark} | {what} | {', '.join(keys)} |"


def default(value: object) -> str:
    """Return a default as TOML would say it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value).replace("()", "[]")


if __name__ == "__main__":
    TARGET.write_text(build())
    print(f"wrote {TARGET.relative_to(ROOT)}")
