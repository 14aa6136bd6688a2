"""What people may order of a gate: roles, signed commands, nonces, and what needs a second person.

    command = read(text)                          # CommandError: one line; strict, bounded
    fault = admit(people, command, role, gate, mono_ns)      # "" and the nonce is used; else why not

A command is signed over its text, whose bytes are what the journal keeps. It names the gate that it is for
(account, mode and epoch: a restart ends every command that was not carried out), a nonce that is
used once, and when it expires, in the gate's machine time. Killing and halting need one person; what
lets trade again or more needs two, with two keys. Checking a signature is the rim's (daemon.people.keys).
"""

from enum import IntEnum
from typing import Final

import msgspec

TEXT_BYTES_MAX: Final = 49_152  # a limits file's values are 10 KiB; with a signature below one request
NONCE_CHARS: Final = 32  # 128 bits in hex
NONCES_MAX: Final = 4_096  # not yet expired; people do not sign so many in five minutes
VALID_NS_MAX: Final = 300_000_000_000  # from signature to arrival: no stock of signed commands
CONFIRM_AFTER_NS: Final = 10_000_000_000  # R72: time to read what is signed
CONFIRM_WITHIN_NS: Final = 300_000_000_000  # R72: after that the state is another one
REASON_CHARS_MIN: Final = 8  # a reason is more than "ok"
REASON_CHARS_MAX: Final = 200  # it goes into the log and the latch: a line
# What people may let one order pass; a hard control has no exception. R07: the model's word, not the walk's.
SOFT: Final = frozenset({"R07"})
SCOPE_KINDS: Final = ("A", "T", "P", "S")  # account, strategy, parent, symbol; "" is the firm
SCOPE_CHARS_MAX: Final = 64  # of a name; parent ids are the longest


class CommandError(Exception):
    """No command: one line."""


class Role(IntEnum):
    """What a person may do; each may do what those before it may."""

    VIEW = 0  # look
    OPERATE = 1  # parents, kill, halt, lease
    RISK = 2  # limits, rearm, start and end of day
    ADMIN = 3  # all of it; keys are files, and no command changes them


class Body(msgspec.Struct, frozen=True, tag_field="cmd", forbid_unknown_fields=True, kw_only=True):
    """What is ordered."""


class KillOrder(Body, frozen=True, tag="kill", kw_only=True):
    """R70, of the firm or of one scope."""

    scope: str = ""
    reason: str = ""


class HaltOrder(Body, frozen=True, tag="halt", kw_only=True):
    """No new orders, of the firm or of one scope; what works is left."""

    scope: str = ""
    reason: str = ""


class RearmAsk(Body, frozen=True, tag="rearm_ask", kw_only=True):
    """R72, first person: show me what would be lifted."""

    reason: str


class RearmConfirm(Body, frozen=True, tag="rearm_confirm", kw_only=True):
    """R72, second person: I have read what this digest stands for."""

    digest: str


class LimitsApply(Body, frozen=True, tag="limits_apply", kw_only=True):
    """R73: new limits. At once where nothing loosens; else a second person confirms the digest.

    With `next_day` what loosens holds from the next start of day on, where another person signs that.
    """

    limits: str  # their values, JSON
    reason: str
    next_day: bool = False


class LimitsConfirm(Body, frozen=True, tag="limits_confirm", kw_only=True):
    """R73, second person."""

    digest: str


class ExceptionAsk(Body, frozen=True, tag="exception_ask", kw_only=True):
    """R73, first person: one order of a parent may pass a soft control (RTS 6, article 15 (6))."""

    parent_id: str
    control: str
    qty_max: int  # of that order
    reason: str


class ExceptionConfirm(Body, frozen=True, tag="exception_confirm", kw_only=True):
    """R73, second person."""

    digest: str


class LeaseRenew(Body, frozen=True, tag="lease_renew", kw_only=True):
    """R71: somebody watches."""


class DayBegin(Body, frozen=True, tag="day_begin", kw_only=True):
    """Start of day: the day, and the hash of everything that was prepared for it."""

    day: str
    manifest: str  # SHA-256


class DayEnd(Body, frozen=True, tag="day_end", kw_only=True):
    """End of day: nothing open, everything compared."""

    day: str
    positions: str = ""  # SHA-256 of the broker's file that was compared


