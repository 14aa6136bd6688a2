"""A seeded ITCH 5.0 day of two symbols, in each way in which such a day lies on a disk.

The messages are packed with `struct` here, apart from the encoder of the venue: what the reader must
understand is written down twice.
"""

import random
import struct

OPEN_NS = 34_200 * 10**9
SYMBOL, LOCATE = "ABCD", 77
OTHER, OTHER_LOCATE = "ZZ.A", 78
MICROSECOND = 1_000


def head(kind: str, locate: int, ns: int) -> bytes:
    """Return the eleven bytes with which every message begins."""
    return struct.pack(">cHH", kind.encode(), locate, 3) + ns.to_bytes(6, "big")


def letters(symbol: str) -> bytes:
    """Return a stock's eight letters."""
    return symbol.encode().ljust(8)


def add(
    locate: int, ns: int, ref: int, side: str, size: int, symbol: str, price: int, mpid: str = ""
) -> bytes:
    """A, or F where there is an attribution."""
    body = struct.pack(">QcI8sI", ref, side.encode(), size, letters(symbol), price)
    return head("F" if mpid else "A", locate, ns) + body + mpid.encode()


def messages(seed: int, steps: int = 300) -> tuple[list[bytes], dict[int, tuple[int, int, int]]]:
    """Return the messages of a day and what stands of SYMBOL at its end: ref -> (side, price, size)."""
    rng = random.Random(seed)
    ns = OPEN_NS
    day = [head("S", 0, 0) + b"O"]
    for at, symbol, locate in ((1, OTHER, OTHER_LOCATE), (2, SYMBOL, LOCATE)):
        day.append(
            head("R", locate, at) + struct.pack(">8sccI14s", letters(symbol), b"Q", b"N", 40, b" " * 14)
        )
        day.append(head("H", locate, at) + letters(symbol) + b"T" + b" " * 5)
        day.append(head("Y", locate, at) + letters(symbol) + b"0")  # nothing about a book: passed over
    day.append(head("Q", LOCATE, OPEN_NS) + struct.pack(">Q8sIQc", 500, letters(SYMBOL), 1_000_000, 9, b"O"))
    day.append(head("Q", LOCATE, OPEN_NS) + struct.pack(">Q8sIQc", 0, letters(SYMBOL), 0, 10, b"I"))
    standing: dict[int, tuple[int, int, int]] = {}
    for n in range(steps):
        ns += rng.randrange(1, 900) * MICROSECOND
        ref = 1_000 + 2 * n
        side = rng.choice((1, -1))
        price = 1_000_000 - side * rng.randrange(1, 8) * 100
        draw = rng.random()
        if draw < 0.5 or len(standing) < 6:
            size = rng.randrange(1, 5) * 100
            mpid = "MAKR" if draw < 0.1 else ""
            day.append(add(LOCATE, ns, ref, "B" if side > 0 else "S", size, SYMBOL, price, mpid))
            standing[ref] = (side, price, size)
        elif draw < 0.55:
            day.append(add(OTHER_LOCATE, ns, ref, "B", 10, OTHER, 50_000))
        else:
            day.append(change(rng, ns, ref, draw, price, standing))
    day.append(head("S", 0, ns) + b"M")
    return day, standing


def change(
    rng: random.Random, ns: int, ref: int, draw: float, price: int, standing: dict[int, tuple[int, int, int]]
) -> bytes:
    """Return a message about an order that stands, or a print."""
    old = rng.choice(list(standing))
    side, at, size = standing[old]
    if draw < 0.65:
        del standing[old]
        return head("D", LOCATE, ns) + struct.pack(">Q", old)
    if draw < 0.72 and size > 50:
        standing[old] = (side, at, size - 50)
        return head("X", LOCATE, ns) + struct.pack(">QI", old, 50)
    if draw < 0.8:
        del standing[old]
        moved = 1_000_000 - side * rng.randrange(1, 8) * 100
        standing[ref] = (side, moved, 300)
        return head("U", LOCATE, ns) + struct.pack(">QQII", old, ref, 300, moved)
    if draw < 0.95:
        part = min(size, rng.randrange(1, 300))
        del standing[old]
        if part < size:
            standing[old] = (side, at, size - part)
        if draw < 0.9:
            return head("E", LOCATE, ns) + struct.pack(">QIQ", old, part, ref)
        printed = b"N" if draw < 0.92 else b"Y"
        return head("C", LOCATE, ns) + struct.pack(">QIQcI", old, part, ref, printed, at + side * 50)
    return head("P", LOCATE, ns) + struct.pack(">QcI8sIQ", 0, b"B", 100, letters(SYMBOL), price, ref)


def binary(day: list[bytes]) -> bytes:
    """Return a BinaryFILE: lengths and messages, a length of zero at the end."""
    return b"".join(struct.pack(">H", len(message)) + message for message in day) + b"\0\0"


PRICE_AT = {"A": 32, "F": 32, "C": 32, "U": 31, "P": 32, "Q": 27}


def itch8(day: list[bytes]) -> bytes:
    """Return the messages with eight bytes of time and prices in cents."""
    made = b""
    for message in day:
        at = PRICE_AT.get(chr(message[0]))
        if at:
            cents = int.from_bytes(message[at : at + 4], "big") // 100
            message = message[:at] + cents.to_bytes(4, "big") + message[at + 4 :]
        long = message[:5] + b"\0\0" + message[5:]
        made += struct.pack(">H", len(long)) + long
    return made


def packet(block: list[bytes], sequence: int, tags: int = 1, session: bytes = b"SESSION001") -> bytes:
    """Return an Ethernet frame with a MoldUDP64 packet."""
    body = b"".join(struct.pack(">H", len(message)) + message for message in block)
    mold = session + struct.pack(">QH", sequence, len(block)) + body
    udp = struct.pack(">HHHH", 1, 2, 8 + len(mold), 0) + mold
    ip = struct.pack(">BBHHHBBH8s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0, b"\0" * 8) + udp
    return b"\1" * 12 + b"\x81\0\0\x8d" * tags + b"\x08\0" + ip


def record(frame: bytes, ns: int, order: str = "<", unit: int = 1, full: int | None = None) -> bytes:
    """Return a packet as a capture holds it."""
    return (
        struct.pack(order + "IIII", ns // 10**9, ns % 10**9 // unit, len(frame), full or len(frame)) + frame
    )


def header(order: str = "<", unit: int = 1) -> bytes:
    """Return the header of a classic capture."""
    magic = 0xA1B23C4D if unit == 1 else 0xA1B2C3D4
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, 1)


def pcap(day: list[bytes], order: str = "<", unit: int = 1, size: int = 7) -> bytes:
    """Return a capture of a whole day, `size` messages in a packet."""
    made = header(order, unit)
    for first in range(0, len(day), size):
        made += record(
            packet(day[first : first + size], first + 1), 1_700_000_000 * 10**9 + first, order, unit
        )
    return made
