"""Tabular Q-learning after Nevmyvaka, Feng and Kearns (2006): time x inventory x market variables.

What differs from the paper, and where it is from:
 1. Actions are rows of our table in place of limit prices relative to the touch, with its masks.
 2. The paper tries every action from every state on recorded data, as if it moved nothing. Here orders
    stay in the book and move it, so one action is tried, by chance or greedily (Watkins 1989).
 3. As there, values are resolved from the end of time backwards: a rollout is swept last decision
    first, so that one sweep carries the end's cost to the beginning.
 4. The mean over visits is weighted by 1 / visits^0.7 in place of 1 / visits: early targets were made of
    early values (Even-Dar and Mansour 2003).
 5. A state never visited is answered by the value 0, better than any cost: it is tried.
 6. gamma = 1.
Read top to bottom: Args, QLearning (play, sweep), kernels below.
"""

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.kernels import kernel
from research.training import knobs as k
from research.training.learner import Make, Numbers, Tensors, UsageError, finite, world_seed
from research.worlds.world import Act, Actions, Bools, Floats

CELLS_MAX: Final = 4_000_000  # values in the table: 32 MB
FADING: Final = 0.7  # of the weight of a new target, in powers of the visits
NEVER: Final = -1e18


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dimension of the table: a number of the observation, and where it is cut."""

    column: int
    edges: tuple[float, ...]


class Args(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every knob."""

    axes: tuple[Axis, ...] = ()
    envs: k.Many = 512
    horizon: k.Many = 60  # decisions of each environment in a sweep
    gamma: k.Share = 1.0
    epsilon_first: k.Share = 1.0
    epsilon_last: k.Share = 0.05
    explore: k.Rate = 0.5  # of all steps, over which epsilon falls
    steps: k.Steps = 4_000_000
    seed: k.Seed = 7


class QLearning:
    """A table of values and of visits, and the worlds that it learns in."""

    def __init__(self, args: Args, make: Make) -> None:
        k.fits(args.envs, args.horizon)
        self.args = args
        self.steps, self.episodes = 0, 0
        self._make, self._renewals = make, 0
        self._world = make(world_seed(args.seed, 0))
        self._obs, self._mask = self._world.reset()
        if not self._world.actions:
            raise UsageError("qlearning chooses from a table; continuous actions need --learner ppo")
        self._columns = np.array([axis.column for axis in args.axes], dtype=np.int64)
        self._edges, sizes = packed(args.axes)
        self.states = int(np.prod(sizes)) if len(sizes) else 1
        if not self.states * self._world.actions <= CELLS_MAX:
            raise UsageError(f"a table of {self.states:,} states is too large: fewer axes or edges")
        self._sizes = np.array(sizes, dtype=np.int64)
        self.values: NDArray[np.float64] = np.zeros((self.states, self._world.actions))
        self.visits: NDArray[np.int64] = np.zeros((self.states, self._world.actions), np.int64)
        self._chance = np.random.Generator(np.random.PCG64(world_seed(args.seed, 0, 1_000)))
        rows = (args.horizon + 1, args.envs)
        self._states: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._masks: Bools = np.zeros((*rows, self._world.actions), np.bool_)
        self._taken: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._rewards: Floats = np.zeros(rows, np.float32)
        self._done: Bools = np.zeros(rows, np.bool_)

    def epsilon(self) -> float:
        """Return how often chance decides now."""
        a = self.args
        share = min(1.0, self.steps / (a.explore * a.steps))
        return a.epsilon_first + share * (a.epsilon_last - a.epsilon_first)

    def iterate(self) -> dict[str, float]:
        """Play one rollout and sweep it."""
        a = self.args
        ended = self.play()
        sweep(
            self._states,
            self._masks,
            self._taken,
            self._rewards,
            self._done,
            a.gamma,
            self.values,
            self.visits,
        )
        self.steps += a.horizon * a.envs
        self.episodes += len(ended)
        return {
            "epsilon": self.epsilon(),
            "visited": float((self.visits > 0).any(axis=1).mean()),
            "cost": float(np.mean(ended)) if len(ended) else float("nan"),
        }

    def play(self) -> NDArray[np.float64]:
        """Fill the rollout; return the costs of the episodes that ended."""
        a, ended = self.args, []
        epsilon = self.epsilon()
        for t in range(a.horizon):
            self._masks[t] = self._mask
            dice = self._chance.random((a.envs, self._mask.shape[1] + 1))
            self.look(self._obs, self._states[t])
            choose(self.values, self._states[t], self._mask, dice, epsilon, self._taken[t])
            self._obs, reward, done, self._mask, infos = self._world.step(self._taken[t].copy())
            self._rewards[t], self._done[t] = reward, done
            ended.append(infos["cost"])
        finite(self._obs, self._rewards, self.steps)
        self._masks[-1] = self._mask
        self.look(self._obs, self._states[-1])
        return np.concatenate(ended)

    def look(self, obs: Floats, states: NDArray[np.int64]) -> None:
        """Write the row of the table for each observation."""
        locate(obs, self._columns, self._edges, self._sizes, states)

    def greedy(self) -> Act:
        """Return the action of the highest value."""

        def act(obs: Floats, mask: Bools) -> Actions:
            states = np.zeros(len(obs), np.int64)
            taken = np.zeros(len(obs), np.int64)
            self.look(obs, states)
            choose(self.values, states, mask, np.ones((len(obs), mask.shape[1] + 1)), 0.0, taken)
            return taken

        return act

    def renew(self) -> None:
        """Begin new worlds."""
        self._renewals += 1
        self._world = self._make(world_seed(self.args.seed, self._renewals))
        self._obs, self._mask = self._world.reset()

    def save(self) -> tuple[Tensors, Numbers]:
        """Return the table and the state of chance."""
        numbers: Numbers = {"steps": self.steps, "episodes": self.episodes, "renewals": self._renewals}
        numbers["chance"] = self._chance.bit_generator.state
        return {"values": self.values, "visits": self.visits}, numbers

    def load(self, tensors: Tensors, numbers: Numbers) -> None:
        """Go on from what `save` returned."""
        self.values[:], self.visits[:] = tensors["values"], tensors["visits"]
        self._chance.bit_generator.state = numbers["chance"]
        self.steps, self.episodes = numbers["steps"], numbers["episodes"]
        self._renewals = numbers["renewals"]
        self.renew()

    def policy(self) -> Tensors:
        """There is no network to freeze: a table is for comparison."""
        return {}


