"""The trader's notation: what we send, what they answer, and how our order then stands, a line each.

    case A.1.a  Filled order
    1   > new X    buy 10000 @ 100.00                = pending_new 0 10000
    2   < new X    10000 0 10000                     = new 0 10000
    3   < trade X  10000 2000 8000  2000 @ 100.00    = partially_filled 2000 8000 avg 100

Time is in tenths of a second since the case began. `>` is ours, asked for by trader or desk; `>>` is ours,
sent by the gate of itself; `<` is theirs; `!` is something that happens. Columns of a report are the
standard's: OrderQty, CumQty, LeavesQty, LastQty @ LastPx. After `=`: OrdStatus, CumQty, LeavesQty as we
hold them, then pairs. `#` begins a comment. `parse` refuses what it does not know, by file and line.

Against a real counterparty prices follow its market (`@ bid-1.00`, `@ ask`), columns may be left out, `<?` is
what may come or not, and `many` is one report or more, until what stands behind `=` holds.
"""

import re
import shlex
from enum import Enum
from typing import Any, Final

import msgspec

from daemon.certify.words import (
    EXPECTED_KEYS,
    GIVEN_KEYS,
    KEYS,
    REPORTS,
    SIDES,
    STATUSES,
    SUPPORT,
    TIFS,
)
from market.types import OrdStatus

LINES_MAX: Final = 2_000  # of a file: a certification of a broker has some hundred
PRICE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?")
PEG: Final = re.compile(r"(bid|ask)(?:([+-])([0-9]{1,6}(?:\.[0-9]{1,4})?))?")
COUNT: Final = re.compile(r"-?[0-9]{1,12}")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}")


class Who(Enum):
    """Whose line it is."""

    OURS = ">"
    GATE = ">>"
    THEIRS = "<"
    MAYBE = "<?"
    EVENT = "!"


