"""The gate's rehearsal: an intent that nobody asked for goes the whole way of an order, to no line at all.

A stand-in of everything is walked: link, shell, core, risk overlay, ledger, journal, encoder, FIX engine.
They are the same classes as the real ones and not one object of them: an own core with an own parent,
instrument, trader and limits, private metrics, an own clock, scratch files in `state_dir/rehearsal`, and a
FIX session without a line (gateways.fix.rehearsal). This module is given no reference to the real core,
journal, link, engine, metrics or kill latch, so nothing that is rehearsed can reach them. Every name in it
is REHEARSAL, its symbol REHEARSE.

The stand-in's core is made anew after WALKS_MAX orders, so that its tables stay small.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from daemon.clock import Clock
from daemon.config import GateSection
from daemon.gate.core import GateCore
from daemon.gate.effects import Note
from daemon.gate.links import Links
from daemon.gate.metrics import GateMetrics
from daemon.gate.shell import GateShell
from daemon.metrics.block import Metrics
from daemon.rehearsal import FAULTS, Pacer, ScratchJournal, drain, pair
from gateways.fix.order_entry import OrderEntry
from gateways.fix.outbound import Encoder
from gateways.fix.profile import Profile
from gateways.fix.rehearsal import FOLDER, SESSION, RehearsalLine
from gateways.link import encode
from market import events as ev
from market.instruments import Instrument
from market.parents import ParentOrder
from market.types import ClOrdID, ExecID, ExecType, OrdStatus, ParentID, Side, Symbol, TimeInForce
from risk.kill_switch import KillLatch
from risk.limits import Limits

NAME: Final = "REHEARSAL"
SYMBOL: Final = Symbol("REHEARSE")
INSTRUMENT: Final = Instrument(symbol=SYMBOL, adv=1_000_000_000)
WALKS_MAX: Final = 1_024  # orders of one stand-in core: 1.5 MB of memory, 1 MB of scratch files
EPOCH: Final = 1
BEGIN_NS: Final = 1_704_207_600_000_000_000  # its market time always begins here: 2024-01-02 15:00 UTC
HOUR_NS: Final = 3_600_000_000_000
SETTLED_NS: Final = 2_000_000_000  # it has been up for so long: R20 holds a start's first second for full
PRICE_E4: Final = 1_000_000
TICK_E4: Final = 100
PRICES: Final = 16  # orders differ, as real ones do
OPEN: Final[
    dict[str, dict[str, Any]]
] = {  # of the limits: what would refuse an order that is always the same
    "allowed": {
        "symbols": ("*",),
        "accounts": ("*",),
        "order_types": ("LIMIT",),
        "times_in_force": ("IOC",),
        "policies": ("*",),
        "artefacts": ("*",),
        "symbols_max": 1,
        "venues_max": 1,
    },
    "order": {"qty_max": 100, "adv_max_bp": 10_000, "notional_max_ccy": 1_000_000_000},
    "market": {"age_max_ms": 86_400_000, "last_required": False, "close_required": False},
    "exposure": {
        "long_max": 10_000_000,
        "open_orders_max": 100,
        "open_orders_symbol_max": 100,
        "open_notional_max_ccy": 1_000_000_000,
        "gross_max_ccy": 1_000_000_000_000,
        "net_max_ccy": 1_000_000_000_000,
        "capital_max_ccy": 1_000_000_000_000,
    },
    "participation": {"share_max_bp": 10_000},
    "day": {
        "notional_max_ccy": 1_000_000_000_000,
        "shares_max": 2_000_000_000,
        "messages_max": 2_000_000_000,
    },
    "session": {"opening_ms": 0, "closing_ms": 0},
    "restricted": {"age_max_ms": 86_400_000},
    "parents": {"adv_max_bp": 10_000, "notional_max_ccy": 2_000_000_000, "live_max": 1},
    "rates": {
        "orders_per_second": 1_000_000,
        "orders_per_second_symbol": 1_000_000,
        "messages_per_fill": 1_000_000,
        "duplicates": 1_000_000,
        "duplicate_window_ms": 10,
    },
    "policy": {"decision_age_max_ms": 1_000},
}


async def begin(section: GateSection, limits: Limits, profile: Profile, worked: Callable[[], int]) -> None:
    """Rehearse from now on, as configured. `worked` counts real orders: where one went, nothing is rehearsed.

    Raises:
        EngineError: a real session has the rehearsal's name.

    """
    if not section.rehearse_us:
        return
    sessions = (section.order_session, section.reference_session)
    real = [(s.sender_comp_id, s.target_comp_id) for s in sessions if s is not None]
    loop = asyncio.get_running_loop()
    rehearsal = GateRehearsal(limits, profile, section.state_dir, real, loop)
    await rehearsal.connect()
    Pacer(section.rehearse_us, rehearsal.walk, worked).begin(loop)


class GateRehearsal:
    """A whole gate that does not exist."""

    def __init__(
        self,
        limits: Limits,
        profile: Profile,
        state_dir: Path,
        real: list[tuple[str, str]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`real`: the CompIDs of the real sessions, which are not the rehearsal's.

        Raises:
            EngineError: a real session has the rehearsal's name.

        """
        self._law = open_limits(limits)
        folder = state_dir / FOLDER
        self._line = RehearsalLine(folder, real, loop)
        self._journal = ScratchJournal(folder / "journal.scratch")
        metrics = GateMetrics(Metrics(None, "gate"), self._law, "USD")
        self._shell = GateShell(GateCore(), Clock(), self._journal, NoLatch(), metrics, lockstep=False)
        self._shell.entry = OrderEntry(self._line, Encoder(profile), SESSION)
        self._shell.note = self._noted
        self._links = Links(self._step, lambda *_: None)
        self._shell.tell, self._shell.drop = self._links.tell, self._links.drop
        self._trader: socket.socket | None = None
        self._loop = loop
        self._n = 0
        self._fault: Exception | None = None  # of a step: the next walk ends with it
        self.said = ""  # the last note of its core: why it refused, where it did

    async def connect(self) -> None:
        """Join its trader to its gate, over a socket pair of this process."""
        self._begin_anew()
        self._trader, theirs = pair()
        await self._loop.create_connection(self._links.peer, sock=theirs)
        self._trader.send(encode(hello()))  # of which the link learns the epoch

    def walk(self) -> None:
        """End the last order, send an intent; it is stepped when the loop has read it."""
        assert self._trader is not None, "connected before it walks"
        if self._fault is not None:
            raise self._fault
        drain(self._trader)
        core, stamp = self._shell.core, self._shell.clock.stamp()
        for chain in list(core.state.live_chains()):
            core.step(stamp, expired(chain.cl_ord_id))
        if self._n >= WALKS_MAX:
            self._begin_anew()
            self._shell.core.step(self._shell.clock.stamp(), hello())
        self._n += 1
        self._trader.send(encode(intent(self._n, time.monotonic_ns())))

    def _step(self, event: ev.Event) -> None:
        """Step what the loop has read; what fails here must not reach the loop, which would end the gate."""
        try:
            self._shell.post(event)
        except FAULTS as error:
            self._fault = error

    @property
    def orders(self) -> int:
        """Return how many rehearsed orders went the whole way."""
        return self._shell.latency["engine"].count

    @property
    def faults(self) -> list[str]:
        """Return what failed in the callbacks of its FIX session."""
        return self._line.faults

    def _begin_anew(self) -> None:
        """Put a new core in the old one's place, with everything that an order needs."""
        self._journal.empty()
        now_ns = time.monotonic_ns()
        clock = Clock(ev.ClockAnchor(anchor_ts_ns=BEGIN_NS, anchor_mono_ns=now_ns, speed=1.0))
        core, stamp = GateCore(), ev.Stamp(BEGIN_NS - SETTLED_NS, now_ns - SETTLED_NS)
        for event in beginning(self._law):
            core.step(stamp, event)
        core.step(stamp, reconciled(core))
        core.step(clock.stamp(), ev.Timer())
        self._shell.core, self._shell.clock, self._n = core, clock, 0

    def _noted(self, note: Note) -> None:
        self.said = f"{note.event}: {note.fields}"


