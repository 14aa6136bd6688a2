"""The notation of the conformance lists: one case a block, one thing said or expected a line.

    == a TestRequest is answered            a case and what it claims; `| option` after it
    > 1 112=HELLO                           we send a message: MsgType, fields
    > 1 112=HELLO @seq=+5 @checksum=bad     ... wrong in the named ways (tests.conformance.wire.Slip)
    > D 11={A} +buy 38=100 44=90.00 -59     +buy, +sell, +re stand for the fields that each has
    >> 8=FIX.4.4|9=5|35=0|10=000|           we send these very bytes; | stands for SOH
    < 0 112=HELLO -58                       the next message is this, with these fields and without 58
    < 8 11={A} 37=* 17=>exec                any value; keep the value under a name, {exec} from then on
    <~ 3 45=2                               ... within what comes, others may come before
    .                                       nothing came of it, the session lives: a TestRequest is answered
    x                                       the other side closes
    none                                    nothing comes for a while, where there is no session to ask
    drop                                    we close without a word
    again 141=Y                             we connect once more and log on, with these fields too
    jump 40                                 our next number is 40
    ! buy 100                               the test does something of its own

{A} to {Z} are ClOrdIDs of the case's own, {now} is TransactTime, {seq} our next number, {heard} the last of
the other side, {seq+2} a sum. Lines of # and empty ones say nothing. Options: `raw` begins before the Logon,
`beat` has a HeartBtInt of a second, `deaf` passes over no heartbeat and answers no TestRequest, `gaps` lets
numbers be missed.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from tests.conformance.wire import Slip

COMMON: Final = "1=ACC1 21=1 55=SYN 59=0 60={now} 40=2"
SHORT: Final = {  # later fields of a line replace these
    "+buy": f"{COMMON} 54=1",
    "+sell": f"{COMMON} 54=2",
    "+re": "55=SYN 54=1 6=0",
}
VERBS: Final = (">>", ">", "<~", "<", ".", "x", "none", "drop", "again", "jump", "!")
SLIPS: Final = frozenset(Slip._fields)


class Step(NamedTuple):
    """One line of a case."""

    where: str  # file:line
    verb: str
    msg_type: str = ""
    fields: tuple[tuple[int, str], ...] = ()
    without: tuple[int, ...] = ()
    slip: Slip = Slip()
    raw: str = ""


class Case(NamedTuple):
    """A claim and its lines."""

    name: str
    options: frozenset[str]
    steps: tuple[Step, ...]


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a list.

    Raises:
        ValueError: a line is not of the notation; file and line are named.

    """
    cases: list[Case] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.split(" #", 1)[0].strip()
        where = f"{path.name}:{number}"
        if not text or text.startswith("#"):
            continue
        if text.startswith("=="):
            name, _, options = text[2:].partition("|")
            cases.append(Case(name.strip(), frozenset(options.split()), ()))
            continue
        if not cases:
            raise ValueError(f"{where}: a case begins with ==")
        last = cases[-1]
        cases[-1] = last._replace(steps=(*last.steps, read_step(text, where)))
    names = [case.name for case in cases]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"{path.name}: two cases of one name: {sorted(doubled)}")
    return cases


def read_step(text: str, where: str) -> Step:
    """Return one line read.

    Raises:
        ValueError: it is not of the notation.

    """
    verb, _, rest = text.partition(" ")
    if verb not in VERBS:
        raise ValueError(f"{where}: {verb!r} is none of {' '.join(VERBS)}")
    if verb in (">>", "!", "jump"):
        return Step(where, verb, raw=rest)
    words = re.findall(r'(?:[^\s"]|"[^"]*")+', rest)
    msg_type = words.pop(0) if verb in (">", "<", "<~") else ""
    words = [w for word in words for w in (SHORT[word].split() if word in SHORT else [word])]
    fields: list[tuple[int, str]] = []
    without: list[int] = []
    slips: dict[str, object] = {}
    for word in words:
        key, equals, value = word.replace('"', "").partition("=")
        if key.startswith("@") and key[1:] in SLIPS:
            slips[key[1:]] = slip_value(key[1:], value)
        elif key.startswith("-") and key[1:].isdigit() and not equals:
            without.append(int(key[1:]))
        elif key.isdigit() and equals:
            fields.append((int(key), value))
        else:
            raise ValueError(f"{where}: {word!r} is no field, no -tag and no @slip")
    if any(short in rest for short in SHORT):
        fields = [(tag, value) for tag, value in dict(fields).items() if tag not in without]
    return Step(where, verb, msg_type, tuple(fields), tuple(without), Slip(**slips))  # type: ignore[arg-type]


def slip_value(name: str, text: str) -> object:
    """Return a slip's value as Slip wants it."""
    if name in ("late_s", "length"):
        return int(text)
    if name == "drop":
        return tuple(int(tag) for tag in text.split(","))
    if name == "first":
        tag, _, value = text.partition(":")
        return ((int(tag), value),)
    if name in ("held", "halves"):
        return True
    return text
