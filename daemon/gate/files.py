"""The files that a gate starts from: configuration, limits, FIX profile; in live, signed and whole."""

from pathlib import Path

import msgspec
import structlog

from daemon.config import Config, GateSection, load, load_profile
from daemon.gate.state import calendars
from daemon.live_check import missing
from daemon.strict_toml import ConfigError, load_model
from gateways.fix.profile import Profile
from risk.calendar import CalendarError
from risk.limits import Limits

log = structlog.get_logger()


class GateFiles(msgspec.Struct, frozen=True):
    """All of them, checked."""

    config: Config
    gate: GateSection
    limits: Limits
    profile: Profile


def read_files(path: Path) -> GateFiles:
    """Read them.

    Raises:
        ConfigError: file:line:key, and how to mend it; several are joined by `; `.

    """
    config = load(path)
    if config.gate is None:
        raise ConfigError(f"{path}: there is no [gate] section")
    limits = load_limits(config.gate.limits, config.mode)
    try:
        calendars()
    except CalendarError as error:
        raise ConfigError(f"{error}; install the package again") from None
    lacking = [f"{key}: {text}" for key, text in missing(config)]
    if lacking:
        raise ConfigError(f"{path}: " + "; ".join(lacking))
    return GateFiles(config, config.gate, limits, load_profile(config.gate.order_session.profile))


def load_limits(path: Path, mode: str) -> Limits:
    """Read the limits file and check that it is fit for the mode.

    Raises:
        ConfigError: one line.

    """
    limits = load_model(path, Limits)
    faults = limits.faults(mode)
    if faults:
        raise ConfigError(f"{path}: {'; '.join(faults)}")
    return limits


def warn_of_files(config: Config, limits: Limits, people: int) -> None:
    """Log what is allowed and weak."""
    if limits.open_ends():
        log.warning("limits allow anything in these lists", lists=limits.open_ends())
    if config.clock.reference == "none":
        log.warning("clock.reference is none: nobody holds this clock against another (R63)")
    if config.mode == "paper" and people:
        log.warning("paper keys: throw-away ones may sign here", people=people)
