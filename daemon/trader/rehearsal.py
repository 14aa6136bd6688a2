"""The trader's rehearsal: a tick that nobody published goes its whole way to an intent that nobody takes.

A stand-in of everything is walked: feed client, decoder, book, state, policy, plan, executor, link,
journal. They are the same classes as the real ones and not one object of them: an own core with an own
market and parent, private metrics, an own clock, a scratch file, and a link whose other end is in this
process and is thrown away unread. This module is given no reference to the real core, feed, journal,
metrics or link. Every name in it is REHEARSAL, its symbol REHEARSE. Where a script trades, the stand-in's is
another one: its only line sends an order with every tick.

The stand-in's core is made anew after WALKS_MAX ticks, so that its tables stay small.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from daemon.clock import Clock
from daemon.metrics.block import Metrics
from daemon.rehearsal import ScratchJournal, drain, pair
from daemon.trader.core import TraderCore
from daemon.trader.events import FeedUp, LinkUp, Settings
from daemon.trader.metrics import TraderMetrics
from daemon.trader.shell import Shell
from gateways.feeds.soupbintcp import Login, encode_accepted, packet
from gateways.feeds.soupbintcp_client import SoupClient
from gateways.link import Peer, ToTrader
from market import events as ev
from market import updates as up
from market.instruments import Instrument
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdStatus, ParentID, ParentStatus, Side, Symbol
from policies.policy import Policy
from policies.script_language import parse
from policies.scripted import Scripted

NAME: Final = "REHEARSAL"
SYMBOL: Final = Symbol("REHEARSE")
INSTRUMENT: Final = Instrument(symbol=SYMBOL, adv=1_000_000_000, daily_volatility_bps=150.0)
FOLDER: Final = "rehearsal"  # of the scratch journal
WALKS_MAX: Final = 4_096  # ticks of one stand-in core: 2 MB of scratch journal
STEP_NS: Final = 100_000_000  # market time of one walk: its clock runs fast, so that a decision is due
BEGIN_NS: Final = 1_704_207_600_000_000_000  # its time always begins here: 2024-01-02 10:00 in New York
MIDNIGHT_NS: Final = BEGIN_NS - 36_000_000_000_000
HOUR_NS: Final = 3_600_000_000_000
PRICE_E4: Final = 1_000_000
TICK_E4: Final = 100
LEVELS: Final = 12  # of each side
SIZE: Final = 300
MOVER: Final = 1_000  # the order whose moves move the touch
DIRECTORY_END: Final = (b"T", b" ", b"N", b" ", b"N", 0, b"N")
ROOM: Final = 1_000_000  # of everything that limits would leave
SETTINGS: Final = Settings(
    interval_ns=STEP_NS // 2, gap_ns=STEP_NS // 4, corridor=0.2, orders_max=1_024, levels_max=256
)
SCRIPT: Final = "every 1ms submit 1 @ bid-50 ioc"


class TraderRehearsal:
    """A whole trader that does not exist."""

    def __init__(
        self,
        choose: Callable[[], Policy | Scripted],
        folder: Path | None,
        period_us: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`choose` makes a policy as the trader's is made; `folder`: of its journals, if it has any."""
        chosen = choose()
        self._policy = None if isinstance(chosen, Scripted) else chosen
        self._speed = STEP_NS / (period_us * 1_000)
        self._journal = ScratchJournal(folder / FOLDER / "journal.scratch") if folder is not None else None
        self._metrics = TraderMetrics(Metrics(None, "trader"), chosen, "paper")
        self._peer = Peer(ToTrader, lambda *_: None, lambda *_: None)
        self._loop = loop
        self._gate: socket.socket | None = None
        self._asked: list[Any] = []
        self._stamp = ev.Stamp(0, 0)
        self._epoch = 0
        self._walks = 0
        self.intents = 0

    async def connect(self) -> None:
        """Open its link, over a socket pair of this process."""
        self._gate, mine = pair()
        await self._loop.create_connection(lambda: self._peer, sock=mine)
        self._begin_anew()

    def close(self) -> None:
        """Close both ends of its link."""
        self._peer.close("rehearsed")
        if self._gate is not None:
            self._gate.close()

    def walk(self) -> None:
        """End the last orders, then let the touch move: the decision that is due sends new ones."""
        assert self._gate is not None, "connected before it walks"
        drain(self._gate)
        if self._walks >= WALKS_MAX:
            self._begin_anew()
        self._walks += 1
        asked, self._asked = self._asked, []
        for intent in asked:  # at the last tick's instant: the next decision is this tick's affair
            self._shell.core.step(self._stamp, ended(self._epoch, intent))
        self._stamp = self._shell.clock.stamp()
        self._feed(replace(self._stamp.ts_ns, self._walks, PRICE_E4 - TICK_E4 * (self._walks % 2)))

    def _begin_anew(self) -> None:
        """Put a new core in the old one's place, with a market and a parent to work."""
        if self._journal is not None:
            self._journal.empty()
        self._epoch += 1
        self._walks, self._asked = 0, []
        policy = self._policy or Scripted(NAME, SCRIPT.encode(), parse(SCRIPT, NAME))
        core = TraderCore(SETTINGS, {SYMBOL: INSTRUMENT}, policy)
        clock = Clock()
        self._shell = Shell(core, clock, self._metrics, self._journal)
        self._shell.send = self._send
        self._client = SoupClient(Listener(self._shell), Login(NAME[:6], ""))
        clock.set_anchor(
            ev.ClockAnchor(anchor_ts_ns=BEGIN_NS, anchor_mono_ns=clock.mono_ns(), speed=self._speed)
        )
        stamp = self._stamp = clock.stamp()
        self._shell.begin_market(stamp.ts_ns)
        core.step(stamp, LinkUp(epoch=self._epoch))
        core.step(stamp, parent())
        core.step(stamp, up.Synced())
        self._receive(packet("A", encode_accepted(NAME, 1)[3:]))
        self._feed(*opening(stamp.ts_ns))

    def _feed(self, *messages: bytes) -> None:
        self._receive(b"".join(packet("S", message) for message in messages))

    def _receive(self, packets: bytes) -> None:
        """Let its feed client take bytes as if a socket had brought them."""
        self._client.get_buffer(-1)[: len(packets)] = packets
        self._client.buffer_updated(len(packets))

    def _send(self, event: ev.Event) -> bool:
        self._asked.append(event)
        self.intents += 1
        return self._peer.send(event)


