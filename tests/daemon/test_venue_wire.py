"""A gate at a venue whose bytes go wrong: reconciled, or halted with the break named; nothing doubled."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.gate_at_venue import GateAtVenue

pytestmark = pytest.mark.slow
Start = Callable[..., GateAtVenue]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[GateAtVenue] = []

    def begin(scenario: str, heartbeat_s: int = 10) -> GateAtVenue:
        begun.append(GateAtVenue(tmp_path, scenario, heartbeat_s))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def rules(*lines: tuple[str, str]) -> str:
    """Return a scenario of these (when, do) pairs."""
    return "\n".join(f"[[rule]]\nwhen = {{ {when} }}\ndo = {{ {do} }}" for when, do in lines)


def test_garbled_lost_and_misnumbered_messages_are_asked_for_again(start: Start) -> None:
    do = [
        'action = "garble", what = "checksum"',
        'action = "garble", what = "length"',
        'action = "garble", what = "byte"',
        'action = "lose"',
        'action = "poss_dup"',
        'action = "duplicate", poss_resend = true',
        'action = "renumber", by = 5',
    ]
    world = start(rules(*[(f'on = "ack", nth = {n}', each) for n, each in enumerate(do, 1)]))
    world.active()
    chains = [world.rest() for _ in range(8)]
    for chain in chains:
        world.is_now(chain, "NEW")

    assert world.active()["sessions"]["order"]["logons"] == 1
    world.agree()


def test_broken_dead_and_refused_lines_are_dialled_again_and_reconciled(start: Start) -> None:
    world = start(
        rules(
            ('on = "ack", nth = 1, after = 0.2', 'action = "disconnect", cancel = "never"'),
            ('on = "ack", nth = 2, after = 0.2', 'action = "disconnect", cancel = "always"'),
            ('on = "ack", nth = 3, after = 0.2', 'action = "log_out", text = "good night", seconds = 1.5'),
            ('on = "logon", session = "order", nth = 4', 'action = "refuse_logon", text = "not yet"'),
            ('on = "logon", session = "order", nth = 5', 'action = "refuse_logon", silent = true'),
            ('on = "ack", nth = 4, after = 0.2', 'action = "half_open", seconds = 5.0'),
            ('on = "ack", nth = 5, after = 0.2', 'action = "skew", by = 300.0, seconds = 3.0'),
        ),
        heartbeat_s=1,
    )
    world.active()
    kept = world.rest()
    world.active(2)
    world.is_now(kept, "NEW")  # the line broke, the order stands
    gone = world.rest()
    world.active(3)
    for chain in (kept, gone):
        world.is_now(chain, "CANCELED")  # at the venue, while we were away
    for logons in (4, 5, 6):
        chain = world.rest()
        world.active(logons)
        world.is_now(chain, "CANCELED" if logons < 7 else "NEW")
    world.agree()


def test_a_venue_that_reads_nothing_for_a_while_gets_each_order_once(start: Start) -> None:
    world = start(rules(('on = "ack", nth = 1', 'action = "slow_reader", seconds = 6.0')))
    world.active()
    chains = [world.rest() for _ in range(3)]
    for chain in chains:
        world.is_now(chain, "NEW")
    world.active()
    world.agree()


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        # The fill's bytes are lost, and who asks for it again gets a gap fill.
        (
            [
                ('on = "fill", nth = 1', 'action = "lose"'),
                ('on = "ack", nth = 1', 'action = "no_resend", seconds = 60.0'),
            ],
            "CumQty 10 at the EMS, 0 booked",
        ),
        # The line breaks, the numbers begin anew: what was told meanwhile is gone.
        (
            [
                ('on = "fill", nth = 1', 'action = "lose"'),
                ('on = "fill", nth = 1', 'action = "disconnect", cancel = "never"'),
                ('on = "logon", session = "order", nth = 2', 'action = "reset_on_logon"'),
            ],
            "CumQty 10 at the EMS, 0 booked",
        ),
    ],
    ids=["gap filled", "numbers reset"],
)
def test_a_fill_that_the_session_has_lost_for_good_is_found_and_halts(
    start: Start, lines: list[tuple[str, str]], named: str
) -> None:
    world = start(rules(*lines))
    world.active()
    world.take()
    if "disconnect" not in str(lines):
        world.rest()  # its ack shows the gap
    status = world.halted(named)

    assert status["positions"]["SYN"] == status["positions_start"]["SYN"]  # a person decides


def test_a_number_that_is_too_low_ends_the_session_and_trading(start: Start) -> None:
    world = start(rules(('on = "ack", nth = 2', 'action = "renumber", by = -2')))
    world.active()
    world.rest()
    world.rest()
    world.gate.until("stopped", lambda s: s["posture"] != "ACTIVE" and "too low" in str(s["sessions"]))