class NoLatch(KillLatch):
    """No file is written for a stand-in, and none is looked for."""

    def __init__(self) -> None:
        super().__init__(Path(NAME), Path(NAME))

    def held(self) -> str | None:
        """Return that nothing is latched."""
        return None

    def touched(self) -> bool:
        """Return that nobody touched anything."""
        return False

    def set(self, reason: str, scope: str = "") -> None:
        """Latch nothing."""

    def clear(self) -> None:
        """Clear nothing."""


def open_limits(limits: Limits) -> Limits:
    """Return the operator's limits, opened for the stand-in's order; no real order ever meets them."""
    tree = limits.model_dump()
    for part, values in OPEN.items():
        tree[part] |= values
    return Limits.model_validate(tree | {"mode": "paper"})


def beginning(law: Limits) -> tuple[ev.Event, ...]:
    """Return what brings a new core to where it can send: sessions, a price, a trader, a parent."""
    parent = ParentOrder(
        parent_id=ParentID(NAME),
        account=NAME,
        side=Side.BUY,
        qty=1_000_000,
        symbol=SYMBOL,
        mic=INSTRUMENT.mic,
        start_ns=BEGIN_NS - SETTLED_NS,
        end_ns=BEGIN_NS + HOUR_NS,
    )
    return (
        ev.GateStarted(
            epoch=EPOCH,
            mode="paper",
            account=NAME,
            instruments=(INSTRUMENT,),
            limits=law.model_dump_json(),
        ),
        ev.SessionUp(session="reference"),
        ev.SessionUp(session="order"),
        ev.ReferencePrice(symbol=SYMBOL, bid_e4=PRICE_E4, ask_e4=PRICE_E4 + TICK_E4),
        ev.SubmitParent(request_id=0, parent=parent),
    )


