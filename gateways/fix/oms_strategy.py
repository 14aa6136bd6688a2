"""What an OMS may say of how a parent is worked: strategies (847) and their parameters (848, 957)."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from gateways.fix.wire import read_price_e4, read_qty, read_text
from market.types import Benchmark, OrdRejReason

BP: Final = 10_000
SHARE: Final = re.compile(r"[0-9]{0,3}\.?[0-9]{1,18}", re.ASCII)  # no exponent, no sign: FIX has none
GROUP_MAX: Final = 20  # strategy parameters; there are fewer
# TargetStrategy(847): FIX 4.4's own, and 1000 of the range that two sides agree on.
STRATEGIES: Final = {"1": "vwap", "2": "participate", "3": "arrival", "1000": "twap"}
BENCHMARKS: Final = {"vwap": Benchmark.VWAP, "twap": Benchmark.TWAP}
UNSUPPORTED: Final = OrdRejReason.UNSUPPORTED_ORDER_CHARACTERISTIC.value


class Fault(Exception):  # noqa: N818
    """Why a request is refused: its line, and OrdRejReason(103)."""

    def __init__(self, text: str, reason: str = UNSUPPORTED) -> None:
        super().__init__(text)
        self.reason = reason


def parameter_of(name: str, value: str, where: str) -> tuple[str, Any]:
    """Return the field of a parent that a strategy parameter sets, and its value."""
    reader = PARAMETERS.get(name.lower())
    if reader is None:
        raise Fault(f"{where}: parameter {read_text(name[:30])!r} is not supported; {' '.join(PARAMETERS)}")
    field, read_value = reader
    return field, read_value(value, f"{where}: {name}")


def share_bp(text: str, what: str) -> int:
    """Return a FIX Percentage, 0.05 for 5 %, in basis points, exactly."""
    scaled = Decimal(text) * BP if SHARE.fullmatch(text) else Decimal(0)
    if not 0 < scaled <= BP or scaled != scaled.to_integral_value():
        raise Fault(f"{what}={read_text(text[:20])}: above 0, at most 1 (100 %), in steps of 0.0001")
    return int(scaled)


def _whole(text: str, what: str) -> int:
    value = read_qty(text)
    if not value:
        raise Fault(f"{what}: a whole number above 0")
    return value


def _flag(text: str, what: str) -> bool:
    if text not in ("Y", "N"):
        raise Fault(f"{what}: Y or N")
    return text == "Y"


def _price(text: str, what: str) -> int:
    value = read_price_e4(text)
    if not value:
        raise Fault(f"{what}: a price of 4 decimals at most")
    return value


PARAMETERS: Final[dict[str, tuple[str, Callable[[str, str], Any]]]] = {
    "max_participation": ("max_participation_bp", share_bp),
    "min_participation": ("min_participation_bp", share_bp),
    "urgency": ("urgency", _whole),
    "must_complete": ("must_complete", _flag),
    "decision_price": ("decision_price_e4", _price),
    "close_pct": ("close_pct", _whole),
    "i_would_price": ("i_would_price_e4", _price),
    "i_would_qty": ("i_would_qty", _whole),
}