class Listener:
    """Between its feed and its shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def feed_up(self, session: str, next_seq: int) -> None:  # noqa: ARG002  (a FeedListener)
        """Logged in."""
        self._shell.event(FeedUp(next_seq=next_seq))

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        """Take one read."""
        self._shell.read(packets, first_seq, mono_ns)

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        """Nothing beats here."""

    def feed_down(self, reason: str) -> None:
        """Nothing breaks here."""

    def feed_ended(self) -> None:
        """Nothing ends here."""


# --- its market: ITCH 5.0 (gateways.feeds.itch_encode would bring kernels that no trader needs) ----


def head(kind: bytes, ts_ns: int) -> bytes:
    """Return what every message begins with."""
    return kind + struct.pack(">HH", 1, 0) + (ts_ns - MIDNIGHT_NS).to_bytes(6, "big")


def add(ts_ns: int, order_id: int, is_buy: bool, price_e4: int) -> bytes:
    """A: an order joined the book."""
    side = b"B" if is_buy else b"S"
    return head(b"A", ts_ns) + struct.pack(">QcI8sI", order_id, side, SIZE, SYMBOL.encode(), price_e4)


def replace(ts_ns: int, walk: int, price_e4: int) -> bytes:
    """U: the order that makes the best bid goes elsewhere."""
    return head(b"U", ts_ns) + struct.pack(">QQII", MOVER + walk - 1, MOVER + walk, SIZE, price_e4)


def opening(ts_ns: int) -> list[bytes]:
    """Return what makes a market: its symbol, its state, a book."""
    name = SYMBOL.encode()
    directory = struct.pack(">8sccIcc2scccccIc", name, *(b"Q", b"N", 100, b"N", b"C", b"Z "), *DIRECTORY_END)
    messages = [head(b"R", ts_ns) + directory, head(b"H", ts_ns) + name + b"T" + b" " + b"    "]
    for level in range(1, LEVELS + 1):
        messages.append(add(ts_ns, 2 * level, True, PRICE_E4 - (level + 1) * TICK_E4))
        messages.append(add(ts_ns, 2 * level + 1, False, PRICE_E4 + level * TICK_E4))
    return [*messages, add(ts_ns, MOVER, True, PRICE_E4 - TICK_E4)]


# --- its gate -----------------------------------------------------------------------------------


def parent() -> up.ParentUpdate:
    """Return the parent that is worked for ever."""
    order = ParentOrder(
        parent_id=ParentID(NAME),
        account=NAME,
        side=Side.BUY,
        qty=ROOM,
        symbol=SYMBOL,
        mic=INSTRUMENT.mic,
        start_ns=BEGIN_NS - HOUR_NS // 2,
        end_ns=BEGIN_NS + HOUR_NS // 2,
    )
    progress = Progress(
        status=ParentStatus.WORKING,
        qty=ROOM,
        arrival_mid_micros=PRICE_E4 * 100,
        arrival_ns=order.start_ns,  # nothing is done of what half its time is over for: it must act, always
    )
    headroom = up.Headroom(
        order_qty_max=ROOM,
        buy_qty_max=ROOM,
        sell_qty_max=ROOM,
        orders_free=ROOM,
        collar_low_e4=TICK_E4,
        collar_high_e4=2 * PRICE_E4,
        rate_free=ROOM,
        can_trade=True,
    )
    return up.ParentUpdate(parent=order, progress=progress, headroom=headroom)


def ended(epoch: int, intent: Any) -> up.OrderUpdate:
    """Return the update that answers an intent and ends its order at once."""
    order = up.WorkingOrder(
        chain_id=ClOrdID(f"{NAME}-{intent.n}"),
        parent_id=ParentID(NAME),
        symbol=SYMBOL,
        side=Side.BUY,
        price_e4=getattr(intent, "price_e4", 0) or 0,
        qty=getattr(intent, "qty", 1),
        cum_qty=0,
        status=OrdStatus.EXPIRED,
    )
    return up.OrderUpdate(order=order, epoch=epoch, n=intent.n)
