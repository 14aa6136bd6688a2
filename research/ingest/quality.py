"""The quality report of an ingest: what a tape is worth, stored with it and printed as a table."""

from typing import Any

from rich.console import Console
from rich.table import Table

KIND_WORDS = {
    "0": "received (skipped)",
    "1": "new",
    "2": "partial cancel",
    "3": "delete",
    "4": "visible execution",
    "5": "hidden execution",
    "6": "cross",
    "7": "halt",
    # of ITCH
    "A": "add",
    "F": "add with attribution",
    "E": "executed",
    "C": "executed at a price",
    "X": "canceled in part",
    "D": "deleted",
    "U": "replaced",
    "P": "hidden execution",
    "Q": "cross",
    "H": "trading state",
    "R": "directory",
}
SHARES = frozenset(
    {
        "hidden_share",
        "replay_rows_matched",
        "replay_levels_matched",
        "references_matched",
        "trades_matched",
        "trades_refilled",
        "trades_unmatched",
        "trades_after_last_diff",
        "bbo_prices_agree",
        "bbo_agree",
        "book_best_prices_agree",
        "book_levels_agree",
    }
)


def show(title: str, quality: dict[str, Any]) -> None:
    """Print the report as a tidy table on standard output."""
    console = Console(highlight=False)
    console.print(title, style="bold", soft_wrap=True)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column("what", style="dim", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    for name, value in quality.items():
        if name == "types":
            for kind, count in value.items():
                table.add_row(f"type {kind} {KIND_WORDS.get(kind, '')}", f"{count:,}")
        elif name == "notes":
            continue
        else:
            table.add_row(name.replace("_", " "), _word(name, value))
    console.print(table)
    for note in quality.get("notes", []):
        console.print(f"note: {note}", soft_wrap=True)


def _word(name: str, value: object) -> str:
    if value is None:
        return "not known"
    if name in SHARES and isinstance(value, int | float):
        return f"{value:.4%}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
