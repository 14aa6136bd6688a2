"""Kill gate, trader and venue again and again, and hold what is left against the venue's truth.

    python -m tests.kill_sweep.sweep --runs 200 --log sweep.jsonl [--seed 1] [--folder DIR] [--victim NAME]

Each run is one world of its own seed in which some twenty kills happen, alternately at an instant of chance
and at a boundary (tests.kill_sweep.victim), recovery included. In half of the worlds segments and snapshots
are small, so that a life has many, and the process that makes snapshots is killed as well. A boundary that no
life passes is looked for in the end of one (SIGTERM; of the venue: a client that is gone). The log is
cumulative, a line a kill; a sweep that is started again goes on behind the last seed and takes the boundaries
that were met least. The end says what was lost, doubled, breached, and how long recovery took. Exit code 1
where anything was.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.kill_sweep.victim import CALLS, MET, boundaries, passed
from tests.kill_sweep.world import POLL_S, ROOT, Ended, Process, World, stop_in_order

KILLS_A_WORLD: Final = 10
RECONCILED_S_MAX: Final = 5.0  # of the promise; from the start of the process, on a quiet machine
NUMBERS: Final = (1, 1, 2, 3, 5, 8, 13, 40, 100, 300)  # which passage: the first ones are recovery's
VICTIMS: Final = ("gate", "gate", "gate", "trader")  # the venue ends a world: its session is a new one
IN_SMALL: Final = (*VICTIMS, "snapshot", "snapshot")
LOOK_S: Final = 2.0  # of trading, to see what a life passes
LIVE_S: Final = 3.0  # a process that has not met its boundary by then, or sooner, is killed where it stands
HASH_SEEDS: Final = ("0", "1", "4711")
PATIENCE_S: Final = 15.0  # the same for a boundary that was never met

Row = dict[str, Any]
Boundary = tuple[str, str, str]  # victim, call, side


def every_boundary() -> list[Boundary]:
    """Return all of them."""
    return [(name, *each) for name in CALLS for each in boundaries(name)]


class Sweep:
    """Choices, kills, verdicts."""

    def __init__(self, log: Path, folder: Path, victim: str = "", patience_s: float = PATIENCE_S) -> None:
        """`victim`: the only one, where it is named."""
        self.log, self.folder, self.victim, self.patience_s = log, folder, victim, patience_s
        self.rows: list[Row] = (
            [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        )
        self.seen: dict[str, Counter[str]] = {}  # how often a life of a process passed each call, at most
        self.met = Counter(tuple(row["boundary"]) for row in self.rows if row.get("met"))
        self.tried = Counter(tuple(row["boundary"]) for row in self.rows if row.get("boundary"))

    @property
    def next_seed(self) -> int:
        return max((row["seed"] for row in self.rows), default=0) + 1

    def write(self, row: Row) -> None:
        self.rows.append(row)
        with self.log.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def choose(self, rng: random.Random, victim: str) -> Boundary:
        """Return the boundary of a victim that was met least, and tried least of those."""
        mine = [b for b in every_boundary() if b[0] == victim]
        rng.shuffle(mine)
        return min(mine, key=lambda b: (self.met[b], self.tried[b]))

    def number(self, rng: random.Random, boundary: Boundary) -> int:
        """Return at which passage: one that a life reaches, and the first ones, of recovery, most often."""
        return rng.choice([n for n in NUMBERS if n <= max(1, self.seen[boundary[0]][boundary[1]])])

    def look(self, world: World) -> None:
        """Note what the processes have passed so far."""
        for name in CALLS:
            self.seen.setdefault(name, Counter())
            self.seen[name] |= passed(world.counts(name), name)

    def wait(self, rng: random.Random, world: World, process: Process, boundary: Boundary) -> bool:
        """Return whether a process that was started for it has met its boundary; it is dead afterwards."""
        victim, site, _ = boundary
        spare_s = self.patience_s if not self.met[boundary] else rng.uniform(0.3, 1.0) * LIVE_S
        deadline = time.monotonic() + spare_s * (2 if victim == "trader" else 1)
        asked = False
        while (
            not passed(world.counts(victim), victim)[MET] and time.monotonic() < deadline and not process.dead
        ):
            if not (self.seen[victim][site] or asked) and time.monotonic() > deadline - spare_s / 2:
                process.process.send_signal(signal.SIGTERM)
                asked = True
            time.sleep(POLL_S)
        process.kill()
        return bool(passed(world.counts(victim), victim)[MET])

    def world(self, seed: int, kills: int = KILLS_A_WORLD, venue: bool | None = None) -> list[Row]:
        """Live through one world; its rows. The first one shows what the venue passes."""
        rng = random.Random(seed)
        place = self.folder / f"world-{seed}"
        shutil.rmtree(place, ignore_errors=True)
        ends = rng.random() < 0.3 if venue is None else venue
        first = len(self.rows)
        on_disconnect, small = rng.random() < 0.5, self.victim == "snapshot" or rng.random() < 0.5
        world = World(place, seed, on_disconnect=on_disconnect, small=small)
        try:
            if self.seen and (self.victim == "venue" or (ends and rng.random() < 0.8)):
                self.kill_venue(world, rng)
            else:
                self.live(world, rng, kills if self.victim != "venue" else 0, ends)
        finally:
            world.close()
        self.replay(world)
        rows = self.rows[first:]
        if not any(row["problems"] for row in rows):
            shutil.rmtree(place, ignore_errors=True)
        return rows

    def live(self, world: World, rng: random.Random, kills: int, ends: bool) -> None:
        """Start a world, and kill in it."""
        world.start()
        time.sleep(LOOK_S)
        self.look(world)
        for n in range(kills):
            if self.kill(world, rng, n):
                return  # what follows from a broken world proves nothing
        self.last(world, rng, ends)

    # --- one kill -------------------------------------------------------------------------------

    def kill(self, world: World, rng: random.Random, n: int) -> bool:
        """Kill at a random instant; start again, to be killed at a boundary; start again, and compare.

        True: the world is not as it should be.
        """
        victim = self.victim or rng.choice(IN_SMALL if world.small else VICTIMS)
        boundary = self.choose(rng, victim)
        number = self.number(rng, boundary)
        time.sleep(rng.random() * 1.5)
        self.end(world, victim)
        self.write(
            {**head(world, n, "gate" if victim == "snapshot" else victim), "instant": True, "problems": []}
        )
        at = f"{':'.join(boundary)}:{number}"
        process = world.start_trader(at) if victim == "trader" else world.start_gate(at)
        if victim != "trader":
            self.meet_gate(world)
        met = self.wait(rng, world, process, boundary)
        self.look(world)
        self.tried[boundary] += 1
        self.met[boundary] += met
        row = {**head(world, n, victim), "boundary": boundary, "number": number, "met": met}
        self.write({**row, **self.recovered(world, victim)})
        return bool(self.rows[-1]["problems"])

    def meet_gate(self, world: World) -> None:
        """Give a gate that is to die what it needs to live: market time."""
        try:
            world.begin_time()
        except (Ended, TimeoutError):
            return

    def end(self, world: World, victim: str) -> None:
        process = world.trader if victim == "trader" else world.gate  # and its snapshot with it
        assert process is not None
        process.kill()

    def recovered(self, world: World, victim: str) -> Row:
        """Start the victim once more, wait until all is as it should be, and compare."""
        problems: list[str] = []
        if victim == "trader":
            world.start_trader()
        else:
            world.start_gate()
        try:
            took = {}
            if victim != "trader":
                status = world.reconciled()
                took = {name: round(status[name], 3) for name in ("reconciled_s", "quiet_s")}
                if status["breaks"]:
                    problems.append(f"halted: {status['breaks']}")
                if not took["quiet_s"] <= RECONCILED_S_MAX:
                    problems.append(f"reconciled after {took}")
                world.submit()
            world.until(lambda s: s["posture"] == "ACTIVE" and s["trader"]["fit"])
            problems += world.compare()
        except (Ended, TimeoutError, OSError) as error:
            return {"problems": [*problems, f"{type(error).__name__}: {error}"]}
        return {**took, "problems": problems}

    # --- the end of a world ---------------------------------------------------------------------

    def replay(self, world: World) -> None:
        """Step the gate's journal anew under hashes that fall otherwise: same decisions, same state."""
        command = [sys.executable, "-m", "tests.simulation.replay_journals", str(world.folder / "state")]
        said = []
        for seed in HASH_SEEDS:
            environment = os.environ | {"PYTHONHASHSEED": seed}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
            said.append(json.loads(done.stdout)[0] if done.returncode == 0 else {"error": done.stderr[-300:]})
        first = said[0]
        problems = [f"replay: {first}"] if first.get("differences") != [] else []
        problems += [f"replay under {HASH_SEEDS}: {said}"] if any(each != first for each in said) else []
        problems += ["replay: two states"] if first.get("state") != first.get("again") else []
        row = {**head(world, -1, "none"), "replayed": first.get("inputs"), "outputs": first.get("outputs")}
        self.write({**row, "problems": problems})

    def last(self, world: World, rng: random.Random, venue: bool) -> None:
        """Compare every execution; then, in some worlds, kill the venue and see the gate halt."""
        problems = world.compare_all()
        if problems:
            self.write({**head(world, -1, "none"), "problems": problems})
        if venue:
            self.look(world)
            time.sleep(rng.random())
            assert world.venue is not None
            world.venue.kill()
            self.venue_again(world, {**head(world, -1, "venue"), "instant": True})

    def kill_venue(self, world: World, rng: random.Random) -> None:
        """Live in a world whose venue ends at a boundary."""
        boundary = self.choose(rng, "venue")
        number = self.number(rng, boundary)
        began: list[str] = []
        try:
            world.start(f"{':'.join(boundary)}:{number}")
        except (Ended, TimeoutError, OSError, AssertionError) as error:
            began.append(repr(error))  # it ended before anything was handed over
        assert world.venue is not None
        if not (began or self.seen["venue"][boundary[1]]):
            self.end(world, "gate")
        met = world.venue.wait_dead(0.0 if began else 2 * LIVE_S)
        self.look(world)
        world.venue.kill()
        self.tried[boundary] += 1
        self.met[boundary] += met
        row = {**head(world, -1, "venue"), "boundary": boundary, "number": number, "met": met}
        if began:
            self.write({**row, "began": began, "problems": []})
        else:
            self.venue_again(world, row)

    def venue_again(self, world: World, row: Row) -> None:
        """The venue forgot all: the gate must halt and name the break, and send nothing twice."""
        before = world.truth
        before.read()
        world.start_venue()
        assert world.gate is not None
        if world.gate.dead:
            world.start_gate().said("ready")
            world.begin_time()
        began_s = time.monotonic()
        problems = before.breaches
        try:
            status = world.until(lambda s: s["breaks"])
            took = time.monotonic() - began_s
            if not took <= RECONCILED_S_MAX:
                problems.append(f"halted after {took:.1f} s")
            ours = {e for o in world.status("all")["orders"] for e in o["exec_ids"]}
            if invented := ours - set(before.fills):
                problems.append(f"executions of nobody: {sorted(invented)[:5]}")
            row |= {"reconciled_s": round(took, 3), "halted": status["breaks"][:1]}
        except (Ended, TimeoutError, OSError) as error:
            problems.append(f"{type(error).__name__}: {error}")
        self.write({**row, "problems": problems})


