"""A gate of one case: the true core, limits, encoder and order entry, with a trader and prices made by hand.

    desk = Desk(profile, limits, sender)          # sender: the FIX engine, or whoever plays it
    desk.begin(qty=20_000, side=Side.BUY)          # sessions up, a price, a parent, a trader
    desk.step(event); desk.wait(tenths)
    desk.sent                                      # messages that left, oldest first, as the wire has them

It is what `steadyhand gate` does around its core, less journal, link and metrics: effects are carried out in
order, and what the engine or the broker's profile refuses comes back as `SendFailed`.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from daemon.gate import effects as ef
from daemon.gate.core import GateCore
from daemon.gate.positions_state import NONE
from gateways.fix.order_entry import OrderEntry, Sender, SendResult
from gateways.fix.outbound import Encoder
from gateways.fix.profile import Profile
from gateways.fix.wire import fields
from market import events as ev
from market.instruments import Instrument
from market.parents import ParentOrder
from market.types import ExecType, OrdStatus, ParentID, Side, Symbol
from market.updates import IntentRefused
from risk.limits import Limits

TENTH_NS: Final = 100_000_000
OPEN_NS: Final = (
    1_704_207_600_000_000_000  # 2024-01-02 10:00 in New York, where no day of the market is known
)
BID_E4, ASK_E4 = 1_000_000, 1_000_200
SHOWN: Final = 1_000_000  # at each touch: the case is about orders, not about impact
SYMBOL: Final = Symbol("SYN")
EPOCH: Final = 7  # of the trader
WINDOW_S: Final = 3_600
FOLLOW_UPS_MAX: Final = 1_000  # what one step's sending may lead to


class Sent(msgspec.Struct, frozen=True):
    """One message that left."""

    tags: dict[str, str]
    body: str


class Refusal(msgspec.Struct, frozen=True):
    """The gate refused an intent."""

    controls: tuple[str, ...]
    text: str


class Recorder:
    """Keeps every body that leaves through a sender."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.sent: deque[Sent] = deque()
        self.cut = False  # the line is gone, and nobody has said so yet

    def send(self, name: str, body: str) -> bool:
        """Send a body, and keep it where it left."""
        left = not self.cut and self._sender.send(name, body)
        if left:
            self.sent.append(Sent(fields(body) or {}, body))
        return left


