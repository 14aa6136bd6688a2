"""Stories of a gate core, and how they are written down: what came, what the gate did and said, how it ended.

    python -m tests.daemon.stories.test_stories            # write the books anew; then read what has changed

A line at the margin is an event, those below it are what the core had its shell do. The end of a story is how
everything stands then. Values that are a field's default are left out.
"""

import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from daemon.gate.effects import Note, Reply, SendOrder, Tell, TellOms
from gateways.fix.oms_reports import body
from market import events as ev
from market.types import ClOrdID, ExecType, OrdStatus
from market.updates import Headroom
from tests.daemon.gate_harness import OPEN_NS, SECOND
from tests.daemon.oms_world import OmsWorld, by_tag


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HERE: Final = Path(__file__).parent
START_NS: Final = 10 * SECOND  # of a world's machine clock
MANY: Final = 20  # that are counted and not told
SILENT: Final = (ev.Timer, ev.ReferenceAlive)  # written down where they led to something
HIDDEN: Final = _words(  # of every value: what is always the same, long, or a hash
    "instruments limits decided_mono_ns raw account mic symbols protocol digest signature sha256 gate "
    "nonce state manifest"
)
HIDDEN_OF: Final = {
    "ParentOrder": {"symbol", "start_ns"},
    "WorkingOrder": {"parent_id", "symbol", "side", "ts_ns"},
    "NewOrder": {"symbol", "parent_id"},
    "CancelOrder": {"symbol"},
    "StatusRequest": {"symbol", "side", "order_id"},
    "SignedCommand": {"text", "request_id", "role", "key"},
    "TraderHello": {"state_spec_sha256", "action_table_sha256"},
    "ParentUpdate": {"parent"},
    "OmsNew": {"terms"},
    "OmsReplace": {"terms"},
    "OmsCancel": {"terms"},
    "OmsStatus": {"terms"},
    "OrderUpdate": {"ts_ns"},
}
SHOWN_ROW: Final = _words(
    "parent_id chain_id qty order_qty status cum_qty leaves_qty committed_qty notional_e4 price_e4 "
    "limit_price_e4 arrival_mid_micros arrival_ns end_mid_micros ended_ts_ns children fees_micros "
    "remainder_reason refused ord_type cl_ord_id orig_cl_ord_id order_id exec_ids text doubt"
)
ENDING: Final = _words("posture causes sessions trader oms drop_copy positions pnl breaks counters")


