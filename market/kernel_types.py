"""The argument types of typed kernels: an arena, the record batches of the matching engine, an integer."""

import numba
import numpy as np

from market.matching_events import COMMAND, OUTCOME

INT = numba.int64
ARENA = numba.int64[::1]
COMMANDS = numba.typeof(np.zeros(0, dtype=COMMAND))  # type: ignore[no-untyped-call]
OUTCOMES = numba.typeof(np.zeros(0, dtype=OUTCOME))  # type: ignore[no-untyped-call]
