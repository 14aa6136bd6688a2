"""Wrong bytes out of right ones: seeded, so that a number names an input."""

import random
from collections.abc import Sequence

LOUD = (0, 1, 0x7F, 0x80, 0xFF, 0x3D, 0x7C, 0x01, 0x0A, 0x2D)  # of numbers, of FIX, of lines
NUMBERS = (
    b"0",
    b"-1",
    b"99999999999999999999",
    b"1e9",
    b"NaN",
    b"0x10",
    b"\xd9\xa1",
    b"1.0",
    b"",
    b" 1",
    b"+1",
)
BYTES_MAX = 4_096
MOVES = 7


def mutated(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Return an input: a right one with a few wounds, seldom noise alone."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(64))
    data = bytearray(rng.choice(corpus))
    for _ in range(1 + int(rng.expovariate(0.7))):
        wound(rng, data, corpus)
    return bytes(data[:BYTES_MAX])


def wound(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    """Change one thing."""
    at = rng.randrange(len(data) + 1)
    move = rng.randrange(MOVES)
    if move == 0 and data:
        data[at % len(data)] ^= 1 << rng.randrange(8)
    elif move == 1 and data:
        data[at % len(data)] = rng.choice(LOUD)
    elif move == 2:
        del data[at : at + 1 + rng.randrange(8)]
    elif move == 3:
        data[at:at] = data[at // 2 : at // 2 + rng.randrange(32)]
    elif move == 4:
        other = rng.choice(corpus)
        begin = rng.randrange(len(other) + 1)
        data[at:at] = other[begin : begin + rng.randrange(64)]
    elif move == 5:
        field(rng, data)
    else:
        del data[at:]


def field(rng: random.Random, data: bytearray) -> None:
    """Put a strange number where a field's value was, if the input has fields."""
    ends = [i for i, byte in enumerate(data) if byte in (0x01, 0x2C, 0x7D)]
    if not ends:
        data += rng.randbytes(3)
        return
    end = rng.choice(ends)
    begin = max(data.rfind(b"=", 0, end), data.rfind(b":", 0, end)) + 1
    data[begin:end] = rng.choice(NUMBERS)