def head(world: World, n: int, victim: str) -> Row:
    return {"seed": world.seed, "n": n, "victim": victim, "on_disconnect": world.options["on_disconnect"]}


def summary(rows: list[Row]) -> Iterator[str]:
    """Say what the sweep has found."""
    # Who had not met its boundary was killed where it stood.
    instants = Counter(row["victim"] for row in rows if row.get("instant") or row.get("met") is False)
    met = {tuple(row["boundary"]) for row in rows if row.get("met")}
    tried = {tuple(row["boundary"]) for row in rows if row.get("boundary")}
    took = sorted(row["reconciled_s"] for row in rows if row.get("reconciled_s"))
    quiet = sorted(row["quiet_s"] for row in rows if row.get("quiet_s"))
    problems = [(row["seed"], row["n"], p) for row in rows for p in row["problems"]]
    kills = sum(1 for row in rows if row["victim"] != "none")
    replayed = sum(row.get("replayed") or 0 for row in rows)
    yield f"{len({row['seed'] for row in rows})} worlds, {kills} kills"
    yield f"journals replayed under {len(HASH_SEEDS)} hash seeds: {replayed} inputs"
    yield f"random instants: {dict(instants)}"
    yield f"boundaries met: {len(met)} of {len(tried)} tried, {len(every_boundary())} in all"
    if took:
        yield f"reconciled after: median {took[len(took) // 2]:.2f} s, worst {took[-1]:.2f} s"
    if quiet:
        yield f"on a quiet machine: median {quiet[len(quiet) // 2]:.2f} s, worst {quiet[-1]:.2f} s"
    yield f"problems: {len(problems)}"
    yield from (f"  seed {seed} kill {n}: {text}" for seed, n, text in problems[:20])


def main() -> int:
    """Run the command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--runs", type=int, default=1, help="worlds")
    p.add_argument("--log", type=Path, required=True)
    p.add_argument("--seed", type=int, default=0, help="of the first world; 0: behind the log's last")
    p.add_argument("--folder", type=Path, help="of the worlds; those with a problem are kept")
    p.add_argument("--victim", choices=tuple(CALLS), default="", help="the only one")
    o = p.parse_args()
    stop_in_order()
    sweep = Sweep(o.log, o.folder or Path(tempfile.mkdtemp(prefix="sweep-")), o.victim)
    seed = o.seed or sweep.next_seed
    for number in range(o.runs):
        try:
            sweep.world(seed + number)
        except (Ended, TimeoutError, OSError, AssertionError) as error:
            sweep.write({"seed": seed + number, "n": -1, "victim": "none", "problems": [repr(error)]})
        print(f"world {seed + number}: {len(sweep.rows)} rows", flush=True)
    print("\n".join(summary(sweep.rows)))
    return 1 if any(row["problems"] for row in sweep.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
