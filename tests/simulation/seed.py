"""One seed from beginning to end: `play(seed).found` is empty where every promise held."""

import gc
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daemon.gate.core import GateCore
from daemon.gate.journal import JOURNAL_NAME, replay
from daemon.segments.layout import JournalError
from tests.simulation.checker import Checker
from tests.simulation.gate import STATE
from tests.simulation.loop import SECOND
from tests.simulation.stories import ALONE, FAMILIES, families_of
from tests.simulation.world import Story, World, world

STORY_S: Final = 7.0
HEAL_S: Final = 6.0  # late answers, status requests, a restart
HEALS_MAX: Final = 4  # a logon into a line that was half-open takes ten seconds to be given up
REPLAY_EVERY: Final = 8  # seeds: a replay costs as much as the run
Watch = Callable[[World, Checker], None]


@dataclass
class Outcome:
    """What became of one seed."""

    seed: int
    families: list[str]
    found: list[str]
    digest: str
    lives: int = 0
    messages: int = 0
    calls: int = 0
    seen: dict[str, Any] = field(default_factory=dict)


def play(
    seed: int,
    families: list[str] | None = None,
    *,
    replayed: bool | None = None,
    watch: Watch | None = None,
    finish: Watch | None = None,
) -> Outcome:
    """Play one seed; `families` other than its own may be given; `watch` sees the world before it begins."""
    names = families_of(seed) if families is None else families
    story = Story(" ".join(names) or "calm", STORY_S)
    gc.disable()
    try:
        with world(seed, story, metrics=seed % REPLAY_EVERY == 0) as w:
            c = Checker(w)
            for name in names:
                (FAMILIES | ALONE)[name](w, c, random.Random(f"{seed} {name}"))
            if watch is not None:
                watch(w, c)
            w.live()
            w.heal()
            for _ in range(HEALS_MAX):
                w.run(HEAL_S)
                if c.settled():
                    break
            c.settle()
            if seed % REPLAY_EVERY == 0 if replayed is None else replayed:
                again(w, c)
            if finish is not None:
                finish(w, c)
            return Outcome(seed, names, c.found, w.digest(), w.lives.number, len(w.wire), w.loop.calls)
    finally:
        gc.enable()


def steady(seed: int) -> list[str]:
    """P10: the same world twice, once with a wall clock that jumps; no restart, whose ids carry the time."""
    wires: list[list[tuple[int, str]]] = []
    found: list[str] = []

    def jumps(w: World, c: Checker) -> None:
        for at_s, jump_s in ((3, 7_200), (5, -9_000), (6, 1)) if len(wires) else ():
            w.loop.after(at_s * SECOND, lambda s=jump_s: setattr(w, "skew_ns", w.skew_ns + s * SECOND))

    def keep(w: World, c: Checker) -> None:
        wires.append(list(w.wire))
        if len(wires) == 2:
            c.p10(*wires)
            found.extend(text for text in c.found if text.startswith("P10"))

    for _ in range(2):
        play(seed, [], replayed=False, watch=jumps, finish=keep)
    return found


def again(w: World, c: Checker) -> None:
    """P14: end in order, so that the journal closes with a hash, and step it anew."""
    if w.lives.alive and w.lives.runtime is not None:
        c.expected_deaths.add(w.lives.number)
        w.lives.runtime.stop(15)
        w.run(10.5)
    try:
        c.p14(replay(Path(STATE) / JOURNAL_NAME, GateCore()).differences)
    except JournalError as error:
        c.p14([str(error)])
