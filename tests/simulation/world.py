"""One seed: a gate, its venue, its prices, its trader, its people, and what befalls them."""

import contextlib
import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from daemon.journal import SEGMENT_BYTES, Journal
from gateways.fix.sessions import DROP_COPY, REFERENCE
from risk.limits import Limits
from tests.simulation import quickfix_double
from tests.simulation.disk import Disk
from tests.simulation.fix_session import tags_of
from tests.simulation.gate import PAPER, Lives, make_files
from tests.simulation.ground import Ground
from tests.simulation.loop import MS, SECOND, Loop
from tests.simulation.network import Road
from tests.simulation.people import KEYRING, People
from tests.simulation.prices import Prices
from tests.simulation.second_line import SecondLine
from tests.simulation.trader import Trader
from tests.simulation.venue import Manners, Venue

OPEN_NS: Final = 1_704_207_600_000_000_000  # 2024-01-02 10:00 in New York
MONO_NS: Final = 5_000 * SECOND
NEVER: Final = 2**31 - 1


def law(rng: random.Random) -> Limits:
    """Limits that such a world meets now and then."""
    tree = PAPER.model_dump()
    changes: dict[str, dict[str, Any]] = {
        "order": {"qty_max": rng.choice((300, 700))},
        "exposure": {
            "long_max": rng.choice((3_000, 6_000)),
            "short_max": rng.choice((0, 1_000)),
            "open_orders_max": rng.choice((6, 40)),
            "open_orders_symbol_max": rng.choice((5, 30)),
            "open_notional_max_ccy": rng.choice((60_000, 600_000)),
        },
        "day": {"messages_max": rng.choice((60, 5_000))},
        "rates": {
            "orders_per_second": rng.choice((5, 60)),
            "orders_per_second_symbol": rng.choice((4, 40)),
            "breaches_to_halt": NEVER,
            "duplicates": 6,
            "changes_per_second": rng.choice((3, 40)),
        },
        "rejects": {"count_max": 12},
        "sessions": {"ack_age_max_ms": 1_500, "unacked_max": rng.choice((3, 50)), "queries_max": 5},
        "shorts": {"mark_required": False},
        "policy": {"invalid_to_halt": NEVER, "decision_age_max_ms": 500},
        "market": {"collar_breaches_to_halt": NEVER},
        "resume": {"relapses_max": 100},
    }
    for name, values in changes.items():
        tree[name].update(values)
    return Limits.model_validate(tree)