def hello() -> ev.TraderHello:
    """Return the stand-in's trader."""
    return ev.TraderHello(
        protocol=ev.LINK_PROTOCOL,
        epoch=EPOCH,
        symbols=(SYMBOL,),
        policy=NAME,
        policy_sha256="",
        state_spec_sha256="",
        action_table_sha256="",
    )


def intent(n: int, mono_ns: int) -> ev.SubmitIntent:
    """Return its n-th intent."""
    return ev.SubmitIntent(
        epoch=EPOCH,
        n=n,
        parent_id=ParentID(NAME),
        side=Side.BUY,
        qty=1,
        price_e4=PRICE_E4 - TICK_E4 * (n % PRICES),
        time_in_force=TimeInForce.IOC,
        decision_id=n,
        decided_mono_ns=mono_ns,
        cause_mono_ns=mono_ns,
    )


def reconciled(core: GateCore) -> ev.ExecutionReport:
    """Return the answer to its mass status request: there are no orders."""
    return ev.ExecutionReport(
        cl_ord_id=ClOrdID("NONE"),
        exec_type=ExecType.ORDER_STATUS,
        ord_status=OrdStatus.REJECTED,
        exec_id=ExecID("0"),
        mass_status_req_id=core.state.session.mass_status_id,
    )


def expired(cl_ord_id: ClOrdID) -> ev.ExecutionReport:
    """Return the report that ends an order."""
    return ev.ExecutionReport(
        cl_ord_id=cl_ord_id,
        exec_type=ExecType.EXPIRED,
        ord_status=OrdStatus.EXPIRED,
        exec_id=ExecID(f"X{cl_ord_id}"),
        symbol=SYMBOL,
        order_qty=1,
    )
