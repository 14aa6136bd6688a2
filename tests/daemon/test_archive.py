"""What has left the gate's memory is found again, whole, once, and only what was put there."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemon.gate.archive import LET_GO, NOTHING, Archive, ArchiveError, Record, label, linked
from daemon.gate.archive_store import NAME, ArchiveStore, forget, ready, write


def records(*names: tuple[str, ...], first: int = 1, before: bytes = NOTHING) -> list[Record]:
    """Return records that follow each other; the chain is the first name's."""
    found = []
    for number, known in enumerate(names, start=first):
        chain = known[0][1:] if known[0].startswith("C") else ""
        data = f"{number}:{known[0]}".encode("utf-8", "surrogateescape")
        before = linked(before, label(chain, known), data)
        found.append(Record(number, before, chain, known, data))
    return found


MANY = records(("CA", "EX1"), ("CB", "EX2", "OB"), ("CA", "CA2"), ("DE9",), ("CC",), ("CB",))


def filled(archive: Archive, some: list[Record] | None = None) -> Archive:
    for record in MANY if some is None else some:
        archive.put(record)
    return archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, filled(Archive()))
    return tmp_path


def test_the_last_record_of_a_name_is_what_it_is() -> None:
    archive = filled(Archive())

    assert [archive.get(name) for name in ("CA", "CA2", "EX1", "CB", "DE9")] == [
        b"3:CA", b"3:CA", b"1:CA", b"6:CB", b"4:DE9",
    ]  # fmt: skip
    assert archive.get("CZ") is None
    assert len(archive) == 6
    assert [r.number for r in archive.waiting()] == [1, 2, 3, 4, 5, 6]


def test_orders_are_told_once_each_the_latest_first() -> None:
    archive = filled(Archive())

    assert list(archive.orders(10)) == [("B", b"6:CB"), ("C", b"5:CC"), ("A", b"3:CA")]
    assert list(archive.orders(2)) == [("B", b"6:CB"), ("C", b"5:CC")]
    assert list(archive.orders(0)) == []


def test_a_store_tells_the_same_up_to_any_number(folder: Path) -> None:
    store = ArchiveStore(folder)

    assert store.last() == (6, MANY[-1].digest)
    assert [store.find("CB", until) for until in (1, 2, 5, 6, 7)] == [
        None,
        b"2:CB",
        b"2:CB",
        b"6:CB",
        b"6:CB",
    ]
    assert list(store.orders(6, 10)) == [("B", b"6:CB"), ("C", b"5:CC"), ("A", b"3:CA")]
    assert list(store.orders(4, 10)) == [("A", b"3:CA"), ("B", b"2:CB")]
    assert list(store.orders(6, 1)) == [("B", b"6:CB")]
    assert store.find("CZ", 6) is None
    store.close()
    assert store.find("CC", 6) == b"5:CC"  # it is opened again
    store.close()
    store.close()


def test_a_store_may_be_opened_by_one_thread_and_read_by_another(folder: Path) -> None:
    store = ArchiveStore(folder)
    with ThreadPoolExecutor(1) as start:
        assert start.submit(store.find, "CC", 6).result() == b"5:CC"

    assert store.find("CC", 6) == b"5:CC"
    store.close()


def test_where_no_store_lies_nothing_is_there(tmp_path: Path) -> None:
    store = ArchiveStore(tmp_path)

    assert store.last() == (0, NOTHING)
    assert store.find("CA", 9) is None
    assert list(store.orders(9, 9)) == []
    assert not (tmp_path / NAME).exists()


def test_what_a_store_has_is_let_go_a_few_at_a_time(folder: Path) -> None:
    archive = filled(Archive(ArchiveStore(folder)))
    archive.follow()
    assert archive.stored == 6
    assert len(archive) == 0
    assert archive.waiting() == []

    for record in records(*[(f"CN{n}",) for n in range(4)], first=7, before=MANY[-1].digest):
        archive.put(record)
    assert len(archive._waiting) == 4  # six of the store's went with the first of them
    assert len(archive) == 4
    assert [archive.get(name) for name in ("CA", "CN0", "CB", "DE9")] == [
        b"3:CA",
        b"7:CN0",
        b"6:CB",
        b"4:DE9",
    ]
    assert [chain for chain, _ in archive.orders(9)] == ["N3", "N2", "N1", "N0", "B", "C", "A"]
    assert LET_GO == 8


def test_a_store_of_another_past_is_not_followed(folder: Path) -> None:
    others = records(("CX",), ("CB",), ("CA",), ("DE9",), ("CC",), ("CB",))
    archive = filled(Archive(ArchiveStore(folder)), others)

    archive.follow()

    assert archive.stored == 0
    assert archive.get("CX") == b"1:CX"
    assert archive.get("EX1") is None  # what lies there is none of ours
    filled(Archive()).follow()  # without a store there is nothing to follow


