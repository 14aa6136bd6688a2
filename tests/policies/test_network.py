"""The kernel of the forward pass: sums in order, tanh rounded once, to the bit."""

import math

import numpy as np
import pytest

from policies import network

SIZES = (7, 5, 6, 3)  # inputs that are no multiple of four, two hidden layers, outputs


def made(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {f"w{n}": (SIZES[n], SIZES[n - 1]) for n in (1, 2, 3)} | {
        f"b{n}": (SIZES[n],) for n in (1, 2, 3)
    }
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return weights, rng.normal(size=SIZES[0]).astype(np.float32)


def plain(weights: dict[str, np.ndarray], obs: np.ndarray) -> np.ndarray:
    """Run the network one sum after the other."""
    x = obs
    for n in (1, 2, 3):
        out = weights[f"b{n}"].copy()
        for row in range(len(out)):
            for column in range(len(x)):
                out[row] += np.float32(weights[f"w{n}"][row, column] * x[column])
        x = np.array([math.tanh(float(v)) for v in out], dtype=np.float32) if n < 3 else out
    return x


@pytest.mark.parametrize("seed", range(20))
def test_logits_are_those_of_one_sum_after_the_other(seed: int) -> None:
    weights, obs = made(seed)
    net = network.arena(weights)

    outputs = network.forward(obs, net, SIZES[1], SIZES[2])

    assert outputs == SIZES[3]
    assert net[-outputs:].tobytes() == plain(weights, obs).tobytes()


def test_tanh_is_the_librarys_rounded_once() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [
            rng.normal(size=100_000).astype(np.float32) * 3,
            (10.0 ** rng.uniform(-40, 3, 100_000)).astype(np.float32),
            np.array([0.0, -0.0, np.inf, -np.inf, 9.5, -9.5, 1e-45], dtype=np.float32),
        ]
    )
    due = np.array([math.tanh(float(v)) for v in x], dtype=np.float32)

    network.squash(x)

    assert (x == due).all()


def test_what_is_no_number_stays_none() -> None:
    x = np.array([np.nan, 1.0], dtype=np.float32)

    network.squash(x)

    assert np.isnan(x[0])
    assert x[1] == np.float32(math.tanh(1.0))
