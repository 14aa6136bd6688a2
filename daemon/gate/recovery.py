"""Start and recovery, which are one path: a snapshot, the journal from there, then what FIX brought beyond.

The snapshot is the last one that is good; without one it is the whole journal.
After this the gate logs on and reconciles with the EMS (daemon.gate.sessions). Nothing is sent here.
"""

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from daemon.gate import power, snapshots
from daemon.gate.archive import ArchiveError
from daemon.gate.archive_store import ready
from daemon.gate.core import GateCore
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME, Replayed
from daemon.journal import Journal
from daemon.segments.layout import FIRST, JournalError
from daemon.segments.reading import read
from daemon.strict_toml import ConfigError, line_of
from gateways.fix.inbound import decode
from gateways.fix.market_data import MarketData, MarketDataReject
from gateways.fix.wire import Malformed
from market.events import EngineAlarm, Event, ExecutionReport, Timer
from market.position_events import PositionTold
from market.types import Symbol
from risk.limits import Limits, changes

DIFFERENCES_SHOWN: Final = 3
log = structlog.get_logger()


def recover(state_dir: Path, core: GateCore) -> Replayed:
    """Bring a new core to where the journal ends.

    Raises:
        JournalError: corruption, or decisions that this version would not take: a person must look.

    """
    path = state_dir / JOURNAL_NAME
    collects = gc.isenabled()
    gc.disable()  # nothing of a recovery is garbage; looking for it takes a fifth of the time
    try:
        found, done = snapshots.resume(
            state_dir, path, lambda text: log.warning("snapshot passed over", reason=text)
        )
    finally:
        if collects:
            gc.enable()
    core.become(found)
    try:
        ready(state_dir, core.state.archive)
    except ArchiveError as error:
        log.warning("ended orders stay in memory", reason=str(error))
    if done.differences:
        shown = "; ".join(done.differences[:DIFFERENCES_SHOWN])
        raise JournalError(
            f"{len(done.differences)} decisions differ from the journal: {shown}. "
            "Another version wrote it; finish the day with that one, or begin in a new state_dir"
        )
    return done


def refuse_forgotten(journal: Journal, inbound: Journal) -> None:
    """Refuse to begin a day anew where one was: what the EMS said is there, what we did about it is not.

    Raises:
        JournalError: the gate's journal is empty and the inbound log is not.

    """
    if journal.end <= FIRST and inbound.end > FIRST:
        raise JournalError(
            f"{journal.path}: empty, while {inbound.path.name} holds what the EMS told us; restore it, "
            "or begin in a new state_dir (and agree positions and open orders with the EMS)"
        )


def holding(core: GateCore, limits: Limits, path: Path) -> Limits:
    """Return the limits that a start judges by (R73): the file's, or what held last where that is later.

    A gate that was tightened in midday and then died must come back, and cancel, whatever file it finds.

    Raises:
        ConfigError: the file is of the same version or a later one, and looser.

    """
    looser = loosened(core, limits, path)
    if not looser:
        return limits
    held = core.state.risk.limits
    if limits.version >= held.version:
        raise ConfigError(looser)
    log.error("the limits file is of before", file=str(path), version=limits.version, holds=held.version)
    return held


def loosened(core: GateCore, limits: Limits, path: Path) -> str:
    """Return how a limits file is looser than what holds in a state, "" where it is not (R73).

    A restart changes no limit that two people have not changed.
    """
    if core.state.overlay is None:
        return ""
    text = path.read_text()
    return "; ".join(
        f"{path}:{line_of(text, c.key.split('.'))}:{c.key}: loosened from {c.old} to {c.new} by hand; "
        "two people loosen limits, while the gate runs: steadyhand limits apply"
        for c in changes(core.state.risk.limits, limits)
        if c.looser
    )


def beyond(state_dir: Path, done: Replayed, ours: dict[str, str]) -> Iterator[tuple[int, Event]]:
    """Yield (offset, event) of the FIX messages that came but were not stepped before the crash."""
    path = state_dir / INBOUND_NAME
    place = power.aligned(path, done.inbound_offset)
    if place != done.inbound_offset:
        yield place, Timer()  # journaled: from here on, for every start to come
    for offset, payload in read(path, max(FIRST, place)):
        if offset <= place:
            continue
        event = event_of(payload.decode("utf-8", "surrogateescape"), ours)  # as the engine encodes it
        if event is not None:
            yield offset, event


def event_of(raw: str, ours: dict[str, str]) -> Event | None:
    """Return what a message of the order session means to the core; None: nothing.

    `ours`: our symbols and accounts by theirs, where the two differ (`Profile.ours`).
    """
    decoded = decode(raw)
    if isinstance(decoded, Malformed):
        return EngineAlarm(text=f"unreadable {decoded.msg_type or 'message'}: {decoded.reason}")
    if decoded is None or isinstance(decoded, MarketData | MarketDataReject):
        return None
    if ours and isinstance(decoded, ExecutionReport | PositionTold):
        return msgspec.structs.replace(
            decoded,
            symbol=Symbol(ours.get(decoded.symbol, decoded.symbol)),
            account=ours.get(f"1={decoded.account}", decoded.account),
        )
    return decoded


def next_epoch(last: int, lockstep: bool) -> int:
    """Return a new epoch: above all before, and by the wall clock even where the state was lost.

    In lockstep it only counts, so that a run with a venue of its own repeats to the letter.
    """
    return last + 1 if lockstep else max(last + 1, int(time.time()))