def test_a_name_that_changed_hands_is_not_lost_when_its_first_record_goes(folder: Path) -> None:
    archive = filled(Archive(ArchiveStore(folder)))
    archive.stored = 1
    archive.put(records(("CN",), first=7)[0])

    assert archive.get("CA") == b"3:CA"
    assert archive.get("EX1") == b"1:CA"
    assert [r.number for r in archive.waiting()] == [2, 3, 4, 5, 6, 7]


def test_a_start_cuts_off_what_is_newer_and_writes_behind_it(folder: Path) -> None:
    archive = Archive(stored=4)
    ready(folder, archive)

    store = archive.store
    assert store is not None
    assert store.last() == (4, MANY[3].digest)
    assert archive.get("CB") == b"2:CB"
    assert archive.get("CC") is None
    for record in MANY[4:]:
        archive.put(record)
    write(folder, archive)
    archive.follow()
    assert archive.stored == 6
    assert archive.get("CB") == b"6:CB"
    assert isinstance(store, ArchiveStore)
    assert store.holds(6, MANY[5].digest)


def test_to_write_the_same_again_changes_nothing(folder: Path) -> None:
    write(folder, filled(Archive()))

    with sqlite3.connect(folder / NAME) as db:
        assert db.execute("SELECT count(*) FROM records").fetchone() == (6,)
        assert db.execute("SELECT count(*) FROM names").fetchone() == (10,)
    db.close()


def test_a_damaged_file_of_which_nothing_counts_is_made_anew_and_another_is_not(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(ArchiveError, match="anew at the next start"):
        ArchiveStore(tmp_path).last()
    with pytest.raises(ArchiveError, match="not a database"):
        write(tmp_path, Archive(stored=1))

    write(tmp_path, filled(Archive()))

    assert ArchiveStore(tmp_path).last() == (6, MANY[-1].digest)


def test_a_folder_that_takes_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="unable to open"):
        write(tmp_path / "nowhere", filled(Archive()))
    with pytest.raises(ArchiveError, match="unable to open"):
        write(tmp_path / "nowhere", Archive(stored=1))


def test_a_file_that_is_forgotten_leaves_nothing_beside_it(folder: Path) -> None:
    for suffix in ("-wal", "-shm"):
        (folder / f"{NAME}{suffix}").touch()
    (folder / "other").touch()

    forget(folder)
    forget(folder)

    assert [path.name for path in folder.iterdir()] == ["other"]


def test_bytes_of_the_wire_that_are_no_text_name_something_all_the_same(tmp_path: Path) -> None:
    odd = b"C\xff\xe4".decode("utf-8", "surrogateescape")
    (record,) = records((odd, "C\u20ac"))
    write(tmp_path, filled(Archive(), [record]))

    store = ArchiveStore(tmp_path)

    assert store.find(odd, 1) == record.data
    assert store.find("C\u20ac", 1) == record.data
    assert store.find("C\xe4", 1) is None


def test_the_hash_speaks_of_names_chain_data_and_all_before() -> None:
    def of(chain: str, names: tuple[str, ...], data: bytes = b"x", before: bytes = b"") -> bytes:
        return linked(before, label(chain, names), data)

    different = {
        of("A", ("CA", "CB")),
        of("A", ("CA", "CB"), before=b"0"),
        of("A", ("CA", "CC")),
        of("A", ("CB", "CA")),
        of("B", ("CA", "CB")),
        of("A", ("CA", "CB"), b"y"),
        of("A", ("CACB",)),
    }

    assert len(different) == 7
    assert {len(digest) for digest in different} == {16}


def test_a_store_holds_what_was_put_and_nothing_else(folder: Path) -> None:
    def holds(number: int) -> bool:
        store = ArchiveStore(folder)
        found = store.holds(number, MANY[number - 1].digest if number else NOTHING)
        store.close()
        return found

    assert [holds(n) for n in range(7)] == [True] * 7
    store = ArchiveStore(folder)
    assert not store.holds(6, MANY[4].digest)
    assert not store.holds(5, MANY[5].digest)
    store.close()
    for wrong in (
        "UPDATE records SET data = x'00' WHERE number = 3",
        "UPDATE records SET label = NULL WHERE number = 3",
        "UPDATE records SET chain_id = 'Z' WHERE number = 3",
        "DELETE FROM records WHERE number = 3",
        "DELETE FROM names WHERE name = 'EX1'",
        "INSERT INTO names VALUES ('CZ', 2)",
    ):
        write(folder, filled(Archive()))
        with sqlite3.connect(folder / NAME) as db:
            db.execute(wrong)
        db.close()
        assert [holds(n) for n in (1, 6)] == [("EX1" not in wrong), False], wrong


def test_a_record_that_is_not_what_was_put_under_a_name_is_never_told(folder: Path) -> None:
    with sqlite3.connect(folder / NAME) as db:
        db.execute("INSERT INTO names VALUES ('CA', 5)")
        db.execute("UPDATE records SET data = x'00' WHERE number = 6")
    db.close()
    store = ArchiveStore(folder)

    for name in ("CA", "CB"):
        with pytest.raises(ArchiveError, match="is not what was written"):
            store.find(name, 6)
    assert store.find("CA", 4) == b"3:CA"
    store.close()
