"""A frozen policy for tests, so that none depends on which one ships: it imitates the rule twap-passive."""

from pathlib import Path

CLONED = Path(__file__).parent / "cloned-twap-passive"
