"""An outsider's account of a paper run, from its raw FIX logs and published bytes alone.

Imports nothing of the house: what the report says must follow from what went over the wires.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

SOH = "\x01"


@dataclass(frozen=True)
class Message:
    """One raw FIX message with its direction."""

    direction: str
    pairs: tuple[tuple[str, str], ...]

    def get(self, tag: str) -> str | None:
        return next((value for t, value in self.pairs if t == tag), None)

    def __getitem__(self, tag: str) -> str:
        value = self.get(tag)
        assert value is not None, f"no tag {tag} in {self.pairs}"
        return value


def read_log(path: Path) -> list[Message]:
    """Every message of a log, each checked for body length and checksum."""
    messages = []
    for line in path.read_bytes().decode("latin-1").split("\n"):
        if not line:
            continue
        _, direction, raw = line.split(" ", 2)
        check_framing(raw)
        pairs = tuple((f.partition("=")[0], f.partition("=")[2]) for f in raw.split(SOH)[:-1])
        messages.append(Message(direction, pairs))
    return messages


def check_framing(raw: str) -> None:
    assert raw.startswith("8=FIX.4.4" + SOH + "9="), raw[:20]
    body_at = raw.index(SOH, len("8=FIX.4.4" + SOH)) + 1
    length = int(raw[len("8=FIX.4.4" + SOH + "9=") : body_at - 1])
    assert raw[body_at + length :].startswith("10=")
    checksum = sum(raw[: body_at + length].encode("latin-1")) % 256
    assert raw[body_at + length :] == f"10={checksum:03d}{SOH}"


@dataclass
class Account:
    """Fills by ExecID and what follows from them."""

    fills: dict[str, tuple[str, str, int, Decimal]] = field(default_factory=dict)  # chain, side, qty, price
    parent_of: dict[str, str] = field(default_factory=dict)  # chain -> SecondaryClOrdID(526)
    order_qty: dict[str, int] = field(default_factory=dict)
    news: int = 0
    cancels: int = 0
    replaces: int = 0

    def position(self, side_sign: dict[str, int]) -> int:
        return sum(side_sign[side] * qty for _, side, qty, _ in self.fills.values())

    def parent(self, parent_id: str) -> tuple[int, Decimal]:
        """(filled quantity, sum of quantity x price) of a parent."""
        mine = [f for f in self.fills.values() if self.parent_of[f[0]] == parent_id]
        return sum(f[2] for f in mine), sum((f[2] * f[3] for f in mine), Decimal(0))


def account(messages: list[Message], requests: str, reports: str) -> Account:
    """Read a log; `requests` and `reports` say which direction carries which (IN or OUT)."""
    out = Account()
    chain_of: dict[str, str] = {}
    for m in messages:
        kind = m.get("35")
        if m.direction == requests and kind == "D":
            assert m["11"] not in chain_of, f"ClOrdID {m['11']} used twice"
            chain_of[m["11"]] = m["11"]
            out.parent_of[m["11"]] = m.get("526") or ""
            out.order_qty[m["11"]] = int(m["38"])
            out.news += 1
        elif m.direction == requests and kind in ("F", "G"):
            chain_of[m["11"]] = chain_of[m["41"]]
            out.cancels += kind == "F"
            out.replaces += kind == "G"
            if kind == "G":
                chain = chain_of[m["41"]]
                out.order_qty[chain] = max(out.order_qty[chain], int(m["38"]))
        elif m.direction == reports and kind == "8" and m.get("150") == "F":
            chain = chain_of[m["11"]]
            fill = (chain, m["54"], int(m["32"]), Decimal(m["31"]))
            before = out.fills.get(m["17"])
            assert before is None or before == fill, f"ExecID {m['17']} told two stories"
            out.fills[m["17"]] = fill
    return out


def accounts(run: Path) -> tuple[Account, Account]:
    """(the gate's account, the venue's account)."""
    return (
        account(read_log(run / "fix-gate.log"), "OUT", "IN"),
        account(read_log(run / "fix-venue.log"), "IN", "OUT"),
    )
