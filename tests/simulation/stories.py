"""What befalls a world: fault families, each a plan drawn from the seed. `story(seed)` mixes one to three."""

import contextlib
import random
from collections.abc import Callable
from typing import Final

from daemon.gate import snapshot_process
from daemon.gate.snapshots import SnapshotError
from daemon.segments.layout import JournalError
from gateways.fix.sessions import DROP_COPY
from tests.simulation.checker import EXIT_WITHIN, RECONCILED_WITHIN, Checker
from tests.simulation.disk import AFTER, BEFORE, TORN
from tests.simulation.gate import STATE
from tests.simulation.loop import MS, SECOND, Died
from tests.simulation.world import World

Family = Callable[[World, Checker, random.Random], None]
RESTART_MS: Final = (200, 3_000)


def at(w: World, rng: random.Random, first_s: float = 1.6) -> int:
    """Return an instant of the story, in ns from now."""
    return rng.randint(int(first_s * SECOND), int(w.story.seconds * SECOND))


def start(w: World, c: Checker, by_hand: bool = False) -> None:
    """Start the gate again, and judge it some time later if its lines are whole meanwhile."""
    if w.lives.alive or (w.lives.exit_code == 78 and not by_hand):
        return
    w.lives.start()
    if w.quiet_lines():
        w.loop.after(RECONCILED_WITHIN, judge_start, w, c, w.lives.number, w.disturbances)


def judge_start(w: World, c: Checker, life: int, disturbances: int) -> None:
    """P5, unless something else befell the lines since."""
    if disturbances == w.disturbances and w.calm:
        c.p5(life)


def end(w: World, c: Checker, how: str, rng: random.Random) -> None:
    """Kill the gate from outside and start it again."""
    if not w.lives.alive:
        return
    c.expected_deaths.add(w.lives.number)
    w.lives.process.die(how)
    w.loop.after(rng.randint(*RESTART_MS) * MS, start, w, c)


# --- lines ------------------------------------------------------------------------------------------


def network(w: World, c: Checker, rng: random.Random) -> None:
    """The order line breaks, stalls, loses messages, cannot be dialled."""
    road = w.roads["order"]
    for _ in range(rng.randint(1, 3)):
        what = rng.choice(("sever", "sever", "stall", "stall", "refuse", "garble"))
        when = at(w, rng)
        w.loop.after(when, w.disturb)
        if what == "sever":
            w.loop.after(when, road.sever)
        elif what == "stall":
            w.loop.after(when, road.stall, rng.choice((300 * MS, 2 * SECOND, 7 * SECOND)))
            if rng.random() < 0.5:
                w.loop.after(when + rng.randint(100 * MS, 3 * SECOND), road.sever)
        elif what == "refuse":
            w.loop.after(when, setattr, road, "passable", False)
            w.loop.after(when, road.sever)
            w.loop.after(when + rng.randint(SECOND, 4 * SECOND), setattr, road, "passable", True)
        else:
            w.loop.after(when, setattr, road, "garble", rng.choice((0.02, 0.2)))
            w.loop.after(when + 2 * SECOND, setattr, road, "garble", 0.0)


def prices(w: World, c: Checker, rng: random.Random) -> None:
    """The price source is silent, crossed, halts, or its line breaks."""
    source, road = w.prices, w.roads["reference"]
    for _ in range(rng.randint(1, 3)):
        what = rng.choice(("silent", "crossed", "halt", "sever", "stall"))
        when = at(w, rng)
        if what == "silent":
            w.loop.after(when, lambda: setattr(source, "silent_until_ns", w.loop.now_ns + 4 * SECOND))
        elif what == "crossed":
            w.loop.after(when, lambda: setattr(source, "crossed_until_ns", w.loop.now_ns + SECOND))
        elif what == "halt":
            w.loop.after(when, source.halt, False)
            w.loop.after(when + 2 * SECOND, source.halt, True)
        elif what == "sever":
            w.loop.after(when, road.sever)
        else:
            w.loop.after(when, road.stall, rng.choice((SECOND, 4 * SECOND)))


