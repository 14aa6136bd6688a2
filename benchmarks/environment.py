"""Environment steps a second: decisions of many parents at once, in which market, and where the time goes.

    python -m benchmarks.environment [--envs 512] [--threads 2] [--rounds 5] [--scenarios plain small-base]

A step is one decision of one parent: its action through plan, executor, checks and matching, then 5 s of
market time with its public events, observed, up to the next observation; ends and beginnings included.
Actions are any legal one, drawn beforehand from the last mask. Wall and CPU seconds are both taken: on a
shared machine the CPU figure says more. Rounds are interleaved, the median and the best are shown.
"""

import argparse
import statistics
import time

import numpy as np

from policies import state_kernels as k
from research.environment import layout as e
from research.environment.vector import VectorEnv

STEPS = 60  # a round: one episode of five minutes each


def legal(mask: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Draw one of the allowed actions a row."""
    return np.where(mask, chance.random(mask.shape), -1.0).argmax(axis=1)


class Lane:
    """One market with its environments, warmed."""

    def __init__(self, scenario: str, envs: int, threads: int) -> None:
        self.name, self.threads = scenario, threads
        self.env = VectorEnv([scenario], envs, 1, threads=threads)
        self.chance = np.random.default_rng(1)
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.events: list[float] = []
        _, self.mask = self.env.reset()
        self.round()
        self.wall.clear()
        self.cpu.clear()
        self.events.clear()

    def round(self) -> None:
        """Step every environment STEPS times."""
        env = self.env
        wall = cpu = 0.0
        events = counted = 0
        for _ in range(STEPS):
            actions = legal(self.mask, self.chance)
            before = env.world.ints[:, k.EVENTS].copy()
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            _, _, done, self.mask, _ = env.step(actions)
            wall, cpu = wall + time.perf_counter() - wall_s, cpu + time.process_time() - cpu_s
            events += int((env.world.ints[:, k.EVENTS] - before)[~done].sum())
            counted += int((~done).sum())
        self.wall.append(STEPS * env.envs / wall)
        self.cpu.append(STEPS * env.envs / cpu)
        self.events.append(events / counted)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--envs", type=int, default=512)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--scenarios", nargs="+", default=["plain", "small-base", "large-base", "MIDCAP-15"])
    options = p.parse_args()
    lanes = [Lane(name, options.envs, options.threads) for name in options.scenarios]
    for _ in range(options.rounds):
        for lane in lanes:
            lane.round()
    print(f"{options.envs} environments, {options.threads} threads, {options.rounds} rounds of {STEPS} steps")
    print("market | events a step | steps/s wall: median, best | steps per CPU second | us a step, CPU")
    for lane in lanes:
        cpu = statistics.median(lane.cpu)
        print(
            f"{lane.name} | {statistics.median(lane.events):.0f} | {statistics.median(lane.wall):,.0f}, "
            f"{max(lane.wall):,.0f} | {cpu:,.0f} | {1e6 / cpu:.1f}"
        )
        assert lane.env.world.head[:, e.DROPPED].max() == 0, "nothing may be dropped"


if __name__ == "__main__":
    main()
