"""Makes run folders like those of a paper run: a wandering touch, a parent in slices, all files agreeing."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from gateways.feeds import itch_encode as itch
from market.instruments import Instrument, to_ns
from market.types import NS, Symbol

SOH = "\x01"
SYN = Instrument(symbol=Symbol("SYN"))
DAY = date(2024, 3, 5)
SIDES = {"BUY": "1", "SELL": "2"}


@dataclass
class MadeRun:
    """One run, growing second by second; `write` leaves the folder."""

    side: str = "SELL"
    qty: int = 2_000
    minutes: int = 20
    seed: int = 1
    fill_all: bool = True
    drift_e4: float = -6.0
    fills: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    gate_log: list[str] = field(default_factory=list)
    venue_log: list[str] = field(default_factory=list)
    itch: list[bytes] = field(default_factory=list)
    series: list[list[int]] = field(default_factory=list)
    mids: list[int] = field(default_factory=list)  # micros, before each fill
    facts: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    venue: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.midnight = to_ns(datetime(DAY.year, DAY.month, DAY.day, tzinfo=ZoneInfo(SYN.zone)))
        self.start_ns = SYN.at(DAY, SYN.open) + 5 * 60 * NS
        self.end_ns = self.start_ns + self.minutes * 60 * NS
        self.wall = datetime(2026, 11, 21, 11, 26, tzinfo=UTC)
        self.play()

    def play(self) -> None:
        rng = np.random.Generator(np.random.PCG64(self.seed))
        self.publish(
            self.start_ns - 31 * NS, itch.directory(1, self.since(self.start_ns - 31 * NS), "SYN", 100)
        )
        mid, next_id, volume, held = 1_801_000.0, 1, 0, []
        seconds = self.minutes * 60
        slices = sorted(int(s) for s in rng.choice(np.arange(5, seconds - 5), self.qty // 100, replace=False))
        done = 0
        for second in range(-30, seconds + 20):
            ts_ns = self.start_ns + second * NS
            mid += self.drift_e4 + 90 * float(rng.standard_normal())
            half = 100 * (1 + int(rng.integers(0, 4)))
            bid = round((mid - half) / 100) * 100
            ask = max(bid + 100, round((mid + half) / 100) * 100)
            for order in held:
                self.publish(ts_ns, itch.deleted(1, self.since(ts_ns), order))
            held = [next_id, next_id + 1]
            next_id += 2
            self.publish(ts_ns, itch.add(1, self.since(ts_ns), held[0], 1, 500, "SYN", bid))
            self.publish(ts_ns, itch.add(1, self.since(ts_ns), held[1], -1, 500, "SYN", ask))
            if second == 0:
                self.arrival = (bid + ask) * 50
            shares = int(rng.integers(0, 400))
            if shares:
                at = ts_ns + NS // 2
                self.publish(at, itch.print_(1, self.since(at), shares, "SYN", bid + 50, 10**6 + second))
                volume += shares
            if second in slices and (self.fill_all or done < self.qty // 2):
                maker = bool(rng.random() < 0.7)
                volume += self.child(ts_ns + 3 * NS // 4, bid, ask, held, maker=maker)
                held.pop(0 if (self.side == "SELL") != maker else 1)
                done += 100
            self.series.append([ts_ns, bid, ask, bid, volume])
        self.last_mid = (bid + ask) * 50
        self.facts_of(done)

    def child(self, ts_ns: int, bid: int, ask: int, held: list[int], *, maker: bool) -> int:
        """Fills one order of 100 shares in two executions against the touch; the rest of the touch goes."""
        n = len(self.orders) + 1
        chain, order_id = f"SH1-{n}", f"V{n}"
        buys = (self.side == "BUY") != maker  # do we lift what stands at the ask
        hit, price = (held[1], ask) if buys else (held[0], bid)
        d = f"35=D|11={chain}|526=P1|55=SYN|54={SIDES[self.side]}|38=100|40=2|44={price / 1e4:.2f}"
        self.say("OUT", d)
        self.say(
            "IN", f"35=8|11={chain}|37={order_id}|17=N{n}|150=0|39=0|55=SYN|54={SIDES[self.side]}|38=100"
        )
        self.mids.append((bid + ask) * 50)
        self.mids.append((bid + ask) * 50)
        cum = 0
        for qty in (60, 40):
            cum += qty
            exec_id = f"X{len(self.fills) + 1}"
            self.publish(ts_ns, itch.executed(1, self.since(ts_ns), hit, qty, len(self.fills) + 1))
            self.say(
                "IN",
                f"35=8|11={chain}|37={order_id}|17={exec_id}|150=F|39={2 if cum == 100 else 1}|55=SYN"
                f"|54={SIDES[self.side]}|32={qty}|31={price / 1e4:.2f}|14={cum}|151={100 - cum}",
            )
            fill = {"exec_id": exec_id, "cl_ord_id": chain, "order_id": order_id, "account": "PAPER"}
            fill |= {"symbol": "SYN", "side": SIDES[self.side], "qty": qty, "price_e4": price}
            self.fills.append(fill | {"ts_ns": ts_ns, "maker": maker})
        self.publish(ts_ns, itch.deleted(1, self.since(ts_ns), hit))
        self.orders.append(
            {
                "chain_id": chain,
                "parent_id": "P1",
                "symbol": "SYN",
                "side": SIDES[self.side],
                "price_e4": price,
                "status": "FILLED",
                "ord_status": "2",
                "order_qty": 100,
                "cum_qty": 100,
                "leaves_qty": 0,
                "notional_e4": 100 * price,
                "avg_px": price / 1e4,
                "cl_ord_id": chain,
                "order_id": order_id,
                "exec_ids": [self.fills[-2]["exec_id"], self.fills[-1]["exec_id"]],
            }
        )
        return 100

    def facts_of(self, done: int) -> None:
        sign = 1 if self.side == "BUY" else -1
        start = {} if sign > 0 else {"SYN": self.qty}
        filled = done == self.qty
        parent = {
            "parent_id": "P1",
            "symbol": "SYN",
            "side": SIDES[self.side],
            "qty": self.qty,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "limit_price_e4": None,
            "status": "filled" if filled else "expired",
            "cum_qty": done,
            "notional_e4": sum(f["qty"] * f["price_e4"] for f in self.fills),
            "arrival_mid_micros": self.arrival,
            "end_mid_micros": self.last_mid,
            "children": len(self.orders),
            "fees_micros": 0,
            "remainder_reason": "" if filled else "end of the window",
            "ended_ts_ns": self.fills[-1]["ts_ns"] if filled else self.end_ns,
        }
        self.status = {
            "account": "PAPER",
            "posture": "ACTIVE",
            "positions": {"SYN": start.get("SYN", 0) + sign * done},
            "positions_start": start,
            "counters": {"orders": len(self.orders), "rejects_by_control": {"R08": 3}, "ems_rejects": 0},
            "parents": [parent],
            "orders": self.orders,
            "breaks": [],
            "limits": {"sha256": "ab" * 32},
            "latency_us": {
                "tick_to_order": {"p50": 212.0, "p99": 540.0, "p999": 910.0, "count": len(self.orders)}
            },
        }
        self.venue = {
            "orders": len(self.orders),
            "rejects": 0,
            "fills": self.fills,
            "positions": {"PAPER": {"SYN": sign * done}},
            "open_orders": [],
            "displaced": 120,
            "voided": 20,
            "purged": 0,
            "series": self.series,
        }
        self.facts = {
            "mode": "paper",
            "seed": self.seed,
            "speed": 10.0,
            "lockstep": False,
            "policy": {"name": "twap-passive", "sha256": "cd" * 32},
            "symbol": "SYN",
            "zone": SYN.zone,
            "tape": None,
            "window": [self.start_ns - 30 * NS, self.end_ns + 20 * NS],
            "parents": [],
            "notes": [],
        }

    def since(self, ts_ns: int) -> int:
        return ts_ns - self.midnight

    def publish(self, _ts_ns: int, message: bytes) -> None:
        self.itch.append(len(message).to_bytes(2, "big") + message)

    def say(self, direction: str, body: str) -> None:
        """Logs one message on both sides."""
        self.wall += timedelta(milliseconds=7)
        raw = f"8=FIX.4.4|9=0|{body}|10=000|".replace("|", SOH)
        other = "IN" if direction == "OUT" else "OUT"
        self.gate_log.append(f"{self.wall:%Y-%m-%dT%H:%M:%S.%f}Z {direction} {raw}\n")
        self.venue_log.append(f"{self.wall:%Y-%m-%dT%H:%M:%S.%f}Z {other} {raw}\n")

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps(self.facts))
        (folder / "gate-status.json").write_text(json.dumps(self.status))
        (folder / "venue.json").write_text(json.dumps(self.venue))
        (folder / "fix-gate.log").write_text("".join(self.gate_log))
        (folder / "fix-venue.log").write_text("".join(self.venue_log))
        (folder / "itch.bin").write_bytes(b"".join(self.itch))
        return folder
