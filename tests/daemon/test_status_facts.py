"""What status shows is what happened: a morning of a desk, number by number."""

from typing import Any

from daemon.gate.effects import Reply
from daemon.gate.oms_state import OmsClient, OmsOrder
from daemon.gate.status import WAITING_SHOWN_MAX, orders_of, status
from market import events as ev
from market.oms_events import OmsReport
from market.people_events import StopScope
from market.types import ExecID, ExecType, OrdStatus, ParentID, Symbol
from tests.daemon.gate_harness import BID, OPEN_NS, SECOND, World


def morning() -> World:
    """Short 300; 40 of 100 bought at 100.00, a replace in flight, an order canceled, an intent refused."""
    w = World(positions=(("PAPER", "SYN", -300), ("PAPER", "OTH", 0)))
    w.open()
    w.step(ev.TraderStatus(epoch=7, fit=True, text="well"))
    w.parent(limit_price_e4=1_010_000, max_participation_bp=2_500)
    first = w.working(100)
    w.fill(first, 40, BID)
    w.wait(0.5)
    w.replace(first, 150, BID - 100)
    second = w.working(70, BID - 200)
    w.report(second, ExecType.CANCELED, OrdStatus.CANCELED, cum_qty=0)
    w.intent(0, BID)
    w.price(999_900, 1_000_100, volume=9_000, close_e4=990_000)
    w.wait(0.1)
    return w


def shown(w: World, orders: str = "all") -> dict[str, Any]:
    return status(w.core.state, ev.Stamp(w.ts, w.now), orders)


def test_the_desk() -> None:
    w = morning()
    found = shown(w)

    assert {name: found[name] for name in ("posture", "posture_reason", "causes", "mode", "account")} == {
        "posture": "ACTIVE", "posture_reason": "", "causes": {}, "mode": "paper", "account": "PAPER",
    }  # fmt: skip
    assert (found["ts_ns"], found["speed"], found["epoch"], found["lockstep"]) == (w.ts, 1.0, 1, False)
    assert found["positions"] == {"OTH": 0, "SYN": -260}
    assert found["positions_start"] == {"SYN": -300}
    assert found["positions_by_account"] == {"PAPER OTH": 0, "PAPER SYN": -260}
    assert (found["open_orders"], found["archived_orders"], found["breaks"]) == (1, 0, [])
    assert found["limits"]["version"] == w.core.state.risk.limits.version
    assert found["limits"]["sha256"] == w.core.state.risk.limits.digest()
    assert found["limits"]["open_ends"] == w.core.state.risk.limits.open_ends()
    assert found["sessions"] == {
        "order": {"up": True, "state": "trading", "reason": "", "logons": 1, "positions": "never asked"},
        "reference": {"up": True},
    }
    assert found["counters"] == {
        "orders": 2, "replaces": 1, "cancels": 0, "fills": 1, "ems_rejects": 0, "cancel_rejects": 0,
        "refused": 1, "parents": 1, "parents_refused": 0, "breaks": 0, "rejects_by_control": {"R01": 1},
    }  # fmt: skip
    assert list(found["reference"]) == ["OTH", "SYN"]
    assert found["reference"]["OTH"]["fault"] == "no reference price since the line came up"
    assert found["reference"]["SYN"] == {
        "bid_e4": 999_900, "bid_qty": 1_000, "ask_e4": 1_000_100, "ask_qty": 1_000, "last_e4": 999_900,
        "close_e4": 990_000, "volume": 9_000, "fault": "",
    }  # fmt: skip
    assert found["oms"] == found["drop_copy"] == {}


def test_money_is_realised_less_fees_and_the_rest_of_what_our_fills_made() -> None:
    w = morning()
    assert shown(w)["pnl"] == {
        "execution_micros": -40 * 10_000,  # 100.00 paid, 99.99 bid
        "realised_micros": 0,
        "unrealised_micros": -40 * 10_000,
        "inventory_micros": 300 * 10_000,  # 100.02 to buy back at the start, 100.01 now
        "fees_micros": 0,
    }
    book = w.core.state.ledger.books[Symbol("SYN")]
    book.realised_e4, book.fees_micros = 70, 500

    pnl = shown(w)["pnl"]

    assert (pnl["realised_micros"], pnl["fees_micros"]) == (7_000 - 500, 500)
    assert pnl["realised_micros"] + pnl["unrealised_micros"] == pnl["execution_micros"]


def test_a_parent() -> None:
    w = morning()
    assert shown(w)["parents"] == [
        {
            "parent_id": "P1", "account": "PAPER", "symbol": "SYN", "mic": "XNAS", "side": "1", "qty": 2_000,
            "start_ns": OPEN_NS, "end_ns": OPEN_NS + 600 * SECOND, "limit_price_e4": 1_010_000,
            "max_participation_bp": 2_500, "benchmark": "arrival", "status": "working", "ended": False,
            "cum_qty": 40, "filled_qty": 40, "remaining": 1_960, "committed_qty": 150,
            "notional_e4": 40 * BID, "avg_price": 100.0, "arrival_mid_micros": 100_010_000,
            "arrival_ns": OPEN_NS + SECOND, "end_mid_micros": None, "children": 2, "fees_micros": 0,
            "remainder_reason": "", "admitted_ts_ns": OPEN_NS + SECOND, "ended_ts_ns": 0, "refused": "R01",
        }
    ]  # fmt: skip
    w.step(ev.CancelParent(request_id=2, parent_id=ParentID("P1")))
    assert not shown(w)["parents"][0]["ended"]
    w.report("SH1-1", ExecType.CANCELED, OrdStatus.CANCELED, cum_qty=40)
    assert shown(w)["parents"][0]["ended"]


