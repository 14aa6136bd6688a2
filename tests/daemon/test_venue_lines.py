"""The venue's order session: what was kept for a client that was away is told first."""

from typing import Any

from daemon.venue.lines import ClientLines


class Line:
    """An acceptor whose session is up or down."""

    def __init__(self) -> None:
        self.up = True
        self.sent_bodies: list[str] = []

    def send(self, _name: str, body: str) -> bool:
        if self.up:
            self.sent_bodies.append(body)
        return self.up


def test_reports_keep_their_order_over_a_line_that_comes_back_before_anybody_has_said_so() -> None:
    line: Any = Line()
    lines = ClientLines(Any, lambda: None)  # type: ignore[arg-type]
    lines.acceptor = line
    line.up = False
    lines.send_report("new")
    line.up = True  # the engine has logged on; the loop has not heard of it yet
    lines.send_report("canceled")
    lines.client_came({})
    lines.send_report("later")

    assert line.sent_bodies == ["new", "canceled", "later"]
