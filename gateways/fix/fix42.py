"""FIX 4.2 execution reports in the words of 4.4, and those of 4.4 in the words of 4.2.

4.2 tells by ExecTransType(20) what kind of report it is, and by ExecType(150) only what a new one is about:
20=1 takes an execution back, 20=2 corrects one, 20=3 answers a question; a fill is 150=1 or 150=2.
LastShares(32) is LastQty. A guarantee comes as 150=1 with OrdStatus 7 and LastShares that
CumQty does not hold (matrix D37): it is no trade.
"""

from typing import Final

from gateways.fix.wire import SOH

VERSION: Final = "FIX.4.2"
KINDS: Final = {"1": "H", "2": "G", "3": "I"}  # ExecTransType to ExecType of 4.4
TRANS_TYPES: Final = {ours: theirs for theirs, ours in KINDS.items()}
UNKNOWN: Final = frozenset({"AF", "q", "AN"})  # messages that came with 4.3 and 4.4
LATER: Final = frozenset({"584", "911", "912"})  # fields of a report that did
OTHER: Final = {"103": ("012345678", "0"), "102": ("0123", "2")}  # reasons of 4.2, and for all others
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


def told(body: str) -> str:
    """Return a body of 4.4 (8, 9, j) as a counterparty of 4.2 says it."""
    fields = [field.partition("=")[::2] for field in body.split(SOH)[:-1]]
    tags = dict(fields)
    if tags.get("35") == "8":
        kind, status = tags["150"], tags["39"]
        if kind in TRANS_TYPES:
            said = {"20": TRANS_TYPES[kind], "150": status}
        else:
            filled = "2" if status == "2" else "1"
            said = {"20": "0", "150": filled if kind == "F" else kind}
        fields = [(tag, said.pop(tag, value)) for tag, value in fields if tag not in LATER]
        fields += said.items()
    for tag, (known, instead) in OTHER.items():
        fields = [(t, instead if t == tag and value not in known else value) for t, value in fields]
    return "".join(f"{tag}={value}{SOH}" for tag, value in fields)
