"""What FIX brought beyond the journal is read as the engine wrote it."""

from pathlib import Path

from daemon.gate.journal import INBOUND_NAME, NOT_INBOUND, Replayed
from daemon.gate.recovery import beyond, event_of
from daemon.journal import Journal

SOH = "\x01"
FIELDS = "35=8|37=O1|11=SH1-1|17=E1|150=0|39=0|55={}|54=1|151=100|14=0|6=0|58={}|"


def message(symbol: str = "SYN", text: str = "") -> str:
    body = FIELDS.format(symbol, text).replace("|", SOH)
    return f"8=FIX.4.4{SOH}9={len(body)}{SOH}{body}10=000{SOH}"


def test_text_that_is_not_ascii_is_recovered_as_it_came(tmp_path: Path) -> None:
    raw = message(text="geh\udce9n über")  # a stray byte, as quickfix hands it over, and an umlaut
    log = Journal.open(tmp_path, INBOUND_NAME)
    log.append(raw.encode("utf-8", "surrogateescape"))
    log.close()
    (found,) = beyond(tmp_path, Replayed(inbound_offset=NOT_INBOUND), {})

    assert found[1] == event_of(raw, {})


def test_a_symbol_of_theirs_is_ours_again() -> None:
    report = event_of(message("SYN/A"), {"SYN/A": "SYN.A"})

    assert report.symbol == "SYN.A"
