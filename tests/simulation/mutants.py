"""Planted bugs: one or more for each promise, put into the gate's own code, to prove that the checker sees.

A mutant is a few attributes of the shipped modules replaced while a seed is played. `families` are the faults
under which it shows.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from daemon.gate import chains, core, drop_copy, positions, reports, shell, state
from daemon.gate.drop_copy_desk import DropCopyDesk
from daemon.gate.main import Gate
from daemon.segments.disk import Disk
from gateways import link
from market import events as ev
from market.child_order import Change, ChildOrder
from market.types import ExecType, OrdStatus
from risk import overlay
from risk.controls import exposure, policy, trips
from tests.daemon.people import lift
from tests.simulation import quickfix_double
from tests.simulation.ground import ENGINE, SimTime

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    name: str
    promise: str
    families: tuple[str, ...]
    patches: tuple[Patch, ...]


@contextlib.contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Put the bug in, and take it out."""
    before = [
        (where, name, where[name] if isinstance(where, dict) else where.__dict__.get(name))
        for where, name, _ in mutant.patches
    ]
    try:
        for where, name, value in mutant.patches:
            _put(where, name, value)
        yield
    finally:
        for where, name, value in before:
            if value is None and not isinstance(where, dict):
                delattr(where, name)
            else:
                _put(where, name, value)


def _put(where: Any, name: Any, value: Any) -> None:
    if isinstance(where, dict):
        where[name] = value
    else:
        setattr(where, name, value)


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _resends(self: Any, message: Any, _session_id: Any) -> None:
    """toApp that lets orders be sent again."""


def _rearmed_by_restart(g: Any, stamp: Any, event: Any) -> None:
    SESSIONS_STARTED(g, stamp, event)
    lift(g.posture, stamp.mono_ns)


def _late_fill_dropped(self: ChildOrder, report: ev.ExecutionReport) -> Change:
    if not self.live and report.exec_type is ExecType.TRADE:
        return Change(duplicate=True)
    return OBSERVE(self, report)


def _unacked_are_dead(self: ChildOrder) -> int:
    """Leaves of an order that nobody has acknowledged count as none."""
    return 0 if self.status is OrdStatus.PENDING_NEW else int(LEAVES.fget(self))  # type: ignore[misc]


def _swallows(self: Disk, fd: int) -> None:
    with contextlib.suppress(OSError):
        SYNC(self, fd)


def _dies_of_garbage(self: link.Peer, received: bytes) -> None:
    messages = self._decoder.feed(received)
    if messages:
        self._on_messages(self, messages)


def _looks_at_the_world(g: Any, stamp: Any) -> None:
    """State that does not come from events: how often this process has called."""
    g.counters["calls"] = quickfix_double.world.loop.calls
    OVERDUE(g, stamp)


def _wall(self: Any) -> int:
    w = quickfix_double.world
    return int(w.wall_ns() - w.market_ns() + w.loop.now_ns)


SESSIONS_STARTED: Final = core.RULES[ev.GateStarted]
OBSERVE: Final = ChildOrder.observe
LEAVES: Final = ChildOrder.leaves_worst
SYNC: Final = Disk.sync
OVERDUE: Final = chains.overdue
WITHOUT: Final[Callable[[Any], tuple[Any, ...]]] = lambda control: tuple(  # noqa: E731
    c for c in overlay.AFTER_SCHEMA if c is not control
)

MUTANTS: Final = (
    Mutant("sends before it journals", "P1", (), ((shell, "decisions", lambda _: ()),)),
    Mutant("an epoch that does not rise", "P2", ("crashes",), ((state, "base36", lambda _: "1"),)),
    Mutant(
        "orders are sent again",
        "P2",
        ("network",),
        (
            (ENGINE._Application, "toApp", _resends),
            (
                ENGINE,
                "session_settings",
                lambda *a, real=ENGINE.session_settings: real(*a) | {"PersistMessages": "Y"},
            ),
        ),
    ),
    Mutant("fills are not booked", "P3", (), ((reports, "_book", nothing),)),
    Mutant(
        "an order without an answer counts for nothing",
        "P4",
        ("manners",),
        ((ChildOrder, "leaves_worst", property(_unacked_are_dead)),),
    ),
    Mutant(
        "a parent may be exceeded",
        "P4",
        ("trader",),
        ((overlay, "AFTER_SCHEMA", WITHOUT(exposure.parent_quantity)),),
    ),
    Mutant("positions are not compared", "P3", ("liar",), ((positions, "differences", lambda _: []),)),
    Mutant("two lines are not compared", "P3", ("two_mouths",), ((drop_copy, "tick", nothing),)),
    Mutant(
        "a restart forgets what the drop copy told",
        "P3",
        ("drop_copy", "crashes"),
        ((DropCopyDesk, "recover", lambda _: 0),),
    ),
    Mutant(
        "a power cut leaves the drop copy's numbers",
        "P3",
        ("drop_copy", "power"),
        ((DropCopyDesk, "specs", lambda self, _, real=DropCopyDesk.specs: real(self, False)),),
    ),
    Mutant("it never reconciles", "P5", ("crashes",), ((core.gate_sessions, "reconcile", nothing),)),
    Mutant(
        "a restart lifts the kill",
        "P6",
        ("people", "crashes"),
        ((core.RULES, ev.GateStarted, _rearmed_by_restart),),
    ),
    Mutant(
        "a kill leaves orders working",
        "P6",
        ("people",),
        ((chains, "unwant", nothing), (shell.GateShell, "_send_mass_cancel", nothing)),
    ),
    Mutant("late fills are dropped", "P7", ("manners",), ((ChildOrder, "observe", _late_fill_dropped),)),
    Mutant("orders stay in an unfit market", "P8", ("quiet_prices",), ((chains, "pull_unfit", nothing),)),
    Mutant("a failed sync is swallowed", "P9", ("sync_fails",), ((Disk, "sync", _swallows),)),
    Mutant("timers run by the wall clock", "P10", ("clock",), ((SimTime, "monotonic_ns", _wall),)),
    Mutant(
        "rejects do not halt",
        "P11",
        ("storm",),
        ((trips, "rejected", nothing), (trips, "reject_share", nothing)),
    ),
    Mutant(
        "old decisions are sent", "P12", ("trader",), ((overlay, "AFTER_SCHEMA", WITHOUT(policy.decision)),)
    ),
    Mutant(
        "garbage of the trader ends it", "P13", ("trader",), ((link.Peer, "data_received", _dies_of_garbage),)
    ),
    Mutant("state beside the journal", "P14", (), ((chains, "overdue", _looks_at_the_world),)),
    Mutant("SIGTERM stops nothing", "P15", ("sigterm",), ((core.RULES, ev.Shutdown, nothing),)),
    Mutant("errors are swallowed", "P16", ("assertion",), ((Gate, "_broken", nothing),)),
)
