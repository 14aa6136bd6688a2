"""`steadyhand keys`: make keys, sign a file, say who signed it, show whose word counts at a gate."""

import argparse
import sys

from daemon.config import load
from daemon.options import USAGE
from daemon.people import keys
from daemon.runtime import EXIT_CONFIG, EXIT_DONE, EXIT_NOT_CLEAN
from daemon.strict_toml import ConfigError


def main(args: argparse.Namespace) -> int:
    """Run one of make, sign, verify, show."""
    try:
        return {"make": make, "paper": paper, "sign": sign, "verify": verify, "show": show}[args.what](args)
    except ConfigError as error:
        print(f"steadyhand keys: {error}", file=sys.stderr)
        return EXIT_CONFIG


def make(args: argparse.Namespace) -> int:
    """Make a private key; print what a keyring needs of it."""
    try:
        keys.KeySection.model_validate({"person": args.person, "role": args.role, "public": "0" * 64})
    except ValueError:
        wanted = "give 1 to 40 letters, digits, spaces or ._-"
        print(f"steadyhand keys make: --person {args.person!r}: {wanted}", file=sys.stderr)
        return USAGE
    key = keys.make_private(args.file, args.paper)
    print(keys.keyring_entry(key, args.person, args.role), end="")
    return EXIT_DONE


def paper(args: argparse.Namespace) -> int:
    """Make what a paper gate needs."""
    print(f'keyring = "{keys.make_paper_keys(args.folder)}"  # of [gate]')
    return EXIT_DONE


def sign(args: argparse.Namespace) -> int:
    """Sign a file's bytes."""
    print(keys.sign_file(args.file, keys.load_private(args.key)))
    return EXIT_DONE


def verify(args: argparse.Namespace) -> int:
    """Say who signed a file."""
    try:
        signer = keys.verify_file(args.file, keyring(args))
    except keys.SignatureError as error:
        print(f"steadyhand keys: {error}", file=sys.stderr)
        return EXIT_NOT_CLEAN
    print(f"{args.file}: signed by {signer.person} ({signer.role.name.lower()}, key {signer.key})")
    return EXIT_DONE


def show(args: argparse.Namespace) -> int:
    """Show the keyring."""
    signers = keyring(args).signers
    for signer in signers:
        print(f"{signer.key}  {signer.role.name.lower():<8} {signer.person}")
    if not signers:
        print("nobody: gate.keyring is not configured")
    return EXIT_DONE


def keyring(args: argparse.Namespace) -> keys.Keyring:
    """Return the keyring of a configuration."""
    config = load(args.config)
    if config.gate is None:
        raise ConfigError(f"{args.config}: there is no [gate] section")
    return keys.load_keyring(config.gate.keyring, config.mode)
