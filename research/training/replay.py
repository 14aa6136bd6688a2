"""What a deep Q network remembers: the last rows of all worlds, in rings, and n-step returns made from them.

A row holds one decision of every environment. A row can be drawn once `n` more rows of the same worlds
are there, so nothing is stored twice. Drawing is uniform, or in proportion to the last error (Schaul et
al. 2016) by a tree of sums.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from market.kernels import kernel
from research.training.learner import Tensors
from research.worlds.world import Actions, Bools, Floats

RINGS: Final = ("obs", "mask", "actions", "rewards", "done", "usable")
PRIORITY_MIN: Final = 1e-3  # nothing is forgotten entirely


class Drawn:
    """A batch: what was seen and done, what n steps paid, what was seen then (void where it had ended)."""

    def __init__(self, size: int, obs_size: int, actions: int) -> None:
        self.slots: NDArray[np.int64] = np.zeros(size, np.int64)
        self.obs: Floats = np.zeros((size, obs_size), np.float32)
        self.actions: NDArray[np.int64] = np.zeros(size, np.int64)
        self.paid: Floats = np.zeros(size, np.float32)
        self.going: Floats = np.zeros(size, np.float32)  # gamma^n, or 0 where the episode had ended
        self.then: Floats = np.zeros((size, obs_size), np.float32)
        self.then_mask: Bools = np.zeros((size, actions), np.bool_)
        self.weights: Floats = np.ones(size, np.float32)


class Replay:
    """Rings over rows; `tree` is there only where drawing follows priorities."""

    def __init__(
        self, rows: int, envs: int, obs_size: int, actions: int, n: int, *, prioritised: float = 0.0
    ) -> None:
        self.rows, self.envs, self.n, self.prioritised = rows, envs, n, prioritised
        self.obs: Floats = np.zeros((rows, envs, obs_size), np.float32)
        self.mask: Bools = np.zeros((rows, envs, actions), np.bool_)
        self.actions: NDArray[np.int64] = np.zeros((rows, envs), np.int64)
        self.rewards: Floats = np.zeros((rows, envs), np.float32)
        self.done: Bools = np.zeros((rows, envs), np.bool_)
        self.usable: Bools = np.zeros(rows, np.bool_)
        self.added = 0
        self.since_cut = 0  # rows of the present worlds
        self.leaves = 1 << (rows * envs - 1).bit_length()
        self.tree: NDArray[np.float64] = np.zeros(2 * self.leaves if prioritised else 0)
        self.highest = 1.0

    def add(self, obs: Floats, mask: Bools, actions: Actions, rewards: Floats, done: Bools) -> None:
        """Remember one decision of every environment; forget the oldest."""
        at = self.added % self.rows
        self.obs[at], self.mask[at], self.actions[at] = obs, mask, actions
        self.rewards[at], self.done[at] = rewards, done
        self.allow(at, allowed=False)
        self.since_cut += 1
        if self.since_cut > self.n:
            self.allow((at - self.n) % self.rows, allowed=True)
        self.added += 1

    def allow(self, row: int, *, allowed: bool) -> None:
        """Let a row be drawn, or not any more."""
        self.usable[row] = allowed
        if self.prioritised:
            slots = np.arange(row * self.envs, (row + 1) * self.envs)
            set_leaves(self.tree, self.leaves, slots, np.full(self.envs, self.highest * allowed))

    def cut(self) -> None:
        """Mark that what comes next is of other worlds."""
        self.since_cut = 0

    def usable_rows(self) -> int:
        """Return how many rows can be drawn from."""
        return int(self.usable.sum())

    def draw(self, chance: np.random.Generator, gamma: float, beta: float, into: Drawn) -> None:
        """Draw a batch. `beta`: how far uneven drawing is made good by weights."""
        size = len(into.slots)
        if self.prioritised:
            total = float(self.tree[1])
            targets = (np.arange(size) + chance.random(size)) * (total / size)
            find_leaves(self.tree, self.leaves, targets, into.slots)
            share = self.tree[self.leaves + into.slots] / total
            weights = (self.usable_rows() * self.envs * share) ** -beta
            into.weights[:] = weights / weights.max()
        else:
            rows = np.flatnonzero(self.usable)
            picked = rows[chance.integers(len(rows), size=size)]
            into.slots[:] = picked * self.envs + chance.integers(self.envs, size=size)
        row, env = np.divmod(into.slots, self.envs)
        then = (row + self.n) % self.rows
        into.obs[:], into.actions[:] = self.obs[row, env], self.actions[row, env]
        into.then[:], into.then_mask[:] = self.obs[then, env], self.mask[then, env]
        n_step(self.rewards, self.done, row, env, self.n, gamma, into.paid, into.going)

    def learnt(self, slots: NDArray[np.int64], errors: NDArray[Any]) -> None:
        """Give what was drawn its new priorities."""
        if self.prioritised:
            priorities = (np.abs(errors).astype(np.float64) + PRIORITY_MIN) ** self.prioritised
            self.highest = max(self.highest, float(priorities.max()))
            usable = self.usable[slots // self.envs]
            set_leaves(self.tree, self.leaves, slots, priorities * usable)

    def save(self) -> Tensors:
        """Return the rings as far as they are filled."""
        filled = min(self.added, self.rows)
        found: Tensors = {f"replay.{name}": getattr(self, name)[:filled] for name in RINGS}
        found["replay.tree"] = self.tree
        found["replay.counts"] = np.array([self.added, self.since_cut], dtype=np.int64)
        found["replay.highest"] = np.array([self.highest])
        return found

    def load(self, tensors: Tensors) -> None:
        """Take the rings of a checkpoint."""
        filled = len(tensors["replay.usable"])
        for name in RINGS:
            getattr(self, name)[:filled] = tensors[f"replay.{name}"]
        self.tree[:] = tensors["replay.tree"]
        self.added, self.since_cut = (int(x) for x in tensors["replay.counts"])
        self.highest = float(tensors["replay.highest"][0])


@kernel
def n_step(rewards: Any, done: Any, row: Any, env: Any, n: int, gamma: float, paid: Any, going: Any) -> None:
    """Write what n steps pay, and the weight of what is seen after them."""
    rows = rewards.shape[0]
    for i in range(row.shape[0]):
        total, weight = 0.0, 1.0
        for k in range(n):
            at = (row[i] + k) % rows
            total += weight * rewards[at, env[i]]
            weight *= gamma
            if done[at, env[i]]:
                weight = 0.0
                break
        paid[i] = total
        going[i] = weight


@kernel
def set_leaves(tree: Any, leaves: int, slots: Any, values: Any) -> None:
    """Set leaves one after the other and mend the sums above them."""
    for i in range(slots.shape[0]):
        node = leaves + slots[i]
        tree[node] = values[i]
        node //= 2
        while node >= 1:
            tree[node] = tree[2 * node] + tree[2 * node + 1]
            node //= 2


@kernel
def find_leaves(tree: Any, leaves: int, targets: Any, slots: Any) -> None:
    """Write the leaf in which each running sum falls; never one of weight 0."""
    for i in range(targets.shape[0]):
        node, left = 1, targets[i]
        while node < leaves:
            node *= 2
            if (left >= tree[node] and tree[node + 1] > 0.0) or tree[node] <= 0.0:
                left -= tree[node]
                node += 1
        slots[i] = node - leaves
