"""The dated files of a day: read strictly, hashed, and nothing else than what was signed."""

from pathlib import Path

import pytest

from daemon.people import sod_files as sod
from daemon.people.sod_files import DayFilesError, compared, prepare, prepared
from daemon.people.sod_paper import synthesise
from market.instruments import Instrument
from market.types import Symbol

DAY = "2024-01-03"
INSTRUMENTS = {
    s: Instrument(symbol=Symbol(s), adv=1_000_000, daily_volatility_bps=150.0) for s in ("AAA", "BBB")
}
CLOSES = {Symbol("AAA"): 1_000_000, Symbol("BBB"): 205_000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A day that is whole."""
    positions = tmp_path / "held.csv"
    positions.write_text("account,symbol,qty\nPAPER,AAA,500\nPAPER,BBB,-30\n")
    synthesise(tmp_path, DAY, INSTRUMENTS, positions, CLOSES)
    return tmp_path


def add(folder: Path, name: str, *rows: str) -> None:
    with (folder / DAY / name).open("a") as file:
        file.writelines(f"{row}\n" for row in rows)


def test_a_whole_day_begins_with_what_its_files_say(folder: Path) -> None:
    add(folder, "locates.csv", f"{DAY},PAPER,AAA,200")
    add(folder, "restricted.csv", f"{DAY},CCC,sanctions")
    manifest, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=True)

    started, listed = prepared(folder, DAY, digest)

    assert manifest.untradable == {}
    assert manifest.synthetic
    assert started.day == DAY
    assert started.positions == (("PAPER", "AAA", 500), ("PAPER", "BBB", -30))
    assert started.closes_e4 == (("AAA", 1_000_000), ("BBB", 205_000))
    assert started.volumes == (("AAA", 1_000_000, 150.0), ("BBB", 1_000_000, 150.0))
    assert started.locates == (("PAPER", "AAA", 200),)
    assert listed.symbols == ("CCC",)
    assert listed.issued_ns == 1_704_240_000_000_000_000  # its midnight in UTC


@pytest.mark.parametrize("name", sod.REQUIRED)
def test_a_symbol_that_a_required_file_lacks_may_not_trade(folder: Path, name: str) -> None:
    path = folder / DAY / name
    path.write_text("".join(line for line in path.read_text().splitlines(True) if ",BBB" not in line))
    manifest, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)

    _, listed = prepared(folder, DAY, digest)

    assert manifest.untradable == {"BBB": f"{name} does not have it"}
    assert listed.symbols == ("BBB",)


def test_a_split_adjusts_shares_and_close(folder: Path) -> None:
    add(folder, "actions.csv", f"{DAY},AAA,split,4,1")
    _, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)

    started, _ = prepared(folder, DAY, digest)

    assert started.positions[0] == ("PAPER", "AAA", 2_000)
    assert started.closes_e4[0] == ("AAA", 250_000)
    assert started.volumes[0] == ("AAA", 4_000_000, 150.0)


def test_a_split_that_leaves_a_part_of_a_share_is_a_persons_business(folder: Path) -> None:
    add(folder, "actions.csv", f"{DAY},BBB,split,1,4")

    with pytest.raises(DayFilesError, match="fraction of a share"):
        prepare(folder, DAY, INSTRUMENTS, synthetic=False)


@pytest.mark.parametrize("name", sorted(sod.COLUMNS))
def test_a_missing_file_an_old_one_and_one_that_changed_are_refused(folder: Path, name: str) -> None:
    _, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)
    path = folder / DAY / name
    text = path.read_text()
    width = len(sod.COLUMNS[name])

    path.write_text(text + "\n")
    with pytest.raises(DayFilesError, match="has changed"):
        prepared(folder, DAY, digest)
    path.write_text(text + ",".join(["2024-01-02", *["1"] * width]) + "\n")
    with pytest.raises(DayFilesError, match=rf"{name}:\d+: of day 2024-01-02"):
        prepare(folder, DAY, INSTRUMENTS, synthetic=False)
    path.unlink()
    with pytest.raises(DayFilesError, match="does not exist"):
        prepare(folder, DAY, INSTRUMENTS, synthetic=False)


@pytest.mark.parametrize(
    ("name", "row", "fault"),
    [
        ("positions.csv", "PAPER,AAA,1", "comes twice"),
        ("positions.csv", "PAPER,CCC,1", "no configured instruments"),
        ("positions.csv", "OTHER,AAA,1.5", "whole number"),
        ("positions.csv", "OTHER,AAA,9999999999999", "whole number"),
        ("positions.csv", "OTHER,AAA", "columns"),
        ("closes.csv", "CCC,nan", "a price"),
        ("closes.csv", "CCC,-1", "a price"),
        ("closes.csv", "CCC,0", "a price"),
        ("closes.csv", "CCC,1.00001", "a price"),
        ("actions.csv", "AAA,merger,1,1", "merger"),
        ("adv.csv", "CCC,-1", "whole number"),
        ("volatility.csv", "AAB,nan", "basis points"),
        ("volatility.csv", "AAB,-1", "basis points"),
        ("actions.csv", "AAA,split,0,1", "whole number"),
        ("restricted.csv", ",why", "empty"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(folder: Path, name: str, row: str, fault: str) -> None:
    add(folder, name, f"{DAY},{row}")

    with pytest.raises(DayFilesError, match=fault) as caught:
        prepare(folder, DAY, INSTRUMENTS, synthetic=False)

    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_manifest_than_the_signed_one_is_refused(folder: Path) -> None:
    prepare(folder, DAY, INSTRUMENTS, synthetic=False)

    with pytest.raises(DayFilesError, match="not the one that was signed"):
        prepared(folder, DAY, "0" * 64)


@pytest.mark.parametrize("day", ["", "..", "../../etc", "2024-01-03/..", "yesterday", "2024-13-01"])
def test_a_day_is_a_date_and_no_path(folder: Path, day: str) -> None:
    with pytest.raises(DayFilesError):
        prepared(folder, day, "0" * 64)
    with pytest.raises(DayFilesError):
        compared(folder, day, "0" * 64)


def test_the_brokers_positions_are_those_that_were_signed(folder: Path) -> None:
    path = folder / DAY / sod.BROKER
    path.write_text(f"day,account,symbol,qty\n{DAY},PAPER,AAA,500\n")

    found = compared(folder, DAY, sod.sha256(path))

    assert found.positions == (("PAPER", "AAA", 500),)
    with pytest.raises(DayFilesError, match="signed"):
        compared(folder, DAY, "0" * 64)


def test_what_paper_does_not_know_is_not_made_up(tmp_path: Path) -> None:
    synthesise(tmp_path, DAY, INSTRUMENTS, None, {Symbol("AAA"): 1_000_000})

    manifest, _ = prepare(tmp_path, DAY, INSTRUMENTS, synthetic=True)

    assert manifest.untradable == {"BBB": "closes.csv does not have it"}


def test_cash_lowers_what_may_be_bought_and_says_nothing_where_nobody_knows(folder: Path) -> None:
    _, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)
    assert prepared(folder, DAY, digest)[0].buying_power_micros is None
    add(folder, "cash.csv", f"{DAY},PAPER,USD,1500", f"{DAY},OTHER,USD,-500")
    _, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)
    assert prepared(folder, DAY, digest)[0].buying_power_micros == 1_000 * 10**6
    add(folder, "cash.csv", f"{DAY},THIRD,USD,-5000")
    _, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)
    assert prepared(folder, DAY, digest)[0].buying_power_micros == 0

    add(folder, "cash.csv", f"{DAY},PAPER,EUR,1")
    with pytest.raises(DayFilesError, match="several currencies"):
        prepare(folder, DAY, INSTRUMENTS, synthetic=False)


@pytest.mark.parametrize(("mic", "theirs"), [("XNAS", "BBB.N"), ("XNYS", "BBB")])
def test_a_symbol_that_the_broker_calls_otherwise_may_not_trade(folder: Path, mic: str, theirs: str) -> None:
    path = folder / DAY / "symbols.csv"
    path.write_text(path.read_text().replace("BBB,XNAS,BBB", f"BBB,{mic},{theirs}"))
    manifest, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=False)

    assert manifest.untradable == {"BBB": f"the broker calls it {theirs} at {mic}, orders say BBB at XNAS"}
    assert prepared(folder, DAY, digest)[1].symbols == ("BBB",)


def test_a_symbol_that_orders_call_as_the_broker_does_may_trade(folder: Path) -> None:
    path = folder / DAY / "symbols.csv"
    path.write_text(path.read_text().replace("BBB,XNAS,BBB", "BBB,XNAS,BBB.N"))
    manifest, _ = prepare(folder, DAY, INSTRUMENTS, synthetic=False, sent={"BBB": "BBB.N"})

    assert manifest.untradable == {}


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("restricted.csv", "aaa,sanctions", "restricted.csv:2: aaa is written AAA"),
        ("restricted.csv", " AAA,sanctions", "restricted.csv:2: symbol ' AAA' has blanks"),
        ("restricted.csv", "AAA ,sanctions", "restricted.csv:2: symbol 'AAA ' has blanks"),
        ("restricted.csv", '"AAA\nBBB",sanctions', "has blanks"),
        ("actions.csv", "aaa,split,2,1", "actions.csv:2: aaa is written AAA"),
        ("locates.csv", "PAPER ,AAA,5", "locates.csv:2: account 'PAPER ' has blanks"),
        ("locates.csv", "PAPER,AAA,1_000", "locates.csv:2: a whole number from 0 is needed"),
        ("locates.csv", "PAPER,AAA, 5", "a whole number from 0 is needed, got ' 5'"),
        ("locates.csv", "PAPER,AAA,+5", "a whole number from 0 is needed"),
        ("cash.csv", "PAPER,JPY,5000000", "cash.csv: JPY: no instrument trades in it"),
    ],
)
def test_a_name_that_is_almost_ours_does_not_pass_for_anothers(
    folder: Path, name: str, row: str, said: str
) -> None:
    add(folder, name, f"{DAY},{row}")

    with pytest.raises(DayFilesError) as refused:
        prepare(folder, DAY, INSTRUMENTS, synthetic=False)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["adv.csv", "volatility.csv"])
def test_what_is_said_to_be_zero_by_who_should_know_is_not_known(folder: Path, name: str) -> None:
    path = folder / DAY / name
    path.write_text(path.read_text().replace("BBB,1000000", "BBB,0").replace("BBB,150", "BBB,0"))

    assert prepare(folder, DAY, INSTRUMENTS, synthetic=True)[0].untradable == {}
    untradable = prepare(folder, DAY, INSTRUMENTS, synthetic=False)[0].untradable
    assert untradable == {"BBB": "its volume or its volatility is 0"}


def test_a_file_that_changes_while_it_is_read_is_not_what_was_signed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, digest = prepare(folder, DAY, INSTRUMENTS, synthetic=True)

    def meanwhile(place: Path, day: str) -> int | None:
        add(folder, "locates.csv", f"{DAY},PAPER,AAA,200")
        return cash(place, day)

    cash = sod.cash
    monkeypatch.setattr(sod, "cash", meanwhile)
    with pytest.raises(DayFilesError, match=r"locates\.csv: has changed since it was signed"):
        prepared(folder, DAY, digest)
