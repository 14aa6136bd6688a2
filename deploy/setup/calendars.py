"""Write risk/calendars.json from the package exchange-calendars, so that the gate needs no pandas.

    python -m venv /some/where && /some/where/bin/pip install exchange-calendars==4.13.2
    /some/where/bin/python deploy/setup/calendars.py

Not part of `make docs`: a new table is a change of what may trade, made by a person, read as a
diff and tested. Each calendar is said as a rule (dated regular hours) and what departs from it (days
that are closed, days with other hours); before it is written every session is built again from
that and held against the package.
"""

import json
import sys
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import exchange_calendars
import pandas as pd

TARGET: Final = Path(__file__).resolve().parents[2] / "risk" / "calendars.json"
FIRST: Final = "2010-01-04"  # recorded days are replayed under the calendar of their time
LAST: Final = "2027-12-31"  # an early close may still be announced: write the table again each quarter
# The calendar of a venue; MICs of one group follow one calendar.
VENUES: Final = {
    "XNYS": ["XNYS", "XNAS", "XASE", "ARCX", "BATS", "BATY", "EDGA", "EDGX", "IEXG", "MEMX", "XBOS", "XPHL"],
    "XLON": ["XLON"],
    "XPAR": ["XPAR", "XAMS", "XBRU", "XLIS"],
    "XETR": ["XETR"],
    "XSWX": ["XSWX"],
    "XTSE": ["XTSE"],
    "XTKS": ["XTKS"],
    "XHKG": ["XHKG"],
}
# ISO 10383 knows XXXX as "no market": what trades there (crypto) trades always, its day is UTC's.
ALWAYS: Final = ["XXXX"]
AHEAD: Final = 40  # sessions that most of must keep hours that are called regular
Hours = tuple[tuple[str, str], ...]  # parts of a day, in the zone's clock; a lunch break makes two


def main() -> int:
    """Write the table and say what is in it."""
    calendars = {name: describe(name) for name in VENUES}
    venues = {mic: name for name, mics in VENUES.items() for mic in mics} | dict.fromkeys(ALWAYS, "24x7")
    table = {
        "source": f"exchange-calendars {version('exchange-calendars')}",
        "venues": venues,
        "calendars": calendars,
    }
    TARGET.write_text(compact(table))
    for name, found in calendars.items():
        kinds = ", ".join(f"{len(found[key])} {key}" for key in ("regular", "closed", "special"))
        print(f"{name} {found['first']} to {found['last']}: {kinds}")
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
    return 0


def describe(name: str) -> dict[str, Any]:
    """Return one calendar as a rule and its exceptions, held against the package day by day."""
    kind = exchange_calendars.get_calendar(name)
    bound = kind.bound_max()
    last = min(pd.Timestamp(LAST), bound) if bound is not None else pd.Timestamp(LAST)
    calendar = exchange_calendars.get_calendar(name, start=FIRST, end=last)
    sessions = {s.date(): hours(calendar, s) for s in calendar.sessions}
    regular = rules(sessions)
    first, end = date.fromisoformat(FIRST), last.date()
    found: dict[str, Any] = {
        "zone": str(calendar.tz),
        "first": first.isoformat(),
        "last": end.isoformat(),
        "regular": {day.isoformat(): parts for day, parts in regular},
        "closed": [],
        "special": {},
    }
    day = first
    while day <= end:
        expected = None if day.weekday() >= 5 else [p for d, p in regular if d <= day][-1]
        actual = sessions.get(day)
        if actual is None and expected is not None:
            found["closed"].append(day.isoformat())
        elif actual is not None and actual != expected:
            found["special"][day.isoformat()] = actual
        day += timedelta(days=1)
    return found


def hours(calendar: Any, session: pd.Timestamp) -> Hours:
    """Return the parts of a session in the zone's clock."""
    row = calendar.schedule.loc[session]
    open_, break_start, break_end, close = (
        None if pd.isna(row[key]) else row[key].tz_convert(calendar.tz).strftime("%H:%M:%S")
        for key in ("open", "break_start", "break_end", "close")
    )
    assert open_ is not None, "a session opens"
    assert close is not None, "a session closes"
    if break_start is None or break_end is None:
        return ((open_, close),)
    return ((open_, break_start), (break_end, close))


def rules(sessions: dict[date, Hours]) -> list[tuple[date, Hours]]:
    """Return the regular hours, each with its first day: what most of the next sessions keep."""
    days = sorted(sessions)
    found: list[tuple[date, Hours]] = []
    for n, day in enumerate(days):
        ahead = [sessions[d] for d in days[n : n + AHEAD]]
        usual = max(set(ahead), key=ahead.count)
        begins = len(ahead) == AHEAD and sessions[day] == usual and ahead.count(usual) > AHEAD * 3 // 4
        if begins and (not found or found[-1][1] != usual):
            found.append((day if found else date.fromisoformat(FIRST), usual))
    return found


def compact(table: dict[str, Any]) -> str:
    """Return JSON with a line a calendar's key, so that a diff can be read."""
    lines = []
    for key, value in table.items():
        if key != "calendars":
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    parts = []
    for name, found in table["calendars"].items():
        inner = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
        parts.append(f" {json.dumps(name)}: {{\n  {inner}}}")
    lines.append('"calendars": {\n' + ",\n".join(parts) + "}")
    return "{" + ",\n".join(lines) + "}\n"


if __name__ == "__main__":
    sys.exit(main())
