"""Which trading day it is at a venue, and in which phase: from a table that ships with the code.

    table = load()                        # CalendarError: one line
    calendar = table.of(instrument)       # by its `calendar`, else by its MIC; an unknown one knows no hour
    now = calendar.phase(ts_ns)           # DayPhase: phase, day, open_ns, close_ns, until_ns

Deny by default: outside the days of the table, and for a venue that is not in it, the phase is UNKNOWN.
Open is inclusive, close exclusive. `24x7` is for what trades always: its day is UTC's. `tape` is for recorded
days of venues that no table covers, on paper alone: any day, with the instrument's own hours.
The table is made by deploy/setup/calendars.py; nothing here knows the time but by what it is told.
"""

import hashlib
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from market.instruments import Instrument, ShortDay, to_ns
from market.types import NS

SHIPPED: Final = Path(__file__).with_name("calendars.json")
ALWAYS: Final = "24x7"
TAPE: Final = "tape"
NEXT_SESSION_DAYS_MAX: Final = 30  # the longest closure of a venue in the table is 11 days
TS_NS_MAX: Final = 2**62  # the year 2116; beyond it is no time
UTC: Final = ZoneInfo("UTC")


class CalendarError(Exception):
    """The table cannot be used: one line."""


class Phase(StrEnum):
    """What a venue does at an instant, as its calendar has it; a halt is the feed's to say."""

    CONTINUOUS = "continuous"
    PRE_OPEN = "before the open"  # of a trading day
    BREAK = "break"  # in the middle of a trading day
    POST_CLOSE = "after the close"  # of a trading day
    CLOSED = "closed"  # no trading day
    UNKNOWN = "not in the calendar"


class DayPhase(msgspec.Struct, frozen=True):
    """Where an instant lies."""

    phase: Phase
    day: str = ""  # trading day, YYYY-MM-DD in the venue's zone; "" where this is none
    open_ns: int = 0  # of the day; where there is none, of the next one
    close_ns: int = 0
    from_ns: int = 0  # this phase holds in [from_ns, until_ns)
    until_ns: int = 0

    @property
    def open(self) -> bool:
        """True in continuous trading."""
        return self.phase is Phase.CONTINUOUS


UNKNOWN: Final = DayPhase(Phase.UNKNOWN)


class DayCalendar(Protocol):
    """What the overlay asks."""

    def phase(self, ts_ns: int) -> DayPhase:
        """Return where an instant lies."""


class Nowhere:
    """A venue that nobody knows: never open."""

    def phase(self, ts_ns: int) -> DayPhase:  # noqa: ARG002  (a DayCalendar)
        """Return UNKNOWN."""
        return UNKNOWN


class Always:
    """No close: one day of UTC follows the other."""

    def __init__(self) -> None:
        self._now = UNKNOWN

    def phase(self, ts_ns: int) -> DayPhase:
        """Return the UTC day."""
        if not self._now.from_ns <= ts_ns < self._now.until_ns:
            if not 0 < ts_ns < TS_NS_MAX:
                return UNKNOWN
            day = day_in(UTC, ts_ns)
            begin, end = midnight(UTC, day), midnight(UTC, day + timedelta(days=1))
            self._now = DayPhase(Phase.CONTINUOUS, day.isoformat(), begin, end, begin, end)
        return self._now


Part = tuple[time, time]


class Rules(msgspec.Struct, frozen=True):
    """One calendar of the table: regular hours and what departs from them."""

    zone: str
    first: date
    last: date
    regular: dict[date, tuple[Part, ...]]  # from this day on
    closed: frozenset[date]
    special: dict[date, tuple[Part, ...]]

    def hours(self, day: date) -> tuple[Part, ...]:
        """Return the parts of a day, none where it is no trading day."""
        if not self.first <= day <= self.last or day in self.closed:
            return ()
        if day in self.special:
            return self.special[day]
        if day.weekday() >= 5:
            return ()
        return max((d, parts) for d, parts in self.regular.items() if d <= day)[1]


class OfVenue:
    """A calendar of the table."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._zone = ZoneInfo(rules.zone)
        self._now = UNKNOWN

    def phase(self, ts_ns: int) -> DayPhase:
        """Return where an instant lies; the last answer is kept while it holds."""
        if not self._now.from_ns <= ts_ns < self._now.until_ns:
            if not 0 < ts_ns < TS_NS_MAX:
                return UNKNOWN
            self._now = self._find(ts_ns)
        return self._now

    def _find(self, ts_ns: int) -> DayPhase:
        day = day_in(self._zone, ts_ns)
        if not self._rules.first <= day <= self._rules.last:
            return UNKNOWN
        parts = self._rules.hours(day)
        begin, end = midnight(self._zone, day), midnight(self._zone, day + timedelta(days=1))
        if not parts:
            open_ns, close_ns = self._next_session(day)
            return DayPhase(Phase.CLOSED, "", open_ns, close_ns, begin, end)
        return phase_of(self._zone, day, parts, ts_ns)

    def _next_session(self, day: date) -> tuple[int, int]:
        for ahead in range(1, NEXT_SESSION_DAYS_MAX):
            later = day + timedelta(days=ahead)
            parts = self._rules.hours(later)
            if parts:
                return at(self._zone, later, parts[0][0]), at(self._zone, later, parts[-1][1])
        return 0, 0


class OfTape:
    """Any day, with an instrument's own hours: recorded days of venues that no table covers."""

    def __init__(self, instrument: Instrument) -> None:
        self._zone = ZoneInfo(instrument.zone)
        self._parts = ((instrument.open, instrument.close),)
        self._now = UNKNOWN

    def phase(self, ts_ns: int) -> DayPhase:
        """Return where an instant lies."""
        if not self._now.from_ns <= ts_ns < self._now.until_ns:
            if not 0 < ts_ns < TS_NS_MAX:
                return UNKNOWN
            self._now = phase_of(self._zone, day_in(self._zone, ts_ns), self._parts, ts_ns)
        return self._now


