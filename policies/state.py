"""StateBuilder v1: all memory between two decisions, and the observation that a policy sees.

One builder a symbol, several parents. It learns from completed MARKET_EVENT batches, from the
working-order table and from own fills, each in the order in which the core stepped them; it never
reads a clock. What it writes is described by STATE_SPEC, whose hash every artefact carries.
"""

import hashlib
import json
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.book import OrderBook
from market.book_kernels import levels_into
from market.instruments import Instrument
from market.types import ClOrdID, OrdStatus, ParentID, Side
from market.updates import WorkingOrder
from policies import state_features as f
from policies import state_kernels as k
from policies.actions import Touch

STATE_VERSION: Final = 1
OBS_SIZE: Final = f.OBS_SIZE
INDEX: Final = f.INDEX
OWN_MAX: Final = 64  # displayed orders of one symbol; R12's default allows 10, a benchmark 50
LEVELS_SEEN: Final = 16  # of the book, so that ten remain where six are ours alone
EARLY_NS: Final = 3_000_000_000  # a feed is not later than that; bounds the weight to e**3
DISPLAYED: Final = frozenset(
    {
        OrdStatus.PENDING_NEW,  # its ADD may be on the feed before its acknowledgement is here
        OrdStatus.NEW,
        OrdStatus.PARTIALLY_FILLED,
        OrdStatus.PENDING_CANCEL,
        OrdStatus.PENDING_REPLACE,
    }
)


def state_spec() -> dict[str, Any]:
    """Return what an observation is. A kernel that computes something else is a new version."""
    features = [{"name": name, "scale": scale} for name, scale in f.FEATURES]
    return {"version": STATE_VERSION, "dtype": "float32", "features": features}


