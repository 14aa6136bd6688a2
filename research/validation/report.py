"""report.html: the results for a person."""

from typing import Any

from research import pages


def html(found: dict[str, Any]) -> str:
    """Return the page."""
    sections = []
    for tier, one in found["tiers"].items():
        rows = [
            pages.Range(f"best ({r['is']})" if "is" in r else n, r["mean"], r["low"], r["high"])
            for n, r in one["against"].items()
        ]
        sections.append(pages.chapter(tier, pages.card(pages.forest(rows, "bps, ours less theirs"))))
    return pages.page(f"Validation of {found['policy']}", "", [], sections)
