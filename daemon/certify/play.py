"""Plays a case: asks for what is ours, checks what left, and how the order stands after each line.

What the other side says comes from whoever drives: a test writes it, a certification waits for it.
A line that does not hold raises `Mismatch` with file, line, what was wanted and what there is.
"""

from typing import Any, Final

from daemon.certify.desk import Desk, Refusal, Sent
from daemon.certify.notation import Case, Line, Who
from daemon.gate.retiring import look_up
from market.child_order import ChildOrder
from market.events import Kill, SecurityStatus, SessionDown, SessionUp, Shutdown
from market.types import OrdType, Side, TimeInForce

SIDES: Final = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "short": Side.SELL_SHORT,
    "short_exempt": Side.SELL_SHORT_EXEMPT,
}
MSG_TYPES: Final = {
    "new": "D",
    "replace": "G",
    "cancel": "F",
    "status": "H",
    "mass_status": "AF",
    "mass_cancel": "q",
    "dk": "Q",
}
VERBS: Final = {msg_type: verb for verb, msg_type in MSG_TYPES.items()}
PARENT_QTY: Final = 20_000  # of a case that does not say
START_TENTHS: Final = 10  # a gate that just began sends nothing for a second (R20)


class Mismatch(AssertionError):  # noqa: N818
    """A line of a case does not hold."""


