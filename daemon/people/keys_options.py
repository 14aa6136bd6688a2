"""The command line of `steadyhand keys`: read first, so that help and a mistake are answered at once."""

from pathlib import Path
from typing import Final

from daemon.options import Parser

ROLES: Final = ("view", "operate", "risk", "admin")


def parser() -> Parser:
    """Return the command line."""
    p = Parser(prog="steadyhand keys", description="Make keys, sign files, and see whose word counts.")
    kinds = p.add_subparsers(dest="what", required=True, metavar="make|paper|sign|verify|show")
    make = kinds.add_parser("make", help="make a private key, and print its lines for the keyring")
    make.add_argument("file", type=Path, help="where the private key goes (PEM, for its owner alone)")
    make.add_argument("--person", required=True, help="whose it is")
    make.add_argument("--role", choices=ROLES, required=True, help="what it may do")
    make.add_argument("--paper", action="store_true", help="mark it: a live gate refuses it")
    paper = kinds.add_parser("paper", help="make two throw-away keys and their keyring, for a paper gate")
    paper.add_argument("folder", type=Path, help="where they go; what is there stays")
    sign = kinds.add_parser("sign", help="sign a file (limits, keyring of a day) beside it, as FILE.sig")
    sign.add_argument("file", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="your private key (PEM)")
    for name, text in (("verify", "say who signed a file"), ("show", "show the gate's keyring")):
        kind = kinds.add_parser(name, help=text)
        if name == "verify":
            kind.add_argument("file", type=Path)
        kind.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what handles keys."""
    args = parser().parse_args(argv)
    from daemon.people import keys_command

    return keys_command.main(args)
