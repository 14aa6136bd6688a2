"""The command as a whole: it finds sub-commands, says what it does not know, and ends with a code."""

import importlib.metadata
from importlib.metadata import EntryPoint

import pytest

from daemon import cli


def offer(monkeypatch: pytest.MonkeyPatch, **commands: str) -> None:
    """Put these in place of the installed entry points."""
    points = [EntryPoint(name, value, cli.GROUP) for name, value in commands.items()]
    monkeypatch.setattr(cli, "entry_points", lambda group: points)


def answer(argv: list[str]) -> int:
    """A sub-command for the tests below."""
    return len(argv)


def interrupted(argv: list[str]) -> int:
    raise KeyboardInterrupt


def exits(argv: list[str]) -> int:
    raise SystemExit(int(argv[0]) if argv else None)


def test_a_sub_command_gets_the_rest_and_its_code_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, paper=f"{__name__}:answer")

    assert cli.main(["paper", "--seed", "7", "--json"]) == 3


@pytest.mark.parametrize(
    ("target", "argv", "code"),
    [("interrupted", [], 130), ("exits", ["2"], 2), ("exits", [], 0)],
)
def test_however_a_sub_command_ends_there_is_a_code(
    monkeypatch: pytest.MonkeyPatch, target: str, argv: list[str], code: int
) -> None:
    offer(monkeypatch, paper=f"{__name__}:{target}")

    assert cli.main(["paper", *argv]) == code


@pytest.mark.parametrize(
    ("typed", "hint"), [("papr", "did you mean 'paper'?"), ("xyzzy", "`steadyhand --help` lists them")]
)
def test_an_unknown_command_gives_one_line_with_a_hint(
    typed: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main([typed])

    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err == f"steadyhand: no command {typed!r}; {hint}\n"


def test_nothing_at_all_is_a_usage_error_that_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: steadyhand" in capsys.readouterr().err


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"steadyhand {importlib.metadata.version('steadyhand')}\n"


def test_every_installed_command_is_described_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    names = {p.name for p in importlib.metadata.entry_points(group=cli.GROUP)}

    assert cli.main(["--help"]) == 0

    assert set(cli.SUMMARIES) == names
    assert all(summary in capsys.readouterr().out for summary in [cli.SUMMARIES["kill"]])


def lacking(argv: list[str]) -> int:
    raise ModuleNotFoundError("No module named 'scipy.stats'", name="scipy.stats")


def broken(argv: list[str]) -> int:
    raise ModuleNotFoundError("No module named 'daemon.dream'", name="daemon.dream")


def test_a_command_whose_extra_is_not_installed_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, prove=f"{__name__}:lacking", dream=f"{__name__}:broken")

    assert cli.main(["prove"]) == 2
    assert capsys.readouterr().err == "steadyhand prove: needs scipy.stats: pip install -e '.[research]'\n"
    with pytest.raises(ModuleNotFoundError, match=r"daemon\.dream"):
        cli.main(["dream"])