Order = (
    KillOrder
    | HaltOrder
    | RearmAsk
    | RearmConfirm
    | LimitsApply
    | LimitsConfirm
    | ExceptionAsk
    | ExceptionConfirm
    | LeaseRenew
    | DayBegin
    | DayEnd
)
LEAST: Final[dict[type[Body], Role]] = {
    KillOrder: Role.OPERATE,
    HaltOrder: Role.OPERATE,
    LeaseRenew: Role.OPERATE,
    RearmAsk: Role.RISK,
    RearmConfirm: Role.RISK,
    LimitsApply: Role.RISK,
    LimitsConfirm: Role.RISK,
    ExceptionAsk: Role.RISK,
    ExceptionConfirm: Role.RISK,
    DayBegin: Role.RISK,
    DayEnd: Role.RISK,
}


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The text that is signed."""

    gate: str  # account/mode/epoch
    nonce: str
    expires_mono_ns: int
    body: Order


class Signer(msgspec.Struct, frozen=True):
    """Whose key it was."""

    key: str
    person: str
    role: Role


class Asked(msgspec.Struct, frozen=True):
    """What a first person has signed, waiting for a second."""

    digest: str
    by: Signer
    mono_ns: int
    reason: str
    subject: str  # what is to be lifted, or the new limits


class People(msgspec.Struct):
    """What a gate remembers of its people: journaled with it, and so not lost by a restart."""

    nonces: dict[str, int] = {}  # used ones, until they expire
    rearm: Asked | None = None
    limits: Asked | None = None
    next_limits: Asked | None = None  # looser ones, for the next start of day
    exception: Asked | None = None


_decoder: Final = msgspec.json.Decoder(Command)
_encoder: Final = msgspec.json.Encoder()


def read(text: str) -> Command:
    """Return the command in a text.

    Raises:
        CommandError: too long, not JSON, unknown fields or values.

    """
    if len(text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise CommandError(f"a command of more than {TEXT_BYTES_MAX} bytes")
    try:
        command = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CommandError(f"not a command: {error}") from None
    body = command.body
    if isinstance(body, KillOrder | HaltOrder) and not is_scope(body.scope):
        raise CommandError(
            f"no scope {body.scope[:40]!r}: A/account, T/strategy, P/parent, S/symbol or nothing"
        )
    if (
        isinstance(body, RearmAsk | LimitsApply | ExceptionAsk)
        and len(body.reason.strip()) < REASON_CHARS_MIN
    ):
        raise CommandError(f"give a reason of at least {REASON_CHARS_MIN} characters")
    if len(getattr(body, "reason", "")) > REASON_CHARS_MAX:
        raise CommandError(f"a reason of more than {REASON_CHARS_MAX} characters")
    return command


def write(gate: str, nonce: str, expires_mono_ns: int, body: Order) -> str:
    """Return the text to sign."""
    command = Command(gate=gate, nonce=nonce, expires_mono_ns=expires_mono_ns, body=body)
    return _encoder.encode(command).decode()


def admit(people: People, command: Command, role: Role, gate: str, mono_ns: int) -> str:
    """Return why a command is not carried out, "" where it is; then its nonce is used up."""
    least = LEAST[type(command.body)]
    if command.gate != gate:
        return f"signed for gate {command.gate[:60]}, this is {gate}; ask and sign again"
    if not mono_ns < command.expires_mono_ns <= mono_ns + VALID_NS_MAX:
        return "expired, or valid for too long; sign again"
    if len(command.nonce) != NONCE_CHARS or not command.nonce.isalnum():
        return f"a nonce has {NONCE_CHARS} characters"
    for nonce in [n for n, until in people.nonces.items() if until <= mono_ns]:
        del people.nonces[nonce]
    if command.nonce in people.nonces:
        return "this command was carried out before"
    if len(people.nonces) >= NONCES_MAX:
        return f"{NONCES_MAX} commands within {VALID_NS_MAX // 10**9} s; wait"
    people.nonces[command.nonce] = command.expires_mono_ns
    if role < least:
        return f"needs role {least.name.lower()}, this key has {role.name.lower()}"
    return ""


def second(asked: Asked | None, by: Signer, digest: str, mono_ns: int) -> str:
    """Return why a second person's word does not complete what the first has asked, "" where it does."""
    if asked is None:
        return "nothing waits for a second person; the first one asks again"
    if by.key == asked.by.key or by.person == asked.by.person:
        return f"{asked.by.person} has asked for it: another person, with another key, confirms"
    if digest != asked.digest:
        return "another digest than the one that was asked for; ask again and read it"
    waited = mono_ns - asked.mono_ns
    if waited < CONFIRM_AFTER_NS:
        return f"read it first: confirm after {CONFIRM_AFTER_NS // 10**9} s"
    if waited > CONFIRM_WITHIN_NS:
        return f"asked for more than {CONFIRM_WITHIN_NS // 10**9} s ago; ask again"
    return ""


def is_scope(scope: str) -> bool:
    """Return whether a text names a scope that can be killed or halted."""
    kind, _, name = scope.partition("/")
    return not scope or (kind in SCOPE_KINDS and 0 < len(name) <= SCOPE_CHARS_MAX and name.isprintable())
