"""Trading days and phases, against days that anybody can look up."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from market.instruments import Instrument, to_ns
from market.types import Symbol
from risk import calendar
from risk.calendar import ALWAYS, TAPE, UNKNOWN, CalendarError, DayPhase, Phase, Table, load, may_begin

TABLE = load()
S = 1_000_000_000


def of(mic: str = "XNAS", name: str = "", **fields: object) -> calendar.DayCalendar:
    return TABLE.of(Instrument(symbol=Symbol("GOOG"), mic=mic, calendar=name, **fields))  # type: ignore[arg-type]


def at(text: str) -> int:
    return to_ns(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("mic", "moment", "phase", "day"),
    [
        ("XNAS", "2012-06-21T13:30:00+00:00", Phase.CONTINUOUS, "2012-06-21"),
        ("XNAS", "2012-06-21T00:00:00-04:00", Phase.PRE_OPEN, "2012-06-21"),
        ("XNAS", "2012-06-21T16:00:00-04:00", Phase.POST_CLOSE, "2012-06-21"),
        ("XNYS", "2024-07-03T12:59:59-04:00", Phase.CONTINUOUS, "2024-07-03"),  # an early close
        ("XNYS", "2024-07-03T13:00:00-04:00", Phase.POST_CLOSE, "2024-07-03"),
        ("XNYS", "2024-07-04T12:00:00-04:00", Phase.CLOSED, ""),
        ("XNYS", "2025-01-09T12:00:00-05:00", Phase.CLOSED, ""),  # a day of mourning
        ("XNAS", "2012-10-29T12:00:00-04:00", Phase.CLOSED, ""),  # a hurricane
        ("XNAS", "2024-01-06T12:00:00-05:00", Phase.CLOSED, ""),  # a Saturday
        ("XLON", "2024-12-24T12:30:00+00:00", Phase.POST_CLOSE, "2024-12-24"),
        ("XTKS", "2024-11-01T15:10:00+09:00", Phase.POST_CLOSE, "2024-11-01"),  # until then to 15:00
        ("XTKS", "2024-11-05T15:10:00+09:00", Phase.CONTINUOUS, "2024-11-05"),  # since then to 15:30
        ("XTKS", "2024-11-05T12:00:00+09:00", Phase.BREAK, "2024-11-05"),
        ("XHKG", "2024-06-03T12:30:00+08:00", Phase.BREAK, "2024-06-03"),
        ("XXXX", "2024-01-06T12:00:00+00:00", Phase.CONTINUOUS, "2024-01-06"),  # crypto: a Saturday
        ("XNAS", "2009-12-31T12:00:00-05:00", Phase.UNKNOWN, ""),  # before the table
        ("XNAS", "2028-01-03T12:00:00-05:00", Phase.UNKNOWN, ""),  # after it
        ("XBUD", "2024-01-03T12:00:00+00:00", Phase.UNKNOWN, ""),  # a venue that it does not know
    ],
)
def test_phase_and_day(mic: str, moment: str, phase: Phase, day: str) -> None:
    found = of(mic).phase(at(moment))

    assert (found.phase, found.day) == (phase, day)


def test_open_is_inclusive_and_close_exclusive() -> None:
    hours = of().phase(at("2012-06-21T12:00:00-04:00"))

    phases = [of().phase(t).open for t in (hours.open_ns - 1, hours.open_ns)]
    assert phases == [False, True]
    assert [of().phase(t).open for t in (hours.close_ns - 1, hours.close_ns)] == [True, False]


def test_hours_follow_the_zone_over_a_change_of_the_clock() -> None:
    winter = of().phase(at("2024-03-08T12:00:00-05:00"))
    summer = of().phase(at("2024-03-11T12:00:00-04:00"))

    assert winter.open_ns == at("2024-03-08T14:30:00+00:00")
    assert summer.open_ns == at("2024-03-11T13:30:00+00:00")


def test_a_closed_day_says_when_the_next_one_opens() -> None:
    weekend = of().phase(at("2024-07-04T12:00:00-04:00"))

    assert weekend.open_ns == at("2024-07-05T09:30:00-04:00")
    assert weekend.close_ns == at("2024-07-05T16:00:00-04:00")


@pytest.mark.parametrize("mic", sorted(TABLE.venues))
def test_phases_of_a_fortnight_leave_no_gap_and_the_kept_answer_is_the_fresh_one(mic: str) -> None:
    kept = of(mic)
    now = at("2024-12-20T00:00:00+00:00")
    end = now + 14 * 86_400 * S

    while now < end:
        found = kept.phase(now)
        assert found.from_ns <= now < found.until_ns
        for t in (now, found.until_ns - 1, (now + found.until_ns) // 2):
            assert of(mic).phase(t) == kept.phase(t) == found
        now = found.until_ns


def test_a_recorded_day_that_no_table_covers_has_the_instruments_own_hours() -> None:
    recorded = of(name=TAPE)

    assert recorded.phase(at("1998-06-21T12:00:00-04:00")).open
    assert recorded.phase(at("1998-06-21T16:00:00-04:00")).phase is Phase.POST_CLOSE


@pytest.mark.parametrize(
    ("mic", "moment", "name"),
    [
        ("XNAS", "2012-06-21T12:00:00-04:00", ""),
        ("XXXX", "2015-05-01T12:00:00+00:00", ""),
        ("XBUD", "2015-05-01T12:00:00+00:00", TAPE),
        ("XNAS", "1998-05-01T12:00:00+00:00", TAPE),
    ],
)
def test_paper_names_the_tapes_calendar_only_where_there_is_no_other(
    mic: str, moment: str, name: str
) -> None:
    instrument = Instrument(symbol=Symbol("A"), mic=mic)

    assert TABLE.for_tape(instrument, at(moment)) == name


@pytest.mark.parametrize("ts_ns", [0, -1, 2**62, 2**63, -(2**63)])
@pytest.mark.parametrize("name", ["", ALWAYS, TAPE])
def test_what_is_no_time_is_no_phase(ts_ns: int, name: str) -> None:
    assert of(name=name).phase(ts_ns) == UNKNOWN


@pytest.mark.parametrize(
    ("day", "current", "wrong"),
    [
        ("2024-01-03", "", ""),
        ("2024-01-03", "2024-01-02", ""),
        ("2024-01-03", "2024-01-03", "is not after"),
        ("2024-01-03", "2024-01-04", "is not after"),
        ("2024-01-04", "2024-01-03", "no calendar"),
    ],
)
def test_a_day_begins_after_the_last_one_and_where_a_calendar_agrees(
    day: str, current: str, wrong: str
) -> None:
    phases = [of().phase(at("2024-01-03T08:00:00-05:00")), of("XBUD").phase(at("2024-01-03T08:00:00-05:00"))]

    fault = may_begin(day, current, phases)

    assert wrong in fault
    assert bool(fault) == bool(wrong)


def test_no_day_begins_where_all_is_closed() -> None:
    assert "closed" in may_begin("2024-01-06", "2024-01-05", [of().phase(at("2024-01-06T12:00:00-05:00"))])


CHICAGO = {"mic": "XNAS", "zone": "America/Chicago", "open": time(8, 30), "close": time(15)}
LONDON = {"mic": "XLON", "zone": "Europe/London", "open": time(8), "close": time(16, 30)}


@pytest.mark.parametrize(
    ("fields", "day", "opens", "closes"),
    [
        ({"mic": "XNAS"}, "2024-11-29", "09:30", "13:00"),
        ({"mic": "XNAS"}, "2024-12-02", "09:30", "16:00"),
        ({"mic": "XNAS", "open": time(10, 0)}, "2024-11-29", "10:00", "13:00"),
        ({"mic": "XNAS", "close": time(12, 0)}, "2024-11-29", "09:30", "12:00"),  # its own, earlier still
        ({"mic": "XNAS", "open": time(14, 0)}, "2024-11-29", "14:00", "16:00"),  # nothing of it is left
        (CHICAGO, "2024-11-29", "08:30", "12:00"),
        ({"mic": "XNAS", "zone": "Asia/Tokyo"}, "2024-11-29", "09:30", "16:00"),  # hours over a midnight
        (LONDON, "2024-12-24", "08:00", "12:30"),
        ({"mic": "XXXX"}, "2024-11-29", "09:30", "16:00"),
        ({"mic": "XNAS", "calendar": TAPE}, "2024-11-29", "09:30", "16:00"),
        ({"mic": "ABCD"}, "2024-11-29", "09:30", "16:00"),  # a venue that nobody knows
    ],
)
def test_an_instrument_knows_the_short_days_of_its_calendar(
    fields: dict[str, Any], day: str, opens: str, closes: str
) -> None:
    instrument = load().with_short_days(Instrument(symbol=Symbol("ABC"), **fields))

    hours = [instrument.clock(ts_ns)[:5] for ts_ns in instrument.session(date.fromisoformat(day))]

    assert hours == [opens, closes]


def test_every_session_of_the_table_is_sane() -> None:
    for rules in TABLE.calendars.values():
        day, sessions = rules.first, 0
        while day <= rules.last:
            parts = [clock for part in rules.hours(day) for clock in part]
            assert parts == sorted(parts)
            assert all(time(8, 0) <= clock <= time(17, 30) for clock in parts)
            sessions += bool(parts)
            day += timedelta(days=1)
        assert 240 * 18 < sessions < 262 * 18


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"source": "x", "venues": {}}',
        '{"source":"x","venues":{},"calendars":{"A":{"zone":"No"}}}',
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calendars.json"
    path.write_text(text)

    with pytest.raises(CalendarError) as caught:
        load(path)

    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(CalendarError):
        load(tmp_path / "none.json")


def test_a_calendar_is_a_value() -> None:
    assert isinstance(TABLE, Table)
    assert len(TABLE.digest) == 64
    assert DayPhase(Phase.CLOSED).open is False
