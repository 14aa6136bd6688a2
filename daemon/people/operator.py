"""What a person types: submit, amend, pause, resume, cancel, status, kill, halt, rearm, lease.

Each is a thin client of the gate's control socket, found by the configuration. Exit codes: 0 done, 1
refused or no gate, 2 a mistake in what was typed, 78 configuration. `status`: 0 trading, 1 degraded,
2 halted or killed, 3 no gate. Heavy imports wait until they are needed: `--help` is instant.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daemon.options import USAGE, Parser
from daemon.people.one_line import DONE, DOWN, NoGate, Refused, in_one_line

if TYPE_CHECKING:
    from daemon.config import Config

DEGRADED: Final = 1
HALTED: Final = 2
SIGNED_FOR_NS: Final = 60_000_000_000  # a signature is good for a minute: the socket is on this host
SCOPES: Final = "A/account, T/strategy, P/parent or S/symbol; without: everything"
KEY_HELP: Final = "your private key (PEM); on paper the run's own throw-away key is taken"


def submit(argv: list[str]) -> int:
    """Run `steadyhand submit`."""
    p = parser("submit", "Give the gate a parent order, or a basket of them, all or none.")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?", help='"SELL 2000 GOOG 10:05-10:25 limit=565.00 pov=0.1"')
    what.add_argument(
        "--basket", metavar="FILE", help="CSV with a header, or JSON lines; - reads standard input"
    )
    p.add_argument("--dry-run", action="store_true", help="check it, admit nothing")
    return run(p, argv, _submit)


def amend(argv: list[str]) -> int:
    """Run `steadyhand amend`."""
    p = parser("amend", "Change a live parent order; what is not given stays.")
    p.add_argument("parent_id")
    p.add_argument("--qty", help="new total quantity, what is filled included")
    p.add_argument("--limit", help="new limit price")
    p.add_argument("--end", metavar="HH:MM", help="new end of the window, in the instrument's zone")
    p.add_argument("--pov", help="new participation cap, 0.1 or 10%%")
    return run(p, argv, _amend)


def pause(argv: list[str]) -> int:
    """Run `steadyhand pause`."""
    return _of_parent("pause", "Cancel what works for a parent order, and hold.", argv)


def resume(argv: list[str]) -> int:
    """Run `steadyhand resume`."""
    return _of_parent("resume", "Go on with a paused parent order.", argv)


def cancel(argv: list[str]) -> int:
    """Run `steadyhand cancel`."""
    return _of_parent("cancel", "End a parent order; leaves are cancelled, the remainder is reported.", argv)


def kill(argv: list[str]) -> int:
    """Run `steadyhand kill`."""
    p = parser("kill", "Stop trading now: latch, and cancel what is open, of the firm or of one scope.")
    p.add_argument("--scope", default="", help=SCOPES)
    p.add_argument("--reason", default="", help="for the record")
    return run(p, argv, _stop)


def halt(argv: list[str]) -> int:
    """Run `steadyhand halt`."""
    p = parser("halt", "Let no new order leave; what works is left. Latched until two people rearm.")
    p.add_argument("--scope", default="", help=SCOPES)
    p.add_argument("--reason", default="", help="for the record")
    return run(p, argv, _stop)


def rearm(argv: list[str]) -> int:
    """Run `steadyhand rearm`."""
    p = parser("rearm", "Allow trading again after a kill or a latched halt: two people, two keys.")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--reason", help="first person: what was found and mended, 8 characters at least")
    what.add_argument(
        "--confirm", metavar="DIGEST", help="second person: what the first was shown, 10 s later"
    )
    p.add_argument("--key", type=Path, help=KEY_HELP)
    return run(p, argv, _rearm)


def lease(argv: list[str]) -> int:
    """Run `steadyhand lease`."""
    p = parser("lease", "Renew the dead-man's lease: somebody watches.")
    p.add_argument("--key", type=Path, help=KEY_HELP)
    return run(p, argv, _lease)


def clock(argv: list[str]) -> int:
    """Run `steadyhand clock`."""
    p = parser("clock", "Begin market time where processes are started one by one (clock.source = anchor).")
    p.add_argument("started", metavar="LINE", help="the venue's `started` line, or its anchor alone (JSON)")
    return run(p, argv, _clock)


def status(argv: list[str]) -> int:
    """Run `steadyhand status`."""
    p = parser("status", "Show posture, sessions, positions, parents and orders.")
    p.add_argument("--all", action="store_true", help="show every order, not only the last ones")
    p.add_argument("--order", metavar="CLORDID", help="show this order, archived or not, and no other")
    return run(p, argv, _status)


def _submit(config: "Config", args: argparse.Namespace) -> int:
    import msgspec

    from daemon.parent_text import ParentTextError, parse

    if args.basket is not None:
        from daemon.people.basket_command import submit_basket

        return submit_basket(config, args)
    assert config.gate is not None
    now_ns, down = 0, None
    try:
        now_ns = ask(config, {"cmd": "ping"})["ts_ns"]
    except NoGate as error:
        if not args.dry_run:
            raise
        down = error  # what was typed is checked all the same
    try:
        order = parse(
            args.text, config.instruments, _day(config, args.text, now_ns), config.gate.account, "", now_ns
        )
    except ParentTextError as error:
        raise Refused(str(error), USAGE) from None
    if down is not None:
        facts = msgspec.to_builtins(order)
        _say(args, {"ok": True, "dry_run": True, "parent": facts}, "reads well; no gate to check it against")
        return DONE
    answer = ask(config, {"cmd": "submit", "parent": msgspec.to_builtins(order), "dry_run": args.dry_run})
    done = "would be admitted" if args.dry_run else "admitted"
    _say(args, answer, f"{answer.get('parent_id')} {done}: {args.text}")
    if not args.json:
        say_held(config, {"parent_id": answer["parent_id"]} if not args.dry_run else {"symbol": order.symbol})
    return DONE


def say_held(config: "Config", subject: dict[str, str]) -> None:
    """Print why what was admitted waits, where trading is stopped for it."""
    from daemon.people.status_view import held_lines

    with contextlib.suppress(NoGate):  # it is admitted, whatever became of the gate
        answer = ask_any(config, {"cmd": "why", **subject})
        whose = subject.get("parent_id") or subject["symbol"]
        print("".join(f"{line}\n" for line in held_lines(answer, whose)), end="")


def _day(config: "Config", text: str, now_ns: int) -> Any:
    words = text.split()
    symbol = words[2].upper() if len(words) > 2 else ""
    return day_of(config.instruments.get(symbol) or next(iter(config.instruments.values())), now_ns)


def day_of(instrument: Any, now_ns: int) -> Any:
    """Return the trading day of market time; before market time has begun, today in the zone."""
    import time

    return instrument.day_of(now_ns or time.time_ns())


def _amend(config: "Config", args: argparse.Namespace) -> int:
    from daemon import parent_text

    request: dict[str, Any] = {"cmd": "amend", "parent_id": args.parent_id}
    try:
        if args.qty is not None:
            request["qty"] = parent_text.quantity(args.qty, "--qty")
        if args.limit is not None:
            request["limit_price_e4"] = parent_text.price_e4(args.limit, "--limit")
        if args.pov is not None:
            request["max_participation_bp"] = parent_text.share_bp(args.pov, "--pov")
        if args.end is not None:
            request["end_ns"] = _end_ns(config, args)
    except parent_text.ParentTextError as error:
        raise Refused(str(error), USAGE) from None
    if len(request) == 2:
        raise Refused("nothing to amend: give --qty, --limit, --end or --pov", USAGE)
    _say(args, ask(config, request), f"{args.parent_id} amended")
    return DONE


def _end_ns(config: "Config", args: argparse.Namespace) -> int:
    from daemon.parent_text import clock_of

    parents = ask(config, {"cmd": "status", "orders": "live"})["parents"]
    parent = next((p for p in parents if p["parent_id"] == args.parent_id), None)
    if parent is None:
        raise Refused(f"no parent {args.parent_id}")
    instrument = config.instruments[parent["symbol"]]
    return instrument.at(instrument.day_of(parent["start_ns"]), clock_of(args.end, args.end))


def _of_parent(name: str, text: str, argv: list[str]) -> int:
    p = parser(name, text)
    p.add_argument("parent_id")

    def act(config: "Config", args: argparse.Namespace) -> int:
        answer = ask(config, {"cmd": name, "parent_id": args.parent_id})
        _say(args, answer, f"{args.parent_id} is {answer.get('status')}")
        return DONE

    return run(p, argv, act)


def _stop(config: "Config", args: argparse.Namespace) -> int:
    from risk.commands import REASON_CHARS_MAX, is_scope

    name = str(args.prog).split()[-1]
    if not is_scope(args.scope):
        raise Refused(f"nothing is {name}ed: --scope {args.scope[:40]!r} is not one of {SCOPES}", USAGE)
    try:
        answer = ask(config, {"cmd": name, "scope": args.scope, "reason": args.reason[:REASON_CHARS_MAX]})
    except NoGate as error:
        file = config.gate.kill_file if config.gate is not None else ""
        raise NoGate(f"{error}; `touch {file}` kills everything, now and at every start") from None
    still = "still work" if name == "halt" and not args.scope else "are being cancelled"
    text = f"{args.scope or 'everything'} is {name}ed; {answer.get('open_orders')} orders {still}"
    _say(args, answer, "\n".join([text, *([answer["note"]] if "note" in answer else [])]))
    return DONE


def _clock(config: "Config", args: argparse.Namespace) -> int:
    try:
        anchor = (tree := json.loads(args.started)).get("anchor", tree)
    except (ValueError, AttributeError):
        raise Refused("not JSON: give the line that the venue printed, in quotes", USAGE) from None
    _say(args, ask(config, {"cmd": "clock", "anchor": anchor}), "market time has begun")
    return DONE


def _rearm(config: "Config", args: argparse.Namespace) -> int:
    from risk.commands import RearmAsk, RearmConfirm

    if args.confirm:
        answer = ask_signed(config, RearmConfirm(digest=args.confirm), args.key, "second")
        lifted = ", ".join(answer.get("lifted", []))
        _say(args, answer, f"rearmed ({lifted}); posture {answer.get('posture')}")
        return DONE
    answer = ask_signed(config, RearmAsk(reason=args.reason), args.key, "first")
    wait_s, digest = answer["confirm_after_s"], answer["digest"]
    lines = ["  {:<17} {}".format(*_fact(name, value)) for name, value in answer["facts"].items()]
    then = f"another person, with another key, in {wait_s} s to 5 min: steadyhand rearm --confirm {digest}"
    _say(args, answer, "\n".join(["this would be lifted:", *lines, then]))
    return DONE


def _fact(name: str, value: Any) -> tuple[str, str]:
    if name.endswith("_micros"):
        return name.removesuffix("_micros") + " P&L", f"{int(value) / 1e6:+,.2f}"
    return name, _flat(value)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k} {v}" for k, v in value.items()) or "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _lease(config: "Config", args: argparse.Namespace) -> int:
    from risk.commands import LeaseRenew

    _say(args, ask_signed(config, LeaseRenew(), args.key, "first"), "the lease is renewed")
    return DONE


def _status(config: "Config", args: argparse.Namespace) -> int:
    try:
        which = args.order or ("all" if args.all or args.json else "held")
        facts = ask(config, {"cmd": "status", "orders": which})
    except NoGate as error:
        if args.json:
            print(json.dumps({"ok": False, "error": str(error)}))
        print(f"steadyhand status: {error}", file=sys.stderr)
        return DOWN
    if args.order and not facts["orders"]:
        raise Refused(f"no order {args.order}; whatever named it: steadyhand journal show --holding", USAGE)
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        from daemon.people.status_view import show

        show(facts, config.instruments, all_orders=args.all or bool(args.order))
    return health(facts)


def health(facts: dict[str, Any]) -> int:
    """Return the exit code of a status: 0 trading, 1 degraded, 2 halted."""
    if facts["posture"] in ("HALTED", "KILLED"):
        return HALTED
    whole = facts["sessions"]["reference"]["up"] and facts["trader"]["connected"] and not facts["breaks"]
    return DONE if facts["posture"] == "ACTIVE" and whole else DEGRADED


def parser(name: str, text: str) -> Parser:
    """Return a command line with what all commands share."""
    p = Parser(prog=f"steadyhand {name}", description=text)
    p.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    p.add_argument("--json", action="store_true", help="print the gate's answer as JSON")
    return p


def run(p: Parser, argv: list[str], act: Any) -> int:
    """Parse, load the configuration, act; every failure is one line."""
    args = p.parse_args(argv)
    args.prog = p.prog
    from daemon.config import load
    from daemon.strict_toml import ConfigError

    def acted() -> int:
        config = load(args.config)
        if config.gate is None:
            raise ConfigError(f"{args.config}: there is no [gate] section")
        return int(act(config, args))

    return in_one_line(p.prog, args.json, acted)


def ask_signed(config: "Config", body: Any, key: Path | None, which: str) -> dict[str, Any]:
    """Order one thing with a signature; on paper the throw-away key `which` is taken where none is named.

    Raises:
        NoGate, Refused, ConfigError

    """
    import secrets

    from daemon.people.keys import load_private
    from risk.commands import write

    private = load_private(key if key is not None else paper_key(config, which))
    hello = ask(config, {"cmd": "ping"})
    expires_ns = hello["mono_ns"] + SIGNED_FOR_NS
    text = write(hello["gate"], secrets.token_hex(16), expires_ns, body)
    signed = {"cmd": "signed", "key": private.key_id, "text": text, "signature": private.sign(text)}
    return ask(config, signed)


def paper_key(config: "Config", which: str) -> Path:
    """Return a throw-away key beside the keyring.

    Raises:
        ConfigError: this is no paper gate, or there is none.

    """
    from daemon.strict_toml import ConfigError

    assert config.gate is not None
    keyring = config.gate.keyring
    if keyring is None:
        how = "steadyhand keys paper FOLDER" if config.mode == "paper" else "steadyhand keys make --help"
        raise ConfigError(
            f"gate.keyring is not configured: nobody can sign ({how}, and a restart of the gate)"
        )
    path = keyring.parent / f"{which}.pem"
    if config.mode != "paper" or not path.exists():
        raise ConfigError("name your key: --key FILE")
    return path


def ask(config: "Config", request: dict[str, Any]) -> dict[str, Any]:
    """Ask the gate one thing; NoGate where nobody listens, Refused where the answer is no."""
    answer = ask_any(config, request)
    if not answer.get("ok"):
        raise Refused(answer.get("error", "refused"))
    return answer


def ask_any(config: "Config", request: dict[str, Any]) -> dict[str, Any]:
    """Ask the gate one thing, and return its answer, yes or no; NoGate where nobody listens."""
    import asyncio

    from daemon import control

    assert config.gate is not None
    path = config.gate.control_socket
    try:
        return asyncio.run(control.request(path, request))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoGate(f"no gate is running (nobody listens at {path})") from None
    except OSError as error:
        raise NoGate(f"{path}: {error.strerror}") from None
    except control.ControlError as error:
        raise NoGate(str(error)) from None


def _say(args: argparse.Namespace, answer: dict[str, Any], text: str) -> None:
    print(json.dumps(answer, indent=2) if args.json else text)