STATE_SPEC: Final = state_spec()
STATE_SPEC_SHA256: Final = hashlib.sha256(
    json.dumps(STATE_SPEC, sort_keys=True, separators=(",", ":")).encode()
).hexdigest()


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What the core knows of a parent when it builds; order and meaning as in state_features."""

    now_ns: int
    start_ns: int
    end_ns: int
    qty: int
    cum_qty: int
    sign: int
    arrival_mid2_e4: int  # bid + ask at arrival, 0 = not known
    limit_e4: int  # 0 = none
    slice_qty: int
    target: int
    low: int
    high: int
    room_qty: int  # what risk limits still allow
    cap_qty: int  # -1 = no cap
    own_fills: int
    others_volume: int
    must_complete: bool
    closing: bool


class StateBuilder:
    """Memory of one symbol."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.ints: NDArray[np.int64] = np.zeros(k.INTS_SIZE, dtype=np.int64)
        self.floats: NDArray[np.float64] = np.zeros(k.FLOATS_SIZE, dtype=np.float64)
        self.own: NDArray[np.int64] = np.zeros((OWN_MAX, k.OWN_COLUMNS), dtype=np.int64)
        self.rows: list[ClOrdID] = []  # chain of each row of `own`
        self.overflow = 0  # displayed orders that found no row; they are then counted as others'
        self.own_volume = 0
        self._slots: dict[ParentID, int] = {}
        self._last_fill_ns: dict[ParentID, int] = {}
        self._raw: NDArray[np.int64] = np.zeros((4, LEVELS_SEEN), dtype=np.int64)
        self.levels: NDArray[np.int64] = np.zeros((4, f.LEVELS), dtype=np.int64)
        self._facts: NDArray[np.int64] = np.zeros(f.FACTS_SIZE, dtype=np.int64)

    # --- what happened ---

    def observe(self, batch: NDArray[Any]) -> None:
        """Take a batch that `OrderBook.apply` has completed."""
        k.observe(self.ints, self.floats, self.own, batch)

    def order(self, order: WorkingOrder, book: OrderBook, crossing: bool = False) -> None:
        """Take a chain as it stands now: displayed, changed or gone; a crossing one never rests."""
        shown = not crossing and order.status in DISPLAYED and order.leaves_qty > 0 and order.price_e4 > 0
        at = self.rows.index(order.chain_id) if order.chain_id in self.rows else -1
        if not shown:
            if at >= 0:
                self._remove(at)
            return
        if at < 0:
            if len(self.rows) >= OWN_MAX:
                self.overflow += 1
                return
            at = len(self.rows)
            self.rows.append(order.chain_id)
            self.own[at] = 0
        row = self.own[at]
        if row[k.LIVE] == 0 or row[k.O_PRICE] != order.price_e4 or order.leaves_qty > row[k.O_LEAVES]:
            size = book.size_at(order.side.sign, order.price_e4)
            since = int(self.ints[k.LAST_TS])
            row[:] = (1, order.side.sign, order.price_e4, 0, size, size, 0, 0, since)
        row[k.O_LEAVES] = order.leaves_qty
        row[k.O_PARENT] = self.slot(order.parent_id)

    def fill(self, parent_id: ParentID, qty: int, ts_ns: int, aggressor_sign: int) -> None:
        """Take an own fill out of volume; `aggressor_sign` 0 where it was passive."""
        self.own_volume += qty
        self._last_fill_ns[parent_id] = ts_ns
        # A fill may be told before the feed prints it: then it weighs more now, and the same by then.
        age_ns = max(-EARLY_NS, int(self.ints[k.LAST_TS]) - ts_ns)
        k.forget(self.floats, qty, aggressor_sign, age_ns)

    def forget_orders(self) -> None:
        """Forget every own order: a new link tells them anew."""
        self.rows.clear()
        self.own[:] = 0

    def forget_book(self) -> None:
        """A snapshot of the book follows: queues are counted anew. What stood before us can only be less."""
        self.own[:, k.O_TOTAL] = 0

    def slot(self, parent_id: ParentID) -> int:
        """Return the number by which own rows know a parent."""
        return self._slots.setdefault(parent_id, len(self._slots) + 1)

    def _remove(self, at: int) -> None:
        last = len(self.rows) - 1
        self.rows[at] = self.rows[last]
        self.own[at] = self.own[last]
        self.own[last] = 0
        self.rows.pop()

    # --- what is known ---

    @property
    def volume(self) -> int:
        """Printed volume since the feed began, hidden included."""
        return int(self.ints[k.VOLUME])

    @property
    def last_ts_ns(self) -> int:
        """Time of the last event, 0 before the first."""
        return int(self.ints[k.LAST_TS])

    @property
    def bid_ask_e4(self) -> tuple[int, int]:
        """The touch after the last event, own orders included; 0 = none."""
        return int(self.ints[k.BID]), int(self.ints[k.ASK])

    @property
    def last_price_e4(self) -> int:
        """The last print."""
        return int(self.ints[k.LAST_E4])

    def volume_before(self, ts_ns: int) -> int:
        """Return the volume printed up to an instant, rounded to the whole second after it."""
        return int(k.volume_before(self.ints, ts_ns))

    def look(self, book: OrderBook, now_ns: int) -> list[list[int]]:
        """Return others' levels: rows bid price, bid size, ask price, ask size, best first."""
        levels_into(book.arena, self._raw)
        k.others(self._raw, self.own, now_ns, self.levels)
        return self.levels.tolist()  # type: ignore[no-any-return]

    def build(self, parent_id: ParentID, facts: Facts) -> NDArray[np.float32]:
        """Return the observation of a parent, on the levels of the last `look`."""
        instrument = self.instrument
        tick = instrument.tick_e4(int(self.levels[0, 0]))
        self._facts[:] = (
            *msgspec.structs.astuple(facts),
            tick,
            instrument.round_lot,
            instrument.adv,
            self._last_fill_ns.get(parent_id, 0),
            self.slot(parent_id),
        )
        obs = np.empty(OBS_SIZE, dtype=np.float32)
        f.features(self.ints, self.floats, self.own, self.levels, self._facts, obs)
        return obs

    def state_hash(self) -> str:
        """Return a hash of everything remembered."""
        digest = hashlib.sha256()
        used = k.SECONDS + int(self.ints[k.SECOND_AT]) + 1
        for array in (self.ints[:used], self.floats, self.own):
            digest.update(array.tobytes())
        memory = (self.rows, self.own_volume, sorted(self._slots.items()), sorted(self._last_fill_ns.items()))
        digest.update(repr(memory).encode())
        return digest.hexdigest()


def touch_of(levels: list[list[int]], side: Side, tick_e4: int) -> Touch:
    """Return the market as a parent of this side sees it."""
    bid_px, bid_sz, ask_px, ask_sz = levels
    if side is Side.BUY:
        return Touch(bid_px[0], bid_px[1], tuple(ask_px[:5]), tuple(ask_sz[:5]), tick_e4)
    return Touch(ask_px[0], ask_px[1], tuple(bid_px[:5]), tuple(bid_sz[:5]), tick_e4)


def warm() -> None:
    """Compile (or load) every kernel used here, for the types that will be used."""
    from market.book_events import MARKET_EVENT

    book, builder = OrderBook(orders_max=16, levels_max=16), StateBuilder(Instrument(symbol="WARM"))  # type: ignore[arg-type]
    batch = np.zeros(2, dtype=MARKET_EVENT)
    book.apply(batch)
    builder.observe(batch)
    k.count_kinds(batch, np.zeros(16, dtype=np.int64))
    k.of_one_symbol(batch, 0)
    builder.look(book, 0)
    builder.fill(ParentID("WARM"), 0, 0, 0)
    builder.volume_before(0)
    builder.build(ParentID("WARM"), Facts(0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, -1, 0, 0, False, False))
