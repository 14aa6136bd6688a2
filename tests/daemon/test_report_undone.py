"""Fills that a report takes back or corrects, as the wire's log is read: told twice, they are no news."""

from pathlib import Path

from daemon.report.log import FixLog, read
from market.types import ParentID

SOH = "\x01"
ORDER = "35=D|11=C1|526=P1|55=SYN|54=1|38=100"


def log_of(path: Path, *reports: str) -> FixLog:
    rows = [("OUT", ORDER), *(("IN", f"35=8|11=C1|37=O1|55=SYN|54=1|{text}") for text in reports)]
    lines = (f"t {way} {SOH}{text.replace('|', SOH)}{SOH}\n" for way, text in rows)
    path.write_text("".join(lines), encoding="latin-1")
    return read(path, requests="OUT")


def held(log: FixLog) -> list[tuple[str, int, int]]:
    return [(f.exec_id, f.qty, f.price_e4) for f in log.fills_of(ParentID("P1"))]


FILL = "17=E1|150=F|32=60|31=100.00"
OTHER = "17=E2|150=F|32=40|31=100.01"


def test_a_bust_takes_its_fill_back(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", FILL, OTHER, "17=E3|150=H|19=E1|32=60|31=100.00")

    assert held(log) == [("E2", 40, 1_000_100)]
    assert not log.problems


def test_a_correction_stands_under_its_own_name(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", FILL, "17=E3|150=G|19=E1|32=60|31=99.99")

    assert held(log) == [("E3", 60, 999_900)]
    assert not log.problems


def test_a_correction_is_busted_by_its_own_name(tmp_path: Path) -> None:
    log = log_of(
        tmp_path / "log", FILL, "17=E3|150=G|19=E1|32=60|31=99.99", "17=E4|150=H|19=E3|32=60|31=99.99"
    )

    assert held(log) == []
    assert not log.problems


def test_what_is_told_twice_changes_nothing(tmp_path: Path) -> None:
    bust = "17=E3|150=H|19=E1|32=60|31=100.00"
    log = log_of(tmp_path / "log", FILL, FILL, bust, bust, FILL, OTHER, OTHER)

    assert held(log) == [("E2", 40, 1_000_100)]
    assert not log.problems


def test_a_bust_of_nothing_is_named(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", FILL, "17=E3|150=H|19=E9|32=60|31=100.00")

    assert log.problems == ["ExecID E3 undoes E9, which was never told"]


def test_fix_42_says_the_same_by_exec_trans_type(tmp_path: Path) -> None:
    log = log_of(
        tmp_path / "log",
        "17=E1|20=0|150=1|32=60|31=100.00",
        "17=E2|20=0|150=2|32=40|31=100.01",
        "17=E3|20=2|19=E2|150=2|32=40|31=100.00",
        "17=E4|20=1|19=E1|150=0|32=60|31=100.00",
    )

    assert held(log) == [("E3", 40, 1_000_000)]
    assert not log.problems


def test_a_wire_that_names_no_parent_takes_the_gates_word(tmp_path: Path) -> None:
    path = tmp_path / "fix.log"
    path.write_text("t OUT |35=D|11=A|55=SYN|\nt OUT |35=D|11=B|526=P2|\n".replace("|", SOH))
    log = read(path, "OUT")
    log.name_parents([{"chain_id": "A", "parent_id": "P1"}, {"chain_id": "B", "parent_id": "P9"}])

    assert log.parent_of == {"A": "P1", "B": "P2"}
