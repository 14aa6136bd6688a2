"""The command line of `steadyhand policy`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser

SERVE = """Work one parent order in a market that is not ours: JSON lines on stdin (instrument, parent, market
events, own reports), JSON lines on stdout (what to send, what should stand), in lock-step. docs/SERVE.md."""


def parser() -> Parser:
    """Return the command line."""
    top = Parser(
        prog="steadyhand policy", description="Look at a frozen policy, check it, compare it, run it."
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    show = verbs.add_parser(
        "show", help="what it is, how it is asked, what was measured, where it comes from"
    )
    verify = verbs.add_parser(
        "verify", help="check everything that a start checks; exit 78 where it is refused"
    )
    diff = verbs.add_parser("diff", help="what differs between two, decisions on the golden rows included")
    serve = verbs.add_parser("serve", help="run it for another simulator, by JSON lines", description=SERVE)
    for sub in (show, verify, serve):
        sub.add_argument("policy", metavar="POLICY", help="a shipped artefact's name, or a folder with a /")
    diff.add_argument("policy", metavar="A")
    diff.add_argument("other", metavar="B")
    verify.add_argument(
        "--key", type=Path, metavar="PEM", help="an Ed25519 public key that must have signed it"
    )
    for sub in (show, verify, diff):
        sub.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return top


def main(argv: list[str]) -> int:
    """Parse, then load what is asked for and run it."""
    args = parser().parse_args(argv)
    if args.verb == "serve":
        from daemon.policy import serve as policy_serve

        return policy_serve.main(args)
    from daemon.policy import command as policy_command

    return policy_command.main(args)
