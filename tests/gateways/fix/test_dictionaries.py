"""What the engine is told of fields."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateways.fix.settings import DICTIONARIES


@pytest.mark.parametrize("path", DICTIONARIES.values(), ids=lambda path: path.stem)
def test_no_field_is_data(path: Path) -> None:
    """quickfix takes the length that stands before data on trust, and reads beyond a message by it."""
    fields = ElementTree.parse(path).getroot().findall("fields/field")

    assert fields
    assert [f.get("name") for f in fields if f.get("type") in ("DATA", "XMLDATA")] == []
