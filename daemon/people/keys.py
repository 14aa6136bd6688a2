"""Ed25519 keys of people: a private key in a file of its owner, public keys with roles in the gate's keyring.

    keyring = load_keyring(path, mode)            # ConfigError: one line
    signer = keyring.verify(key_id, text, signature)     # SignatureError
    private = load_private(path); private.key_id; private.sign(text)
    make_paper_keys(folder)                       # two throw-away keys and their keyring
    sign_file(path, private); verify_file(path, keyring)

A key's id is the start of the SHA-256 of its public bytes, so that nobody can claim another's.
A private key file that others may read is refused.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, field_validator

from daemon.config import Section
from daemon.strict_toml import ConfigError, load_model
from risk.commands import Role, Signer

CONTEXT: Final = b"steadyhand command 1\n"  # what a signature is for: no other text of ours can pass as one
FILE_CONTEXT: Final = b"steadyhand file 1\n"
KEY_ID_CHARS: Final = 16  # 64 bits: enough to name a key of a desk; the signature proves it
KEYS_MAX: Final = 64  # people of a desk
PAPER: Final = "# A throw-away key for paper trading: a live gate refuses it.\n"


class SignatureError(Exception):
    """Not signed by who it says: one line."""


class KeySection(Section):
    """One person's public key."""

    person: Annotated[str, Field(pattern=r"^[A-Za-z0-9 ._-]{1,40}$")]
    role: Literal["view", "operate", "risk", "admin"]
    public: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # the 32 bytes of an Ed25519 public key


class KeyringFile(Section):
    """Whose word counts at a gate."""

    mode: Literal["paper", "live"]
    key: tuple[KeySection, ...] = Field(max_length=KEYS_MAX)

    @field_validator("key")
    @classmethod
    def once(cls, value: tuple[KeySection, ...]) -> tuple[KeySection, ...]:
        """Refuse one key under two names: it would be its own second person."""
        publics = [k.public for k in value]
        if len(set(publics)) != len(publics):
            raise ValueError("the same public key is there twice")
        return value


class Keyring:
    """Public keys by id."""

    def __init__(self, file: KeyringFile | None) -> None:
        keys = file.key if file is not None else ()
        self._keys = {
            key_id(bytes.fromhex(k.public)): (
                Signer(key_id(bytes.fromhex(k.public)), k.person, Role[k.role.upper()]),
                Ed25519PublicKey.from_public_bytes(bytes.fromhex(k.public)),
            )
            for k in keys
        }

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def signers(self) -> list[Signer]:
        """Return everybody."""
        return [signer for signer, _ in self._keys.values()]

    def verify(self, key: str, text: str, signature: str, context: bytes = CONTEXT) -> Signer:
        """Return who signed a text.

        Raises:
            SignatureError: an unknown key, or it did not.

        """
        signer, public = self._keys.get(key, (None, None))
        if signer is None or public is None:
            raise SignatureError(f"key {key[:KEY_ID_CHARS]!r} is not in the gate's keyring")
        try:
            public.verify(bytes.fromhex(signature), context + text.encode())
        except (InvalidSignature, ValueError):
            raise SignatureError(f"the signature is not {signer.person}'s") from None
        return signer


class PrivateKey:
    """One person's own."""

    def __init__(self, key: Ed25519PrivateKey, paper: bool) -> None:
        self._key = key
        self.paper = paper
        self.public = key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    def sign(self, text: str, context: bytes = CONTEXT) -> str:
        """Return the signature of a text, in hex."""
        return self._key.sign(context + text.encode()).hex()

    def sign_bytes(self, data: bytes) -> bytes:
        """Return the signature of bytes that say themselves what they are for."""
        return self._key.sign(data)


def key_id(public: bytes) -> str:
    """Return the id of a public key."""
    return hashlib.sha256(public).hexdigest()[:KEY_ID_CHARS]


def load_keyring(path: Path | None, mode: str) -> Keyring:
    """Read the keyring of a mode; without one there is nobody, and nothing signed is taken.

    Raises:
        ConfigError: file:line:key.

    """
    if path is None:
        return Keyring(None)
    file = load_model(path, KeyringFile)
    if file.mode != mode:
        raise ConfigError(f"{path}:1:mode: keys for {file.mode}, the configuration says {mode}")
    try:
        return Keyring(file)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: not an Ed25519 public key: {error}") from None


def load_private(path: Path) -> PrivateKey:
    """Read a private key.

    Raises:
        ConfigError: not there, not a key, or others may read it.

    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read it; chmod 600 {path.name}")
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: not a private key (PEM)") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key")
    return PrivateKey(key, text.startswith(PAPER.encode()))


def make_private(path: Path, paper: bool) -> PrivateKey:
    """Make a key and write it where nothing is yet, for its owner alone.

    Raises:
        ConfigError: it is there, or cannot be written.

    """
    key = PrivateKey(Ed25519PrivateKey.generate(), paper)
    pem = key._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_whole(path, (PAPER.encode() if paper else b"") + pem)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    return key


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole or not at all: half a key after a crash is no key.

    Raises:
        OSError: it is there, or the disk refuses it.

    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    finally:
        draft.unlink()


def keyring_entry(key: PrivateKey, person: str, role: str) -> str:
    """Return the lines that a keyring needs."""
    return f'[[key]]\nperson = "{person}"\nrole = "{role}"\npublic = "{key.public.hex()}"\n'


def make_paper_keys(folder: Path) -> Path:
    """Make two throw-away keys and their keyring, where there are none yet; return the keyring.

    Raises:
        ConfigError: a file cannot be written.

    """
    path = folder / "keyring.toml"
    if path.exists():
        return path
    lines = ['mode = "paper"  # throw-away keys, made for this run', ""]
    for name in ("first", "second"):
        key = make_private(folder / f"{name}.pem", paper=True)
        lines.append(keyring_entry(key, f"paper {name}", "admin"))
    path.write_text("\n".join(lines))
    return path


# --- signed files -------------------------------------------------------------------------------


def signature_path(path: Path) -> Path:
    """Return where a file's signature stands."""
    return path.with_name(path.name + ".sig")


def sign_file(path: Path, key: PrivateKey) -> Path:
    """Sign a file's bytes; return the signature's path.

    Raises:
        ConfigError: a file cannot be read or written.

    """
    target = signature_path(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        target.write_text(f"{key.key_id} {key.sign(digest, FILE_CONTEXT)}\n")
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None
    return target


def verify_file(path: Path, keyring: Keyring, least: Role = Role.RISK) -> Signer:
    """Return who signed a file.

    Raises:
        SignatureError: nobody, somebody else, somebody who may not, or the file has changed since.

    """
    target = signature_path(path)
    try:
        key, _, signature = target.read_text().strip().partition(" ")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise SignatureError(f"{error.filename} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SignatureError(f"{target}: cannot be read: {error}") from None
    try:
        signer = keyring.verify(key, digest, signature, FILE_CONTEXT)
    except SignatureError as error:
        raise SignatureError(f"{target}: {error}, or the file has changed since") from None
    if signer.role < least:
        raise SignatureError(
            f"{target}: {signer.person} has role {signer.role.name.lower()}, {least.name.lower()} signs"
        )
    return signer
