"""What may be asked of a gate over its control socket: requests by name, strict, and the events they mean.

    command = read(line)               # RequestError: one line
    event = event_of(command, number)  # CommandError: no event is meant

Nothing of it is carried out here.
"""

import json
from typing import Any, Final, cast

import msgspec

from market import events as ev
from market import people_events as people
from market.parents import ParentOrder
from risk.commands import CommandError, is_scope

NESTED_MAX: Final = 64  # brackets in a request; a parent order has three


class RequestError(Exception):
    """Nothing that can be asked: one line, and the id that it came with, if any."""

    def __init__(self, text: str, asked: int | None) -> None:
        super().__init__(text)
        self.asked = asked


class Command(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every command may carry."""

    cmd: str
    id: int = 0


class Submit(Command, kw_only=True):
    """Admit a parent."""

    parent: ParentOrder
    dry_run: bool = False


class Basket(Command, kw_only=True):
    """Admit parents, all or none; they come as JSON in a text, as its bound on brackets wants it."""

    parents: str
    dry_run: bool = False


class Amend(Command, kw_only=True):
    """Change a parent."""

    parent_id: str
    qty: int | None = None
    limit_price_e4: int | None = None
    end_ns: int | None = None
    max_participation_bp: int | None = None


class OfParent(Command, kw_only=True):
    """Pause, resume, cancel."""

    parent_id: str


class StopCommand(Command, kw_only=True):
    """R70: kill, or halt, the firm or one scope."""

    reason: str = ""
    source: str = "cli"
    scope: str = ""


class SignedText(Command, kw_only=True):
    """A command of risk.commands, with its signature."""

    key: str
    text: str
    signature: str


class LookCommand(Command, kw_only=True):
    """A look at limits, or at what keeps something from trading."""

    parent_id: str = ""
    symbol: str = ""


class Anchor(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """When market time begins."""

    anchor_ts_ns: int
    anchor_mono_ns: int
    speed: float = 1.0


class ClockCommand(Command, kw_only=True):
    """Begin market time."""

    anchor: Anchor


class StatusCommand(Command, kw_only=True):
    """How everything stands."""

    orders: str = "all"  # live: what can still trade; held: what is in memory; else: of one ClOrdID


KINDS: Final[dict[str, type[Command]]] = {
    "ping": Command,
    "status": StatusCommand,
    "clock": ClockCommand,
    "submit": Submit,
    "basket": Basket,
    "amend": Amend,
    "pause": OfParent,
    "resume": OfParent,
    "cancel": OfParent,
    "kill": StopCommand,
    "halt": StopCommand,
    "signed": SignedText,
    "limits": LookCommand,
    "why": LookCommand,
}
# What may be asked without a signature by whom; the rest is for whoever may operate.
VIEWS: Final = frozenset({"ping", "status", "limits", "why", "signed"})
LOOKS: Final = frozenset({"status", "limits", "why"})  # what takes the loop a while and changes nothing


def read(line: bytes) -> Command:
    """Return the request of a line.

    Raises:
        RequestError: no JSON, an unknown command or field, a value of another kind.

    """
    tree: Any = None
    try:
        if line.count(b"{") + line.count(b"[") > NESTED_MAX + line.count(b'\\"'):  # quoted ones: a text
            raise ValueError(f"more than {NESTED_MAX} brackets")
        tree = json.loads(line)
        if b"\\u" in line or not line.isascii():  # half a pair is no text that can be journaled
            tree = json.loads(json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace"))
        name = tree.get("cmd") if isinstance(tree, dict) else None
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise ValueError(f"unknown command {name!r}; there is {', '.join(KINDS)}")
        return msgspec.convert(tree, kind)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        asked = tree.get("id") if isinstance(tree, dict) else None
        raise RequestError(str(error), asked if type(asked) is int else None) from None


def journaled(event: ev.Event) -> None:
    """Look whether a journal takes the numbers of an event: CommandError where it does not."""
    try:
        msgspec.msgpack.encode(event)
    except OverflowError:
        raise CommandError("a number is out of range: 64 bits are what a journal takes") from None


def event_of(command: Command, request_id: int) -> ev.Event:
    """Return the event that a command means."""
    n = request_id
    if isinstance(command, Submit):
        return ev.SubmitParent(request_id=n, parent=command.parent, dry_run=command.dry_run)
    if isinstance(command, Basket):
        return people.SubmitBasket(request_id=n, parents=parents_of(command.parents), dry_run=command.dry_run)
    if isinstance(command, Amend):
        fields = {f: getattr(command, f) for f in ("qty", "limit_price_e4", "end_ns", "max_participation_bp")}
        return ev.AmendParent(request_id=n, parent_id=cast(Any, command.parent_id), **fields)
    if isinstance(command, StopCommand):
        source, reason = command.source[:40], command.reason[:200]
        if not is_scope(command.scope):
            raise CommandError(
                f"no scope {command.scope[:40]!r}: give A/, T/, P/ or S/ and a name, or nothing"
            )
        if command.cmd == "kill" and not command.scope:
            return ev.Kill(request_id=n, source=source, reason=reason)
        halt = command.cmd == "halt"
        return people.StopScope(request_id=n, source=source, reason=reason, scope=command.scope, halt=halt)
    assert isinstance(command, OfParent)
    kinds = {"pause": ev.PauseParent, "resume": ev.ResumeParent, "cancel": ev.CancelParent}
    return kinds[command.cmd](request_id=n, parent_id=cast(Any, command.parent_id))


def parents_of(text: str) -> tuple[ParentOrder, ...]:
    """Return the parents of a basket; CommandError where they are none."""
    try:
        return msgspec.json.decode(text, type=tuple[ParentOrder, ...])
    except (ValueError, RecursionError) as error:
        raise CommandError(f"not parents: {error}") from None
