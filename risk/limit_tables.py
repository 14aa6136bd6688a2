"""The tables of the limits file that speak of orders: what may be traded, how much, at what price."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from risk.limit_units import count, listed, millis, money, points, shares, switch, times


class Part(BaseModel):
    """Strict: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Allowed(Part):
    """R02, R50: what may be traded, how, and by which policy. ["*"] only in paper."""

    symbols: tuple[str, ...] = listed("R02", "symbols; '*': every instrument of the configuration", "paper")
    accounts: tuple[str, ...] = listed("R02", "accounts; '*': the account of the configuration", "paper")
    order_types: tuple[Literal["LIMIT", "MARKET"], ...] = listed(
        "R02", "order types", "a market order leaves as a limit order at the collar"
    )
    times_in_force: tuple[Literal["DAY", "IOC", "FOK", "CLOSE"], ...] = listed(
        "R02", "times in force", "GTC and GTD outlive cancel on disconnect"
    )
    policies: tuple[str, ...] = listed("R50", "names of baselines; '*': any", "paper")
    artefacts: tuple[str, ...] = listed("R51", "SHA-256 of frozen policies; '*': any", "paper")
    symbols_max: int = count("R02", "symbols that have traded or are open", "a desk's list")
    venues_max: int = count("R02", "venues of the symbols that have traded or are open", "RTS 6, article 8")


class OrderCaps(Part):
    """R03, R04: size of one child order."""

    qty_max: int = shares("R03", "quantity of one child order", "slices of paper parents are below it")
    adv_max_bp: int = points("R03", "quantity against average daily volume, where known", "5 % of a day")
    notional_max_ccy: int = money("R04", "value of one child order", "2,000 at 580 are 1.16 million")


class Impact(Part):
    """R07: what an order that crosses would do to the price."""

    walk_max_bp: int = points("R07", "average price of what crosses, against the mid", "no wider than R05")
    depth_max_bp: int = times("R07", "quantity that crosses, of what is displayed", "the gate sees 5 levels")
    model_max_bp: int = times("R07", "k x volatility x square root of quantity over volume", "a day's range")
    model_factor_bp: int = times(
        "R07", "k of that model", "the square-root law's constant is near 1", "higher"
    )


class Market(Part):
    """R05, R06: the gate's own reference prices, and how far an order may be from them."""

    collar_bp: int = points("R05", "limit price against mid and last", "2 %")
    close_band_bp: int = points("R05", "limit price against the previous close", "20 %")
    last_required: bool = switch("R05", "an unknown last trade refuses", "a day's first minutes", "true")
    close_required: bool = switch("R05", "an unknown previous close refuses", "tapes carry none", "true")
    vwap_collar_bp: int = points("R05", "own orders' average price over the window against mid", "3 %")
    vwap_window_ms: int = millis("R05", "that window, market time", "a minute", "higher")
    age_max_ms: int = millis("R06", "age of the reference line, machine time", "heartbeats come every second")
    locked_max_ms: int = millis("R06", "bid = ask for longer is unfit", "a second")
    spread_max_bp: int = points("R06", "spread against mid", "2 %")
    cancel_after_ms: int = millis("R06", "unfit for so long: working orders of the symbol are pulled", "5 s")
    collar_breaches_to_halt: int = count("R05", "refusals within the window: trading stops", "5")
    breach_window_ms: int = millis("R05", "that window, market time", "a minute", "higher")
    band_required: bool = switch("R41", "an unknown price band refuses", "tapes carry none", "true")


class Exposure(Part):
    """R10 to R13: worst case of positions and open orders."""

    long_max: int = shares("R10", "worst-case position of a symbol, long", "parents of paper runs")
    short_max: int = shares("R10", "worst-case position of a symbol, short", "parents of paper runs")
    gross_max_ccy: int = money("R11", "gross notional, worst case, all symbols", "16 parents of paper runs")
    net_max_ccy: int = money("R11", "net notional, worst case, all symbols", "16 parents of paper runs")
    stale_markup_bp: int = points(
        "R11", "added to the last price where the market is stale", "10 %", "higher"
    )
    open_orders_max: int = count("R12", "open orders, all symbols together", "16 parents, 25 each")
    open_orders_symbol_max: int = count("R12", "open orders of a symbol", "16 parents in one symbol")
    open_notional_max_ccy: int = money("R12", "value of open orders", "16 parents of paper runs")
    capital_max_ccy: int = money("R13", "cash used, worst case", "16 parents of paper runs")


