"""A simulator that is not ours: it knows the protocol of `policy serve`, and of the house only the book."""

from typing import Any

from market.flow.flow import ENDED, OWN_ID_MIN
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from market.matching import MatchingEngine
from market.matching_events import Outcome, OutcomeFlag, Tif

NS = 1_000_000_000
OWNER = 1
OVER = {Outcome.REJECTED: "rejected", Outcome.CANCELED: "canceled"}


class Market:
    """One book, one flow, our orders in it; speaks rows of the tape's schema and reports."""

    def __init__(self, seed: int, start_ns: int, end_ns: int) -> None:
        self.engine = MatchingEngine(20_000, 4_000, 60_000)
        self.flow = ZeroIntelligenceFlow(seed, start_ns, end_ns)
        self.names: dict[int, str] = {}  # engine id -> the policy's name of an order
        self.ids: dict[str, int] = {}
        self.open: dict[str, int] = {}  # name -> shares left
        self.done: dict[str, int] = {}
        self.rows: list[list[int]] = []
        self.reports: list[dict[str, Any]] = []
        self.fills: list[tuple[int, int]] = []
        self._next_id = OWN_ID_MIN
        self.now_ns = start_ns
        self.take(self.flow.advance(self.engine, start_ns))
        self.standing = [[r[2], r[3], r[4], r[5]] for r in self.rows]
        self.rows = []

    def advance(self, until_ns: int) -> None:
        self.now_ns = until_ns
        if self.flow.next_ts_ns() < ENDED:
            self.take(self.flow.advance(self.engine, until_ns))

    def do(self, ask: dict[str, Any]) -> None:
        """Carry out what the policy asks for, at once."""
        name = ask["id"]
        if ask["do"] == "new":
            self._next_id += 1
            self.names[self._next_id], self.ids[name], self.open[name] = name, self._next_id, ask["qty"]
            side, tif = (1 if ask["side"] == "BUY" else -1), (Tif.IOC if ask["tif"] == "IOC" else Tif.DAY)
            out = self.engine.new(
                self._next_id, side, ask["price_e4"], ask["qty"], owner=OWNER, tif=tif, ts_ns=self.now_ns
            )
        elif name not in self.open:
            if ask["do"] == "replace":  # it crossed the last fill
                self.reports.append({"id": name, "event": "replace_rejected"})
            return
        elif ask["do"] == "cancel":
            out = self.engine.cancel(self.ids[name], owner=OWNER, ts_ns=self.now_ns)
        else:
            self._next_id += 1
            self.names[self._next_id] = name
            left = ask["qty"] - self.done.get(name, 0)
            if left <= 0:
                self.reports.append({"id": name, "event": "replace_rejected"})
                return
            old, self.ids[name], self.open[name] = self.ids[name], self._next_id, left
            self.reports.append({"id": name, "event": "replaced"})
            out = self.engine.replace(
                old, ask["price_e4"], left, new_id=self._next_id, owner=OWNER, ts_ns=self.now_ns
            )
        self.take(out)

    def take(self, outcomes: Any) -> None:
        """Turn outcomes into public rows and own reports."""
        for o in outcomes:
            kind, ts = Outcome(int(o["kind"])), int(o["ts_ns"])
            name = self.names.get(int(o["order_id"]))
            if kind is Outcome.ACCEPTED and name:
                self.reports.append({"id": name, "event": "new"})
            elif kind is Outcome.RESTED:
                self.row(ts, 1, o["order_id"], o["leaves"], o["price_e4"], o["side"])
            elif kind is Outcome.TRADE:
                self.row(ts, 4, o["resting_id"], o["size"], o["price_e4"], o["side"])
                for own in (name, self.names.get(int(o["resting_id"]))):
                    if own:
                        self.fill(own, int(o["size"]), int(o["price_e4"]))
            elif kind is Outcome.REPLACED:
                self.row(ts, 3, o["resting_id"], 0, o["price_e4"], o["side"])
                if o["flags"] & OutcomeFlag.RESTING:
                    self.row(ts, 1, o["order_id"], o["leaves"], o["price_e4"], o["side"])
            elif kind is Outcome.CANCELED and o["flags"] & OutcomeFlag.RESTING:
                self.row(ts, 2 if o["leaves"] else 3, o["order_id"], o["size"], o["price_e4"], o["side"])
            if kind in OVER and name:
                self.open.pop(name, None)
                self.reports.append({"id": name, "event": OVER[kind]})

    def row(self, *values: Any) -> None:
        self.rows.append([int(v) for v in values])

    def fill(self, name: str, qty: int, price_e4: int) -> None:
        self.fills.append((qty, price_e4))
        self.open[name] -= qty
        self.done[name] = self.done.get(name, 0) + qty
        if not self.open[name]:
            del self.open[name]
        self.reports.append({"id": name, "event": "fill", "last_qty": qty, "last_price_e4": price_e4})

    def step(self) -> dict[str, Any]:
        """Return the line that tells what happened since the last one."""
        line = {"type": "step", "ts_ns": self.now_ns, "events": self.rows, "reports": self.reports}
        self.rows, self.reports = [], []
        return line