class Desk:
    """Time stands still but for `wait`; a live certification sets `clock`."""

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        sender: Sender,
        *,
        symbol: Symbol = SYMBOL,
        mic: str = "XNAS",
        account: str = "PAPER",
        clock: Callable[[], ev.Stamp] | None = None,
        wall_ns: Callable[[], int] | None = None,
        epoch: int = 1,
        retire_after_ms: int | None = None,
    ) -> None:
        self.core = GateCore()
        self.profile = profile
        self.symbol, self.mic, self.account = symbol, mic, account
        self.now_ns, self.ts_ns = 10 * 10**9, OPEN_NS
        self.clock = clock or (lambda: ev.Stamp(self.ts_ns, self.now_ns))
        self._still = clock is None
        self._wall_ns = wall_ns or (lambda: self.clock().ts_ns)  # for TransactTime(60)
        self.epoch = epoch  # of the gate: part of each ClOrdID
        self._retire_after_ms = retire_after_ms  # None: what has ended stays in the state
        self._recorder = Recorder(sender)
        self._entry = OrderEntry(self._recorder, Encoder(profile))
        self.sent = self._recorder.sent
        self.refusals: list[Refusal] = []
        self.notes: list[ef.Note] = []
        self.log: list[tuple[ev.Stamp, ev.Event]] = []
        self._limits = limits
        self._n = 0
        self.prices = (BID_E4, ASK_E4)
        self._failed: deque[ev.SendFailed] = deque(maxlen=FOLLOW_UPS_MAX)

    @property
    def cut(self) -> bool:
        """True while nothing leaves, though the session says that it is up."""
        return self._recorder.cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        self._recorder.cut = cut

    def step(self, event: ev.Event) -> None:
        """Step one event, carry out its effects, and step what could not be sent."""
        self._step(event)
        while self._failed:
            self._step(self._failed.popleft())

    def wait(self, tenths: int) -> None:
        """Let time pass with live lines, a timer each second; a clock that runs needs no pushing."""
        while self._still and tenths > 0:
            part = min(tenths, 10)
            tenths -= part
            self.now_ns += part * TENTH_NS
            self.ts_ns += part * TENTH_NS
            self.timer()

    def timer(self) -> None:
        """The lines are live, and a timer fires."""
        self.step(ev.ReferenceAlive())
        self.step(ev.Timer())

    def start(self, *, position: int = 0) -> None:
        """The gate's process begins, or begins again."""
        self.step(
            ev.GateStarted(
                epoch=self.epoch,
                mode="paper",
                account=self.account,
                instruments=(Instrument(symbol=self.symbol, adv=100_000_000),),
                limits=self._limits.model_dump_json(),
                positions=((self.account, self.symbol, position),) if position else (),
                positions_asked=NONE if self._still else self.profile.supports.positions,
                positions_wait_ms=self.profile.supports.positions_wait_ms,
                retire_after_ms=self._retire_after_ms,
            )
        )

    def begin(self, qty: int, side: Side, *, position: int = 0) -> None:
        """Bring everything up to where a case begins; a clock that runs waits for the broker's answers."""
        self.start(position=position)
        self.step(ev.SessionUp(session="reference"))
        self.price(*self.prices)
        self.step(ev.SessionUp(session="order"))
        if self._still:
            self.no_orders()
        self.hello()
        parent = ParentOrder(
            parent_id=ParentID("P1"),
            account=self.account,
            side=side,
            qty=qty,
            symbol=self.symbol,
            mic=self.mic,
            start_ns=self.clock().ts_ns,
            end_ns=self.clock().ts_ns + WINDOW_S * 10**9,
        )
        self.step(ev.SubmitParent(request_id=1, parent=parent))

    def no_orders(self) -> None:
        """The broker's answer to 35=AF where there are none."""
        asked = self.core.state.session.mass_status_id
        if asked:
            self.step(
                ev.ExecutionReport(
                    cl_ord_id="NONE",  # type: ignore[arg-type]
                    exec_type=ExecType.ORDER_STATUS,
                    ord_status=OrdStatus.REJECTED,
                    exec_id="0",  # type: ignore[arg-type]
                    mass_status_req_id=asked,
                )
            )

    def hello(self) -> None:
        """The trader connects."""
        hashes = dict.fromkeys(("policy_sha256", "state_spec_sha256", "action_table_sha256"), "")
        self.step(
            ev.TraderHello(
                protocol=ev.LINK_PROTOCOL, epoch=EPOCH, symbols=(self.symbol,), policy="certify", **hashes
            )
        )

    def price(self, bid_e4: int, ask_e4: int) -> None:
        """A reference price of our own."""
        self.prices = (bid_e4, ask_e4)
        self.step(
            ev.ReferencePrice(
                symbol=self.symbol,
                bid_e4=bid_e4,
                bid_qty=SHOWN,
                ask_e4=ask_e4,
                ask_qty=SHOWN,
                last_e4=bid_e4,
                close_e4=bid_e4,
            )
        )

    def submit(self, side: Side, qty: int, price_e4: int | None, **terms: Any) -> Refusal | None:
        """The trader asks for a new order; returns the refusal, if it is one."""
        n, number = self._next()
        return self._asked(
            ev.SubmitIntent(
                epoch=EPOCH, n=n, parent_id=ParentID("P1"), side=side, qty=qty, price_e4=price_e4,
                decision_id=number, decided_mono_ns=self.clock().mono_ns, **terms,
            )
        )  # fmt: skip

    def replace(self, chain_id: Any, qty: int, price_e4: int) -> Refusal | None:
        """The trader asks for new terms."""
        n, number = self._next()
        return self._asked(
            ev.ReplaceIntent(
                epoch=EPOCH, n=n, chain_id=chain_id, qty=qty, price_e4=price_e4,
                decision_id=number, decided_mono_ns=self.clock().mono_ns,
            )
        )  # fmt: skip

    def cancel(self, chain_id: Any) -> Refusal | None:
        """The trader asks for an order's end."""
        n, number = self._next()
        return self._asked(ev.CancelIntent(epoch=EPOCH, n=n, chain_id=chain_id, decision_id=number))

    def _asked(self, intent: ev.Event) -> Refusal | None:
        before = len(self.refusals)
        self.step(intent)
        return self.refusals[-1] if len(self.refusals) > before else None

    def _next(self) -> tuple[int, int]:
        self._n += 1
        return self._n, self._n

    # --- the shell ------------------------------------------------------------------------------

    def _step(self, event: ev.Event) -> None:
        stamp = self.clock()
        self.log.append((stamp, event))
        for effect in self.core.step(stamp, event).effects:
            self._act(effect, self._wall_ns())

    def _act(self, effect: ef.Effect, ts_ns: int) -> None:
        entry = self._entry
        if isinstance(effect, ef.SendOrder):
            order = effect.approved.order
            kind = "G" if hasattr(order, "terms") else "D"
            self._left(kind, order.cl_ord_id, entry.send(effect.approved, ts_ns))
        elif isinstance(effect, ef.SendCancel):
            self._left("F", effect.order.cl_ord_id, entry.cancel(effect.order, ts_ns))
        elif isinstance(effect, ef.AskStatus):
            self._left("H", effect.request.cl_ord_id, entry.status(effect.request, ts_ns))
        elif isinstance(effect, ef.AskMassStatus):
            self._left("AF", effect.request.req_id, entry.mass_status(effect.request))
        elif isinstance(effect, ef.AskPositions):
            self._left("AN", effect.request.req_id, entry.positions(effect.request, ts_ns))
        elif isinstance(effect, ef.SendMassCancel):
            self._left("q", effect.request.cl_ord_id, entry.mass_cancel(effect.request, ts_ns))
        elif isinstance(effect, ef.SendDontKnow):
            self._left("Q", effect.order.exec_id, entry.dont_know(effect.order))
        elif isinstance(effect, ef.Tell) and isinstance(effect.update, IntentRefused):
            self.refusals.append(Refusal(effect.update.controls, effect.update.text))
        elif isinstance(effect, ef.Note):
            self.notes.append(effect)

    def _left(self, msg_type: str, ref_id: str, result: SendResult) -> None:
        if not result.sent:
            failed = ev.SendFailed(
                msg_type=msg_type, ref_id=ref_id, reason=result.reason, unsupported=result.unsupported
            )
            self._failed.append(failed)