class Parents(Part):
    """R08: what is admitted."""

    adv_max_bp: int = points("R08", "quantity against average daily volume", "a tape is a part of a day")
    adv_unknown_ok: bool = switch("R08", "admitted where the volume is not known", "tapes", "false")
    price_unknown_ok: bool = switch("R08", "admitted before a price, judged at its start", "paper", "false")
    notional_max_ccy: int = money("R08", "value of one parent", "a large paper parent")
    declared_tolerance_bp: int = points("R08", "value against what was declared", "10 %")
    live_max: int = count("R08", "parents that have not ended", "a paper desk")


class Participation(Part):
    """R15: own share of what is printed."""

    share_max_bp: int = points(
        "R15", "own share of the volume of the window", "paper leaves it to the parent"
    )
    window_ms: int = millis("R15", "that window, market time", "5 minutes", "-")
    free_qty: int = shares("R15", "free of the cap: the least that can be sent", "a round lot")


class Shorts(Part):
    """R17: a sell is long, or it is marked short and has a locate."""

    permitted: bool = switch("R17", "sells marked short are admitted", "none on paper", "false")
    mark_required: bool = switch(
        "R17", "a sell of more than is held is marked short", "false where a market knows no marking", "true"
    )
    locate_required: bool = switch("R17", "a marked short needs a locate", "Regulation SHO, 203(b)", "true")


class Day(Part):
    """R19, R21: a day's budget."""

    notional_max_ccy: int = money("R19", "traded, open and this", "paper days of 16 parents, many times")
    shares_max: int = shares("R19", "traded, open and this", "paper days of 16 parents, many times")
    messages_max: int = count("R21", "new, replace and cancel messages", "100 a second for 3 hours")


class Rates(Part):
    """R20, R22, R24: times the speed of a paper run where they are rates."""

    orders_per_second: int = count("R20", "new and replace, in any one second", "paper, 16 parents")
    orders_per_second_symbol: int = count("R20", "the same of one symbol", "paper, 16 parents")
    breaches_to_halt: int = count("R20", "refusals within the window: trading stops", "3")
    breach_window_ms: int = millis("R20", "that window, machine time", "a minute", "higher")
    changes_per_second: int = count("R22", "replaces and cancels, in any one second", "paper, 16 parents")
    messages_per_fill: int = count("R22", "messages to fills of a day", "patient policies of small parents")
    judged_after: int = count("R22", "messages before that is judged", "100")
    duplicates: int = count("R24", "the k-th equal order within the window is refused", "16 equal parents")
    duplicate_window_ms: int = millis("R24", "that window, market time", "2 s", "higher")


class Repeats(Part):
    """R23: the same parent again and again (RTS 6, article 15)."""

    starts_max: int = count("R23", "starts of one kind within the window: the strategy stops", "paper desks")
    window_ms: int = millis("R23", "that window, market time", "a minute", "higher")
    starts_long_max: int = count("R23", "the same over the long window", "paper desks")
    long_window_ms: int = millis("R23", "the long window, market time", "an hour", "higher")


class Fills(Part):
    """R25: how fast the position may move."""

    shares_max: int = shares("R25", "shares traded in the window: reduce only", "a quarter of the day's")
    notional_max_ccy: int = money("R25", "value traded in the window: reduce only", "a quarter of the day's")
    window_ms: int = millis("R25", "that window, market time", "10 s", "higher")


class Rejects(Part):
    """R26: an EMS that keeps saying no."""

    count_max: int = count("R26", "rejects and cancel rejects in the window: trading stops", "late cancels")
    window_ms: int = millis("R26", "that window, market time", "10 s", "higher")
    share_bp: int = points("R26", "share of rejects among the last orders: trading stops", "all of them")
    share_of: int = count("R26", "how many last orders", "20", "-")
