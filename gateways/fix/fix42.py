"""FIX 4.2 execution reports in the words of 4.4.

4.2 tells by ExecTransType(20) what kind of report it is, and by ExecType(150) only what a new one is about:
20=1 takes an execution back, 20=2 corrects one, 20=3 answers a question; a fill is 150=1 or 150=2.
LastShares(32) is LastQty. A guarantee comes as 150=1 with OrdStatus 7 and LastShares that
CumQty does not hold (matrix D37): it is no trade.
"""

from typing import Final

VERSION: Final = "FIX.4.2"
KINDS: Final = {"1": "H", "2": "G", "3": "I"}  # ExecTransType to ExecType of 4.4
FILLS: Final = frozenset({"1", "2"})
STOPPED: Final = "7"
REPLACED: Final = "5"


def exec_type(tags: dict[str, str]) -> str:
    """Return ExecType(150) as 4.4 has it, "" where 20 or 150 is not of 4.2."""
    kind, said = tags.get("20", ""), tags.get("150", "")
    if kind in KINDS:
        return KINDS[kind]
    if kind != "0" or said in ("F", "G", "H", "I"):
        return ""
    if said in FILLS:
        return STOPPED if _guaranteed(tags) else "F"
    return said


def _guaranteed(tags: dict[str, str]) -> bool:
    """Return whether a fill is only promised: shares that CumQty cannot hold."""
    last, cum = tags.get("32", ""), tags.get("14", "")
    return tags.get("39") == STOPPED and last.isdigit() and cum.isdigit() and int(cum) < int(last)


def ord_status(tags: dict[str, str]) -> str:
    """Return OrdStatus(39) as 4.4 has it: 5 (replaced) was a status once, and some still send it."""
    said = tags.get("39", "")
    if said != REPLACED:
        return said
    if tags.get("151", "").strip("0.") == "":
        return "2" if tags.get("14", "").strip("0.") else "0"
    return "1" if tags.get("14", "").strip("0.") else "0"
