"""The set-up says in one line what is missing, and does nothing twice."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "deploy" / "setup"
LOCKS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SETUP / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def empty_venv(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No environment yet, and no wheel of quickfix."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "venv" / "setup.log")
    monkeypatch.setattr(bootstrap, "ROOT", ROOT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "venv"


def test_an_old_python_is_named(
    bootstrap: ModuleType,
    empty_venv: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))

    assert bootstrap.main(["base"]) == 2

    assert capsys.readouterr().err == (
        "set-up: Python 3.9.2 is too old; 3.11 or newer is needed: make PYTHON=python3.11 ...\n"
    )


def test_a_missing_venv_module_is_named(
    bootstrap: ModuleType,
    empty_venv: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)

    assert bootstrap.main(["base"]) == 2

    assert "apt install python3-venv" in capsys.readouterr().err


def test_missing_compiler_and_headers_are_named_together(
    bootstrap: ModuleType, empty_venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap.sysconfig, "get_path", lambda name: "/nowhere")

    with pytest.raises(bootstrap.SetupError) as refusal:
        bootstrap.check_compiler()

    assert "apt install g++" in str(refusal.value)
    assert "apt install python3-dev" in str(refusal.value)


def test_wheels_of_other_flags_versions_and_pythons_are_kept_apart(
    bootstrap: ModuleType, empty_venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bootstrap.cache_folder()
    monkeypatch.setattr(bootstrap, "CXXFLAGS", "-O2 -g0")
    second = bootstrap.cache_folder()

    assert first != second
    assert first.is_relative_to(empty_venv.parent / "cache" / "steadyhand" / "wheels")
    assert {"quickfix-1.16.0", sys.implementation.cache_tag} <= set(re.split(r"-(?=cp|lin)", first.name))


def test_a_stamped_environment_is_left_alone(
    bootstrap: ModuleType,
    empty_venv: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty_venv.mkdir()
    bootstrap.stamp("base").write_text(bootstrap.digest("base"))
    bootstrap.stamp("all").write_text(bootstrap.digest("all"))
    monkeypatch.setattr(bootstrap, "check_python", lambda: pytest.fail("set up again"))

    assert bootstrap.main(["base"]) == 0
    assert bootstrap.main(["all"]) == 0

    assert capsys.readouterr().err == ""


def test_a_changed_lock_file_sets_up_again(
    bootstrap: ModuleType, empty_venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_venv.mkdir()
    bootstrap.stamp("base").write_text("made from something else")
    begun = []
    monkeypatch.setattr(bootstrap, "check_python", lambda: begun.append(True))
    for step in ("make_venv", "install_base"):
        monkeypatch.setattr(bootstrap, step, lambda progress: None)

    assert bootstrap.main(["base"]) == 0

    assert begun == [True]
    assert bootstrap.stamp("base").read_text() == bootstrap.digest("base")


def test_children_keep_pips_settings_and_lose_foreign_modules(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("PIP_TIMEOUT", "7")

    env = bootstrap.child_env()

    assert "PYTHONPATH" not in env
    assert env["PIP_TIMEOUT"] == "7"
    assert env["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("name", ["base.lock", "dev.lock", "build.lock", "quickfix.lock"])
def test_every_locked_package_is_held_to_a_hash(name: str) -> None:
    packages = re.split(r"\n(?=\S)", (LOCKS / name).read_text().strip())

    for package in packages:
        assert "==" in package.splitlines()[0]
        assert "--hash=sha256:" in package


def test_every_dependency_is_locked() -> None:
    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[<>=;\[ ]", line)[0].lower() for line in lines}

    base = names((LOCKS / "base.lock").read_text().splitlines())
    dev = names((LOCKS / "dev.lock").read_text().splitlines())

    assert names(PROJECT["dependencies"]) - {"quickfix"} <= base
    assert names(PROJECT["optional-dependencies"]["dev"]) <= dev
    assert base - {"", "#"} <= dev
    assert "quickfix==1.16.0" in (LOCKS / "quickfix.lock").read_text()


def test_the_pool_takes_the_place_of_setuptools_own_loop() -> None:
    """If setuptools moves its compiler class, the build would be slow, or break: it must be seen here."""
    code = (
        "import setuptools, importlib, sys; sys.path.insert(0, sys.argv[1]); import build_quickfix\n"
        "base = importlib.import_module('distutils.compilers.C.base')\n"
        "base.Compiler.compile = build_quickfix.compile_on_every_core\n"
        "import distutils.ccompiler\n"
        "print(type(distutils.ccompiler.new_compiler()).compile is build_quickfix.compile_on_every_core)"
    )

    outcome = subprocess.run([sys.executable, "-c", code, str(SETUP)], capture_output=True, text=True)

    assert outcome.stdout == "True\n", outcome.stderr