def packed(axes: tuple[Axis, ...]) -> tuple[NDArray[np.float64], list[int]]:
    """Return the edges as rows of one array, filled up with infinity, and the cells of each axis."""
    width = max((len(axis.edges) for axis in axes), default=0)
    edges = np.full((len(axes), width), np.inf)
    for row, axis in zip(edges, axes, strict=True):
        row[: len(axis.edges)] = axis.edges
    return edges, [len(axis.edges) + 1 for axis in axes]


@kernel
def locate(obs: Any, columns: Any, edges: Any, sizes: Any, out: Any) -> None:
    """Write the cell of each observation: a number at an edge is above it."""
    for env in range(obs.shape[0]):
        cell = 0
        for axis in range(columns.shape[0]):
            x = obs[env, columns[axis]]
            bin_ = 0
            for edge in range(edges.shape[1]):
                bin_ += x >= edges[axis, edge]
            cell = cell * sizes[axis] + bin_
        out[env] = cell


@kernel
def choose(values: Any, states: Any, mask: Any, dice: Any, epsilon: float, out: Any) -> None:
    """Write the best allowed action of each state, or where chance says so an allowed one at random."""
    for env in range(states.shape[0]):
        random = dice[env, 0] < epsilon
        best, at = NEVER, 0
        for action in range(mask.shape[1]):
            if mask[env, action]:
                score = dice[env, 1 + action] if random else values[states[env], action]
                if score > best:
                    best, at = score, action
        out[env] = at


@kernel
def sweep(
    states: Any, masks: Any, taken: Any, rewards: Any, done: Any, gamma: float, values: Any, visits: Any
) -> None:
    """Move each value towards what its action brought, the last decisions first."""
    steps = states.shape[0] - 1
    for t in range(steps - 1, -1, -1):
        for env in range(states.shape[1]):
            target = float(rewards[t, env])
            if not done[t, env]:
                then = states[t + 1, env]
                best = NEVER
                for action in range(masks.shape[2]):
                    if masks[t + 1, env, action]:
                        best = max(best, values[then, action])
                target += gamma * best
            state, action = states[t, env], taken[t, env]
            visits[state, action] += 1
            weight = 1.0 / visits[state, action] ** FADING
            values[state, action] += weight * (target - values[state, action])