def quiet_prices(w: World, c: Checker, rng: random.Random) -> None:
    """Silence for good, with orders at work: they are pulled (P8). Alone in its story."""
    silent_ns = w.loop.now_ns + 4 * SECOND
    w.venue.manners.fill = 0.1
    w.loop.at(silent_ns, w.roads["reference"].stall, 1_000 * SECOND)
    w.loop.at(silent_ns, setattr, w.trader, "until_ns", 2**62)  # nobody else cancels them
    w.loop.at(silent_ns + 9_500 * MS, c.p8, silent_ns)
    w.story.seconds = 14.0


# --- the venue --------------------------------------------------------------------------------------


def manners(w: World, c: Checker, rng: random.Random) -> None:
    """Late, forgetful, repeating, refusing, but honest."""
    m = w.venue.manners
    m.answer_ms = rng.choice(((1, 5), (1, 30), (5, 400), (200, 2_500)))
    m.fill = rng.choice((0.2, 0.6, 0.9))
    m.pending = rng.random() < 0.5
    for name in ("refuse", "refuse_change", "swallow", "silent", "twice", "resend", "late_fill"):
        setattr(m, name, rng.choice((0.0, 0.0, 0.05, 0.3)))
    for name in ("unsolicited", "restate", "business"):
        setattr(m, name, rng.choice((0.0, 0.0, 0.1)))


def takes_back(w: World, c: Checker, rng: random.Random) -> None:
    """Busts and corrections."""
    w.venue.manners.bust, w.venue.manners.correct = rng.choice(((0.1, 0.0), (0.0, 0.1), (0.1, 0.1)))


def venue_down(w: World, c: Checker, rng: random.Random) -> None:
    """The venue restarts, and may cancel what worked."""
    w.venue.manners.cancel_on_disconnect = rng.choice((0.0, 0.5, 1.0))
    for _ in range(rng.randint(1, 2)):
        when = at(w, rng)
        w.loop.after(when, w.disturb)
        w.loop.after(when, w.venue.restart, rng.randint(100 * MS, 3 * SECOND))


def liar(w: World, c: Checker, rng: random.Random) -> None:
    """What no honest EMS does."""
    name = rng.choice(("overfill", "clash", "phantom", "miscount"))
    often = {"phantom": 1.0, "miscount": rng.choice((-1, 1))}
    setattr(w.venue.manners, name, often.get(name, 0.3))


def storm(w: World, c: Checker, rng: random.Random) -> None:
    """It refuses everything for a while."""
    when = at(w, rng, 2.0) // 2
    w.loop.after(when, setattr, w.venue.manners, "refuse", 1.0)
    w.trader.pace_ms = (20, 60)
    w.trader.manner = "greedy"


def numbers(w: World, c: Checker, rng: random.Random) -> None:
    """One side loses its sequence numbers."""
    c.may_break = True
    when = at(w, rng)
    w.loop.after(when, w.disturb)
    if rng.random() < 0.5:
        w.loop.after(when, lambda: setattr(w.venue.session, "next_out", max(1, w.venue.session.next_out - 3)))
    else:
        w.loop.after(when, lambda: setattr(w.venue.session, "next_in", w.venue.session.next_in + 3))
    w.loop.after(when + 200 * MS, w.roads["order"].sever)


def drop_copy(w: World, c: Checker, rng: random.Random) -> None:
    """Each execution comes by a second line, too, which breaks, and stalls for less than R62 allows."""
    w.lives.copied()
    c.copy_may_break = "network" in w.story.name  # an order line that stalls longer is a break, as it must
    c.may_break |= c.copy_may_break
    w.venue.executed = w.second.tell
    road = w.roads[DROP_COPY]
    for _ in range(rng.randint(0, 3)):
        what, when = rng.choice(("sever", "stall", "refuse")), at(w, rng)
        if what == "stall":
            w.loop.after(when, road.stall, rng.choice((300 * MS, SECOND)))
            continue
        w.loop.after(when, road.sever)
        if what == "refuse":
            w.loop.after(when, setattr, road, "passable", False)
            w.loop.after(when + rng.randint(SECOND, 4 * SECOND), setattr, road, "passable", True)


