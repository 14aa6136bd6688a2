"""Lines of the client that a venue knows."""

import socket

import pytest

from tests.conformance.cases import Case
from tests.conformance.play import Do, Play
from tests.conformance.wire import RIGHT, Line, LineClosedError, Pairs, Slip

DIAL_S = 10.0


def dial(port: int) -> Line:
    """Return a line that is not logged on."""
    return Line(socket.create_connection(("127.0.0.1", port), DIAL_S), "STEADYHAND", "VENUE")


def log_on(line: Line, fields: Pairs, slip: Slip = RIGHT, heartbeat_s: int = 30) -> None:
    """Log on and hear the answer."""
    line.send(line.frame("A", [(98, "0"), (108, str(heartbeat_s)), *fields], slip))
    assert dict(line.receive())[35] == "A"


def again(port: int, before: Line, fields: Pairs, slip: Slip) -> Line:
    """Return the next line of the session, logged on; its numbers go on where they are not reset."""
    before.close()
    line = dial(port)
    if (141, "Y") not in fields:
        line.seq, line.heard, line.gaps = before.seq, before.heard, before.gaps
    log_on(line, fields, slip)
    return line


def second(port: int) -> Do:
    """Return what a case may ask for beside: a second line of the session, which is closed unheard."""

    def do(what: str) -> None:
        assert what == "second", what
        other = dial(port)
        other.send(other.frame("A", [(98, "0"), (108, "30")]))
        with pytest.raises(LineClosedError):
            other.receive()
        other.close()

    return do


def play(case: Case, unique: str, port: int, do: Do | None = None) -> None:
    """Play a case on a line of its own."""
    line = dial(port)
    line.gaps = "gaps" in case.options
    if "raw" not in case.options:
        log_on(line, [(141, "Y")], heartbeat_s=1 if "beat" in case.options else 30)
    playing = Play(case, unique, lambda *now: again(port, *now), line, do)
    try:
        playing.run()
    finally:
        playing.line.close()
