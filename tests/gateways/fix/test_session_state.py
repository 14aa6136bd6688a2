"""What the engine asked for again and never got: it asks once, and then waits for ever."""

from gateways.fix.session_state import GAP_WAIT_S, SessionState
from gateways.fix.sessions import Missing, SessionSpec


class Session:
    """quickfix's, as far as a gap goes."""

    def __init__(self) -> None:
        self.wanted = 5
        self.broken = 0

    def getExpectedTargetNum(self) -> int:  # noqa: N802  (quickfix's name)
        return self.wanted

    def disconnect(self) -> None:
        self.broken += 1


def gap() -> tuple[SessionState, Session]:
    """Return a session that wants number 5, has read 9, and asks."""
    state = SessionState(SessionSpec(name="order", sender_comp_id="A", target_comp_id="B"))
    state.session = session = Session()
    assert state.reads("8=FIX.4.4\x0135=8\x0134=9\x01") is None
    assert state.asks("2", 100.0) == Missing(5)
    return state, session


def test_a_line_on_which_nothing_comes_again_is_broken() -> None:
    state, session = gap()

    assert state.waits(100.0 + GAP_WAIT_S) is None
    assert not session.broken
    state.waits(100.1 + GAP_WAIT_S)

    assert session.broken == 1
    assert "messages from 5 on" in state.reason


def test_each_message_that_comes_again_begins_the_wait_anew() -> None:
    state, session = gap()
    session.wanted = 7
    state.waits(100.0 + GAP_WAIT_S)
    state.waits(100.0 + 2 * GAP_WAIT_S)
    assert not session.broken

    state.waits(100.1 + 2 * GAP_WAIT_S)

    assert session.broken == 1


def test_what_showed_the_gap_closes_it_by_whatever_looks_first() -> None:
    for looks in ("timer", "next message"):
        state, session = gap()
        session.wanted = 9
        told = state.waits(101.0) if looks == "timer" else state.reads("8=FIX.4.4\x0135=0\x0134=10\x01")

        assert told == Missing(0)
        session.wanted = 11 if looks == "next message" else 9  # the engine has taken what it read
        assert state.waits(999.0) is None
        assert not session.broken


def test_without_a_gap_nothing_is_waited_for() -> None:
    state = SessionState(SessionSpec(name="order", sender_comp_id="A", target_comp_id="B"))
    state.session = Session()

    assert state.reads("8=FIX.4.4\x0135=0\x0134=4\x01") is None
    assert state.waits(999.0) is None
