"""The trader's notation: what it reads, and that what it does not read is refused by file and line."""

import pytest

from daemon.certify.notation import ScriptError, Who, parse
from market.types import OrdStatus


def test_a_report_has_the_columns_of_the_standard() -> None:
    line = "3 < trade/pending_cancel Y of X 100 40 60 40 @ 99.5 exec T1 dup = new 40 60 avg 99.5"
    (case,) = parse(f"case A  one\ngiven parent 500\n{line}", "a.txt")

    (read,) = case.lines
    assert (case.ref, case.title, case.given, case.source) == ("A", "one", {"parent": "500"}, "a.txt:1")
    assert (read.who, read.verb, read.status) == (Who.THEIRS, "trade", OrdStatus.PENDING_CANCEL)
    assert (read.name, read.orig, read.numbers, read.price_e4) == ("Y", "X", (100, 40, 60, 40), 995_000)
    assert read.options == {"exec": "T1", "dup": "Y"}
    assert read.expected is not None
    assert (read.expected.status, read.expected.cum_qty, read.expected.leaves_qty) == (OrdStatus.NEW, 40, 60)
    assert read.expected.options == {"avg": "99.5"}


def test_comments_and_quotes() -> None:
    (case,) = parse('# nothing\ncase A one\n1 ! down text "no route # at all"  # why\n', "a.txt")

    assert case.lines[0].options == {"text": "no route # at all"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("> new X buy 1 @ 1", "a line begins with its time"),
        ("1 new X buy 1 @ 1", "'new' is none of"),
        ("1 > sing X", "'sing' is not known after >; known: new replace"),
        ("1 < sing X", "'sing' is not known after <"),
        ("1 ! sing", "'sing' is not known after !"),
        ("1 >", "a line has a time"),
        ("1 > new", "a ClOrdID is missing"),
        ("1 > new X buy", "a quantity is missing"),
        ("1 > new X buy ten @ 1", "'ten' is not a quantity"),
        ("1 > new X buy 10", "`@ price` is missing"),
        ("1 > new X buy 10 @ 1.23456", "not a price of at most 4 decimals"),
        ("1 > new X buy 10 @ nan", "not a price"),
        ("1 > new X buy 10 @ 1 tif never", "tif 'never'"),
        ("1 > new X buy 10 @ 1 colour red", "'colour' is not known here"),
        ("1 > replace Y 10 @ 1", "the order that it changes is missing"),
        ("1 > cancel Y of", "the ClOrdID after `of` is missing"),
        ("1 < new X 10 0", "columns are OrderQty CumQty LeavesQty"),
        ("1 < trade X 10 5 5", "`trade` needs"),
        ("1 < new X 10 0 10 @ 5", "stands behind LastQty"),
        ("1 < new/old X 10 0 10", "'old' is no OrdStatus"),
        ("1 < new X 10 0 10 exec", "'exec' needs a value"),
        ("1 < new X 10 0 10 exec A exec B", "'exec' comes twice"),
        ("1 < new X 10 0 10 =", "nothing after ="),
        ("1 < new X 10 0 10 = happy", "'happy' is not known here"),
        ("1 ! price 1", "`price` needs bid and ask"),
        ("1 ! ask", "`ask` needs what to ask for"),
        ('1 ! down text "open', "a quote is not closed"),
        ("given parent 5", "`given` stands before"),
        ("case B", "needs a reference and a title"),
        ("case A again", "case A comes twice"),
        ("0 ! up", "time goes back, from 1 to 0"),
    ],
)
def test_what_is_not_in_the_notation_is_refused_by_line(line: str, says: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(f"case A one\n\n1 ! wait\n{line}\n", "cases/a.txt")

    assert str(caught.value).startswith("cases/a.txt:4: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.txt:1: no case"),
        ("1 ! up", "a.txt:1: a line before the first `case`"),
        ("case A one\ncase B two\n1 ! up", "a.txt:1: case A has no line"),
        ("#\n" * 2_001, "more than 2000 lines"),
    ],
)
def test_a_file_that_is_no_script_is_refused(text: str, says: str) -> None:
    with pytest.raises(ScriptError, match=r"a\.txt") as caught:
        parse(text, "a.txt")

    assert says in str(caught.value)
