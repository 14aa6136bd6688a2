"""P1 to P16, as far as they speak of the gate, judged from outside.

It sees the gate's network card, the venue's truth, the bytes of the disk, the answers of the control socket
and how a process ended: never the gate's memory. Each promise is one method `p1` ... `p16`; `found` holds one
line for each breach, the promise first.
"""

import re
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.independent.test_hostile_policy import law_of
from tests.independent.wire_checker import Money, WireChecker, e4
from tests.simulation.fix_session import tags_of
from tests.simulation.gate import START_QTY
from tests.simulation.loop import MS, SECOND
from tests.simulation.world import World

RECONCILED_WITHIN: Final = 5 * SECOND  # P5
EXIT_WITHIN: Final = 10 * SECOND  # P15
STEPPED_WITHIN: Final = 2 * MS  # from the engine's callback to the core, on a loop that is not blocked
RISK: Final = ("D", "G")
LATCH: Final = Path("state/KILLED")
FOUND_MAX: Final = 20
OF_LATE_FILLS: Final = re.compile("may trade|filled of")  # true: shares came that nobody could reckon with
SHIFTED: Final = 2  # messages that a wait for the disk moves into another second
STATED: Final = ("R60", "R67")  # causes that say only that it is not reconciled yet
PASSING: Final = (
    "R21",
    "R22",
    "R19",
    "R18",
    "R72",
    "R40",
    "R61",
)  # no breaks


class Auditor(WireChecker):
    """The auditor of limits, taught what an honest EMS does unasked."""

    def from_venue_tags(self, m: dict[str, str]) -> None:
        kind = m.get("150")
        if m["35"] == "8" and kind in ("G", "H", "D"):
            chain = self._chains.get(self._chain_of.get(m["11"], ""))
            if chain is None:
                return
            if kind == "D":
                chain.qty = int(m["38"])
            else:
                self._take_back(chain, m)
            if m["39"] in "2348C":
                chain.live = False
                self._live.pop(self._chain_of[m["11"]], None)
            return
        if m["35"] != "9" or m["11"] in self._chain_of:
            self.from_venue("".join(f"{t}={v}\x01" for t, v in m.items()))

    def _take_back(self, chain: Any, m: dict[str, str]) -> None:
        sign = 1 if chain.side == "1" else -1
        money = self._money.setdefault(chain.symbol, Money())
        qty = int(m["14"]) - chain.cum  # by CumQty: what a correction leaves as it was is none
        money.qty += sign * qty
        money.cost_e4 += sign * qty * e4(m["31"])
        chain.cum += qty
        self._filled[chain.parent] = self._filled.get(chain.parent, 0) + qty

    def fill(self, m: dict[str, str]) -> None:
        """A fill that nobody could foresee."""
        name = self._chain_of.get(m["11"])
        if name is not None and m["17"] not in self._executions:
            self._executions.add(m["17"])
            self._book(self._chains[name], int(m["32"]), e4(m["31"]))