def test_orders() -> None:
    w = morning()
    same: dict[str, Any] = {
        "parent_id": "P1", "symbol": "SYN", "side": "1", "ord_type": "2", "time_in_force": "0", "doubt": "",
        "orig_cl_ord_id": None,
    }  # fmt: skip
    first: dict[str, Any] = same | {
        "chain_id": "SH1-1", "cl_ord_id": "SH1-1", "order_id": "O-SH1-1", "price_e4": BID, "order_qty": 100,
        "status": "PENDING_REPLACE", "ord_status": "E", "cum_qty": 40, "leaves_qty": 60,
        "notional_e4": 40 * BID, "avg_px": 100.0, "exec_ids": ["E2"], "text": "",
    }  # fmt: skip
    second: dict[str, Any] = same | {
        "chain_id": "SH1-3", "cl_ord_id": "SH1-3", "order_id": "O-SH1-3", "price_e4": BID - 200,
        "order_qty": 70, "status": "CANCELED", "ord_status": "4", "cum_qty": 0, "leaves_qty": 0,
        "notional_e4": 0, "avg_px": None, "exec_ids": [], "text": "",
    }  # fmt: skip

    assert shown(w)["orders"] == [first, second]
    assert [row["chain_id"] for row in shown(w, "live")["orders"]] == ["SH1-1"]
    assert [row["chain_id"] for row in shown(w, "held")["orders"]] == ["SH1-1", "SH1-3"]
    assert [row["chain_id"] for row in shown(w, "SH1-3")["orders"]] == ["SH1-3"]
    assert shown(w, "SH1-2")["orders"][0]["chain_id"] == "SH1-1", "the name of its replace"
    assert orders_of(w.core.state, "SH9-9") == []


def test_traders_and_those_who_are_gone() -> None:
    w = morning()
    row = {
        "epoch": 7, "symbols": ["SYN"], "policy": "twap", "policy_sha256": "", "fit": True, "text": "well",
        "decisions": 0, "intents": 4,
    }  # fmt: skip
    assert shown(w)["trader"] == {
        "connected": True, "policy": "twap", "fit": True, "text": "well", "traders": [row], "absent_s": {},
    }  # fmt: skip
    w.step(ev.TraderGone(epoch=7, reason="closed"))
    w.wait(2.5)

    assert shown(w)["trader"] == {
        "connected": False, "policy": "", "fit": False, "text": "no trader", "traders": [],
        "absent_s": {"SYN": 2.5},
    }  # fmt: skip


def test_a_session_is_trading_reconciling_or_down() -> None:
    w = morning()
    for up, trading, state in ((True, True, "trading"), (True, False, "reconciling"), (False, False, "down")):
        w.core.state.session.up, w.core.state.session.trading = up, trading

        assert shown(w)["sessions"]["order"]["state"] == state


def test_oms_sessions_and_what_works_for_each() -> None:
    w = morning()
    report = OmsReport(kind="8")
    w.core.state.oms.clients = {
        "OMS2": OmsClient(),
        "OMS1": OmsClient(up=True, reason="logged on", reports=[report, report]),
    }
    for n, (client, ended) in enumerate((("OMS1", False), ("OMS1", True), ("OMS1", False), ("OMS2", True))):
        w.core.state.oms.orders[ParentID(f"O{n}")] = OmsOrder(
            client=client, cl_ord_id=f"C{n}", day=True, qty=1, ended=ended
        )

    assert list(shown(w)["oms"]) == ["OMS1", "OMS2"]
    assert shown(w)["oms"] == {
        "OMS1": {"up": True, "reason": "logged on", "live": 2, "reports": 2},
        "OMS2": {"up": False, "reason": "never logged on", "live": 0, "reports": 0},
    }


def test_the_drop_copy_and_what_waits_for_it() -> None:
    w = morning()
    copy = w.core.state.drop_copy
    copy.configured, copy.up, copy.reason, copy.lag_ms, copy.archived, copy.others = True, True, "up", 7, 5, 3
    copy.matched = {ExecID("E1"): None, ExecID("E2"): None}
    copy.ours = {ExecID(f"O{n}"): None for n in range(3)}  # type: ignore[misc]
    copy.theirs = {ExecID(f"T{n}"): None for n in range(WAITING_SHOWN_MAX)}  # type: ignore[misc]

    found = shown(w)["drop_copy"]

    assert found.pop("waiting") == ["O0", "O1", "O2", *(f"T{n}" for n in range(WAITING_SHOWN_MAX - 3))]
    assert found == {"up": True, "reason": "up", "lag_ms": 7, "matched": 7, "others": 3}


def test_who_stops_a_desk_is_told_the_posture_and_what_is_still_open() -> None:
    for event, told in (
        (ev.Kill(request_id=5, source="cli", reason="drill"), "KILLED"),
        (StopScope(request_id=5, source="cli", halt=True), "HALTED"),
    ):
        w = morning()
        (answer,) = [e for e in w.step(event) if isinstance(e, Reply)]

        assert answer.request_id == 5
        assert (answer.body["ok"], answer.body["posture"], answer.body["open_orders"]) == (True, told, 1)
