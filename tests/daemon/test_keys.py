"""Keys of people: files of their owner, ids that cannot be claimed, signatures that say for what they are."""

import re
from pathlib import Path

import pytest

from daemon.options import USAGE
from daemon.people import keys, keys_options, operator
from daemon.people.keys import Keyring, KeyringFile, SignatureError, load_keyring, load_private, make_private
from daemon.strict_toml import ConfigError
from risk.commands import Role


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return load_keyring(keys.make_paper_keys(tmp_path), "paper")


def test_a_signature_names_its_person(tmp_path: Path, ring: Keyring) -> None:
    first = load_private(tmp_path / "first.pem")

    signer = ring.verify(first.key_id, "text", first.sign("text"))

    assert (signer.person, signer.role) == ("paper first", Role.ADMIN)
    assert first.paper
    assert [len(ring), len(ring.signers)] == [2, 2]


def test_anothers_signature_another_text_another_purpose_are_refused(tmp_path: Path, ring: Keyring) -> None:
    first, second = (load_private(tmp_path / f"{n}.pem") for n in ("first", "second"))
    signature = first.sign("text")

    for key, text, signed in (
        (second.key_id, "text", signature),
        (first.key_id, "text ", signature),
        (first.key_id, "text", first.sign("text", keys.FILE_CONTEXT)),
        (first.key_id, "text", "zz"),
        (first.key_id, "text", ""),
        ("0" * 16, "text", signature),
    ):
        with pytest.raises(SignatureError):
            ring.verify(key, text, signed)


def test_a_private_key_is_its_owners_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    made = make_private(path, paper=False)

    assert path.stat().st_mode & 0o777 == 0o600
    assert load_private(path).key_id == made.key_id
    with pytest.raises(ConfigError, match="cannot be written"):
        make_private(path, paper=False)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read it"):
        load_private(path)


@pytest.mark.parametrize(
    "text", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_one_line(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "k.pem"
    path.write_bytes(text)
    path.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        load_private(path)

    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError):
        load_private(tmp_path / "none.pem")


def test_keys_of_paper_are_no_keys_of_live(tmp_path: Path) -> None:
    path = keys.make_paper_keys(tmp_path)

    with pytest.raises(ConfigError, match="keys for paper"):
        load_keyring(path, "live")


def test_without_a_keyring_nobody_can_sign(tmp_path: Path) -> None:
    key = make_private(tmp_path / "k.pem", paper=True)

    with pytest.raises(SignatureError, match="keyring"):
        load_keyring(None, "paper").verify(key.key_id, "text", key.sign("text"))


def test_one_key_is_not_two_people(tmp_path: Path) -> None:
    key = make_private(tmp_path / "k.pem", paper=True)
    path = tmp_path / "keyring.toml"
    entry = keys.keyring_entry(key, "a", "risk")
    path.write_text('mode = "paper"\n' + entry + keys.keyring_entry(key, "b", "risk"))

    with pytest.raises(ConfigError, match="twice"):
        load_keyring(path, "paper")


@pytest.mark.parametrize(
    "entry",
    [
        'person = "a"\nrole = "king"\npublic = "{}"',
        'person = "a\\n"\nrole = "risk"\npublic = "{}"',
        'person = "a"',
    ],
)
def test_a_keyring_that_is_wrong_says_where(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "keyring.toml"
    path.write_text('mode = "paper"\n[[key]]\n' + entry.replace("{}", "0" * 64) + "\n")

    with pytest.raises(ConfigError, match=r"keyring\.toml:\d+:key\.0"):
        load_keyring(path, "paper")


@pytest.mark.parametrize("person", ["", "a" * 41, 'a"b', "a\nb"])
def test_a_person_without_a_name_is_a_mistake_of_what_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], person: str
) -> None:
    path = tmp_path / "mine.pem"

    assert keys_options.main(["make", str(path), "--person", person, "--role", "risk"]) == USAGE

    assert capsys.readouterr().err.startswith("steadyhand keys make: --person ")
    assert not path.exists()


def test_a_signed_file_is_whole_and_its_signers(tmp_path: Path, ring: Keyring) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("version = 1\n")
    first = load_private(tmp_path / "first.pem")
    keys.sign_file(path, first)

    assert keys.verify_file(path, ring).person == "paper first"
    path.write_text("version = 2\n")
    with pytest.raises(SignatureError, match="has changed"):
        keys.verify_file(path, ring)


def test_a_file_is_signed_by_whom_may(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("version = 1\n")
    key = make_private(tmp_path / "k.pem", paper=True)
    section = {"person": "a", "role": "operate", "public": key.public.hex()}
    ring = Keyring(KeyringFile.model_validate({"mode": "paper", "key": (section,)}))

    with pytest.raises(SignatureError, match="does not exist"):
        keys.verify_file(path, ring)
    keys.sign_file(path, key)
    with pytest.raises(SignatureError, match="role operate"):
        keys.verify_file(path, ring)


def test_a_kill_that_finds_no_gate_says_what_kills_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy = Path(__file__).parents[2] / "deploy"
    config = tmp_path / "paper.toml"
    config.write_text((deploy / "paper.toml").read_text().replace('"limits', f'"{deploy}/limits'))

    assert operator.kill(["--config", str(config), "--reason", "now"]) == 1
    assert re.search(r"no gate is running .*; `touch .*` kills everything", capsys.readouterr().err)
    assert operator.kill(["--config", str(config), "--scope", "X/.."]) == USAGE
    assert "nothing is killed: --scope 'X/..'" in capsys.readouterr().err
