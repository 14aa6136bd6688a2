"""What a gate needs: one currency; and live, where paper does without: keys, signed limits, a clock, a guard.

for key, text in missing(config): ...     # `steadyhand check` says all; a live gate does not start
"""

from collections.abc import Iterator
from typing import Final

from daemon.config import Config, load_profile
from daemon.people.keys import Keyring, SignatureError, load_keyring, verify_file
from daemon.strict_toml import ConfigError
from risk.commands import Role

PEOPLE_MIN: Final = 2  # one asks, another confirms (R72, R73)


def missing(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, what is missing) of a configuration; most of it is asked of a live one alone."""
    gate = config.gate
    if gate is None:
        return
    currencies = sorted({i.currency for i in config.instruments.values()})
    if len(currencies) > 1:
        text = f"{', '.join(currencies)}: a gate has one, and its limits no rates; a gate for each"
        yield "instrument.currency", text
    if config.mode != "live":
        return
    keyring = None
    if gate.keyring is None:
        yield "gate.keyring", "live needs one: nobody could rearm, sign limits or begin a day"
    else:
        try:
            keyring = load_keyring(gate.keyring, config.mode)
        except ConfigError as error:
            yield "gate.keyring", str(error)
    if keyring is not None:
        people = {signer.person for signer in keyring.signers if signer.role >= Role.RISK}
        if len(people) < PEOPLE_MIN:
            yield "gate.keyring", f"{len(people)} people with role risk; live needs {PEOPLE_MIN}"
        yield from unsigned(config, keyring)
    if gate.day_dir is None:
        yield (
            "gate.day_dir",
            "live needs one: positions, closes and the restricted list come by `steadyhand sod`",
        )
    if config.clock.source != "wall":
        yield "clock.source", "live runs on the wall clock"
    if config.clock.reference == "none":
        yield "clock.reference", 'live needs a clock to hold its own against (R63): "fix"'
    yield from unguarded(config)


def unsigned(config: Config, keyring: Keyring) -> Iterator[tuple[str, str]]:
    """Yield what is not signed by somebody who may."""
    assert config.gate is not None
    try:
        verify_file(config.gate.limits, keyring)
    except SignatureError as error:
        yield "gate.limits", f"live needs signed limits (steadyhand keys sign): {error}"


def unguarded(config: Config) -> Iterator[tuple[str, str]]:
    """Yield that nothing would cancel the orders of a gate that is stuck."""
    gate, guard = config.gate, config.guard
    assert gate is not None
    if guard is None:
        yield "guard", "live needs a [guard], and `steadyhand guard` running beside the gate"
        return
    try:
        supports = load_profile(gate.order_session.profile).supports
    except ConfigError:
        return  # said of the profile itself
    firm = supports.mass_cancel and supports.mass_cancel_scope == "firm" and guard.session is not None
    if not (firm or guard.takeover or (supports.cancel_on_disconnect and gate.cancel_on_disconnect)):
        text = "nothing cancels for a killed gate: cancel_on_disconnect, a session of firm scope, or takeover"
        yield "guard", text