class ScriptError(Exception):
    """A file is not in the notation: one line, with file and line number."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """How our order stands after a line; None is not looked at."""

    status: OrdStatus | None = None
    cum_qty: int | None = None
    leaves_qty: int | None = None
    options: dict[str, str] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a case."""

    number: int
    at: int  # tenths of a second since the case began
    who: Who
    verb: str
    status: OrdStatus | None = None  # stated on the wire: `trade/pending_cancel`
    name: str = ""  # of a ClOrdID, bound when we first send it; a quoted one is taken literally
    orig: str = ""
    side: str = ""
    numbers: tuple[int, ...] = ()
    price_e4: int | None = None
    peg: str = ""  # the touch that a price follows: bid or ask; then price_e4 is the distance
    options: dict[str, str] = {}
    expected: Expected | None = None
    text: str = ""  # as it is written


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence, from a clean start."""

    ref: str
    title: str
    given: dict[str, str]
    lines: tuple[Line, ...]
    source: str  # file:line


def parse(text: str, name: str) -> tuple[Case, ...]:
    """Return the cases of a file.

    Raises:
        ScriptError: anything that is not in the notation.

    """
    rows = text.splitlines()
    if len(rows) > LINES_MAX:
        raise ScriptError(f"{name}:{LINES_MAX}: more than {LINES_MAX} lines; cut the file in two")
    cases: list[Case] = []
    for number, row in enumerate(rows, 1):
        try:
            words = _words(row)
            if words:
                _take(cases, words, row, number, f"{name}:{number}")
        except _Fault as fault:
            raise ScriptError(f"{name}:{number}: {fault}") from None
    for case in cases:
        if not case.lines:
            raise ScriptError(f"{case.source}: case {case.ref} has no line")
    if not cases:
        raise ScriptError(f"{name}:1: no case; begin with `case REF title`")
    return tuple(cases)


class _Fault(Exception):  # noqa: N818
    """What is wrong with a line; `parse` says where."""


def _words(row: str) -> list[str]:
    try:
        lexer = shlex.shlex(row, posix=True, punctuation_chars=False)
        lexer.whitespace_split = True
        lexer.commenters = "#"
        lexer.quotes = '"'
        return list(lexer)
    except ValueError:
        raise _Fault("a quote is not closed") from None


def _take(cases: list[Case], words: list[str], row: str, number: int, source: str) -> None:
    if words[0] == "case":
        if len(words) < 3:
            raise _Fault("`case` needs a reference and a title")
        if any(case.ref == words[1] for case in cases):
            raise _Fault(f"case {words[1]} comes twice")
        cases.append(Case(ref=words[1], title=" ".join(words[2:]), given={}, lines=(), source=source))
        return
    if not cases:
        raise _Fault("a line before the first `case`")
    case = cases[-1]
    if words[0] == "given":
        if case.lines:
            raise _Fault("`given` stands before the first line of a case")
        cases[-1] = msgspec.structs.replace(case, given=_given(case, words[1:]))
        return
    line = _line(words, row, number)
    if case.lines and line.at < case.lines[-1].at:
        raise _Fault(f"time goes back, from {case.lines[-1].at} to {line.at}")
    cases[-1] = msgspec.structs.replace(case, lines=(*case.lines, line))


def _given(case: Case, words: list[str]) -> dict[str, str]:
    told = _pairs(words, GIVEN_KEYS)
    for key in ("parent", "start"):
        if not COUNT.fullmatch(told.get(key, "0")):
            raise _Fault(f"{key} {told[key]!r} is not a quantity")
    if told.get("side", "buy") not in SIDES:
        raise _Fault(f"side {told['side']!r}; known: {' '.join(SIDES)}")
    for key in ("without", "needs"):
        for name in filter(None, told.get(key, "").split(",")):
            if name not in SUPPORT:
                raise _Fault(f"{name!r} is nothing that a broker may lack; known: {' '.join(SUPPORT)}")
    return case.given | told


def _line(words: list[str], row: str, number: int) -> Line:
    if not words[0].isdigit() or len(words[0]) > 7:
        raise _Fault(f"a line begins with its time in tenths of a second, not with {words[0]!r}")
    if len(words) < 3:
        raise _Fault("a line has a time, one of > >> < ! and a verb")
    try:
        who = Who(words[1])
    except ValueError:
        raise _Fault(
            f"{words[1]!r} is none of > (ours) >> (the gate's own) < (theirs) <? (perhaps) ! (happens)"
        ) from None
    at = words.index("=") if "=" in words else len(words)
    expected = _expected(words[at + 1 :]) if at < len(words) else None
    verb, _, stated = words[2].partition("/")
    key = f"{who.value[0]}{verb}"
    if key not in KEYS:
        known = " ".join(k[1:] for k in KEYS if k[0] == key[0])
        raise _Fault(f"{verb!r} is not known after {who.value}; known: {known}")
    fields = Fields(words[3:at], KEYS[key])
    status = _status(stated) if stated else None
    return Line(
        number=number,
        at=int(words[0]),
        who=who,
        verb=verb,
        status=status,
        expected=expected,
        text=" ".join(row.partition("#")[0].split()),
        **fields.of(who, verb),
    )


class Fields:
    """The words between verb and `=`, taken from the left."""

    def __init__(self, words: list[str], keys: dict[str, bool]) -> None:
        self.words, self.keys = list(words), keys

    def of(self, who: Who, verb: str) -> dict[str, Any]:
        """Return the fields of a `Line`."""
        if who is Who.EVENT:
            return self._event(verb)
        if verb in ("mass_status", "mass_cancel", "mass_canceled"):
            return {"options": _pairs(self.words, self.keys)}
        fields: dict[str, Any] = {"name": self._name("a ClOrdID")}
        if self.words[:1] == ["of"]:
            del self.words[0]
            fields["orig"] = self._name("the ClOrdID after `of`")
        if who in (Who.THEIRS, Who.MAYBE):
            return fields | self._report(verb)
        if verb in ("replace", "cancel") and "orig" not in fields:
            raise _Fault(f"`{verb} Y of X`: the order that it changes is missing")
        return fields | self._order(verb)

    def _order(self, verb: str) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if verb == "new" and self.words[:1] and self.words[0] in SIDES:
            fields["side"] = self.words.pop(0)
        if verb in ("new", "replace"):
            fields["numbers"] = (self._count("a quantity"),)
            fields |= self._price_or_peg(market=verb == "new")
        fields["options"] = _pairs(self.words, self.keys)
        tif = fields["options"].get("tif") if verb == "new" else None
        if tif is not None and tif not in TIFS:
            raise _Fault(f"tif {tif!r}; known: {' '.join(TIFS)}")
        return fields

    def _report(self, verb: str) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        numbers: list[int] = []
        while verb in REPORTS and self.words and COUNT.fullmatch(self.words[0]) and len(numbers) < 4:
            numbers.append(int(self.words.pop(0)))
        if verb in REPORTS and len(numbers) not in (0, 3, 4):
            raise _Fault("columns are OrderQty CumQty LeavesQty, and LastQty @ LastPx of an execution")
        if self.words[:1] == ["@"]:
            if len(numbers) != 4:
                raise _Fault("`@ price` stands behind LastQty")
            fields["price_e4"] = self._price_after_at(market=False)
        if verb in ("trade", "correct") and numbers and len(numbers) != 4:
            raise _Fault(f"`{verb}` needs OrderQty CumQty LeavesQty LastQty")
        fields["numbers"] = tuple(numbers)
        fields["options"] = _pairs(self.words, self.keys)
        return fields

    def _event(self, verb: str) -> dict[str, Any]:
        if verb == "price":
            prices = tuple(_price(word) for word in self.words)
            if len(prices) != 2:
                raise _Fault("`price` needs bid and ask")
            return {"numbers": prices}
        if verb == "ask":  # a person at the broker is asked: the rest is what to say
            if not self.words:
                raise _Fault("`ask` needs what to ask for")
            return {"options": {"text": " ".join(self.words)}}
        return {"options": _pairs(self.words, self.keys)}

    def _name(self, what: str) -> str:
        if not self.words or not NAME.fullmatch(self.words[0]):
            raise _Fault(f"{what} is missing" if not self.words else f"{self.words[0]!r} is not {what}")
        return self.words.pop(0)

    def _count(self, what: str) -> int:
        if not self.words or not COUNT.fullmatch(self.words[0]):
            raise _Fault(f"{what} is missing" if not self.words else f"{self.words[0]!r} is not {what}")
        return int(self.words.pop(0))

    def _price_or_peg(self, *, market: bool) -> dict[str, Any]:
        peg = PEG.fullmatch(self.words[1]) if self.words[:1] == ["@"] and len(self.words) > 1 else None
        if peg is None:
            return {"price_e4": self._price_after_at(market=market)}
        del self.words[:2]
        distance_e4 = _price(peg[3]) if peg[3] else 0
        return {"peg": peg[1], "price_e4": -distance_e4 if peg[2] == "-" else distance_e4}

    def _price_after_at(self, *, market: bool) -> int | None:
        if market and self.words[:1] == ["market"]:
            del self.words[0]
            return None
        if self.words[:1] != ["@"] or len(self.words) < 2:
            raise _Fault("`@ price` is missing")
        del self.words[0]
        return _price(self.words.pop(0))


def _expected(words: list[str]) -> Expected:
    if not words:
        raise _Fault("nothing after =")
    status = None
    numbers: list[int] = []
    words = list(words)
    if words[0] in STATUSES:
        status = _status(words.pop(0))
        while words and COUNT.fullmatch(words[0]) and len(numbers) < 2:
            numbers.append(int(words.pop(0)))
    options = _pairs(words, EXPECTED_KEYS)
    for key in ("avg",):
        if key in options:
            _price(options[key])
    return Expected(
        status=status,
        cum_qty=numbers[0] if numbers else None,
        leaves_qty=numbers[1] if len(numbers) > 1 else None,
        options=options,
    )


def _pairs(words: list[str], keys: dict[str, bool]) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        key = rest.pop(0)
        if key not in keys:
            raise _Fault(f"{key!r} is not known here; known: {' '.join(keys) or 'nothing'}")
        if key in found:
            raise _Fault(f"{key!r} comes twice")
        if keys[key] and not rest:
            raise _Fault(f"{key!r} needs a value")
        found[key] = rest.pop(0) if keys[key] else "Y"
    return found


def _status(word: str) -> OrdStatus:
    if word not in STATUSES:
        raise _Fault(f"{word!r} is no OrdStatus; known: {' '.join(STATUSES)}")
    return STATUSES[word]


def _price(word: str) -> int:
    if not PRICE.fullmatch(word):
        raise _Fault(f"{word!r} is not a price of at most 4 decimals")
    whole, _, part = word.partition(".")
    return int(whole) * 10_000 + int(part.ljust(4, "0") or 0)
