"""Positions at a reconciliation: once every order is known, what the broker holds (35=AN) is what we booked.

Each account is asked for. What differs is asked again, since a broker may count later than it reports; what
differs in the third answer is a break, and halts. No answer is one too where the profile demands positions,
and is noted where it only asks for them. Which shares are meant is PosType's to say: TOT (or what it leaves
open) is everything, SOD with TQ too, TQ alone what was traded since the start of the day.
"""

from typing import Final

from daemon.gate.effects import AskPositions
from daemon.gate.positions_state import DEMANDED, NONE, Question
from daemon.gate.state import GateState
from market.events import Stamp
from market.orders import PositionsRequest
from market.position_events import PositionsAcked, PositionTold
from risk.posture import Posture

TRIES_MAX: Final = 3  # answers that differ before it is a break: a broker's count may lag behind its reports
SHOWN_MAX: Final = 5  # differences in one line
WHOLE: Final = "TOT"
START, TRADED = "SOD", "TQ"


def begin(g: GateState) -> None:
    """A reconciliation begins: what was said before is of before."""
    p = g.positions
    p.settled, p.tries, p.refused = p.wanted == NONE, 0, ""
    p.questions = {}


def settled(g: GateState, stamp: Stamp) -> bool:
    """Ask, compare, ask again; return True when there is nothing more to wait for."""
    p = g.positions
    if p.settled:
        return True
    if not p.tries:
        ask(g, stamp)
        return False
    late = stamp.mono_ns >= p.deadline_mono_ns
    if p.refused or not all(q.answered for q in p.questions.values()):
        if not p.refused and not late:
            return False
        return _unanswered(g, stamp)
    found = differences(g)
    if not found:
        return _settle(g, "equal")
    if p.tries < TRIES_MAX:
        if late:
            ask(g, stamp)
        return False
    more = f"; and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
    text = f"positions: {'; '.join(found[:SHOWN_MAX])}{more}"
    g.break_(text, stamp.mono_ns)
    return _settle(g, text)


def ask(g: GateState, stamp: Stamp) -> None:
    """Ask for each account that we have something in."""
    p = g.positions
    p.tries += 1
    g.posture.reword("R60", "reconciling: positions", stamp.mono_ns)
    p.deadline_mono_ns = stamp.mono_ns + p.wait_ns
    accounts = {g.account: None} | {key.rpartition(" ")[0]: None for key in g.ledger.positions}
    p.questions = {g.next_request_id("P"): Question(account=account) for account in accounts}
    for req_id, question in p.questions.items():
        g.effects.append(AskPositions(PositionsRequest(req_id=req_id, account=question.account)))


def lost(g: GateState, stamp: Stamp) -> None:
    """Messages of ours never came: the question may be one of them."""
    if g.positions.tries and not g.positions.settled:
        g.positions.tries -= 1
        ask(g, stamp)


def acked(g: GateState, _: Stamp, event: PositionsAcked) -> None:
    """35=AO."""
    question = g.positions.questions.get(event.req_id)
    if question is None:
        return
    question.total = event.reports
    g.positions.refused = event.refused or g.positions.refused


def told(g: GateState, _: Stamp, event: PositionTold) -> None:
    """35=AP."""
    question = g.positions.questions.get(event.req_id)
    if question is None:
        return
    if event.reports:
        question.total = event.reports
    kinds = dict(event.kinds)
    whole = TRADED not in kinds or START in kinds or WHOLE in kinds
    qty = kinds.get(WHOLE, kinds.get(START, 0) + kinds.get(TRADED, 0))
    account = event.account or question.account
    question.told[f"{account} {event.symbol}"] = (whole, qty)


def refused(g: GateState, text: str) -> None:
    """The broker took none of it (35=j, 35=3), or the engine did not."""
    if not g.positions.settled:
        g.positions.refused = text or "no reason given"


def differences(g: GateState) -> list[str]:
    """Return where the broker's answers and the ledger are not one."""
    theirs = {key: said for q in g.positions.questions.values() for key, said in q.told.items()}
    found = []
    for key in sorted(theirs.keys() | g.ledger.positions.keys()):
        held, start = g.ledger.positions.get(key, 0), g.ledger.starts.get(key, 0)
        whole, qty = theirs.get(key, (_whole(theirs), 0))
        ours = held if whole else held - start
        if ours != qty:
            what = "holds" if whole else "traded today"
            found.append(f"{key}: the broker {what} {qty}, we {ours}")
    return found


def _whole(theirs: dict[str, tuple[bool, int]]) -> bool:
    """Return what a symbol that is not named stands for: nothing held, or nothing traded today."""
    return any(whole for whole, _ in theirs.values())


def _unanswered(g: GateState, stamp: Stamp) -> bool:
    p = g.positions
    why = f"refused: {p.refused}" if p.refused else f"no answer within {p.wait_ns // 1_000_000} ms"
    if p.wanted == DEMANDED and not p.refused and p.tries < TRIES_MAX:
        ask(g, stamp)
        return False
    text = f"positions: {why}"
    if p.wanted == DEMANDED:
        g.break_(text, stamp.mono_ns)
    elif g.posture.posture is not Posture.KILLED:
        g.note("warning", "positions not compared", reason=why, tries=p.tries)
    return _settle(g, f"not compared, {why}")


def _settle(g: GateState, result: str) -> bool:
    p = g.positions
    p.settled, p.result, p.questions = True, result, {}
    g.note("info", "positions", result=result)
    return True
