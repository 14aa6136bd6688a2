"""Which markets are for what: seeds by purpose, from a hash, so that no two purposes ever share one.

The sets on which a claim is made are frozen: their hash stands here, a test holds it. They are touched once
for each artefact; what is tuned or chosen is tuned and chosen on other purposes.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

SEED_BITS: Final = 62  # a flow's seed is a positive int64
COUNT: Final = 8_192  # of each frozen set

TRAIN: Final = "train"  # what a learner sees
TUNE: Final = "tune"  # what rules are tuned on
SELECT: Final = "select"  # early stopping, choice of the released training seed
HELD_OUT_SEEDS: Final = "T1"
HELD_OUT_REGIMES: Final = "T2"
OTHER_SIMULATORS: Final = "T3"
AA: Final = "A/A"
PURPOSES: Final = (TRAIN, TUNE, SELECT, HELD_OUT_SEEDS, HELD_OUT_REGIMES, OTHER_SIMULATORS, AA)

FROZEN: Final = {
    HELD_OUT_SEEDS: "efd4e16b7493413763e25453c45494692e17675c8c2b4e8796795bd1265dddb7",
    HELD_OUT_REGIMES: "63518a3067da739c43f962f6a585fecedb4e7558ecd84695d0d325d87497bea6",
    OTHER_SIMULATORS: "ac95d08bee8c4c329f15a4959f1c5246124fe970ef8a96679342a07f68aa3ac8",
}


def seeds(purpose: str, count: int, run: int = 0) -> NDArray[np.int64]:
    """Return the first `count` seeds of a purpose; `run` > 0: another set for another training or a check.

    Raises:
        ValueError: the purpose is not known.

    """
    if purpose not in PURPOSES:
        raise ValueError(f"seeds are for one of {', '.join(PURPOSES)}, not {purpose!r}")
    made = np.empty(count, dtype=np.int64)
    for n in range(count):
        digest = hashlib.sha256(f"steadyhand {purpose} {run} {n}".encode()).digest()
        made[n] = int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)
    return made


def digest_of(purpose: str, run: int = 0) -> str:
    """Return the SHA-256 of the whole frozen set of a purpose, as little-endian int64."""
    return hashlib.sha256(seeds(purpose, COUNT, run).astype("<i8").tobytes()).hexdigest()
