"""What a venue leaves behind: its own account of the run, for whoever reconciles against it."""

import json
from pathlib import Path
from typing import Any, Final

from gateways.feeds.soupbintcp_server import PacketStore
from gateways.venue.ems import Ems
from gateways.venue.exchange import Exchange

LEVELS: Final = 10  # of the closing book
TAPE_COUNTERS: Final = ("displaced", "voided", "purged")


def account(exchange: Exchange, ems: Ems) -> dict[str, Any]:
    """Return the run as the venue saw it."""
    table = ems.table
    counters: dict[str, int] = getattr(exchange.flow, "counters", {})
    effects: dict[int, Any] = getattr(exchange.flow, "by_order", {})
    by_order: dict[str, dict[str, int]] = {}
    for engine_id, effect in effects.items():
        order_id = table.of_engine(engine_id).order_id
        mine = by_order.setdefault(order_id, {})
        for name in effect.__struct_fields__:
            mine[name] = mine.get(name, 0) + getattr(effect, name)
    book = exchange.engine.book
    return {
        "symbol": exchange.instrument.symbol,
        "window": list(exchange.window),
        "orders": len(table.orders),
        "rejects": ems.rejects,
        "fills": [fill._asdict() for fill in table.fills],
        "positions": table.positions(),
        "open_orders": [order.row() for order in table.working()],
        **{name: counters.get(name, 0) for name in TAPE_COUNTERS},
        "flow": counters,
        "by_order": by_order,
        "volume": exchange.volume,
        "last_e4": exchange.last_e4,
        "book_hash": book.state_hash(),
        "levels": book.levels(LEVELS).tolist(),
        "series": [list(sample) for sample in exchange.series],
    }


def summary(run: dict[str, Any]) -> dict[str, Any]:
    """Return the few numbers that are announced."""
    return {
        "orders": run["orders"],
        "fills": len(run["fills"]),
        "rejects": run["rejects"],
        "open_orders": len(run["open_orders"]),
        **{name: run[name] for name in TAPE_COUNTERS},
        "volume": run["volume"],
        "book_hash": run["book_hash"],
    }


def write(folder: Path, run: dict[str, Any], store: PacketStore) -> None:
    """Write `venue.json` and `itch.bin`."""
    store.write_messages(folder / "itch.bin")
    temporary = folder / ".venue.json.partial"
    temporary.write_text(json.dumps(run, indent=1))
    temporary.rename(folder / "venue.json")
