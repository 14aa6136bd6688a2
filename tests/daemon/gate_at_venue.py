"""A gate and a venue with a scenario as processes, and a trader of plain frames: what only the wire shows."""

import json
import time
from pathlib import Path
from typing import Any

from tests.daemon.gate_process import GateProcess, Trader
from tests.gateways.venue.process import VenueProcess

WINDOW = ("--from", "10:00", "--to", "10:30", "--seed", "3")
BACK_E4 = 500  # behind the bid: it rests
FIRST_S = 1.5  # R20 counts the first second after a start as full
MOMENT_S = 1.2  # between two tries
TRIES = 12  # of one order, which a rate or a session that is down may refuse for now


class GateAtVenue:
    """Started, in step with market time, with a parent of 1,000."""

    def __init__(
        self, folder: Path, scenario: str, heartbeat_s: int = 10, speed: int = 1, code: str = ""
    ) -> None:
        self.folder = folder
        (folder / "scenario.toml").write_text(scenario)
        options = ("--scenario", str(folder / "scenario.toml"), "--start", "command", "--speed", str(speed))
        self.venue = VenueProcess(*WINDOW, *options, out=folder / "venue")
        self.gate = GateProcess(folder)
        self.gate.code = code
        try:
            self._start(heartbeat_s)
        except BaseException:
            self.close()
            raise

    def _start(self, heartbeat_s: int) -> None:
        ports = self.venue.endpoints = self.venue.wait("ready")["endpoints"]
        text = self.gate.config.read_text()
        order, reference = self.gate.order.port, self.gate.reference.port
        text = text.replace(f"port = {order}\n", f"port = {ports['fix']}\nheartbeat_s = {heartbeat_s}\n")
        self.gate.config.write_text(text.replace(f"port = {reference}\n", f"port = {ports['reference']}\n"))
        self.gate.start()
        self.venue.tell({"start": {"anchor_mono_ns": None}})
        anchor = self.venue.wait("started")["anchor"]
        assert self.gate.ask(cmd="clock", anchor=anchor)["ok"]
        self.gate.until("prices", lambda s: "SYN" in s["reference"])
        self.trader: Trader = self.gate.trader(7)
        begin = anchor["anchor_ts_ns"]
        parent = {"parent_id": "P1", "account": "PAPER", "side": "1", "qty": 1000, "symbol": "SYN"}
        window = {"mic": "XNAS", "start_ns": begin, "end_ns": begin + 1_500 * 10**9}
        assert self.gate.ask(cmd="submit", parent=parent | window)["ok"]
        then_s = time.monotonic() + FIRST_S
        self.gate.until("the first second is over", lambda _: time.monotonic() > then_s)

    def active(self, logons: int = 1) -> dict[str, Any]:
        """Wait until the gate trades, so many logons later; return its status."""
        return self.gate.until(
            "active",
            lambda s: (
                s["posture"] == "ACTIVE"
                and s["sessions"]["order"]["state"] == "trading"
                and s["sessions"]["order"]["logons"] >= logons
            ),
        )

    def halted(self, named: str) -> dict[str, Any]:
        """Wait until the gate has stopped over a break that names this; return its status."""
        return self.gate.until(
            "halted", lambda s: s["posture"] in ("HALTED", "KILLED") and named in "; ".join(s["breaks"])
        )

    def rest(self, qty: int = 10, back_e4: int = BACK_E4) -> str:
        """Send an order that will rest; return its chain."""
        return self.order(qty, self.quote()["bid_e4"] - back_e4)

    def take(self, qty: int = 10) -> str:
        """Send an order that will trade; return its chain."""
        return self.order(qty, self.quote()["ask_e4"] + BACK_E4)

    def order(self, qty: int, price_e4: int) -> str:
        """Send an order, again while the gate refuses it for now; return its chain."""
        before = self.gate.ask(cmd="status")
        for _ in range(TRIES):
            self.trader.submit(qty, price_e4 // 100 * 100)
            now = self.gate.until("answered", lambda s, was=before: answered(s) > answered(was))
            if len(now["orders"]) > len(before["orders"]):
                return str(now["orders"][-1]["chain_id"])
            before = now
            then_s = time.monotonic() + MOMENT_S
            self.gate.until("a moment later", lambda _, then_s=then_s: time.monotonic() > then_s)
        raise AssertionError(now["counters"])

    def is_now(self, chain: str, status: str) -> dict[str, Any]:
        """Wait until an order has a status; return the gate's."""
        return self.gate.until(
            f"{chain} {status}",
            lambda s: any(o["chain_id"] == chain and o["status"] == status for o in s["orders"]),
        )

    def quote(self) -> dict[str, Any]:
        """Return the gate's picture of the market."""
        return dict(self.gate.ask(cmd="status")["reference"]["SYN"])

    def known(self, chain: str) -> None:
        """Wait until nothing of an order is in doubt."""
        self.gate.until(
            chain,
            lambda s: any(
                o["chain_id"] == chain and not o["status"].startswith("PENDING") for o in s["orders"]
            ),
        )

    def agree(self) -> None:
        """Stop the venue: positions and orders are the same on both sides, and no order came twice."""
        status = self.gate.ask(cmd="status")
        self.venue.stop()
        account = json.loads((self.folder / "venue" / "venue.json").read_text())
        theirs = {o["order_id"]: (o["cum_qty"], o["leaves_qty"]) for o in account["open_orders"]}
        ours = {o["order_id"]: (o["cum_qty"], o["leaves_qty"]) for o in status["orders"] if o["leaves_qty"]}
        held = account["positions"].get("PAPER", {}).get("SYN", 0)
        assert ours == theirs
        assert status["positions"]["SYN"] - status["positions_start"]["SYN"] == held
        news = [dict(f.split("=", 1) for f in raw.split("\x01")[:-1])["11"] for raw in self.sent("D")]
        assert len(news) == len(set(news)) <= len(status["orders"])

    def sent(self, msg_type: str) -> list[str]:
        """Return what the venue received of a type, once or more."""
        with (self.folder / "venue" / "inbound.jsonl").open() as file:
            texts = [text for _, what, text in map(json.loads, file) if what == "request"]
        return [text for text in texts if f"\x0135={msg_type}\x01" in text]

    def close(self) -> None:
        """End both."""
        self.gate.close()
        self.venue.__exit__()


def answered(status: dict[str, Any]) -> int:
    """Return how many intents the gate has answered, with an order or a refusal."""
    return len(status["orders"]) + int(status["counters"]["refused"])
