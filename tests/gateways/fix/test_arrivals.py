"""What comes in one turn is handed over in one call, in order, and says where another follows."""

import asyncio
from typing import Any

from gateways.fix.arrivals import Arrivals
from gateways.fix.sessions import NO_OFFSET, Alive, LoggedOut, Message, Received


def received(n: int) -> Received:
    return Received(f"35=8 {n}", NO_OFFSET, n, n)


def handed_over(*came: tuple[str, Message]) -> list[tuple[str, Any]]:
    async def main() -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        arrivals = Arrivals(lambda name, message: found.append((name, message)), asyncio.get_running_loop())
        for name, message in came:
            arrivals.post(name, message)
        assert not found, "nothing is handed over while it is read"
        await asyncio.sleep(0)
        return found

    return asyncio.run(main())


def test_of_messages_that_follow_each_other_the_last_is_told_apart() -> None:
    found = handed_over(*(("order", received(n)) for n in (1, 2, 3)))

    assert [(m.n, m.last) for _, m in found] == [(1, False), (2, False), (3, True)]


def test_another_session_or_other_news_ends_what_came_together() -> None:
    came = [
        ("order", received(1)),
        ("reference", received(1)),
        ("order", received(2)),
        ("order", Alive(1)),
        ("order", received(3)),
        ("order", received(4)),
        ("order", LoggedOut("gone")),
    ]
    found = handed_over(*came)

    assert [name for name, _ in found] == [name for name, _ in came]
    assert [m.last for _, m in found if isinstance(m, Received)] == [True, True, True, False, True]
    assert found[-1] == came[-1]


def test_a_message_that_is_kept_and_posted_again_is_not_changed() -> None:
    kept = received(1)
    first = handed_over(("order", kept), ("order", received(2)))

    assert not first[0][1].last
    assert kept.last