class Player:
    """One case on one desk."""

    def __init__(self, case: Case, desk: Desk) -> None:
        self.case, self.desk = case, desk
        self.ids: dict[str, str] = {}  # ClOrdIDs by their names in the case
        self.at = 0
        self.asked_e4: int | None = None  # the price of the last request

    def begin(self) -> None:
        """Bring the desk to where the case begins."""
        given = self.case.given
        side = SIDES[given.get("side", "buy")]
        position = int(given.get("start", 0))
        self.desk.begin(int(given.get("parent", PARENT_QTY)), side, position=position)
        self.desk.wait(START_TENTHS)
        self.desk.sent.clear()

    def until(self, line: Line) -> None:
        """Let time pass to a line; nobody may have sent what the case does not say."""
        self.desk.wait(line.at - self.at)
        self.at = line.at
        if line.who is not Who.GATE:
            self.nothing_else(line)

    def nothing_else(self, line: Line | None = None) -> None:
        """Hold that every message that left was in the case."""
        if self.desk.sent:
            sent = self.desk.sent.popleft()
            what = f"{VERBS.get(sent.tags.get('35', ''), '?')} {self.said(sent.tags.get('11', ''))}"
            raise self.fault(line, f"the gate sent `{what}` before it, which the case does not say")

    def finish(self) -> None:
        """Hold what must hold at the end: nothing else was sent; no break that the case does not name."""
        self.nothing_else()
        named = [line.expected.options for line in self.case.lines if line.expected]
        if self.desk.core.state.breaks and not any("break" in options for options in named):
            raise self.fault(None, f"a break that no line names: {self.desk.core.state.breaks[0]}")

    # --- ours -----------------------------------------------------------------------------------

    def ours(self, line: Line) -> None:
        """Ask for what a line asks for, and check the message that left, or the refusal."""
        if line.who is Who.OURS:
            refusal = self._ask(line)
            wanted = line.options.get("refused")
            if refusal is not None and wanted != refusal.controls[0]:
                raise self.fault(line, f"refused by {' '.join(refusal.controls)}: {refusal.text}")
            if wanted is not None:
                if refusal is None:
                    raise self.fault(line, f"it was not refused; wanted {wanted}")
                return
            if "unsent" in line.options:
                return  # what it led to is in the lines that follow
        if not self.desk.sent:
            raise self.fault(line, f"the gate sent no {line.verb}")
        self._check_sent(line, self.desk.sent.popleft())

    def price_of(self, line: Line) -> int | None:
        """Return the price that a line asks for, by the market where it follows a touch."""
        if not line.peg or line.price_e4 is None:
            return line.price_e4
        return self.desk.prices[0 if line.peg == "bid" else 1] + line.price_e4

    def _ask(self, line: Line) -> Refusal | None:
        desk = self.desk
        price_e4 = self.asked_e4 = self.price_of(line)
        if line.verb == "new":
            side = SIDES[line.side or self.case.given.get("side", "buy")]
            tif = TimeInForce[line.options.get("tif", "day").upper()]
            ord_type = OrdType.MARKET if price_e4 is None else OrdType.LIMIT
            return desk.submit(
                side,
                line.numbers[0],
                price_e4,
                time_in_force=tif,
                ord_type=ord_type,
                post_only="post_only" in line.options,
            )
        if line.verb in ("mass_status", "mass_cancel", "status", "dk"):
            raise self.fault(line, f"a trader cannot ask for {line.verb}; write >> where the gate does")
        chain = self.chain(line, line.orig)
        if line.verb == "cancel":
            return desk.cancel(chain.chain_id)
        return desk.replace(chain.chain_id, line.numbers[0], price_e4 or chain.price_e4)

    def _check_sent(self, line: Line, sent: Sent) -> None:
        tags = sent.tags
        verb = VERBS.get(tags.get("35", ""), "")
        if verb != line.verb:
            raise self.fault(line, f"the gate sent {verb} {self.said(tags.get('11', ''))}, not {line.verb}")
        if line.verb in ("mass_status", "mass_cancel", "dk"):
            return
        name = tags["11"]
        known = self.ids.setdefault(line.name, name)
        self._same(line, "11", known, name)
        if line.orig:
            self._same(line, "41", self.ids.get(line.orig, line.orig), tags.get("41", ""))
        if line.numbers:
            self._same(line, "38", str(line.numbers[0]), tags.get("38", ""))
        if line.price_e4 is not None:
            self._same(line, "44", (self.asked_e4 or 0) / 10_000, float(tags.get("44", "0")))

    def _same(self, line: Line, tag: str, wanted: object, got: object) -> None:
        if wanted != got:
            raise self.fault(line, f"tag {tag} is {self.said(str(got))}, wanted {self.said(str(wanted))}")

    # --- what happens ---------------------------------------------------------------------------

    def event(self, line: Line) -> None:
        """Carry out a `!` line."""
        desk = self.desk
        text = line.options.get("text", "")
        if line.verb == "price":
            desk.price(*line.numbers)
        elif line.verb in ("halt", "resume"):
            desk.step(SecurityStatus(symbol=desk.symbol, trading=line.verb == "resume", text=text))
        elif line.verb == "down":
            desk.step(SessionDown(session="order", reason=text))
        elif line.verb == "cut":
            desk.cut = True
        elif line.verb == "up":
            desk.cut = False
            desk.step(SessionUp(session="order"))
        elif line.verb == "restart":
            desk.epoch += 1
            desk.start()
            desk.step(SessionUp(session="reference"))
            desk.price(*desk.prices)
        elif line.verb == "kill":
            desk.step(Kill(source="case", reason=text))
        elif line.verb == "shutdown":
            desk.step(Shutdown())

    # --- how it stands --------------------------------------------------------------------------

    def check(self, line: Line) -> None:
        """Hold what stands behind the `=` of a line."""
        expected = line.expected
        if expected is None:
            return
        told = expected.options
        core = self.desk.core
        if expected.status is not None:
            chain = self.chain(line, told.get("of") or line.name or line.orig)
            held = (chain.status, chain.cum_qty, chain.leaves_qty)
            wanted = (
                expected.status,
                chain.cum_qty if expected.cum_qty is None else expected.cum_qty,
                chain.leaves_qty if expected.leaves_qty is None else expected.leaves_qty,
            )
            if held != wanted:
                raise self.fault(line, f"our order is {_text(*held)}, wanted {_text(*wanted)}")
            if "avg" in told:
                self._equal(line, "avg", told["avg"], _average(chain))
            if "name" in told:
                self._equal(line, "name", told["name"], self.said(chain.cl_ord_id))
        if "posture" in told:
            self._equal(line, "posture", told["posture"], core.posture.name)
        if "cause" in told and told["cause"] not in core.state.posture.causes:
            raise self.fault(line, f"no cause {told['cause']}; causes: {' '.join(core.state.posture.causes)}")
        if "position" in told:
            book = core.state.ledger.books.get(self.desk.symbol)
            self._equal(line, "position", told["position"], str(book.position if book else 0))
        if "break" in told and not any(told["break"] in text for text in core.state.breaks):
            raise self.fault(line, f"no break with {told['break']!r}; breaks: {core.state.breaks}")

    def _equal(self, line: Line, what: str, wanted: str, got: str) -> None:
        if what == "avg":
            wanted = f"{float(wanted):.4f}"
        if wanted != got:
            raise self.fault(line, f"{what} is {got}, wanted {wanted}")

    def chain(self, line: Line, name: str) -> ChildOrder:
        """Return the order that a name belongs to."""
        chain = look_up(self.desk.core.state, self.ids.get(name, name))
        if chain is None:
            raise self.fault(line, f"no order of ours is called {name or '(nothing)'}")
        return chain

    def said(self, cl_ord_id: str) -> str:
        """Return a ClOrdID as the case calls it."""
        return next((name for name, real in self.ids.items() if real == cl_ord_id), cl_ord_id)

    def fault(self, line: Line | None, text: str) -> Mismatch:
        """Return what does not hold, with where it stands."""
        where = self.case.source if line is None else f"{self.case.source.rpartition(':')[0]}:{line.number}"
        said = "" if line is None else f"  [{line.text}]"
        return Mismatch(f"{where}: {self.case.ref}: {text}{said}")


def _text(status: Any, cum_qty: int, leaves_qty: int) -> str:
    return f"{status.name.lower()} {cum_qty} {leaves_qty}"


def _average(chain: ChildOrder) -> str:
    if chain.cum_qty <= 0:
        return "0.0000"
    average_e4 = (2 * chain.notional_e4 + chain.cum_qty) // (2 * chain.cum_qty)
    return f"{average_e4 // 10_000}.{average_e4 % 10_000:04d}"
