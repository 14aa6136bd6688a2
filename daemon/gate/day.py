"""A trading day (R40): how it begins, by prepared files that a signature names; its hours; how it ends.

It begins and ends with nothing open. The clock alone begins none, but the first one of a new paper state.
"""

import msgspec

from daemon.gate import chains as gate_chains
from daemon.gate import conditions as gate_conditions
from daemon.gate import limits as gate_limits
from daemon.gate.people import refuse
from daemon.gate.state import GateState
from market.desk_events import DayStarted
from market.events import Stamp
from market.instruments import closing_times
from market.people_events import SignedCommand
from market.types import MS, Symbol, TimeInForce
from risk import commands
from risk.calendar import may_begin
from risk.closing import REPORTS_NS
from risk.commands import Signer
from risk.memory import Restricted


def tick(g: GateState, stamp: Stamp) -> None:
    """What a timer brings: the first day of a new state, and the close."""
    begin_first_day(g, stamp)
    closing(g, stamp)


def day_begin(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.DayBegin) -> None:
    """Start of day, with the files that the signature names."""
    if event.day is None or event.day.day != body.day:
        refuse(g, event, f"no prepared files for {body.day}")
        return
    g.note("warning", "start of day asked", person=by.person, day=body.day, manifest=body.manifest)
    if event.listed is not None:
        gate_conditions.restricted_listed(g, stamp, event.listed)
    day_started(g, stamp, msgspec.structs.replace(event.day, request_id=event.request_id))
    if g.risk.memory.day == body.day:
        gate_limits.next_limits(g, by)
        g.volumes = {symbol: (adv, volatility) for symbol, adv, volatility in event.day.volumes}
        for symbol, instrument in g.instruments.items():
            g.instruments[symbol] = g.as_of_today(instrument)


def day_started(g: GateState, stamp: Stamp, event: DayStarted) -> None:
    """R40: begin a trading day, where the calendar agrees and nothing is open."""
    memory = g.risk.memory
    phases = [g.risk.phase(symbol, stamp.ts_ns) for symbol in g.instruments]
    undone = still_open(g)
    error = undone[0] if undone else may_begin(event.day, memory.day, phases)
    if error:
        g.note("error", "no start of day", day=event.day, error=error)
        g.reply(event.request_id, ok=False, error=error)
        return
    memory.new_day(event.day)
    g.ledger.new_day()
    g.drop_copy.new_day()
    for scope in g.risk.scopes:
        if scope is not g.risk.firm:
            scope.ledger.new_day()
        scope.peak_micros = 0
    for account, symbol, qty in event.positions:
        g.ledger.start_of_day(account, symbol, qty)
        g.risk.scopes.start_of_day(account, symbol, qty)
    for symbol, close_e4 in event.closes_e4:
        g.references.picture(symbol).close_e4 = close_e4
    memory.locates = {f"{account} {symbol}": qty for account, symbol, qty in event.locates}
    memory.buying_power_micros = event.buying_power_micros
    g.posture.clear("R40", stamp.mono_ns)
    g.note("info", "day started", day=event.day, positions=len(event.positions))
    g.reply(event.request_id, ok=True, day=event.day)


def begin_first_day(g: GateState, stamp: Stamp) -> None:
    """A new state directory of paper begins with the day that its first start names; live waits for `sod`."""
    memory = g.risk.memory
    if memory.day or not stamp.ts_ns or g.mode != "paper":
        return
    days = sorted({p.day for p in (g.risk.phase(s, stamp.ts_ns) for s in g.instruments) if p.open and p.day})
    if days:
        memory.day = days[-1]
        g.note("info", "day started", day=memory.day, positions=len(g.ledger.positions))
    if memory.restricted is None:
        memory.restricted = Restricted((), stamp.ts_ns, "paper")
        g.note("info", "R42 an empty restricted list, made for paper")


def open_now(g: GateState, stamp: Stamp, symbol: Symbol) -> bool:
    """Return whether the calendar, the lists and the day let a symbol trade (R40, R42)."""
    memory, limits = g.risk.memory, g.risk.limits
    now, listed = g.risk.phase(symbol, stamp.ts_ns), memory.restricted
    if not now.open or (memory.day and now.day != memory.day):
        return False
    early = stamp.ts_ns - now.from_ns < limits.session.opening_ms * MS
    if early or now.until_ns - stamp.ts_ns <= limits.session.closing_ms * MS:
        return False
    if listed is None or symbol in listed.symbols:
        return False
    return 0 <= stamp.ts_ns - listed.issued_ns <= limits.restricted.age_max_ms * MS


def closing(g: GateState, stamp: Stamp) -> None:
    """R40: at the close nothing works any more."""
    for symbol, book in g.ledger.books.items():
        if not book.open_orders or not stamp.ts_ns or g.risk.phase(symbol, stamp.ts_ns).open:
            continue
        instrument = g.instruments.get(symbol)
        closes_ns = closing_times(instrument, stamp.ts_ns)[1] if instrument is not None else 0
        crossing = stamp.ts_ns < closes_ns + REPORTS_NS
        for chain_id in list(g.ledger.held):
            terms = g.chains[chain_id].terms
            bound = crossing and terms.time_in_force is TimeInForce.CLOSE  # for the cross that comes
            if terms.symbol == symbol and not bound:
                gate_chains.unwant(g, chain_id)


def day_end(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.DayEnd) -> None:
    """End of day: nothing open, nothing unknown, and the broker's positions are ours."""
    faults = day_faults(g, event, body)
    if faults:
        refuse(g, event, "; ".join(faults))
        return
    g.posture.raise_("R40", f"the day {body.day} has ended", stamp.mono_ns)
    g.note("warning", "end of day", person=by.person, day=body.day, positions=len(g.ledger.positions))
    facts = {"day": body.day, "positions": dict(sorted(g.ledger.positions.items())), "state": g.digest()}
    g.reply(event.request_id, ok=True, **facts)


def day_faults(g: GateState, event: SignedCommand, body: commands.DayEnd) -> list[str]:
    """Return why the day cannot be ended."""
    faults = []
    if body.day != g.risk.memory.day:
        faults.append(f"the day is {g.risk.memory.day or 'not begun'}, not {body.day}")
    faults += still_open(g)
    if event.compared is None:
        faults.append("the broker's position file was not compared")
        return faults
    ours = {key: qty for key, qty in g.ledger.positions.items() if qty}
    theirs = {f"{account} {symbol}": qty for account, symbol, qty in event.compared.positions if qty}
    return faults + [
        f"{key}: the broker holds {theirs.get(key, 0)}, we {ours.get(key, 0)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, 0) != theirs.get(key, 0)
    ]


def still_open(g: GateState) -> list[str]:
    """Return what a day neither begins nor ends with."""
    counts = (
        (g.ledger.open_orders, "orders are still open"),
        (len(g.live_parents), "parents have not ended"),
        (len(g.breaks), "breaks are not cleared up"),
    )
    return [f"{number} {what}" for number, what in counts if number]
