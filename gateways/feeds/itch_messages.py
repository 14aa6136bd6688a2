"""ITCH 5.0, message by message: every type of the specification by the names of its fields, both ways.

    message = decode(b"H...")            # Message("H", locate, tracking, since_ns, {"stock": "GOOG", ...})
    encode(message) == b"H..."           # the same bytes

For what comes rarely (states, auctions, tests, tools). Books and prints go through the batch decoder of
`gateways.feeds.itch`. Texts lose the blanks at their right and get them back; nothing else is interpreted.
"""

from typing import Final, NamedTuple

HEAD_BYTES: Final = 11  # type, locate, tracking number, nanoseconds since midnight
Field = tuple[str, int, bool]  # name, bytes, True where it is a number


def _fields(text: str) -> tuple[Field, ...]:
    """Read `name:bytes` for numbers and `name/bytes` for texts."""
    out = []
    for part in text.split():
        number = ":" in part
        name, _, size = part.partition(":" if number else "/")
        out.append((name, int(size), number))
    return tuple(out)


LAYOUTS: Final[dict[str, tuple[Field, ...]]] = {
    letter: _fields(text)
    for letter, text in {
        "S": "event/1",
        "R": "stock/8 category/1 financial/1 round_lot:4 round_lots_only/1 class/1 sub_type/2 authenticity/1"
        " short_sale/1 ipo/1 luld_tier/1 etp/1 etp_leverage:4 inverse/1",
        "H": "stock/8 state/1 reserved/1 reason/4",
        "Y": "stock/8 action/1",
        "L": "mpid/4 stock/8 primary/1 mode/1 state/1",
        "V": "level1:8 level2:8 level3:8",
        "W": "level/1",
        "K": "stock/8 release_s:4 qualifier/1 price:4",
        "J": "stock/8 reference:4 upper:4 lower:4 extension:4",
        "h": "stock/8 market/1 action/1",
        "A": "order:8 side/1 shares:4 stock/8 price:4",
        "F": "order:8 side/1 shares:4 stock/8 price:4 attribution/4",
        "E": "order:8 shares:4 match:8",
        "C": "order:8 shares:4 match:8 printable/1 price:4",
        "X": "order:8 shares:4",
        "D": "order:8",
        "U": "order:8 new_order:8 shares:4 price:4",
        "P": "order:8 side/1 shares:4 stock/8 price:4 match:8",
        "Q": "shares:8 stock/8 price:4 match:8 cross/1",
        "B": "match:8",
        "I": "paired:8 imbalance:8 direction/1 stock/8 far:4 near:4 reference:4 cross/1 variation/1",
        "N": "stock/8 interest/1",
        "O": "stock/8 eligible/1 low:4 high:4 near:4 near_ns:8 collar_low:4 collar_high:4",
    }.items()
}
LENGTHS: Final = {k: HEAD_BYTES + sum(size for _, size, _ in fields) for k, fields in LAYOUTS.items()}


class Message(NamedTuple):
    """One message; `fields` as LAYOUTS names them."""

    kind: str
    locate: int
    tracking: int
    since_ns: int  # since midnight of the exchange's zone
    fields: dict[str, int | str]


def decode(raw: bytes) -> Message | None:
    """Return a message; None where its type or length is not of ITCH 5.0, or a text is no ASCII."""
    kind = chr(raw[0]) if raw else ""
    if len(raw) != LENGTHS.get(kind, -1):
        return None
    found: dict[str, int | str] = {}
    at = HEAD_BYTES
    for name, size, number in LAYOUTS[kind]:
        part = raw[at : at + size]
        if number:
            found[name] = int.from_bytes(part, "big")
        elif part.isascii():
            found[name] = part.decode("ascii").rstrip(" ")
        else:
            return None
        at += size
    locate, tracking, since_ns = (int.from_bytes(raw[a:b], "big") for a, b in ((1, 3), (3, 5), (5, 11)))
    return Message(kind, locate, tracking, since_ns, found)


def encode(message: Message) -> bytes:
    """Return the bytes of a message.

    Raises:
        ValueError: a field is missing, unknown, or does not fit.

    """
    layout = LAYOUTS.get(message.kind)
    if layout is None or {name for name, _, _ in layout} != message.fields.keys():
        raise ValueError(f"ITCH {message.kind}: no such type, or not its fields: {sorted(message.fields)}")
    out = [message.kind.encode("ascii")]
    for head, size in ((message.locate, 2), (message.tracking, 2), (message.since_ns, 6)):
        out.append(_number("head", head, size))
    for name, size, number in layout:
        value = message.fields[name]
        out.append(_number(name, value, size) if number else _text(name, value, size))
    return b"".join(out)


def build(kind: str, locate: int, since_ns: int, **fields: int | str) -> bytes:
    """Return the bytes of a message of ours: tracking number 0, since ours is one machine."""
    return encode(Message(kind, locate, 0, since_ns, fields))


def _number(name: str, value: int | str, size: int) -> bytes:
    if not isinstance(value, int) or not 0 <= value < 1 << (8 * size):
        raise ValueError(f"{name} {value!r} is no number of {size} bytes")
    return value.to_bytes(size, "big")


def _text(name: str, value: int | str, size: int) -> bytes:
    if not isinstance(value, str) or not value.isascii() or len(value) > size:
        raise ValueError(f"{name} {value!r} is no ASCII text of {size} letters")
    return value.encode("ascii").ljust(size)
