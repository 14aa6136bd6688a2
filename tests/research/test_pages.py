"""Pages are whole, fetch nothing, and never let a name become markup."""

import re
from xml.etree import ElementTree

import pytest

from research import pages

RANGES = [pages.Range("against <TWAP>", -0.5, -0.7, -0.3), pages.Range("against itself", 0.1, -0.2, 0.4)]
CURVE = pages.Series("ours & theirs", [1, 10, 100], [1.0, 0.0, 3.0], [0.5, 0.1, 2.0], [2.0, 0.4, 4.0])


def drawing(html: str) -> ElementTree.Element:
    found = re.search(r"<svg.*</svg>", html)
    assert found
    return ElementTree.fromstring(found[0])


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_is_well_formed_and_inside_its_box(log: bool) -> None:
    svg = drawing(pages.lines([CURVE], "lag", "impact", log_x=log, log_y=log))
    for line in svg.iter("polyline"):
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= pages.WIDTH
            assert 0 <= y <= 300


def test_what_a_logarithm_has_not_is_left_out() -> None:
    svg = drawing(pages.lines([CURVE], "lag", "impact", log_y=True))
    (line,) = svg.iter("polyline")
    assert len(line.attrib["points"].split()) == 2


def test_intervals_are_told_apart_by_where_they_lie() -> None:
    svg = drawing(pages.forest(RANGES, "bps"))
    fills = [circle.attrib["fill"] for circle in svg.iter("circle")]
    assert fills == ["var(--good)", "var(--mute)"]
    assert "against <TWAP>" in [t.text for t in svg.iter("text")]


def test_a_flat_or_empty_series_draws() -> None:
    drawing(pages.lines([pages.Series("flat", [1, 2], [3.0, 3.0])], "x", "y"))
    drawing(pages.lines([pages.Series("none", [], [])], "x", "y", log_x=True))


def test_a_page_fetches_nothing_and_escapes_everything() -> None:
    made = pages.page(
        "<i>title</i>",
        "about & more",
        [("<ok>", "good")],
        [
            pages.chapter("A <chapter>", pages.card(pages.text("<script>"), "<card>")),
            pages.numbers([("<1>", "<of>")]),
            pages.table(["name", "<n>"], [["<row>", "1"]], [["", "bad"]]),
        ],
    )
    assert "http" not in made
    assert "src=" not in made
    for name in ("<i>", "<script>", "<ok>", "<row>", "<chapter>", "<card>", "<1>", "<of>", "<n>"):
        assert name not in made
