"""A gate's core and a venue's core, message by message, without sockets: a scenario plays between them.

What a session does (numbers, resends) is not here: an application message that leaves arrives.
"""

from collections import deque
from typing import Any

from daemon.certify.desk import ASK_E4, BID_E4
from daemon.certify.desk import Desk as GateDesk
from daemon.config import load_profile
from daemon.gate.core import GateCore
from gateways.venue.scenario import Scenario
from market.types import OrdStatus, Side, Symbol
from tests.gateways.venue.desk import SOH
from tests.gateways.venue.desk import Desk as VenueDesk
from tests.scenarios.runner import hear, limits

PUMPS_MAX = 10_000  # messages that one step may lead to
WHEN = "20240102-15:00:00.000"
SYN = Symbol("SYN")


class Pump:
    """Both cores and the way between them."""

    def __init__(self, *rules: dict[str, Any], qty: int = 2_000, pending_reports: bool = False) -> None:
        scenario = Scenario.model_validate({"seed": 1, "rule": rules})
        self.venue = VenueDesk(scenario=scenario, pending_reports=pending_reports).opened()
        self.gate = GateDesk(load_profile("venue"), limits(), self)
        self._out: deque[str] = deque()
        self._heard = self._seq = 0
        self.gate.begin(qty, Side.BUY, position=10_000)
        self.gate.wait(20)
        self.pump()

    # --- the way ------------------------------------------------------------------------------------

    def send(self, name: str, body: str) -> bool:
        """Take what the gate sends."""
        assert name == "order"
        self._out.append(body)
        return True

    def pump(self) -> None:
        """Carry messages until nobody has anything to say."""
        for _ in range(PUMPS_MAX):
            if self._out:
                self.venue.director.request(self._framed(self._out.popleft(), "STEADYHAND", "VENUE"))
            elif self._heard < len(self.venue.bodies):
                body = self.venue.bodies[self._heard]
                self._heard += 1
                self.hear(body)
            else:
                return
        raise AssertionError("gate and venue talk without end")

    def hear(self, body: str) -> None:
        """Let the gate read a message."""
        hear(self.gate, self._framed(body, "VENUE", "STEADYHAND"))

    def _framed(self, body: str, sender: str, target: str) -> str:
        self._seq += 1
        msg_type, _, rest = body.partition(SOH)
        head = (
            f"{msg_type}{SOH}34={self._seq}{SOH}49={sender}{SOH}52=20240102-15:00:00.000{SOH}56={target}{SOH}"
        )
        return f"8=FIX.4.4{SOH}9=0{SOH}{head}{rest}10=000{SOH}"

    def wait(self, seconds: float) -> None:
        """Let both sides' time go on, tenth by tenth."""
        for _ in range(round(seconds * 10)):
            self.gate.wait(1)
            self.venue.wait(0.1)
            self.pump()

    # --- what people do -----------------------------------------------------------------------------

    def offer(self, qty: int, price_e4: int = ASK_E4) -> None:
        """Somebody sells at the venue."""
        self.venue.rest(-1, price_e4, qty)
        self.pump()

    def buy(self, qty: int, price_e4: int = BID_E4) -> str:
        """Send an order; return its chain."""
        before = set(self.gate.core.state.chains)
        refusal = self.gate.submit(Side.BUY, qty, price_e4)
        assert refusal is None, refusal
        (chain,) = set(self.gate.core.state.chains) - before
        self.pump()
        return chain

    def buy_if_free(self, qty: int, price_e4: int) -> str:
        """Send an order if the gate lets it; return its chain, "" where it does not."""
        before = set(self.gate.core.state.chains)
        self.gate.submit(Side.BUY, qty, price_e4)
        self.pump()
        return next(iter(set(self.gate.core.state.chains) - before), "")

    def cancel(self, chain: str) -> None:
        """Cancel an order."""
        assert self.gate.cancel(chain) is None
        self.pump()

    def replace(self, chain: str, qty: int, price_e4: int = BID_E4) -> None:
        """Replace an order."""
        assert self.gate.replace(chain, qty, price_e4) is None
        self.pump()

    # --- what is true -------------------------------------------------------------------------------

    @property
    def posture(self) -> str:
        """Of the gate."""
        return self.gate.core.posture.name

    @property
    def breaks(self) -> str:
        """Every break that the gate names."""
        return "; ".join(self.gate.core.state.breaks)

    def chain(self, chain: str) -> Any:
        """An order as the gate sees it."""
        return self.gate.core.state.chains[chain]  # type: ignore[index]

    def booked(self) -> int:
        """Shares that the gate has booked."""
        return self.gate.core.state.ledger.book(SYN).exec_qty

    def traded(self) -> int:
        """Shares that the venue holds to be the client's."""
        return self.venue.ems.table.positions().get("PAPER", {}).get("SYN", 0)

    def agree(self) -> None:
        """Positions, orders and requests are the same on both sides, and no order was doubled."""
        state = self.gate.core.state
        assert self.booked() == self.traded(), (self.booked(), self.traded(), self.breaks)
        ours = {c.order_id: c for c in state.chains.values() if c.live}
        theirs = {o.order_id: o for o in self.venue.ems.table.working()}
        assert set(ours) == set(theirs)
        for order_id, order in theirs.items():
            assert (ours[order_id].cum_qty, ours[order_id].leaves_qty) == (order.cum_qty, order.leaves_qty)
        news = [m.tags["11"] for m in self.gate.sent if m.tags["35"] == "D"]
        assert len(news) == len(set(news)) == len(state.chains)
        assert self.replayed() == self.gate.core.state_hash()

    def replayed(self) -> str:
        """Return the state hash of another core that is told the same."""
        again = GateCore()
        for stamp, event in self.gate.log:
            again.step(stamp, event)
        return again.state_hash()


def live(chain: Any) -> bool:
    """Whether an order works, and waits for nothing."""
    return chain.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)
