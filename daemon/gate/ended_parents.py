"""Parents that have ended leave the state as orders do: the latest stay, older ones are in the archive.

    ended(g, parent)                   # a parent has ended
    let_go(g)                          # at the end of a step: what is too many goes to the archive
    parent_of(g, parent_id)            # any parent; one that had left is in the state again
    look_up(g, parent_id)              # the same for who only looks

What decides is counts alone, so that a replay lets go of the same parents in the same steps. One whose orders
still work stays; one that a late fill, a bust or an OMS speaks of comes back, and goes again.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from daemon.gate import retiring
from daemon.gate.archive import PARENT
from daemon.gate.state import GateState, Parent
from market.types import ParentID

KEPT_MAX: Final = 256  # ended ones that stay in the state: what a day's `status` shows, about 1 KiB each
A_STEP_MAX: Final = 4  # that one step looks at, some 10 us each; a parent has several steps
TOLD_MAX: Final = 10_000  # in one answer, the latest; some 50 us each
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Parent)


def ended(g: GateState, parent: Parent) -> None:
    """Queue a parent behind those that ended before it."""
    g.ended_parents[parent.order.parent_id] = None


def let_go(g: GateState) -> None:
    """Put the oldest of too many into the archive."""
    too_many = len(g.ended_parents) - KEPT_MAX
    if too_many <= 0 or g.retire_after_ns is None:
        return
    for parent_id in list(islice(g.ended_parents, min(too_many, A_STEP_MAX))):
        del g.ended_parents[parent_id]
        parent = g.parents[parent_id]
        if parent.chains:
            ended(g, parent)  # something works for it still
            continue
        del g.parents[parent_id]
        parent.told = None
        g.archived.parents += 1
        retiring.keep(g, (PARENT + parent_id,), "", _encoder.encode(parent))


def parent_of(g: GateState, parent_id: ParentID) -> Parent | None:
    """Return a parent; one that had left is in the state again."""
    parent = look_up(g, parent_id)
    if parent is not None and parent_id not in g.parents:
        g.parents[parent_id] = parent
        g.archived.parents -= 1
        ended(g, parent)
    return parent


def look_up(g: GateState, parent_id: ParentID) -> Parent | None:
    """Return a parent, wherever it is; nothing changes."""
    parent = g.parents.get(parent_id)
    if parent is None and parent_id and g.archived.parents:
        data = g.archive.get(PARENT + parent_id)
        return _decoder.decode(data) if data is not None else None
    return parent


def in_archive(g: GateState, most: int = TOLD_MAX) -> Iterator[Parent]:
    """Return those in the archive as of now, the latest first, as far as there is room beside those held."""
    room, held = max(0, most - len(g.parents)) if g.archived.parents else 0, frozenset(g.parents)
    gone = map(_decoder.decode, g.archive.parents(room + len(held)))
    return islice((parent for parent in gone if parent.order.parent_id not in held), room)


def every_parent(g: GateState, most: int = TOLD_MAX) -> list[Parent]:
    """Return all parents, at most so many and the latest: those in the archive first, as they left."""
    return [*reversed(list(in_archive(g, most))), *g.parents.values()]
