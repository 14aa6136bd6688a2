"""Orders that have ended and been quiet for a while leave the state; a message that names one brings it back.

    ended(g, stamp, chain)             # after every change of a chain: it waits from now on, or no longer
    let_go(g, stamp)                   # at the end of a step: what has waited long enough goes to the archive
    chain_of(g, cl_ord_id)             # the chain of any ClOrdID; brought back where it had gone
    look_up(g, cl_ord_id)              # the same for who only looks

What decides is stamps and counts, so that a replay lets go of the same orders in the same steps. An order
that came back is judged by the ordinary rules, with every ExecID and every ClOrdID that it ever had, and
goes again. One stays where something is open: shares that the EMS states and nobody has booked, a question.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from daemon.gate.archive import BROKERS, EXECUTION, ORDER, Record, label, linked
from daemon.gate.state import GateState
from market.child_order import ChildOrder
from market.events import Stamp
from market.types import EXECUTIONS, ClOrdID, ExecID

A_STEP_MAX: Final = 4  # orders that one step lets go, some 20 us each; an order has two steps or more
ENDED_MAX: Final = 10_000  # that wait to go; above it the oldest goes before its time, if nothing is open
TOLD_MAX: Final = 50_000  # orders in one answer, the latest; some 40 us each
_encoder: Final = msgspec.msgpack.Encoder()


class Retired(msgspec.Struct, array_like=True, frozen=True):
    """A chain as it left, with what the state knew of it beside."""

    chain: ChildOrder
    names: tuple[ClOrdID, ...]  # beside chain_id: of its replaces and cancels
    executions: tuple[ExecID, ...]
    strategy: str
    external: bool


_decoder: Final = msgspec.msgpack.Decoder(Retired)


def ended(g: GateState, stamp: Stamp, chain: ChildOrder) -> None:
    """A chain has changed: where it has ended it waits, from now on."""
    g.ended.pop(chain.chain_id, None)
    if not chain.live:
        g.ended[chain.chain_id] = stamp.mono_ns


def let_go(g: GateState, stamp: Stamp) -> None:
    """Put what has been quiet long enough into the archive."""
    if g.retire_after_ns is None:
        return
    for chain_id, since_ns in list(islice(g.ended.items(), A_STEP_MAX)):
        if stamp.mono_ns - since_ns < g.retire_after_ns and len(g.ended) <= ENDED_MAX:
            return
        chain = g.chains[chain_id]
        if is_open(g, chain):
            ended(g, stamp, chain)
        else:
            retire(g, chain)


def is_open(g: GateState, chain: ChildOrder) -> bool:
    """Return whether something is still to come, or to be cleared up by people."""
    name = chain.chain_id
    return chain.live or chain.stated_qty != chain.cum_qty or name in g.session.awaited or name in g.unwanted


def retire(g: GateState, chain: ChildOrder) -> None:
    """Move a chain into the archive, with all that the state holds under its names."""
    chain_id = chain.chain_id
    executions = tuple(
        exec_id
        for exec_id, seen in chain.reports.items()
        if seen[0] in EXECUTIONS and g.executions.get(exec_id) == chain_id
    )
    names = tuple(g.names.pop(chain_id, ()))
    external = chain_id in g.external
    gone = Retired(chain, names, executions, g.strategies.pop(chain_id, ""), external)
    for exec_id in executions:
        del g.executions[exec_id]
    for name in (chain_id, *names):
        del g.chain_of[name]
    g.external.pop(chain_id, None)
    del g.chains[chain_id], g.ended[chain_id]
    g.archived.count(chain, gone.strategy, 1)
    known = [ORDER + name for name in (chain_id, *names)] + [EXECUTION + name for name in executions]
    if chain.order_id:
        known.append(BROKERS + chain.order_id)
    keep(g, tuple(known), chain_id, _encoder.encode(gone))


def keep(g: GateState, names: tuple[str, ...], chain_id: str, data: bytes) -> None:
    """Put one record into the archive; the state knows how many there are, and their hash."""
    archived = g.archived
    archived.records += 1
    archived.digest = linked(archived.digest, label(chain_id, names), data)
    g.archive.put(Record(archived.records, archived.digest, chain_id, names, data))


def chain_of(g: GateState, cl_ord_id: str) -> ChildOrder | None:
    """Return the chain of a ClOrdID; one that had left is in the state again."""
    chain_id = g.chain_of.get(ClOrdID(cl_ord_id))
    if chain_id is not None:
        return g.chains[chain_id]
    gone = _found(g, cl_ord_id)
    return _back(g, gone) if gone is not None else None


def look_up(g: GateState, cl_ord_id: str) -> ChildOrder | None:
    """Return the chain of a ClOrdID, wherever it is; nothing changes."""
    chain_id = g.chain_of.get(ClOrdID(cl_ord_id))
    if chain_id is not None:
        return g.chains[chain_id]
    gone = _found(g, cl_ord_id)
    return gone.chain if gone is not None else None


def _found(g: GateState, cl_ord_id: str) -> Retired | None:
    if not g.archived.records or not cl_ord_id:
        return None
    data = g.archive.get(ORDER + cl_ord_id)
    return _decoder.decode(data) if data is not None else None


def _back(g: GateState, gone: Retired) -> ChildOrder:
    """Take a chain back into the state; it waits anew from the next change or step on."""
    chain = gone.chain
    chain_id = chain.chain_id
    g.chains[chain_id] = chain
    for name in (chain_id, *gone.names):
        g.chain_of[name] = chain_id
    if gone.names:
        g.names[chain_id] = list(gone.names)
    for exec_id in gone.executions:
        g.executions[exec_id] = chain_id
    g.strategies[chain_id] = gone.strategy
    if gone.external:
        g.external[chain_id] = None
    g.ended[chain_id] = 0  # until it changes
    g.archived.count(chain, gone.strategy, -1)
    return chain


def owner_of(g: GateState, exec_id: ExecID) -> ClOrdID | None:
    """Return the chain of an execution, held or archived."""
    owner = g.executions.get(exec_id)
    if owner is None and g.archived.records:
        data = g.archive.get(EXECUTION + exec_id)
        if data is not None:
            return _decoder.decode(data).chain.chain_id
    return owner


def is_ours(g: GateState, order_id: str) -> bool:
    """Return whether an order in the archive has this OrderID."""
    return bool(g.archived.records) and g.archive.get(BROKERS + order_id) is not None


# --- all of them ----------------------------------------------------------------------------------


def in_archive(g: GateState, most: int = TOLD_MAX) -> Iterator[ChildOrder]:
    """Return those in the archive as of now, the latest first, as far as there is room beside those held."""
    held = frozenset(g.chains)
    gone = g.archive.orders(max(0, most - len(held)))
    return (_decoder.decode(data).chain for chain_id, data in gone if chain_id not in held)


def every_chain(g: GateState, most: int = TOLD_MAX) -> list[ChildOrder]:
    """Return all chains, at most so many and the latest: those in the archive first, as they left."""
    return [*reversed(list(in_archive(g, most))), *g.chains.values()]