class Checker:
    """All promises of one world."""

    def __init__(self, world: World) -> None:
        self.w = world
        self.found: list[str] = []
        world.people.admitted = parents = {}
        self.wire = Auditor(law_of_world(world), {"SYN": START_QTY}, parents)
        self.used: set[str] = set()
        self.departed: dict[str, int] = {}  # D by ClOrdID: when
        self.rejects: deque[int] = deque()
        self.rejected: set[str] = set()
        self.storm_ns = 0
        self.rearmed = 0
        self.failed_sync_life = 0
        self.asserted_life = 0
        self.stop_life = 0
        self.surprises: dict[str, dict[str, str]] = {}  # by ExecID
        self.expected_deaths: set[int] = set()  # lives that the story ended
        self.judged_deaths: set[int] = set()
        self.started_ns: dict[int, int] = {}
        self.breaches = 0
        self.copy_may_break = True
        self.may_break = False  # power cuts and lost numbers leave doubts that a person must look at
        self.status: dict[str, Any] = {}
        self._wire_up()

    def _wire_up(self) -> None:
        w = self.w
        w.left = self.left
        w.venue.truth = self.wire.from_venue_tags
        w.venue.surprise = lambda m: self.surprises.__setitem__(m["17"], m)
        w.venue.never = self._never
        w.roads["order"].lost = lambda name, raw: self._never(tags_of(raw)) if name == "gate" else None
        w.disk.failed_sync = self._failed_sync
        w.look = self.look
        w.delivered = self.delivered
        w.priced = self.priced

    def _failed_sync(self, path: str) -> None:
        """A sync failed, and it was the gate's: a snapshot is another process's, which goes without one."""
        if "snapshots" not in path:
            self.failed_sync_life = self.w.lives.number

    def breach(self, promise: str, text: str) -> None:
        """Note one."""
        if len(self.found) < FOUND_MAX:
            at_s = (self.w.loop.now_ns - 5_000 * SECOND) / SECOND
            self.found.append(f"{promise} {at_s:.3f} s: {text}")

    # --- what is seen -----------------------------------------------------------------------------

    def left(self, raw: str, m: dict[str, str]) -> None:
        """A message of the gate's order session leaves."""
        kind = m["35"]
        if kind not in ("D", "G", "F", "q"):
            return
        self.p1(m)
        self.p2(m)
        if kind in RISK:
            self.p6(m)
            self.p9(m)
            self.p11(m)
            self.p15(m)
            self.p16(m)
        if kind == "D":
            self.departed[m["11"]] = self.w.loop.now_ns
        if kind in "Dq" or m["41"] in self.wire._chain_of:
            self.p4(raw)

    def delivered(self, raw: str) -> None:
        """A message of the venue has reached the gate's engine, which hands it to the gate now."""
        m = tags_of(raw)
        now = self.w.loop.now_ns
        if m["35"] == "3" or m["35"] not in "89":
            return
        surprise = self.surprises.pop(m.get("17", ""), None)
        if surprise is not None:
            if surprise["150"] == "F":
                self.wire.fill(surprise)
            else:
                self.wire.from_venue_tags(surprise)
        for name in [e for e, s in self.surprises.items() if restates(s, m)]:  # its own report was lost
            self.wire.from_venue_tags(self.surprises.pop(name))
        if m["35"] == "9" or (m.get("150") == "8" and m["11"] not in self.rejected):
            self.rejected.add(m["11"])
            self.rejects.append(now)
            window = self.w.limits.rejects.window_ms * MS
            while now - self.rejects[0] >= window:
                self.rejects.popleft()
            if len(self.rejects) >= self.w.limits.rejects.count_max:
                self.storm_ns = now

    def priced(self, raw: str) -> None:
        """A message of the price source has reached the gate."""
        now = self.w.loop.now_ns
        if "\x0135=W\x01" not in raw:
            if "\x0135=5\x01" not in raw and "\x0135=3\x01" not in raw:
                self.wire.alive(now)
            return
        entries = raw.split("\x01269=")[1:]
        bid, ask, last = (e4(entry.split("270=", 1)[1].split("\x01", 1)[0]) for entry in entries)
        self.wire.price(now, "SYN", bid, ask, last)

    def _never(self, m: dict[str, str]) -> None:
        """A request never came to the venue's eyes."""
        kind, name = m["35"], m.get("11", "")
        if kind == "D" and name in self.wire._chains:
            self.wire.from_venue_tags({"35": "8", "11": name, "17": f"L{name}", "150": "8", "39": "8"})
        elif kind == "G" and name in self.wire._chain_of:
            self.wire.from_venue_tags({"35": "9", "11": name})

    def look(self) -> None:
        """After every single step of the world."""
        if self.w.loop.survived:
            self.p16_survived(self.w.loop.survived.pop())
        lives = self.w.lives
        if lives.number and not lives.alive and lives.number not in self.judged_deaths:
            self.judged_deaths.add(lives.number)
            self.rejects.clear()
            if self.w.loop.now_ns - self.storm_ns < STEPPED_WITHIN:
                self.storm_ns = 0
            self.p13(lives.process.how)

    # --- the promises -----------------------------------------------------------------------------

    def p1(self, m: dict[str, str]) -> None:
        """No order byte leaves before its intent is in the kernel, or as configured on the disk."""
        last_words = m["35"] == "F" and self.failed_sync_life == self.w.lives.number
        if m["35"] == "q" or last_words:  # a disk that has failed keeps nobody from cancelling
            return
        on_disk = self.w.lives.section.durability == "disk" and m["35"] in RISK
        if m["11"].encode() not in (self.w.disk.durable if on_disk else self.w.disk.journaled):
            self.breach("P1", f"{m['35']} {m['11']} left, and no journal holds it{' on the disk' * on_disk}")

    def p2(self, m: dict[str, str]) -> None:
        """A ClOrdID is used once, and an order never sent again."""
        if m.get("43") == "Y" or m.get("97") == "Y":
            self.breach("P2", f"{m['35']} {m['11']} was sent again")
        if m["11"] in self.used:
            self.breach("P2", f"{m['35']} {m['11']}: this ClOrdID was used before")
        self.used.add(m["11"])

    def p3(self, status: dict[str, Any]) -> None:
        """Every fill is booked once: the gate's shares are the venue's, or it has halted with a break."""
        if self.w.lies and not halted_with_break(status):
            self.breach("P3", f"{self.w.lies} lies of the venue, and the gate goes on")
        false = [text for text in status["breaks"] if not OF_LATE_FILLS.search(text)]
        if self.may_break:  # but for the drop copy's word, where nothing was to befall its lines
            false = [text for text in false if text.startswith("drop copy") and not self.copy_may_break]
        if false and not self.w.lies:
            self.breach("P3", f"an honest venue, and the gate says: {false[0][:200]}")
        ours, theirs = status["positions"].get("SYN", 0), self.w.venue.position("SYN", START_QTY)
        if ours != theirs and not halted_with_break(status):
            self.breach("P3", f"the gate holds {ours} and says nothing, the venue says {theirs}")

    def p4(self, raw: str) -> None:
        """Every limit holds for every outcome of what is unresolved."""
        w = self.w
        self.wire.to_venue(w.loop.now_ns, w.wall_ns(), raw)
        if len(self.wire.breaches) > self.breaches:
            for text in self.wire.breaches[self.breaches :]:
                self.breach("P4", text)
            self.breaches = len(self.wire.breaches)

    def p5(self, life: int) -> None:
        """Some seconds after a start on healthy lines: reconciled, or halted with the break named."""
        if self.w.lives.number != life or (not self.w.lives.alive and life in self.expected_deaths):
            return
        if not self.w.lives.alive:
            self.breach("P5", f"life {life} ended by itself: {self.w.lives.process.how}: {self.printed()}")
            return

        def judge(status: dict[str, Any]) -> None:
            if not reconciled(status):
                self.breach("P5", f"not reconciled: {status['sessions']['order']} {status['causes']}")

        if not self.w.people.status(judge):
            self.breach("P5", f"life {life} does not serve its control socket")

    def p6(self, m: dict[str, str]) -> None:
        """Killed stays killed, over every restart, until two people rearm."""
        people = self.w.people
        if people.killed_ns or LATCH.exists():
            self.breach("P6", f"{m['35']} {m['11']} after the kill")

    def p6_pulled(self, status: dict[str, Any]) -> None:
        """Of a killed gate nothing works any more, once its lines are whole."""
        if status["posture"] == "KILLED" and status["sessions"]["order"]["up"]:
            live = [o.first for o in self.w.venue.orders.values() if o.live and o.first in self.used]
            if live:
                self.breach("P6", f"killed, and {live} still work")

    def p7(self, status: dict[str, Any]) -> None:
        """What is booked is what the venue executed: each ExecID once, late ones too, none twice."""
        booked = [e for order in status["orders"] for e in order["exec_ids"]]
        if len(booked) != len(set(booked)):
            self.breach("P7", "an execution is booked twice")
        if halted_with_break(status):
            return
        theirs = self.w.venue.executions
        for word, names in (("not", set(theirs) - set(booked)), ("wrongly", set(booked) - set(theirs))):
            if names:
                self.breach("P7", f"{word} booked: {sorted(names)[:5]}")

    def p8(self, silent_since_ns: int) -> None:
        """Prices silent for long: what works has been asked to go. (That nothing new leaves is P4's R06.)"""
        w = self.w
        for order in w.venue.orders.values():
            asked = any(tag in self.used_origs() for tag in (order.id, order.first))
            if order.live and self.departed.get(order.first, w.loop.now_ns) < silent_since_ns and not asked:
                self.breach("P8", f"{order.first} works on, and nobody has asked for it")

    def used_origs(self) -> set[str]:
        """Return what the gate's cancels have named."""
        return {tags_of(raw)["41"] for _, raw in self.w.wire if "\x0135=F\x01" in raw}

    def p9(self, m: dict[str, str]) -> None:
        """After a failed sync nothing new leaves; a full disk takes no order either (then P1 speaks)."""
        if self.failed_sync_life == self.w.lives.number:
            self.breach("P9", f"{m['35']} {m['11']} after a sync that failed")

    def p10(self, wire: list[tuple[int, str]], other: list[tuple[int, str]]) -> None:
        """The same world with a wall clock that jumps: the same messages at the same machine times."""
        if len(wire) != len(other) or any(a[0] != b[0] for a, b in zip(wire, other, strict=False)):
            self.breach("P10", f"a jump of the clock changed the wire: {len(wire)} and {len(other)} messages")

    def p11(self, m: dict[str, str]) -> None:
        """After a storm of rejects nothing new leaves until two people have looked."""
        w = self.w
        if w.people.rearmed != self.rearmed:
            self.rearmed, self.storm_ns = w.people.rearmed, 0
            self.rejects.clear()
        if self.storm_ns and w.loop.now_ns - self.storm_ns > STEPPED_WITHIN:
            self.breach("P11", f"{m['35']} {m['11']} after {len(self.rejects)} rejects")

    def p12(self) -> None:
        """No order is delivered late: from decision to the wire within its age."""
        most = self.w.limits.policy.decision_age_max_ms * MS + STEPPED_WITHIN
        for chain, decided_ns in self.w.trader.decided_of.items():
            left_ns = self.departed.get(chain)
            if left_ns is not None and left_ns - decided_ns > most:
                self.breach("P12", f"{chain} left {(left_ns - decided_ns) // MS} ms after its decision")

    def p13(self, how: str) -> None:
        """Nothing that trader, people or venue do ends the gate. (That they break no limit is P4's.)"""
        disk_fails = self.w.disk.full or self.w.disk.sync_fails
        if self.w.lives.number not in self.expected_deaths and not disk_fails:
            self.breach("P13", f"the gate ended: {how}: {self.printed()}")

    def p14(self, differences: list[str]) -> None:
        """A replay of the journal decides the same and ends in the same state."""
        if differences:
            self.breach("P14", f"{len(differences)} differences: {differences[0][:200]}")

    def p15(self, m: dict[str, str]) -> None:
        """After SIGTERM nothing new leaves."""
        if self.stop_life == self.w.lives.number:
            self.breach("P15", f"{m['35']} {m['11']} after SIGTERM")

    def p15_ended(self, life: int) -> None:
        """Ten seconds after SIGTERM it has ended."""
        if self.w.lives.number == life and self.w.lives.alive:
            self.breach("P15", "it lives on 10 s after SIGTERM")

    def p16(self, m: dict[str, str]) -> None:
        """After an assertion of ours has failed nothing leaves any more."""
        if self.asserted_life == self.w.lives.number:
            self.breach("P16", f"{m['35']} {m['11']} after an assertion failed")

    def p16_survived(self, error: str) -> None:
        """An error of ours is the end of the process."""
        self.breach("P16", f"it lives on after {error[:200]}")

    def printed(self) -> str:
        """Return the last line that the gate printed for a person."""
        return self.w.ground.printed[-1][:300] if self.w.ground.printed else ""

    # --- the end ----------------------------------------------------------------------------------

    def settled(self) -> bool:
        """Return whether a gate whose world was healed has come to a rest."""
        status = self.status = self.w.status()
        if not status:
            return not self.w.lives.alive
        order = status["sessions"]["order"]
        waits = not order["up"] or any(cause.startswith("R61") for cause in status["causes"])
        # A gap whose answer was lost lasts until the line is given up: what came after it waits.
        lines = [side.session for side in self.w.sides.values()]
        gap = order["up"] and any(line.queue or line.end is None for line in lines)
        at_rest = order["state"] != "reconciling" and not gap and (not waits or halted_with_break(status))
        return reconciled(status) and at_rest

    def settle(self) -> None:
        """The world has been healed: judge what is left."""
        status = self.status
        if not status:
            if self.w.lives.alive:
                self.breach("P5", "nobody answers at the control socket")
            return
        if not reconciled(status):
            self.breach("P5", f"never reconciled: {status['sessions']['order']} {status['causes']}")
            return
        self.p3(status)
        self.p7(status)
        self.p6_pulled(status)
        self.p12()


