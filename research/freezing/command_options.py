"""The command line of `steadyhand freeze`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand freeze",
        description="Make the artefact that the trader runs out of a run of `steadyhand train`.",
    )
    p.add_argument("run", type=Path, metavar="RUN", help="folder of the run; its best weights are taken")
    p.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the artefact's folder, not there yet"
    )
    p.add_argument("--name", metavar="ID", help="its policy_id (default: the folder's name)")
    p.add_argument("--label", metavar="TEXT", help="one honest line on what it is")
    p.add_argument(
        "--evaluation",
        type=Path,
        metavar="FILE.json",
        help="what `steadyhand validate` measured of these weights; without it nothing is claimed",
    )
    p.add_argument("--key", type=Path, metavar="PEM", help="an Ed25519 private key to sign it with")
    p.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what freezes and run it."""
    args = parser().parse_args(argv)
    from research.freezing import command

    return command.main(args)
