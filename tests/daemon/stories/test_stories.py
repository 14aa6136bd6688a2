"""A gate's stories go as they are written: what trader, OMS, broker and people hear of each step."""

from typing import Final

import pytest

from tests.daemon.stories import desk, leaving, lines, oms, orders, parents, waits
from tests.daemon.stories.book import HERE, chapters, stories, told

MODULES: Final = (orders, parents, waits, leaving, lines, desk, oms)
BOOKS: Final = {module.__name__.rpartition(".")[2]: module for module in MODULES}
ALL: Final = [(book, name) for book, module in BOOKS.items() for name in stories(module)]


@pytest.mark.parametrize(("book", "name"), ALL, ids=[name for _, name in ALL])
def test_a_story_goes_as_it_is_written(book: str, name: str) -> None:
    now = told(stories(BOOKS[book])[name])

    assert now.splitlines() == chapters(book)[name].splitlines(), "read what changed, then write it anew"


def test_no_story_is_written_that_nobody_tells() -> None:
    for book, module in BOOKS.items():
        assert list(chapters(book)) == list(stories(module))


def write() -> None:
    """Write every book anew: `python -m tests.daemon.stories.test_stories`."""
    for book, module in BOOKS.items():
        (HERE / f"{book}.txt").write_text("".join(told(story) for story in stories(module).values()))


if __name__ == "__main__":
    write()