def restates(surprise: dict[str, str], m: dict[str, str]) -> bool:
    """Return whether a report says the quantity that the venue had given an order unasked."""
    return surprise["150"] == "D" and surprise["37"] == m.get("37") and surprise["38"] == m.get("38")


def reconciled(status: dict[str, Any]) -> bool:
    """Return whether a gate trades, or says by name why it does not."""
    named = [c for c in status["causes"] if c not in STATED and "@" not in c and c not in PASSING]
    halted = status["posture"] in ("HALTED", "KILLED") and named
    return status["sessions"]["order"]["state"] == "trading" or bool(halted)


def halted_with_break(status: dict[str, Any]) -> bool:
    """Return whether a gate says that it and the EMS disagree, and trades no more."""
    return status["posture"] in ("HALTED", "KILLED") and bool(status["breaks"])


def law_of_world(world: World) -> Any:
    """Return the limits in the auditor's words; what it would have to know of marks is left out.

    An order that waits for the disk is counted when it is judged: on the wire the waits shift the seconds.
    """
    law = replace(law_of(world.limits), loss_max=None)
    if world.lives.section.durability == "kernel":
        return law
    return replace(
        law,
        per_second=law.per_second + SHIFTED,
        per_second_symbol=law.per_second_symbol + SHIFTED,
        changes_per_second=law.changes_per_second + SHIFTED,
        duplicates=law.duplicates + SHIFTED,
    )
