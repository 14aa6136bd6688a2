import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from research.ingest.generate import Shape, lobster

SMALL = replace(Shape(), events=1_500, minutes=5, levels=5, orders=60, day=date(2024, 3, 5))


@pytest.fixture(scope="session")
def small_zip() -> bytes:
    return lobster(7, SMALL)


@pytest.fixture
def made_zip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a LOBSTER zip of made-up rows."""

    def make(
        messages: str, book: str, levels: int = 2, stem: str = "XYZ_2024-03-05_34200000_57600000"
    ) -> Path:
        path = tmp_path / "made.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{stem}_message_{levels}.csv", messages)
            archive.writestr(f"{stem}_orderbook_{levels}.csv", book)
        return path

    return make


@pytest.fixture
def edited_zip(tmp_path: Path, small_zip: bytes) -> Callable[..., Path]:
    """Writes the small generated zip with one of its files passed through a function of its lines."""

    def edit(what: str, change: Callable[[list[str]], list[str]]) -> Path:
        path = tmp_path / "edited.zip"
        with zipfile.ZipFile(io.BytesIO(small_zip)) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                text = old.read(name).decode()
                if f"_{what}_" in name:
                    text = "\n".join(change(text.splitlines())) + "\n"
                new.writestr(name, text)
        return path

    return edit


@pytest.fixture(scope="session")
def data() -> Path:
    """The recorded market data, or a skip that says why."""
    folder = Path(os.environ.get("STEADYHAND_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
    if not (folder / "lobster").is_dir():
        pytest.skip(f"no recorded market data at {folder} (set STEADYHAND_DATA)")
    return folder
