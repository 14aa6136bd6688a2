"""A signed artefact is its signer's to the last byte of the manifest, or it is refused."""

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from policies import signature
from policies.baselines import PolicyError
from policies.choose import choose
from policies.frozen import FrozenPolicy
from policies.manifest import ArtefactError
from tests.artefacts.shelf import CLONED

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(CLONED, tmp_path / "policy"))
    signature.sign(folder, KEY)
    return folder


def test_what_was_signed_is_accepted_and_still_loads(signed: Path) -> None:
    signature.check(signed, KEY.public_key())
    assert FrozenPolicy.load(signed).name == "cloned-twap-passive"


def test_another_key_another_byte_or_no_signature_is_refused(signed: Path) -> None:
    with pytest.raises(ArtefactError, match=r"not the configured key"):
        signature.check(signed, OTHER.public_key())
    manifest = signed / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"behaviour", b"Behaviour", 1))
    with pytest.raises(ArtefactError, match=r"not the configured key"):
        signature.check(signed, KEY.public_key())
    (signed / "manifest.sig").write_text("no hexadecimal")
    with pytest.raises(ArtefactError, match=r"not the configured key"):
        signature.check(signed, KEY.public_key())
    (signed / "manifest.sig").unlink()
    with pytest.raises(ArtefactError, match=r"is missing"):
        signature.check(signed, KEY.public_key())


def test_keys_are_read_from_pem_and_nothing_else(tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert signature.private_key(private).private_bytes_raw() == KEY.private_bytes_raw()
    assert signature.public_key(public).public_bytes_raw() == KEY.public_key().public_bytes_raw()

    curve = X25519PrivateKey.generate()
    other = tmp_path / "x25519.pem"
    other.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    long = tmp_path / "long.pem"
    long.write_bytes(b"x" * 5_000)
    for path, says in (
        (other, "not an Ed25519 key"),
        (public, "not a private key"),
        (long, "more than 4096"),
    ):
        with pytest.raises(signature.KeyFileError, match=says):
            signature.private_key(path)
    with pytest.raises(signature.KeyFileError, match="cannot be read"):
        signature.public_key(tmp_path / "none")


def test_where_a_key_is_configured_only_what_it_signed_may_decide(signed: Path, tmp_path: Path) -> None:
    public, other = tmp_path / "key.pub", tmp_path / "other.pub"
    for path, key in ((public, KEY), (other, OTHER)):
        path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert choose(str(signed), key=public).name == "cloned-twap-passive"
    with pytest.raises(ArtefactError, match=r"not the configured key"):
        choose(str(signed), key=other)
    with pytest.raises(ArtefactError, match=r"manifest.sig: is missing"):
        choose(str(CLONED), key=public)
    with pytest.raises(PolicyError):
        choose("twap", key=public)
