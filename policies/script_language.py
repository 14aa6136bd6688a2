"""The line language of `script:FILE`: when, and what. Strict: what is not understood is refused by line.

    # comment
    at 10:05:00        submit 100 @ bid              once, at a market time of the instrument's zone
    at +5s             cancel all                    that long after the parent began
    every 20ms         submit 1 @ bid-5 ioc          on the first feed read after each period, parents in turn
    every 1s timer     want 200 @ bid                on the clock instead
    on fill            want 100 @ mid                on every fill, ack, end, refuse or touch (it moved)
    on ack 3           replace last 50 @ ask         on the third of them alone
    on decision 10     want none                     on the tenth decision

Actions: `want [SIDE] QTY @ PRICE` (one resting order, kept there by the executor inside the parent's
limits), `want none`, `submit [SIDE] QTY @ PRICE [day|ioc|fok] [postonly]`, `submit [SIDE] QTY market [ioc]`,
`replace first|last|all [QTY] [@ PRICE]`, `cancel first|last|all`. All but `want` go to the gate as they
are, so that every refusal can be reached. SIDE is BUY or SELL, the parent's where it is left out.
PRICE is a number, or bid, ask, mid or last, with +N or -N ticks. QTY of a replace counts CumQty in.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from market.types import PRICE_SCALE, OrdType, Side, TimeInForce

LINES_MAX: Final = 10_000  # a script is written by hand, or by a short program
FILE_BYTES_MAX: Final = 1 << 20  # LINES_MAX lines of a hundred characters
NS: Final = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
QTY_MAX: Final = 10**9  # more shares than any company has traded in a day


class ScriptError(Exception):
    """A script that cannot be used: file:line, what, and what would be right."""


class Trigger(StrEnum):
    """When a line acts."""

    AT = "at"
    AFTER = "after"
    EVERY = "every"
    FILL = "fill"
    ACK = "ack"
    END = "end"
    REFUSE = "refuse"
    TOUCH = "touch"
    DECISION = "decision"


class Verb(StrEnum):
    """What a line does."""

    WANT = "want"
    SUBMIT = "submit"
    REPLACE = "replace"
    CANCEL = "cancel"


EVENTS: Final = ("fill", "ack", "end", "refuse", "touch", "decision")


class PriceTerm(msgspec.Struct, frozen=True):
    """A price, or ticks away from something."""

    anchor: str = ""  # "" = `price_e4` itself
    price_e4: int = 0
    ticks: int = 0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a script."""

    number: int
    trigger: Trigger
    time_ns: int = 0  # AT: since midnight of the zone; AFTER, EVERY: a length
    count: int = 0  # events: the k-th alone; 0 = each
    on_timer: bool = False
    verb: Verb
    side: Side | None = None
    qty: int | None = None
    price: PriceTerm | None = None
    ord_type: OrdType = OrdType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    post_only: bool = False
    target: str = "last"


def load(path: Path) -> tuple[bytes, tuple[Line, ...]]:
    """Read a script; return its bytes and its lines.

    Raises:
        ScriptError: with file:line; the process exits with 78.

    """
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise ScriptError(f"{path}: {size} bytes; a script has at most {FILE_BYTES_MAX}")
        raw = path.read_bytes()
        text = raw.decode()
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScriptError(f"{path}: is not UTF-8 text") from None
    return raw, parse(text, str(path))


def parse(text: str, name: str) -> tuple[Line, ...]:
    """Return the lines of a script's text."""
    rows = text.splitlines()
    if len(rows) > LINES_MAX:
        raise ScriptError(f"{name}: {len(rows)} lines; a script has at most {LINES_MAX}")
    lines = []
    for number, row in enumerate(rows, 1):
        words = row.split("#")[0].split()
        if words:
            try:
                lines.append(parse_line(words, number))
            except ScriptError as error:
                raise ScriptError(f"{name}:{number}: {error}") from None
    if not lines:
        raise ScriptError(f"{name}: holds no line that does something")
    return tuple(lines)


def parse_line(words: list[str], number: int) -> Line:
    """Return one line."""
    head, rest = words[0], words[1:]
    if not " ".join(words).isascii():
        raise ScriptError("only ASCII outside of comments")
    if head == "at":
        trigger, time_ns, rest = parse_at(rest)
        return parse_action(rest, {"number": number, "trigger": trigger, "time_ns": time_ns})
    if head == "every":
        time_ns = length_ns(take(rest, "a length of time"))
        on_timer = len(rest) > 1 and rest[1] == "timer"
        when = {"number": number, "trigger": Trigger.EVERY, "time_ns": time_ns, "on_timer": on_timer}
        return parse_action(rest[2 if on_timer else 1 :], when)
    if head == "on":
        event = take(rest, "an event")
        if event not in EVENTS:
            raise ScriptError(f"no event {event!r}; events are {', '.join(EVENTS)}")
        count = int(rest[1]) if len(rest) > 1 and rest[1].isdigit() else 0
        if len(rest) > 1 and rest[1].isdigit() and not 0 < count <= QTY_MAX:
            raise ScriptError("events are counted from 1")
        when = {"number": number, "trigger": Trigger(event), "count": count}
        return parse_action(rest[2 if count else 1 :], when)
    raise ScriptError(f"a line begins with at, every or on, not {head!r}")