@dataclass
class Story:
    """What befalls a world: a name, how long it runs, and what is planned."""

    name: str = "calm"
    seconds: float = 12.0
    plan: Callable[["World"], None] = lambda _: None


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, story: Story, folder: Path) -> None:
        self.seed, self.story, self.folder = seed, story, folder
        self.rng = random.Random(f"{seed} {story.name}")
        self.loop = Loop(MONO_NS)
        self.skew_ns = OPEN_NS - MONO_NS
        make = lambda word: random.Random(f"{seed} {story.name} {word}")  # noqa: E731
        self.disk = Disk(make("disk"))
        self.roads = {
            "order": Road(self.loop, make("order road"), (200_000, 3 * MS)),
            REFERENCE: Road(self.loop, make("price road"), (200_000, 3 * MS)),
            DROP_COPY: Road(self.loop, make("copy road"), (200_000, 3 * MS)),
        }
        self.sides: dict[str, Any] = {}
        self.engine: Any = None
        self.limits = law(self.rng)
        self.ground = Ground(self.loop, make("ground"), self.disk, self.wall_ns)
        durability = "disk" if self.rng.random() < 0.25 else "kernel"
        keep_ended_s = (60.0, 0.0, 0.3)[seed % 3]  # a world lasts some seconds: never, at once, after a while
        self.lives = Lives(self.ground, self.limits, durability, keep_ended_s)
        self.venue = Venue(self.loop, make("venue"), self.roads["order"], self.wall_ns)
        self.prices = Prices(self.loop, make("prices"), self.roads[REFERENCE], self.wall_ns)
        self.second = SecondLine(self.loop, make("second line"), self.roads[DROP_COPY], self.wall_ns)
        self.trader = Trader(self.loop, make("trader"), self.lives, self.prices)
        self.people = People(self.loop, make("people"), self.lives, self.market_ns)
        self.boundaries = 0
        self.boundary: Callable[[str], None] = lambda kind: None
        self.left: Callable[[str, dict[str, str]], None] = lambda raw, tags: None
        self.trace = hashlib.blake2b(digest_size=16)
        self.wire: list[tuple[int, str]] = []
        self.look: Callable[[], None] | None = None
        self.delivered: Callable[[str], None] = lambda raw: None
        self.priced: Callable[[str], None] = lambda raw: None
        self.disturbances = 0
        self.segment_bytes = 0  # of the journals; 0 = as they ship
        self.calm = True  # the desk goes on

    @property
    def lies(self) -> int:
        """What no honest broker does."""
        return self.venue.lies + self.second.lies

    def wall_ns(self) -> int:
        """Wall time."""
        return self.loop.now_ns + self.skew_ns

    def market_ns(self) -> int:
        """Market time as it would be had nobody touched the clock: what people mean by a time."""
        return self.loop.now_ns + OPEN_NS - MONO_NS

    def leaves(self, names: tuple[str, str], raw: str) -> None:
        """Bytes of the gate leave: the network's card sees them."""
        if names[0] == "STEADYHAND":
            self.trace.update(f"{self.loop.now_ns} {raw}".encode())
            self.wire.append((self.loop.now_ns, raw))
            self.left(raw, tags_of(raw))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.run(self.loop.now_ns + int(seconds * SECOND), self.look)

    def live(self) -> None:
        """The whole story."""
        if self.segment_bytes:
            Journal.open.__kwdefaults__["segment_bytes"] = self.segment_bytes
        self.lives.start()
        self.loop.after(800 * MS, self._desk)
        self.story.plan(self)
        self.run(self.story.seconds)

    def disturb(self) -> None:
        """Something befalls the order line: what was to be judged soon is not."""
        self.disturbances += 1

    def quiet_lines(self) -> bool:
        """True while a gate that starts now can be expected to reconcile."""
        road, now = self.roads["order"], self.loop.now_ns
        m = self.venue.manners
        honest = not (m.swallow or m.silent or m.refuse_change > 0.1)
        return (
            road.passable
            and not road.garble
            and now >= road.stalled_until_ns
            and self.venue.open
            and (m.answer_ms[1] <= 400 and honest and not self.disk.full)
        )

    def heal(self) -> None:
        """Nothing befalls this world any more, nobody asks for anything new, and what is dead is started."""
        self.calm = False
        self.boundary = lambda kind: None
        self.disk.point = lambda kind, path: ""
        self.disk.full = self.disk.sync_fails = False
        self.disk.free_mb = 10_000
        self.trader.until_ns = 2**62
        for road in self.roads.values():
            road.passable, road.garble, road.stalled_until_ns = True, 0.0, 0
            if road.now is not None:
                road.now.stalled_until_ns = 0
        self.venue.manners = Manners(fill=0.0, cancel_on_disconnect=self.venue.manners.cancel_on_disconnect)
        self.venue.open = self.prices.open = True
        self.prices.silent_until_ns = self.prices.crossed_until_ns = 0
        self.prices.pace_ms = (1_000, 2_000)
        if not self.lives.alive and self.lives.exit_code != 78:
            self.lives.start()

    def _desk(self) -> None:
        if not self.calm:
            return
        rng = self.people.rng
        live = len(self.people.admitted)
        if live < 3 or rng.random() < 0.3:
            self.people.submit()
        elif rng.random() < 0.5:
            self.people.fiddle()
        self.loop.after(rng.randint(300 * MS, 2 * SECOND), self._desk)

    def status(self) -> dict[str, Any]:
        """Ask the gate, as a person would."""
        found: list[dict[str, Any]] = []
        if not self.people.status(found.append):
            return {}
        self.run(0.05)
        return found[0] if found else {}

    def digest(self) -> str:
        """What happened, in one word."""
        for path in sorted(Path("state").rglob("*.seg")):  # signatures are by a key of each gate's own
            self.trace.update(path.read_bytes())
        return self.trace.hexdigest()


@contextlib.contextmanager
def world(seed: int, story: Story, metrics: bool = True) -> Iterator[World]:
    """A world in a folder of its own, on tmpfs where there is one."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="steadyhand-sim-", dir=base))
    before = Path.cwd()
    os.chdir(folder)
    make_files(KEYRING)
    made = World(seed, story, folder)
    quickfix_double.world = made
    made.ground.metrics = metrics
    try:
        with made.ground:
            yield made
            made.loop.close()
    finally:
        Journal.open.__kwdefaults__["segment_bytes"] = SEGMENT_BYTES
        quickfix_double.world = None
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)
