"""The gate's end in order: no new orders, cancels confirmed or listed, logout, hash, close."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from daemon import notify
from daemon.ending import Ending
from daemon.gate.control_server import ControlServer
from daemon.gate.links import Links, remove_socket
from daemon.gate.metrics import GateMetrics
from daemon.gate.oms_desk import OmsDesk
from daemon.gate.shell import GateShell
from daemon.heartbeat import Heartbeat
from daemon.journal import Journal
from daemon.logs import announce
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN
from market import events as ev

if TYPE_CHECKING:
    from gateways.fix.engine import Engine

STOP_WAIT_S: Final = 5.0  # for cancels to be confirmed; logout and the rest fit into 10 s
STOP_POLLS: Final = 120
log = structlog.get_logger()


@dataclass
class Parts:
    """What a running gate consists of, as far as its end must know."""

    shell: GateShell
    links: Links
    control: ControlServer
    engine: "Engine"
    journals: tuple[Journal, ...]
    beat: Heartbeat
    metrics: GateMetrics
    sockets: tuple[Path, ...]
    oms: OmsDesk


async def end(parts: Parts, ending: Ending, failure: Callable[[], str]) -> int:
    """Go through the stages; the exit code says whether anything was left."""
    notify.stopping()
    shell = parts.shell
    core = shell.core
    ending.at("the journal of the shutdown", open_orders(shell))
    shell.post(ev.Shutdown())
    for _ in range(STOP_POLLS):
        ending.at("cancels", open_orders(shell))
        if not core.state.own_orders or not core.state.session.up:
            break
        await asyncio.sleep(STOP_WAIT_S / STOP_POLLS)
    left = open_orders(shell)
    if left:
        log.error("orders not confirmed cancelled", orders=left)
    parts.oms.close()  # it has heard of every fill; what it asks from now on would not be journaled
    parts.links.close("the gate stops")
    parts.control.close()
    await asyncio.sleep(0)
    ending.at("logout", left)
    parts.engine.stop()
    ending.at("the journal's last bytes", left)
    shell.closed = True
    shell.write_digest()
    for journal in parts.journals:
        journal.close()
    parts.beat.stop()
    clean = not left and not failure() and not core.state.breaks
    announce("stopped", clean=clean, open_orders=left, failure=failure())
    for path in parts.sockets:
        remove_socket(path)
    if clean:
        parts.metrics.close()
    return EXIT_DONE if clean else EXIT_NOT_CLEAN


def open_orders(shell: GateShell) -> list[str]:
    """Return the ClOrdIDs of what can still trade."""
    g = shell.core.state
    return [chain.cl_ord_id for chain in g.live_chains() if chain.chain_id not in g.external]