def parse_at(rest: list[str]) -> tuple[Trigger, int, list[str]]:
    """Return what `at` says: a clock time, or a length after the parent's begin."""
    word = take(rest, "a time")
    if word.startswith("+"):
        return Trigger.AFTER, length_ns(word[1:]), rest[1:]
    match = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", word)
    if match is None:
        raise ScriptError(f"{word!r} is neither HH:MM[:SS[.fff]] nor +LENGTH")
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ScriptError(f"{word!r} is not a time of day")
    fraction = int((match[4] or "0").ljust(9, "0"))
    return Trigger.AT, ((hour * 60 + minute) * 60 + second) * NS["s"] + fraction, rest[1:]


def parse_action(words: list[str], when: dict[str, object]) -> Line:
    """Return the line of a trigger and the words of its action."""
    verb = take(words, "an action: want, submit, replace or cancel")
    if verb not in list(Verb):
        raise ScriptError(f"no action {verb!r}; actions are {', '.join(Verb)}")
    what: dict[str, object] = {**when, "verb": Verb(verb)}
    rest = words[1:]
    if verb == Verb.CANCEL:
        what["target"], rest = target(rest), rest[1:]
    elif verb == Verb.REPLACE:
        what["target"], rest = target(rest), rest[1:]
        if rest and rest[0] != "@":
            what["qty"], rest = quantity(rest[0]), rest[1:]
        rest = priced(rest, what) if rest else rest
        if "qty" not in what and "price" not in what:
            raise ScriptError("replace needs a quantity, a price, or both")
    elif rest[:1] == ["none"] and verb == Verb.WANT:
        rest = rest[1:]
    else:
        rest = parse_order(rest, what, submit=verb == Verb.SUBMIT)
    if rest:
        raise ScriptError(f"{' '.join(rest)!r} is too much")
    return msgspec.convert(what, Line)


def parse_order(rest: list[str], what: dict[str, object], submit: bool) -> list[str]:
    """Fill in side, quantity, price and how it is sent; return what is left over."""
    if rest and rest[0] in ("BUY", "SELL"):
        what["side"], rest = Side[rest[0]], rest[1:]
    what["qty"], rest = quantity(take(rest, "a quantity")), rest[1:]
    if submit and rest[:1] == ["market"]:
        what["ord_type"], rest = OrdType.MARKET, rest[1:]
    else:
        rest = priced(rest, what)
    if submit and rest and rest[0] in ("day", "ioc", "fok"):
        what["time_in_force"], rest = TimeInForce[rest[0].upper()], rest[1:]
    if submit and rest[:1] == ["postonly"]:
        what["post_only"], rest = True, rest[1:]
    return rest


def priced(rest: list[str], what: dict[str, object]) -> list[str]:
    """Fill in the price after an @; return what is left over."""
    if rest[:1] != ["@"]:
        raise ScriptError("a price is written as @ PRICE")
    what["price"] = price(take(rest[1:], "a price after @"))
    return rest[2:]


def price(word: str) -> PriceTerm:
    """Return a price term."""
    match = re.fullmatch(r"(bid|ask|mid|last)(?:([+-])(\d{1,6}))?", word)
    if match is not None:
        ticks = int(match[3] or 0)
        return PriceTerm(anchor=match[1], ticks=-ticks if match[2] == "-" else ticks)
    number = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,4}))?", word)
    if number is None:
        raise ScriptError(
            f"{word!r} is no price: a number with up to 4 decimals, or bid, ask, mid, last +-TICKS"
        )
    return PriceTerm(price_e4=int(number[1]) * PRICE_SCALE + int((number[2] or "0").ljust(4, "0")))


def quantity(word: str) -> int:
    """Return a quantity."""
    if not (word.isdigit() and 0 < int(word) <= QTY_MAX):
        raise ScriptError(f"{word!r} is not a quantity from 1 to {QTY_MAX}")
    return int(word)


def target(words: list[str]) -> str:
    """Return which chain of the parent is meant."""
    word = take(words, "first, last or all")
    if word not in ("first", "last", "all"):
        raise ScriptError(f"first, last or all, not {word!r}")
    return word


def length_ns(word: str) -> int:
    """Return a length of time in ns."""
    match = re.fullmatch(r"(\d{1,6})(ms|s|m)", word)
    if match is None or int(match[1]) == 0:
        raise ScriptError(f"{word!r} is no length of time: a number and ms, s or m")
    return int(match[1]) * NS[match[2]]


def take(words: list[str], what: str) -> str:
    """Return the first word."""
    if not words:
        raise ScriptError(f"ends where {what} is due")
    return words[0]
