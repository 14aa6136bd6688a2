"""A frame of any journal as a person reads it: the gate's, the trader's, and logs of raw FIX.

for event in events(folder, wanted): event.line(), event.fields
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.gate import journal as gate_journal
from daemon.segments.layout import HEADER, JournalError
from daemon.segments.reading import frames, opened, segments
from market.types import NS

FIX: Final = b"8=FIX"
SOH: Final = "\x01"
TEXT_CHARS_MAX: Final = 400  # of a line's fields; --json has all of them


class Event(msgspec.Struct):
    """One frame."""

    number: int
    offset: int
    kind: str
    ts_ns: int  # market time; 0 = not known
    mono_ns: int
    fields: dict[str, Any]

    def line(self) -> str:
        """Return it in a line."""
        moment = clock(self.ts_ns) if self.ts_ns else "--:--:--.------"
        words = " ".join(
            f"{k}={brief(v)}" for k, v in self.fields.items() if v not in (None, "", 0, False, [], {})
        )
        cut = words if len(words) <= TEXT_CHARS_MAX else words[: TEXT_CHARS_MAX - 3] + "..."
        return f"{self.number:>9} {moment} {self.kind:<18} {cut}".rstrip()


class Wanted(msgspec.Struct):
    """What is asked for."""

    kinds: frozenset[str] = frozenset()
    holding: tuple[str, ...] = ()
    since_s: float | None = None  # of the UTC day
    until_s: float | None = None
    first: int = 1

    def takes(self, event: Event) -> bool:
        """Return whether an event is wanted."""
        if self.kinds and event.kind.lower() not in self.kinds:
            return False
        if self.since_s is not None or self.until_s is not None:
            second = event.ts_ns % (86_400 * NS) / NS
            low, high = self.since_s or 0.0, self.until_s if self.until_s is not None else 86_400.0
            if not event.ts_ns or not low <= second <= high:
                return False
        return all(holds(event.fields, text) for text in self.holding)


def holds(value: Any, text: str) -> bool:
    """Return whether a text stands somewhere in a value, as a whole."""
    if isinstance(value, dict):
        return any(holds(v, text) for v in value.values())
    if isinstance(value, list | tuple):
        return any(holds(v, text) for v in value)
    return str(value) == text


def clock(ts_ns: int) -> str:
    """Return a UTC time of day."""
    second, rest = divmod(ts_ns, NS)
    return f"{datetime.fromtimestamp(second, UTC):%H:%M:%S}.{rest // 1000:06d}"


def brief(value: Any) -> str:
    """Return a value without blanks."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def events(folder: Path, wanted: Wanted) -> Iterator[Event]:
    """Yield what is wanted of a journal, in order.

    Raises:
        JournalError: it is not whole, or written by another version.

    """
    name = folder.name
    stamp = (0, 0)
    for segment in segments(folder):
        with opened(segment.path) as view:
            for place, number, payload in frames(segment, view, HEADER.size):
                try:
                    event = read(name, payload, stamp)
                except (msgspec.MsgspecError, ValueError) as error:
                    raise JournalError(f"{segment.path}:{place}: another version's frame: {error}") from None
                event.number, event.offset = number, segment.header.offset + place
                stamp = (event.ts_ns, event.mono_ns)
                if number >= wanted.first and wanted.takes(event):
                    yield event


def read(name: str, payload: bytes, stamp: tuple[int, int]) -> Event:
    """Return the event of a frame of a journal of this name; without a time it has that of the one before."""
    if name == gate_journal.JOURNAL_NAME:
        return of_gate(gate_journal.decode(payload), stamp)
    if payload.startswith(FIX):
        return of_fix(payload.decode("utf-8", "replace"))
    if name.startswith("trader-"):
        return of_trader(payload, stamp)
    return Event(0, 0, "bytes", 0, 0, {"hex": payload.hex()})


def of_gate(frame: gate_journal.Frame, stamp: tuple[int, int]) -> Event:
    """Return an event of the gate's journal."""
    if isinstance(frame, gate_journal.Input):
        fields = msgspec.to_builtins(frame.event)
        kind = fields.pop("type")
        if frame.offset != gate_journal.NOT_INBOUND:
            fields["inbound_offset"] = frame.offset
        if frame.more:
            fields["more"] = True  # it came with the next one
        return Event(0, 0, kind, frame.stamp.ts_ns, frame.stamp.mono_ns, fields)
    if isinstance(frame, gate_journal.Output):
        sent = [{f: getattr(s, f) for f in s.__struct_fields__} for s in frame.sent]
        return Event(0, 0, "Output", *stamp, {"sent": sent})
    return Event(0, 0, "Digest", *stamp, {"state": frame.state})


def of_fix(raw: str) -> Event:
    """Return a raw FIX message."""
    tags = [part.partition("=") for part in raw.split(SOH) if part]
    fields = {tag: value for tag, _, value in tags}
    return Event(0, 0, f"35={fields.get('35', '?')}", 0, 0, fields)


def of_trader(payload: bytes, stamp: tuple[int, int]) -> Event:
    """Return an event of the trader's journal."""
    from daemon.trader import journal as trader_journal  # loads what the gate's journal does not need

    frame = trader_journal.decode(payload)
    kind = type(frame).__name__
    seen = getattr(frame, "stamp", None)
    if seen is not None:
        stamp = (seen.ts_ns, seen.mono_ns)
    if isinstance(frame, trader_journal.Read):
        return Event(0, 0, kind, *stamp, {"first_seq": frame.first_seq, "bytes": len(frame.packets)})
    if isinstance(frame, trader_journal.Input):
        fields = msgspec.to_builtins(frame.event)
        return Event(0, 0, str(fields.pop("type", kind)), *stamp, fields)
    return Event(0, 0, kind, *stamp, dict(msgspec.to_builtins(frame)))
