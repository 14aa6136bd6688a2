"""How a limit is declared: control, unit, range, which way is tighter, why the shipped value is what it is.

Each function below makes one mandatory key of one unit. Names of keys end in the unit: `_ccy` whole currency
units, `_bp` basis points, `_ms` milliseconds, `_e4` 1e-4 currency units; a plain name is a count.
"""

from typing import Any, Final, Literal

from pydantic import Field

COUNT_MAX: Final = 2**31 - 1  # fits every counterparty's integer
MONEY_MAX: Final = 2**43 - 1  # in micros it still fits 64 bits
POINTS_MAX: Final = 10_000  # 100 %
TIMES_MAX: Final = 1_000_000_000  # 100,000 times: for ratios that may exceed one
DAY_MS_MAX: Final = 86_400_000  # a day: nothing of a trading day is longer

Tightens = Literal["lower", "higher", "true", "false", "fewer", "-"]


def limit(control: str, unit: str, top: int, doc: str, why: str, tightens: Tightens = "lower") -> Any:
    """Return a mandatory whole number from 0 to `top`."""
    told: Any = {"control": control, "unit": unit, "why": why, "tightens": tightens}
    return Field(ge=0, le=top, strict=True, description=doc, json_schema_extra=told)


def count(control: str, doc: str, why: str, tightens: Tightens = "lower", unit: str = "count") -> Any:
    """Return a number of things, or of a unit that no other key has."""
    return limit(control, unit, COUNT_MAX, doc, why, tightens)


def shares(control: str, doc: str, why: str) -> Any:
    """Return units of quantity."""
    return limit(control, "shares", COUNT_MAX, doc, why)


def money(control: str, doc: str, why: str) -> Any:
    """Return whole currency units."""
    return limit(control, "ccy", MONEY_MAX, doc, why)


def points(control: str, doc: str, why: str, tightens: Tightens = "lower") -> Any:
    """Return basis points of something that cannot exceed one."""
    return limit(control, "bp", POINTS_MAX, doc, why, tightens)


def times(control: str, doc: str, why: str, tightens: Tightens = "lower") -> Any:
    """Return basis points of something that can exceed one."""
    return limit(control, "bp", TIMES_MAX, doc, why, tightens)


def millis(control: str, doc: str, why: str, tightens: Tightens = "lower") -> Any:
    """Return milliseconds, a day at most."""
    return limit(control, "ms", DAY_MS_MAX, doc, why, tightens)


def switch(control: str, doc: str, why: str, tightens: Tightens) -> Any:
    """Return yes or no; `tightens` says which of the two is stricter."""
    told: Any = {"control": control, "unit": "yes or no", "why": why, "tightens": tightens}
    return Field(strict=True, description=doc, json_schema_extra=told)


def listed(control: str, doc: str, why: str) -> Any:
    """Return a list of what is allowed."""
    told: Any = {"control": control, "unit": "list", "why": why, "tightens": "fewer"}
    return Field(description=doc, json_schema_extra=told)
