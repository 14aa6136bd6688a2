"""What one choice of a frozen policy costs, beside the same network in torch, in the same rounds.

    python -m benchmarks.policy [--policy NAME] [--rounds 9] [--calls 20000]

`kernel`: observation to logits to action as the trader calls it, and with the `Decision` that it returns;
`torch eager`: the same weights as nn.Sequential under inference_mode, one thread, observation to logits
alone. Rounds are interleaved; p50 and p99 are of single calls of all rounds, the clock's own cost taken off.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from policies import choose, network
from policies.frozen import ALL_ACTIONS, FrozenPolicy
from policies.manifest import WEIGHTS

TORCH_SHARE = 20  # torch gets so many calls fewer: it is that much slower
Call = Callable[[], Any]


def main() -> None:
    """Measure and print."""
    args = options()
    policy = choose.choose(args.policy)
    assert isinstance(policy, FrozenPolicy), f"{args.policy} is no frozen network"
    weights = load_file(choose.artefact_of(args.policy) / WEIGHTS)
    first, second = weights["w1"].shape[0], weights["w2"].shape[0]
    net = network.arena(weights)
    obs = np.random.default_rng(1).normal(size=weights["w1"].shape[1]).astype(np.float32)
    calls: dict[str, tuple[Call, int]] = {
        "clock": (lambda: None, args.calls),
        "kernel": (lambda: network.act(obs, net, first, second, ALL_ACTIONS), args.calls),
        "kernel, with its Decision": (lambda: policy.act(obs, ALL_ACTIONS), args.calls),
        "torch eager": (eager(weights, obs), max(100, args.calls // TORCH_SHARE)),
    }
    taken: dict[str, list[np.ndarray]] = {name: [] for name in calls}
    for number in range(args.rounds + 1):
        for name, (call, count) in calls.items():
            if number:  # the first round warms
                taken[name].append(timed(call, count))
            else:
                timed(call, 100)
    p50, p99 = ({n: np.percentile(np.concatenate(t), q) for n, t in taken.items()} for q in (50, 99))
    print(f"network {weights['w1'].shape[1]} x {first} x {second} x {weights['w3'].shape[0]}, ns a call")
    for name in calls:
        print(f"{name:26s} p50 {p50[name] - p50['clock']:9,.0f}   p99 {p99[name] - p50['clock']:9,.0f}")
    ratio = (p50["torch eager"] - p50["clock"]) / (p50["kernel"] - p50["clock"])
    print(f"torch eager / kernel: {ratio:.1f}")


def timed(call: Call, count: int) -> np.ndarray:
    """Return what each call took, ns."""
    taken = np.empty(count, dtype=np.int64)
    clock = time.perf_counter_ns
    for i in range(count):
        began = clock()
        call()
        taken[i] = clock() - began
    return taken


def eager(weights: dict[str, np.ndarray], obs: np.ndarray) -> Call:
    """Return the same network in torch."""
    torch.set_num_threads(1)
    layers: list[torch.nn.Module] = []
    for n in (1, 2, 3):
        outputs, inputs = weights[f"w{n}"].shape
        layer = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights[f"w{n}"]))
            layer.bias.copy_(torch.from_numpy(weights[f"b{n}"]))
        layers += [layer, torch.nn.Tanh()]
    net, x = torch.nn.Sequential(*layers[:-1]), torch.from_numpy(obs)

    def call() -> torch.Tensor:
        with torch.inference_mode():
            return net(x)  # type: ignore[no-any-return]

    return call


def options() -> argparse.Namespace:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    p.add_argument("--policy", default="ppo-three-markets", help="a shipped artefact's name, or a folder")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--calls", type=int, default=20_000)
    return p.parse_args()


if __name__ == "__main__":
    main()
