"""A detached signature over an artefact's manifest: whoever froze it vouches for it, by Ed25519.

The manifest holds the hash of every other file, so that the one signature covers all. Keys are PEM
files (SubjectPublicKeyInfo, PKCS #8); the signature is 128 hexadecimal digits and a line end.
"""

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from policies.manifest import MANIFEST, SIGNATURE, ArtefactError

KEY_BYTES_MAX = 4_096  # a PEM of such a key has about 120


class KeyFileError(Exception):
    """A key file that cannot be used: which, and what is wrong with it."""


def sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write the signature beside the manifest."""
    (folder / SIGNATURE).write_text(key.sign((folder / MANIFEST).read_bytes()).hex() + "\n")


def check(folder: Path, key: Ed25519PublicKey) -> None:
    """Hold the manifest to its signature.

    Raises:
        ArtefactError: there is none, it is no signature, or it is not this key's over these bytes.

    """
    path = folder / SIGNATURE
    try:
        signature = bytes.fromhex(path.read_text(encoding="ascii")[: 2 * 64 + 2])
        key.verify(signature, (folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ArtefactError(f"{path}: is missing, and a key is configured that it must satisfy") from None
    except (InvalidSignature, ValueError):
        raise ArtefactError(f"{path}: is not the configured key's signature over {MANIFEST}") from None


def public_key(path: Path) -> Ed25519PublicKey:
    """Return a public key.

    Raises:
        KeyFileError: naming the file and what is wrong.

    """
    try:
        key = load_pem_public_key(read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: is not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path}: is not an Ed25519 key")
    return key


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return a private key without a pass phrase.

    Raises:
        KeyFileError: naming the file and what is wrong.

    """
    try:
        key = load_pem_private_key(read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: is not a private key in PEM without a pass phrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: is not an Ed25519 key")
    return key


def read(path: Path) -> bytes:
    """Return a key file's bytes, of which there are few."""
    try:
        with path.open("rb") as file:
            raw = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > KEY_BYTES_MAX:
        raise KeyFileError(f"{path}: has more than {KEY_BYTES_MAX} bytes; a key has about 120")
    return raw