class Story(OmsWorld):
    """A world that writes down what happens in it."""

    def __init__(self, *args: Any, **start: Any) -> None:
        self.lines: list[str] = []
        super().__init__(*args, **start)

    @classmethod
    def begun(cls, *args: Any, **start: Any) -> Self:
        """Return a world that trades, with one parent."""
        story = cls(*args, **start)
        story.open()
        story.parent()
        return story

    def open(self, *args: Any, **more: Any) -> None:
        super().open(*args, **more)
        self.lines = [f"opened {self.core.posture.name}"]

    def step(self, event: ev.Event) -> list[Any]:
        if isinstance(event, ev.GateStarted) and event.lockstep:
            self.now = self.ts  # the machine's time is the market's
        effects = super().step(event)
        if effects or not isinstance(event, SILENT):
            self.lines.append(f"{(self.ts - OPEN_NS) / SECOND:.3f} {text_of(event)}")
            self.lines += [f"    {self.line_of(effect)}" for effect in effects]
            if self.core.state.lockstep:
                wake_ns = self.core.next_wake_ns(ev.Stamp(self.ts, self.now))
                self.lines.append(
                    f"    wakes {(wake_ns - OPEN_NS) / SECOND:.3f}" if wake_ns else "    sleeps"
                )
        return effects

    def line_of(self, effect: Any) -> str:
        """Return an effect as a line."""
        if isinstance(effect, Note):
            return f"log {effect.level}: {effect.event} {text_of(effect.fields)}"
        if isinstance(effect, Reply):
            told = {k: v for k, v in effect.body.items() if k != "parent"}
            return f"reply {effect.request_id} {text_of(told)}"
        if isinstance(effect, Tell):
            return f"tell {effect.epoch} {text_of(effect.update)}"
        if isinstance(effect, SendOrder):
            return f"send {text_of(effect.approved.order)}"
        if isinstance(effect, TellOms):
            tags = by_tag(body(self.outbox(effect.client)[effect.place]))
            return f"oms {effect.client} " + " ".join(f"{k}={v}" for k, v in tags.items() if k != "60")
        return text_of(effect)

    def cancel_of(self, chain_id: str) -> ClOrdID:
        """Return the ClOrdID of the cancel that is on its way."""
        asked = self.core.state.chains[ClOrdID(chain_id)].cancel_id
        assert asked is not None, chain_id
        return asked

    def canceled(self, chain_id: str, **more: Any) -> None:
        """The EMS confirms the cancel of an order of 100."""
        fields = {"orig_cl_ord_id": chain_id, "order_qty": 100} | more
        self.report(self.cancel_of(chain_id), ExecType.CANCELED, OrdStatus.CANCELED, **fields)

    def at(self, seconds: float, timer: bool = True) -> None:
        """Let both clocks go to an instant, the reference line alive; with a timer."""
        self.go(seconds)
        self.step(ev.ReferenceAlive())
        if timer:
            self.step(ev.Timer())

    def go(self, seconds: float) -> None:
        """Let both clocks go to an instant, and nothing happen."""
        ahead_ns = START_NS + round(seconds * SECOND) - self.now
        assert ahead_ns >= 0, "time goes on"
        self.now += ahead_ns
        self.ts += ahead_ns

    def end(self) -> list[str]:
        """Return the story with its end."""
        status = self.core.status(ev.Stamp(self.ts, self.now), "held")
        found = [*self.lines, "at the end"]
        found += [f"    {name}: {text_of(status[name])}" for name in ENDING if status[name]]
        for row in [*status["parents"], *status["orders"]]:
            found.append(f"    {text_of({k: row[k] for k in SHOWN_ROW if row.get(k)})}")
        return found


def text_of(value: Any) -> str:
    """Return a value in words: structs by their name and what is no default."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Headroom):
        low, high = value.collar_low_e4, value.collar_high_e4
        may = "may" if value.can_trade else "may not"
        room = f"{may} {value.order_qty_max}: buy {value.buy_qty_max} sell {value.sell_qty_max}"
        return f"{room} in {value.orders_free} orders, {value.rate_free} now, at {low}-{high}"
    if isinstance(value, msgspec.Struct):
        words = [type(value).__name__]
        for field in msgspec.structs.fields(value):
            told = getattr(value, field.name)
            fresh = (
                field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
            )
            hidden = field.name in HIDDEN or field.name in HIDDEN_OF.get(words[0], ())
            if not hidden and told != fresh:
                words.append(f"{field.name}={text_of(told)}")
        return f"({' '.join(words)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {text_of(v)}" for k, v in value.items() if k not in HIDDEN) + "}"
    if isinstance(value, list | tuple) and len(value) > MANY:
        return f"[{len(value)} of them]"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and value >= OPEN_NS - 86_400 * SECOND:
        return f"open{(value - OPEN_NS) / SECOND:+.3f}s"
    return json.dumps(value) if isinstance(value, str) and " " in value else str(value)


def told(story: Callable[[], Story]) -> str:
    """Return a story as a chapter."""
    title = (story.__doc__ or "").strip()
    return "\n".join([f"== {story.__name__}: {title}", *story().end(), ""])


def stories(module: Any) -> dict[str, Callable[[], Story]]:
    """Return the stories of a module, in their order."""
    return {
        name: made
        for name, made in vars(module).items()
        if callable(made) and getattr(made, "__module__", "") == module.__name__ and not name.startswith("_")
    }


def chapters(book: str) -> dict[str, str]:
    """Return what is written, by story."""
    text = (HERE / f"{book}.txt").read_text()
    return {part.partition(":")[0]: f"== {part}" for part in text.split("== ")[1:]}