class Table(msgspec.Struct, frozen=True):
    """Every calendar that ships."""

    source: str
    venues: dict[str, str]  # MIC: name of its calendar
    calendars: dict[str, Rules]
    digest: str = ""

    def of(self, instrument: Instrument) -> DayCalendar:
        """Return the calendar that an instrument follows."""
        name = instrument.calendar or self.venues.get(instrument.mic, "")
        if name == ALWAYS:
            return Always()
        if name == TAPE:
            return OfTape(instrument)
        rules = self.calendars.get(name)
        return OfVenue(rules) if rules is not None else Nowhere()

    def with_short_days(self, instrument: Instrument) -> Instrument:
        """Return an instrument that knows on which days its venue opens later or closes earlier than it."""
        rules = self.calendars.get(instrument.calendar or self.venues.get(instrument.mic, ""))
        if rules is None:
            return instrument
        zone, own, found = ZoneInfo(rules.zone), ZoneInfo(instrument.zone), []
        for day, parts in sorted(rules.special.items()):
            opens, closes = (
                datetime.combine(day, clock, tzinfo=zone).astimezone(own)
                for clock in (parts[0][0], parts[-1][1])
            )
            if opens.date() != day or closes.date() != day:
                continue  # hours across the midnight of another zone are no day of the instrument's
            begin, end = max(opens.time(), instrument.open), min(closes.time(), instrument.close)
            if (begin, end) != (instrument.open, instrument.close) and begin < end:
                found.append(ShortDay(day, begin, end))
        return msgspec.structs.replace(instrument, short_days=tuple(found))

    def for_tape(self, instrument: Instrument, ts_ns: int) -> str:
        """Return the calendar to name for a recorded day: its own, or where none is known, the tape's."""
        return instrument.calendar if self.of(instrument).phase(ts_ns).open else TAPE


def load(path: Path = SHIPPED) -> Table:
    """Read a table.

    Raises:
        CalendarError: it is not there, or not what it must be.

    """
    try:
        text = path.read_bytes()
        table = msgspec.json.decode(text, type=Table)
        for rules in table.calendars.values():
            ZoneInfo(rules.zone)
            if not rules.regular or min(rules.regular) > rules.first:
                raise ValueError("regular hours begin after the first day")
    except (OSError, ValueError, KeyError, msgspec.DecodeError) as error:
        raise CalendarError(f"{path}: not a table of trading calendars: {error}") from None
    return msgspec.structs.replace(table, digest=hashlib.sha256(text).hexdigest())


def may_begin(day: str, current: str, phases: list[DayPhase]) -> str:
    """Return why trading day `day` may not begin after `current`, "" where it may.

    The clock alone rolls no day: the start-of-day procedure names one, and a calendar must agree with it.
    """
    if current and day <= current:
        return f"day {day} is not after {current}"
    days = sorted({p.day for p in phases if p.day})
    if day not in days:
        return f"no calendar of the instruments says that it is {day}; they say {', '.join(days) or 'closed'}"
    return ""


# --- time ---------------------------------------------------------------------------------------


def phase_of(zone: ZoneInfo, day: date, parts: tuple[Part, ...], ts_ns: int) -> DayPhase:
    """Return where an instant lies in a trading day."""
    spans = [(at(zone, day, a), at(zone, day, b)) for a, b in parts]
    open_ns, close_ns = spans[0][0], spans[-1][1]
    edge = midnight(zone, day)
    name, phase = day.isoformat(), Phase.PRE_OPEN
    for begin, end in spans:
        if ts_ns < begin:
            return DayPhase(phase, name, open_ns, close_ns, edge, begin)
        if ts_ns < end:
            return DayPhase(Phase.CONTINUOUS, name, open_ns, close_ns, begin, end)
        edge, phase = end, Phase.BREAK
    return DayPhase(
        Phase.POST_CLOSE, name, open_ns, close_ns, edge, max(edge, midnight(zone, day + timedelta(days=1)))
    )


def day_in(zone: ZoneInfo, ts_ns: int) -> date:
    """Return the date of a zone's clock at a UTC instant."""
    return datetime.fromtimestamp(ts_ns // NS, UTC).astimezone(zone).date()


def midnight(zone: ZoneInfo, day: date) -> int:
    """Return when a day begins."""
    return at(zone, day, time(0, 0))


def at(zone: ZoneInfo, day: date, clock: time) -> int:
    """Return the UTC ns of a clock time on a day."""
    return to_ns(datetime.combine(day, clock, tzinfo=zone))