def two_mouths(w: World, c: Checker, rng: random.Random) -> None:
    """A drop copy that leaves executions out, or tells others."""
    w.lives.copied()
    w.venue.executed = w.second.tell
    setattr(w.second, rng.choice(("untold", "invented", "other")), 0.3)


# --- the gate's process and disk ----------------------------------------------------------------------


def crashes(w: World, c: Checker, rng: random.Random) -> None:
    """kill -9 at the n-th boundary of a kind: write, sync, send, callback; again and again."""
    state = {"left": rng.randint(1, 4), "due": 0, "kind": ""}

    def arm() -> None:
        state["kind"] = rng.choice(("write", "write", "fsync", "send", "sent", "callback", "any"))
        state["due"] = rng.choice((1, 2, 5, 20, 60))

    def due(kind: str) -> bool:
        if not state["left"] or state["due"] <= 0 or state["kind"] not in (kind, "any"):
            return False
        state["due"] -= 1
        if state["due"]:
            return False
        state["left"] -= 1
        c.expected_deaths.add(w.lives.number)
        w.loop.after(rng.randint(*RESTART_MS) * MS, start, w, c)
        # Now and then within the very next start: a recovery is killed like anything else.
        soon = rng.random() < 0.4
        w.loop.after(rng.randint(*RESTART_MS) * MS * (not soon) + MS, arm)
        return True

    def boundary(kind: str) -> None:
        if due(kind):
            w.lives.process.die(f"killed at a {kind}")
            raise Died

    def point(kind: str, path: str) -> str:
        return rng.choice((BEFORE, TORN, AFTER)) if due(kind) else ""

    w.boundary, w.disk.point = boundary, point
    w.loop.after(at(w, rng, 0.1) // 2, arm)


def power(w: World, c: Checker, rng: random.Random) -> None:
    """The power goes: what was not synced is cut anywhere; the host is back seconds later."""

    def cut() -> None:
        if not w.lives.alive:
            return
        c.expected_deaths.add(w.lives.number)
        w.lives.process.die("power cut")
        w.disk.power_cut()
        c.may_break = True
        w.ground.boots += 1
        w.disturb()
        w.loop.after(rng.randint(2, 4) * SECOND, start, w, c)

    w.loop.after(at(w, rng), cut)


def full(w: World, c: Checker, rng: random.Random) -> None:
    """The disk fills up, and is emptied again."""
    when = at(w, rng)

    def fill() -> None:
        w.disk.full, w.disk.free_mb = True, rng.choice((0, 10, 60))
        c.expected_deaths.add(w.lives.number)

    def empty() -> None:
        w.disk.full, w.disk.free_mb = False, 10_000
        w.loop.after(100 * MS, start, w, c, True)

    w.loop.after(when, fill)
    w.loop.after(when + rng.randint(SECOND, 4 * SECOND), empty)


def sync_fails(w: World, c: Checker, rng: random.Random) -> None:
    """A sync fails, once: the process must end and never sync again."""
    when = at(w, rng)

    def fail() -> None:
        w.disk.sync_fails = True
        c.expected_deaths.add(w.lives.number)

    def mend() -> None:
        w.disk.sync_fails = False
        if w.lives.alive and c.failed_sync_life == w.lives.number:
            c.breach("P9", "a sync has failed, and the gate lives on")
        start(w, c, by_hand=True)

    w.loop.after(when, fail)
    w.loop.after(when + 1_500 * MS, mend)


def sigterm(w: World, c: Checker, rng: random.Random) -> None:
    """Asked to end, in order."""

    def stop() -> None:
        if not w.lives.ready or w.lives.runtime is None:
            return
        c.stop_life = w.lives.number
        c.expected_deaths.add(w.lives.number)
        w.lives.runtime.stop(15)
        w.loop.after(EXIT_WITHIN, c.p15_ended, w.lives.number)
        w.loop.after(EXIT_WITHIN + 500 * MS, start, w, c)

    w.loop.after(at(w, rng) // 2, stop)


def assertion(w: World, c: Checker, rng: random.Random) -> None:
    """Our own code is wrong, once."""

    def wrong() -> None:
        if not w.lives.alive or w.lives.gate is None:
            return
        c.asserted_life = w.lives.number
        c.expected_deaths.add(w.lives.number)
        core = w.lives.gate._core

        def step(*_: object) -> None:
            raise AssertionError("planted: a state that cannot be")

        core.step = step  # type: ignore[method-assign, assignment]
        w.loop.after(rng.randint(500, 3_000) * MS, restarted, w.lives.number)

    def restarted(life: int) -> None:
        if w.lives.alive and w.lives.number == life:
            c.breach("P16", "an assertion has failed, and the gate lives on")
        start(w, c)

    w.loop.after(at(w, rng), wrong)


def snapshots(w: World, c: Checker, rng: random.Random) -> None:
    """Small segments, and snapshots of them, as their own process makes them, between two deaths."""
    w.segment_bytes = rng.choice((4_000, 20_000))

    def make() -> None:
        gate = w.lives.gate
        if w.lives.ready and gate is not None and w.calm:
            with contextlib.suppress(SnapshotError, JournalError):  # a full disk: its process ends
                snapshot_process.make(STATE, gate._journal.durable_offset)
                snapshot_process.tidy(STATE, 0)
        w.loop.after(rng.randint(300, 2_000) * MS, make)

    w.loop.after(2 * SECOND, make)
    for _ in range(rng.randint(1, 2)):
        w.loop.after(at(w, rng, 2.5), end, w, c, "killed beside a snapshot", rng)


# --- trader, people, clock ----------------------------------------------------------------------------


def trader(w: World, c: Checker, rng: random.Random) -> None:
    """It is greedy or mad; it hangs, dies, is late."""
    w.trader.manner = rng.choice(("good", "greedy", "mad"))
    w.trader.pace_ms = rng.choice(((60, 260), (20, 80)))
    for _ in range(rng.randint(1, 3)):
        when = at(w, rng)
        what = rng.choice(("die", "hang", "late"))
        if what == "die":
            w.loop.after(when, w.trader.die)
        elif what == "hang":
            w.loop.after(when, w.trader.hang, rng.randint(SECOND, 4 * SECOND))
        else:
            w.loop.after(when, setattr, w.trader, "late_ns", 900 * MS)
            w.loop.after(when + SECOND, setattr, w.trader, "late_ns", 50_000)


def people(w: World, c: Checker, rng: random.Random) -> None:
    """Somebody kills; somebody rearms, or not."""
    when = at(w, rng) // 2
    w.venue.manners.fill = 0.2  # something works when it happens
    w.loop.after(when, w.people.kill)
    if rng.random() < 0.5:
        w.loop.after(when + rng.randint(MS, SECOND), end, w, c, "killed after the kill", rng)
    if rng.random() < 0.5:
        w.story.seconds = 20.0
        w.loop.after(when + 2 * SECOND, w.people.rearm)


def clock(w: World, c: Checker, rng: random.Random) -> None:
    """The wall clock jumps."""
    for _ in range(rng.randint(1, 2)):
        jump = rng.choice((-3_600, -5, -1, 1, 90, 1_800)) * SECOND
        w.loop.after(at(w, rng), lambda jump=jump: setattr(w, "skew_ns", w.skew_ns + jump))


FAMILIES: Final[dict[str, Family]] = {
    f.__name__: f
    for f in (network, prices, manners, takes_back, venue_down, drop_copy, crashes, power, full, sync_fails,
              sigterm, assertion, trader, people, clock, snapshots)
}  # fmt: skip
ALONE: Final[dict[str, Family]] = {f.__name__: f for f in (quiet_prices, liar, storm, numbers, two_mouths)}


def families_of(seed: int) -> list[str]:
    """Return what befalls the world of a seed."""
    rng = random.Random(f"families {seed}")
    if seed % 20 == 0:
        return []
    if rng.random() < 0.15:
        return [rng.choice(list(ALONE))]
    names = rng.sample(list(FAMILIES), rng.choice((1, 1, 2, 2, 3)))
    return names if "crashes" in names or rng.random() < 0.6 else [*names, "crashes"]
