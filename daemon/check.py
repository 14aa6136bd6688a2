"""`steadyhand check`: everything that a start would refuse, said before the start, each with its place.

Reads the configuration, the limits file, the start-of-day positions, the FIX profiles, the policy
with its artefact, and looks who owns our package names. It opens no socket and writes nothing.
Exit 0 where a start would get through, 78 otherwise.
"""

import argparse
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from daemon.config import Config, load, load_profile, profile_path
from daemon.control import SOCKET_PATH_BYTES_MAX
from daemon.runtime import EXIT_CONFIG, EXIT_DONE
from daemon.strict_toml import ConfigError, line_of, load_model

PACKAGES: Final = ("daemon", "gateways", "risk", "policies", "market", "research")
DISTRIBUTION: Final = "steadyhand"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that the operator should know."""

    where: str  # file:line:key
    severity: Literal["error", "warning"]
    message: str


class File:
    """A configuration file that was read: it knows on which line a key stands."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path, self.config = path, config
        self._text = path.read_text()

    def error(self, key: str, message: str) -> Finding:
        """Return an error at a key."""
        return Finding(self._where(key), "error", message)

    def warning(self, key: str, message: str) -> Finding:
        """Return a warning at a key."""
        return Finding(self._where(key), "warning", message)

    def _where(self, key: str) -> str:
        return f"{self.path}:{line_of(self._text, key.split('.'))}:{key}"


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand check`."""
    findings = list(check(args.config))
    ok = not any(f.severity == "error" for f in findings)
    if args.json:
        print(json.dumps({"ok": ok, "config": str(args.config), "findings": [asdict(f) for f in findings]}))
        return EXIT_DONE if ok else EXIT_CONFIG
    for finding in findings:
        sign = "" if finding.severity == "error" else "warning: "
        print(f"{finding.where}: {sign}{finding.message}", file=sys.stderr)
    if ok:
        print(f"{args.config}: fit to start")
    return EXIT_DONE if ok else EXIT_CONFIG


def check(path: Path) -> Iterator[Finding]:
    """Yield everything that is wrong with an installation."""
    yield from check_packages()
    try:
        file = File(path, load(path))
    except ConfigError as error:
        yield from split(str(error), path)
        return
    yield from check_instruments(file)
    yield from check_places(file)
    yield from check_limits(file)
    yield from check_people(file)
    yield from check_state(file)
    yield from check_live(file)
    yield from check_lines(file)
    yield from check_profiles(file)
    yield from check_policy(file)
    yield from check_metrics(file)


def split(message: str, path: Path) -> Iterator[Finding]:
    """Yield a finding for each `file:line:key: message` of one error; they are joined by `; `."""
    for part in re.split(rf"; (?={re.escape(str(path))}:\d+:)", message):
        where, _, text = part.partition(": ")
        yield Finding(where, "error", text or part)


def check_packages() -> Iterator[Finding]:
    """Another distribution with a package called `daemon` would be imported instead of ours."""
    owners = importlib.metadata.packages_distributions()
    for name in PACKAGES:
        for stranger in sorted(set(owners.get(name, ())) - {DISTRIBUTION}):
            message = f"the distribution {stranger!r} owns this name too; pip uninstall {stranger}"
            yield Finding(f"package {name}", "error", message)


def check_instruments(file: File) -> Iterator[Finding]:
    """Every symbol that a section names is an instrument."""
    symbols = [i.symbol for i in file.config.instrument]
    known = f"instruments are {', '.join(symbols)}"
    for symbol in file.config.trader.symbols if file.config.trader else ():
        if symbol not in symbols:
            yield file.error("trader.symbols", f"{symbol} is no instrument; {known}")
    venue = file.config.venue
    if venue is not None and venue.symbol not in symbols:
        yield file.error("venue.symbol", f"{venue.symbol} is no instrument; {known}")
    if venue is not None and not venue.window[0] < venue.window[1]:
        yield file.error("venue.window", "ends before it begins")


def check_places(file: File) -> Iterator[Finding]:
    """Files that are read exist; sockets have a path that the kernel takes."""
    gate, trader, venue, clock = file.config.gate, file.config.trader, file.config.venue, file.config.clock
    read = {
        "gate.limits": gate.limits if gate else None,
        "gate.positions": gate.positions if gate else None,
        "trader.volume_curve": trader.volume_curve if trader else None,
        "venue.tape": venue.tape if venue else None,
    }
    for key, path in read.items():
        if path is not None and not path.exists():
            yield file.error(key, f"{path} does not exist")
    sockets = {
        "gate.control_socket": gate.control_socket if gate else None,
        "gate.link_socket": gate.link_socket if gate else None,
        "clock.lockstep_socket": clock.lockstep_socket,
    }
    for key, path in sockets.items():
        if path is not None and len(bytes(path)) > SOCKET_PATH_BYTES_MAX:
            yield file.error(
                key, f"the path is longer than {SOCKET_PATH_BYTES_MAX} bytes; take a shorter one"
            )
    if gate is not None and gate.kill_file.exists():
        yield file.warning("gate.kill_file", f"{gate.kill_file} exists: the gate starts killed; remove it")


def check_limits(file: File) -> Iterator[Finding]:
    """The limits file is whole, fits the mode, and allows what the configuration wants to do."""
    gate, trader = file.config.gate, file.config.trader
    if gate is None or not gate.limits.exists():
        return
    from risk.limits import Limits, is_listed

    try:
        limits = load_model(gate.limits, Limits)
    except ConfigError as error:
        yield from split(str(error), gate.limits)
        return
    text = gate.limits.read_text()
    for fault in limits.faults(file.config.mode):
        key, _, message = fault.partition(": ")
        yield Finding(f"{gate.limits}:{line_of(text, key.split('.'))}:{key}", "error", message)
    for end in limits.open_ends():
        where = f"{gate.limits}:{line_of(text, end.split('.'))}:{end}"
        if file.config.mode == "paper":
            yield Finding(where, "warning", "'*' allows anything; fine on paper, refused in live")
    if not is_listed(gate.account, limits.allowed.accounts):
        yield file.error("gate.account", f"{gate.account} is not in allowed.accounts of {gate.limits}")
    for symbol in trader.symbols if trader else ():
        if not is_listed(symbol, limits.allowed.symbols):
            yield file.error("trader.symbols", f"{symbol} is not in allowed.symbols of {gate.limits}")


def check_lines(file: File) -> Iterator[Finding]:
    """OMS sessions and the drop copy are whole."""
    from daemon.gate.line_faults import faults

    for key, text in faults(file.config):
        yield file.error(key, text)


def check_people(file: File) -> Iterator[Finding]:
    """The keyring can be read, and whoever has a role is a user of this host."""
    gate = file.config.gate
    if gate is None:
        return
    from daemon.gate.control import roles_of
    from daemon.people.keys import load_keyring

    if gate.keyring is None:
        yield file.warning(
            "gate.keyring", "there is none: nobody could rearm after a kill (steadyhand keys paper)"
        )
    elif file.config.mode == "paper":  # of a live one: below
        try:
            load_keyring(gate.keyring, file.config.mode)
        except ConfigError as error:
            if str(error).startswith(f"{gate.keyring}:"):
                yield from split(str(error), gate.keyring)
            else:
                yield file.error("gate.keyring", str(error))
    try:
        roles_of(gate)
    except ConfigError as error:
        yield file.error("gate.roles", str(error).partition(": ")[2])


def check_state(file: File) -> Iterator[Finding]:
    """The state directory's journals are of a version that this program reads, none of them cut."""
    gate = file.config.gate
    if gate is None:
        return
    from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
    from daemon.segments.layout import JournalError
    from daemon.segments.reading import segments

    for name in (JOURNAL_NAME, INBOUND_NAME):
        try:
            if (gate.state_dir / name).exists():  # the first start makes it
                segments(gate.state_dir / name)
        except JournalError as error:
            yield file.error("gate.state_dir", str(error))
        except PermissionError:
            yield file.warning(
                "gate.state_dir", f"{gate.state_dir / name} is not yours to read: not looked at"
            )


def check_live(file: File) -> Iterator[Finding]:
    """What live trading needs beyond paper: people, signatures, days, a clock, a guard."""
    from daemon.live_check import missing

    for key, text in missing(file.config):
        yield file.error(key, text)


def check_profiles(file: File) -> Iterator[Finding]:
    """The FIX profiles that the sessions name can be used."""
    gate = file.config.gate
    if gate is None:
        return
    sessions = {"gate.order_session": gate.order_session, "gate.reference_session": gate.reference_session}
    for key, session in sessions.items():
        if session is None:
            yield file.warning(key, "there is none: without reference prices R06 refuses every order")
            continue
        try:
            load_profile(session.profile)
        except ConfigError as error:
            path = profile_path(session.profile)
            if path.exists():
                yield from split(str(error), path)
            else:
                yield file.error(f"{key}.profile", str(error))


def check_policy(file: File) -> Iterator[Finding]:
    """The policy exists, and its artefact is what its manifest says, golden rows included."""
    trader = file.config.trader
    if trader is None:
        return
    from policies.choose import ERRORS, choose

    try:
        choose(trader.policy, trader.policy_options, trader.volume_curve, trader.policy_key)
    except ERRORS as error:
        yield file.error("trader.policy", str(error))


def check_metrics(file: File) -> Iterator[Finding]:
    """Counters are for this host unless somebody means it otherwise."""
    metrics = file.config.metrics
    if metrics is not None and metrics.host not in LOOPBACK:
        yield file.warning(
            "metrics.host", f"{metrics.host} is seen from outside, and nothing asks for a password"
        )
