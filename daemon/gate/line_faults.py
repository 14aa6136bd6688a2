"""What is wrong with the configured lines beside the order session: for `check`, and for the start."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemon.config import Config
from daemon.strict_toml import ConfigError

PASSWORD_MAX: Final = 128  # characters; more is the wrong file


def faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) of OMS sessions and the drop copy."""
    gate = config.gate
    if gate is None:
        return
    if gate.drop_copy is not None and config.clock.lockstep_socket is not None:
        yield "gate.drop_copy", "in lockstep time is not the wire's; remove one of the two"
    for n, client in enumerate(gate.oms.client if gate.oms is not None else ()):
        key = f"gate.oms.client.{n}"
        for symbol in sorted(set(client.symbols) - set(config.instruments)):
            yield key, f"symbols: {symbol} is no [[instrument]]"
        if bool(client.username) != (client.password_file is not None):
            yield key, "username and password_file go together"
        if config.mode == "live" and client.password_file is None:
            yield key, "live needs username and password_file: a CompID is no secret"
        try:
            password(client.password_file)
        except ConfigError as error:
            yield key, str(error)


def password(path: Path | None) -> str:
    """Return the password of a credential file, "" without one.

    Raises:
        ConfigError: it cannot be read, or others may read it.

    """
    if path is None:
        return ""
    try:
        shared = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
        text = path.read_text(encoding="ascii").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "is not ASCII text"
        raise ConfigError(f"{path}: password of an OMS: {what}") from None
    if shared:
        raise ConfigError(f"{path}: others may read this password; chmod 600 {path}")
    if not 0 < len(text) <= PASSWORD_MAX or not text.isprintable():
        raise ConfigError(f"{path}: its first line is no password of 1 to {PASSWORD_MAX} characters")
    return text
