"""Runs a case of the trader's notation through the true core, codec and order entry."""

from pathlib import Path
from typing import Any, Final

from daemon.certify.desk import Desk
from daemon.certify.notation import Case, Who, parse
from daemon.certify.play import Player
from daemon.certify.words import SUPPORT
from daemon.config import load_profile
from daemon.gate.core import GateCore
from daemon.gate.recovery import event_of
from daemon.strict_toml import load_model
from gateways.fix.profile import Profile
from risk.limits import Limits
from tests.scenarios import ems

HERE: Final = Path(__file__).parent
PAPER: Final = load_model(HERE.parents[1] / "deploy" / "limits.paper.toml", Limits)
# The matrices trade 10,000 of one order; what they are about is no limit.
WIDE: Final[dict[str, dict[str, Any]]] = {
    "order": {"qty_max": 50_000, "notional_max_ccy": 50_000_000, "adv_max_bp": 10_000},
    "shorts": {"mark_required": False},
    "market": {"collar_bp": 5_000, "close_band_bp": 9_000, "vwap_collar_bp": 5_000},
    "loss": {"execution_max_ccy": 50_000_000, "drawdown_max_ccy": 50_000_000},
    "slippage": {"pause_bps": 9_000, "halt_bps": 9_500},
}


def limits() -> Limits:
    """Return the paper limits, wide enough for the matrices."""
    tree = PAPER.model_dump()
    for name, values in WIDE.items():
        tree[name].update(values)
    return Limits.model_validate(tree)


class Line:
    """A session that takes everything while it is up."""

    def __init__(self) -> None:
        self.up = True

    def send(self, name: str, body: str) -> bool:
        """Take a body."""
        return self.up


def cases(folder: str) -> list[Case]:
    """Return every case below a folder, in the order of the files."""
    found = []
    for path in sorted((HERE / folder).glob("*.txt")):
        found += parse(path.read_text(), str(path.relative_to(HERE)))
    return found


def play(case: Case, profile: str = "fix44") -> Desk:
    """Play a case; raises `Mismatch` where a line does not hold.

    It is played a second time by a gate whose orders leave the state as soon as they have ended.
    """
    desk, retiring = played(case, profile, None), played(case, profile, 0)
    assert retiring.sent == desk.sent, f"{case.ref}: sends other messages where orders are retired"
    one, other = desk.core.state, retiring.core.state
    assert other.ledger.positions == one.ledger.positions
    assert other.breaks == one.breaks
    assert [c.chain_id for c in other.live_chains()] == [c.chain_id for c in one.live_chains()]
    return desk


def played(case: Case, profile: str, retire_after_ms: int | None) -> Desk:
    """Play a case once."""
    broker = lacking(load_profile(profile), case.given.get("without", ""))
    desk = Desk(broker, limits(), Line(), retire_after_ms=retire_after_ms)
    player = Player(case, desk)
    player.begin()
    for line in case.lines:
        player.until(line)
        if line.who is Who.THEIRS:
            hear(desk, ems.message(line, player, broker.version))
        elif line.who is Who.EVENT:
            player.event(line)
        else:
            player.ours(line)
        player.check(line)
    player.finish()
    again = GateCore()
    for stamp, event in desk.log:
        again.step(stamp, event)
    assert again.state_hash() == desk.core.state_hash(), f"{case.ref}: a replay ends elsewhere"
    return desk


def lacking(profile: Profile, names: str) -> Profile:
    """Return a profile of the same broker without some messages."""
    missing = {SUPPORT[name]: False for name in names.split(",") if name}
    return profile.model_copy(update={"supports": profile.supports.model_copy(update=missing)})


def hear(desk: Desk, raw: str) -> None:
    """What the gate does with a message: decode it, and step what it says."""
    event = event_of(raw, desk.profile.ours())
    if event is not None:
        desk.step(event)
