"""Symbols without a trader: a silent one is let go, and after a while what works there is taken back.

A parent without a trader waits: nobody asks for orders, its time goes on, its end is the gate's. Its working
orders stand for `cancel_after_ns`, so that a trader that is started again, upgraded or replaced finds them,
and are canceled then; 0 keeps them to the parent's end. Whoever comes goes on with what is there.

One trader works a symbol. A second one is refused while the first is heard; a first one that says nothing for
`silent_ns` is let go, and the second, which asks again, is accepted. Silence is counted by the gate's own
timers, each as TICK_NS at most, so that a gate that was held up itself lets nobody go. In lockstep time waits
for the trader instead.
"""

from typing import Final

from daemon.gate import chains as gate_chains
from daemon.gate.effects import DropTrader
from daemon.gate.state import GateState
from market.events import GateStarted, Stamp
from market.types import MS, Symbol

TICK_NS: Final = 500_000_000  # five timers: of more the gate itself saw nothing


def began(g: GateState, stamp: Stamp, event: GateStarted) -> None:
    """After every start nobody is there."""
    absence = g.absence
    absence.silent_ns = 0 if g.lockstep else event.trader_silent_ms * MS
    absence.cancel_after_ns = 0 if g.lockstep else event.without_trader_ms * MS
    absence.ticked_mono_ns = stamp.mono_ns
    absence.since_mono_ns = dict.fromkeys(g.instruments, stamp.mono_ns)


def came(g: GateState, symbols: tuple[Symbol, ...]) -> None:
    """A trader was accepted."""
    for symbol in symbols:
        g.absence.since_mono_ns.pop(symbol, None)


def left(g: GateState, stamp: Stamp, symbols: tuple[Symbol, ...]) -> None:
    """A trader is gone."""
    g.absence.since_mono_ns |= dict.fromkeys(symbols, stamp.mono_ns)


def tick(g: GateState, stamp: Stamp) -> None:
    """Let the silent go, and take back what has been alone for too long."""
    absence = g.absence
    passed_ns = min(max(0, stamp.mono_ns - absence.ticked_mono_ns), TICK_NS)
    absence.ticked_mono_ns = stamp.mono_ns
    for epoch, trader in list(g.traders.items()):
        trader.silent_ns += passed_ns
        if absence.silent_ns and trader.silent_ns >= absence.silent_ns:
            reason = f"the trader said nothing for {absence.silent_ns // MS} ms"
            del g.traders[epoch]
            g.counters["traders_silent"] += 1
            g.effects.append(DropTrader(epoch, reason))
            g.note("error", "trader silent", epoch=epoch, policy=trader.hello.policy, reason=reason)
            left(g, stamp, trader.hello.symbols)
    if not absence.cancel_after_ns:
        return
    for symbol, since_ns in absence.since_mono_ns.items():
        book = g.ledger.books.get(symbol)
        if book is not None and book.open_orders and stamp.mono_ns - since_ns >= absence.cancel_after_ns:
            _take_back(g, symbol)


def _take_back(g: GateState, symbol: Symbol) -> None:
    book = g.ledger.books[symbol]
    working = [chain_id for chain_id in (*book.buys, *book.sells) if chain_id not in g.unwanted]
    for chain_id in working:
        gate_chains.unwant(g, chain_id)
    if working:
        g.counters["orders_taken_back"] += len(working)
        g.note("error", "no trader: working orders are canceled", symbol=symbol, orders=len(working))
